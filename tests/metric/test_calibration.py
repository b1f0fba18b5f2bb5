import numpy as np
import pytest
from sklearn import metrics

from corticode.metric.base import named


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_loss_and_brier_as_scikit_learn(n_classes, make_random):
    predictions = make_random(n_classes)
    labels = np.arange(n_classes)
    assert named("log_loss")(predictions) == pytest.approx(metrics.log_loss(predictions.y, predictions.yhat, labels=labels))
    truth = np.eye(n_classes)[predictions.y]
    brier = (
        metrics.brier_score_loss(predictions.y, predictions.yhat[:, 1])
        if n_classes == 2
        else ((predictions.yhat - truth) ** 2).sum(1).mean()
    )
    assert named("brier")(predictions) == pytest.approx(brier)


def test_log_loss_knows_the_classes_of_the_task(make_answers):
    """A person with one class has a log loss: the label set is the task's, not that of the test rows."""
    assert named("log_loss")(make_answers([1, 1], [[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(-(np.log(0.5) + np.log(0.25)) / 2)


def test_a_sure_and_wrong_answer_is_finite(make_answers):
    assert 30 < named("log_loss")(make_answers([0], [[0.0, 1.0]])) < 40


def test_ece_by_hand(make_answers):
    # bins of 1/15: 0.6 falls in (8/15, 9/15], two answers of which one is right; 0.9 in (13/15, 14/15], right
    predictions = make_answers([0, 0, 1], [[0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    assert named("ece")(predictions) == pytest.approx(2 / 3 * abs(0.5 - 0.6) + 1 / 3 * abs(1 - 0.9))


def test_ece_of_calibrated_answers_is_small(make_answers):
    rng = np.random.default_rng(0)
    p = rng.random(100000)
    y = (rng.random(100000) < p).astype(int)
    assert named("ece")(make_answers(y, np.stack([1 - p, p], axis=1))) < 0.01
    # and answers twice as sure as they may be are found out
    sure = np.clip(0.5 + 2 * (p - 0.5), 0, 1)
    assert named("ece")(make_answers(y, np.stack([1 - sure, sure], axis=1))) > 0.1


def test_ece_bins_are_open_on_the_left(make_answers):
    # 0.6 = 9/15 closes the ninth bin, 0.62 opens the tenth: their errors do not cancel
    predictions = make_answers([0, 1], [[0.6, 0.4], [0.62, 0.38]])
    assert named("ece")(predictions) == pytest.approx((abs(1 - 0.6) + abs(0 - 0.62)) / 2)
