import numpy as np
import pytest
from sklearn import metrics

from corticode.metric.base import named


def test_accuracy_by_hand(make_answers):
    predictions = make_answers([0, 0, 1, 1], [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]])
    assert named("accuracy")(predictions) == 0.75
    assert named("accuracy").chance(make_answers([0, 1, 1, 1], np.eye(2)[[0, 1, 1, 1]])) == 0.75


@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("kind", ["probability", "decision"])
def test_balanced_accuracy_is_that_of_scikit_learn(n_classes, kind, make_random):
    predictions = make_random(n_classes, kind=kind)
    expected = metrics.balanced_accuracy_score(predictions.y, predictions.decided)
    assert named("balanced_accuracy")(predictions) == pytest.approx(expected, abs=1e-12)


def test_balanced_accuracy_counts_the_classes_present(make_answers):
    # class c is absent: recalls 1/2 and 1, although c is answered once
    predictions = make_answers([0, 0, 1], np.eye(3)[[0, 2, 1]])
    assert named("balanced_accuracy")(predictions) == 0.75


def test_balanced_accuracy_of_one_class_is_undefined(make_answers):
    predictions = make_answers([1, 1, 1], np.eye(2)[[1, 1, 1]])
    assert named("balanced_accuracy")(predictions) is None
    assert named("accuracy")(predictions) == 1.0
