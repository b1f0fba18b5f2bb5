import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn import metrics

from corticode.metric.base import named


def test_equal_to_scikit_learn_and_scipy(make_random):
    predictions = make_random(kind="value")
    y, yhat = predictions.y, predictions.yhat[:, 0]
    assert named("mae")(predictions) == pytest.approx(metrics.mean_absolute_error(y, yhat))
    assert named("r2")(predictions) == pytest.approx(metrics.r2_score(y, yhat))
    assert named("pearson")(predictions) == pytest.approx(pearsonr(y, yhat)[0])


def test_undefined_for_constants(make_answers):
    constant = make_answers([5.0, 5.0, 5.0], [[1.0], [2.0], [3.0]], "value")
    assert named("r2")(constant) is None
    assert named("pearson")(constant) is None
    assert named("mae")(constant) == 3.0
    assert named("pearson")(make_answers([1.0, 2.0, 3.0], [[4.0], [4.0], [4.0]], "value")) is None


def test_chance_of_mae_is_the_median(make_answers):
    assert named("mae").chance(make_answers([0.0, 1.0, 11.0], np.zeros((3, 1)), "value")) == pytest.approx(11 / 3)
