import numpy as np
import pytest
from sklearn import metrics

from corticode.metric.base import named


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_equal_to_scikit_learn(n_classes, make_random):
    predictions = make_random(n_classes)
    assert named("nmcc")(predictions) == pytest.approx((metrics.matthews_corrcoef(predictions.y, predictions.decided) + 1) / 2)


def test_by_hand(make_answers):
    # TP 2, TN 6, FP 1, FN 1: (2 * 6 - 1 * 1) / sqrt(3 * 3 * 7 * 7) = 11 / 21
    y, answered = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    assert named("nmcc")(make_answers(y, np.eye(2)[answered])) == pytest.approx((11 / 21 + 1) / 2)


def test_always_idle_is_chance(make_answers):
    """Accuracy would be flattered by a frequent idle class; this is not."""
    y = [0] * 90 + [1] * 10
    idle = make_answers(y, np.tile([1.0, 0.0], (100, 1)))
    assert named("accuracy")(idle) == 0.9 and named("nmcc")(idle) == 0.5
