import numpy as np
import pandas as pd
import pytest

from corticode.metric.calibration import ECE
from corticode.predictions import Predictions
from corticode.report import answer

THREE = pd.DataFrame(
    {
        "y": ["a", "a", "b", "c"],
        "yhat": ["a", "b", "b", "a"],
        "p_b": [0.2, 0.6, 0.8, 0.3],
        "p_a": [0.7, 0.3, 0.1, 0.5],
        "p_c": [0.1, 0.1, 0.1, 0.2],
    }
)


def test_counts_keep_the_order_of_the_task():
    assert answer.classes_of(THREE) == ["b", "a", "c"]
    np.testing.assert_array_equal(answer.counts(THREE), [[1, 0, 0], [1, 1, 0], [0, 1, 0]])


def test_a_column_that_only_looks_like_a_class_makes_no_classes():
    assert answer.classes_of(pd.DataFrame({"y": [1.0, 2.0], "yhat": [1.0, 2.0], "p_value": [0.1, 0.2]})) == []


def test_calibration_error_is_that_of_the_metric():
    rng = np.random.default_rng(0)
    said, y = rng.dirichlet([1, 1, 1], 200), rng.integers(3, size=200)
    meta = pd.DataFrame({"subject": ["S1"] * 200})
    predictions = Predictions(said, "probability", y, meta, ("a", "b", "c"))
    assert answer.calibration(predictions.to_frame())[3] == pytest.approx(ECE()(predictions), abs=1e-12)
