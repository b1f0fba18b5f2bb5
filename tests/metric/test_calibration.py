import numpy as np
import pytest
from sklearn import metrics

from corticode.metric.base import named
from corticode.metric.calibration import at_temperature, fit_temperature, reliability


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


def test_reliability_by_hand():
    yhat = np.array([[0.6, 0.4], [0.4, 0.6], [0.1, 0.9]])
    bins = reliability(yhat, np.array([0, 0, 1]), n_bins=15)
    assert bins["n"].sum() == 3 and bins["n"][8] == 2 and bins["n"][13] == 1
    assert (bins["accuracy"][8], bins["confidence"][8]) == (0.5, pytest.approx(0.6))
    assert (bins["accuracy"][13], bins["confidence"][13]) == (1.0, pytest.approx(0.9))
    assert np.isnan(bins["accuracy"][bins["n"] == 0]).all()
    assert (bins["low"][8], bins["high"][8]) == (pytest.approx(8 / 15), pytest.approx(9 / 15))


def test_temperature_is_the_slope_of_a_logistic_regression():
    """For two classes, 1 / T is the coefficient of a regression of y on the log-odds, without intercept or penalty."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    odds = 3 * rng.standard_normal(4000)
    y = (rng.random(4000) < 1 / (1 + np.exp(-odds / 2.5))).astype(int)
    p = 1 / (1 + np.exp(-odds))
    yhat = np.stack([1 - p, p], axis=1)
    T = fit_temperature(np.log(yhat), y)
    slope = LogisticRegression(C=1e12, fit_intercept=False).fit(odds[:, None], y).coef_.item()
    np.testing.assert_allclose(1 / T, slope, rtol=1e-4)
    assert abs(T - 2.5) < 0.25
    # too sure of themselves before, calibrated afterwards
    before, after = (
        np.nansum(b["n"] * np.abs(b["accuracy"] - b["confidence"])) / 4000
        for b in (reliability(yhat, y), reliability(at_temperature(yhat, T), y))
    )
    assert after < 0.03 < 0.1 < before


def test_logits_and_their_log_probabilities_have_one_temperature():
    rng = np.random.default_rng(1)
    logits, y = 4 * rng.standard_normal((300, 3)), rng.integers(3, size=300)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert fit_temperature(logits, y) == pytest.approx(fit_temperature(log_p, y), rel=1e-5)


def test_a_temperature_changes_no_decision_and_keeps_zeros():
    p = np.array([[0.7, 0.3, 0.0], [0.2, 0.5, 0.3]])
    for T in (0.3, 1.0, 4.0):
        scaled = at_temperature(p, T)
        np.testing.assert_allclose(scaled.sum(axis=1), 1)
        np.testing.assert_array_equal(scaled.argsort(axis=1), p.argsort(axis=1))
        assert scaled[0, 2] == 0
    np.testing.assert_allclose(at_temperature(p, 1.0), p)
    assert at_temperature(p, 4.0)[0, 0] < 0.7 < at_temperature(p, 0.3)[0, 0]
