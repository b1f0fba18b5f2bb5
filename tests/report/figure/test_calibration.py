import numpy as np
import pandas as pd

from corticode.report import folder
from corticode.report.figure import calibration


def test_reliability_needs_probabilities(run_folder, texts):
    assert calibration.reliability(folder.read(run_folder(kind="d")).predictions) is None
    words = texts(calibration.reliability(folder.read(run_folder()).predictions))
    assert {"share that was right", "probability of the answer"} <= set(words)
    assert any(word.startswith("mdm: ECE 0.") for word in words)


def test_bins_have_their_counts(run_folder, texts):
    rows = folder.read(run_folder()).predictions
    words = texts(calibration.reliability(rows, n_bins=2))
    assert "windows" in words and str(len(rows)) in words  # two classes: every answer has 0.5 or more


def test_the_interval_of_a_share_is_that_of_statsmodels():
    # statsmodels.stats.proportion.proportion_confint(7, 10, method="wilson") and (0, 20)
    low, high = calibration._wilson(np.array([7.0, 0.0]), np.array([10, 20]))
    np.testing.assert_allclose([low[0], high[0]], [0.39677, 0.89221], atol=1e-4)
    np.testing.assert_allclose([low[1], high[1]], [0, 0.16113], atol=1e-4)


def test_coverage_has_the_worst_first(texts):
    people = [{"subject": f"S{i}", "coverage": c} for i, c in enumerate([0.95, 0.7, 0.9])]
    words = texts(calibration.coverage({"alpha": 0.1, "coverage": 0.85, "per_person": people}))
    assert [word for word in words if word.startswith("S")] == ["S1", "S2", "S0"]
    assert {"person, worst to best", "0.900", "wanted"} <= set(words)
    assert calibration.coverage({"alpha": 0.1, "per_person": []}) is None


def test_bins_of_few_windows_do_not_bend_the_lines_of_several_models():
    def marks(n_stray):
        sure = np.array([0.6] * 40 + [0.95] * n_stray)
        one = pd.DataFrame({"y": "a", "yhat": "a", "p_a": sure, "p_b": 1 - sure})
        return calibration.reliability(pd.concat([one.assign(model="mdm"), one[:40].assign(model="csp")])).count("<use ")

    assert marks(5) == marks(4) + 1  # below, where the sizes are, both have the stray bin
