import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from corticode.metric.base import named


def test_two_classes_as_scikit_learn(make_random):
    predictions = make_random(2)
    assert named("roc_auc")(predictions) == pytest.approx(roc_auc_score(predictions.y, predictions.yhat[:, 1]), abs=1e-12)


def test_two_decisions_rank_by_their_difference(make_random):
    predictions = make_random(2, kind="decision")
    expected = roc_auc_score(predictions.y, predictions.yhat[:, 1] - predictions.yhat[:, 0])
    assert named("roc_auc")(predictions) == pytest.approx(expected, abs=1e-12)


def test_more_classes_each_against_the_rest(make_random):
    predictions = make_random(4)
    expected = roc_auc_score(predictions.y, predictions.yhat, multi_class="ovr", average="macro")
    assert named("roc_auc")(predictions) == pytest.approx(expected, abs=1e-12)


def test_ties_count_half(make_answers):
    assert named("roc_auc")(make_answers([0, 1, 0, 1], np.full((4, 2), 0.5))) == 0.5


def test_undefined_where_a_class_is_absent(make_answers):
    assert named("roc_auc")(make_answers([1, 1], [[0.2, 0.8], [0.4, 0.6]])) is None
    assert named("roc_auc")(make_answers([0, 1], np.eye(3)[[0, 1]])) is None
