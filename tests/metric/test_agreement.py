import numpy as np
import pytest
from sklearn import metrics

from corticode.metric.base import named


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_equal_to_scikit_learn(n_classes, make_random):
    predictions = make_random(n_classes)
    assert named("kappa")(predictions) == pytest.approx(metrics.cohen_kappa_score(predictions.y, predictions.decided))
    assert named("f1_macro")(predictions) == pytest.approx(metrics.f1_score(predictions.y, predictions.decided, average="macro"))


def test_kappa_by_hand(make_answers):
    # 3 of 4 right; by the margins 1/2 would be: (3/4 - 1/2) / (1 - 1/2)
    assert named("kappa")(make_answers([0, 0, 1, 1], np.eye(2)[[0, 0, 1, 0]])) == pytest.approx(0.5)


def test_f1_leaves_out_a_class_that_is_neither_there_nor_answered(make_answers):
    assert named("f1_macro")(make_answers([0, 1], np.eye(3)[[0, 1]])) == 1.0
    # answered once and never there: it counts, as 0
    assert named("f1_macro")(make_answers([0, 1, 1], np.eye(3)[[0, 1, 2]])) == pytest.approx((1 + 2 / 3 + 0) / 3)
