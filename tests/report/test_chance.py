import numpy as np
import pandas as pd
import pytest

from corticode.report import chance, folder


@pytest.mark.parametrize(("n", "p", "wanted"), [(80, 0.5, 0.5875), (80, 0.25, 0.3375), (40, 0.5, 0.625)])
def test_the_bound_is_the_quantile_of_the_binomial_distribution(n, p, wanted):
    from scipy.stats import binom

    found = chance.bound(np.array([n]), p)
    assert found == binom.ppf(0.95, n, p) / n == pytest.approx(wanted, abs=0.013)


def test_equal_classes_count_as_their_sum_and_unequal_ones_as_fewer():
    assert chance.bound(np.array([40, 40]), 0.5) == chance.bound(np.array([80]), 0.5)
    guesses = np.random.default_rng(0).binomial([100, 10], 0.5, size=(20000, 2)) / [100, 10]
    assert chance.bound(np.array([100, 10]), 0.5) == pytest.approx(np.quantile(guesses.mean(axis=1), 0.95), abs=0.02)


def test_seeds_and_models_and_sizes_are_asked_about_the_same_windows(run_folder):
    one = folder.read(run_folder())
    many = folder.read(run_folder(seeds=(0, 1), models=("mdm", "csp")))
    bounds = [chance.bounds(run.scores, run.predictions, "balanced_accuracy", 0.5) for run in (one, many)]
    pd.testing.assert_series_equal(*bounds)
    assert set(bounds[0].index) == {"S1", "S2", "S10"} and bounds[0].nunique() == 1


def test_without_predictions_the_number_of_windows_tells(run_folder):
    run = folder.read(run_folder())
    assert chance.bounds(run.scores, None, "balanced_accuracy", 0.5)["S1"] == chance.bound(np.array([20]), 0.5)


@pytest.mark.parametrize(("metric", "level"), [("kappa", 0.0), ("balanced_accuracy", None)])
def test_other_metrics_have_no_binomial_bound(run_folder, metric, level):
    run = folder.read(run_folder())
    assert chance.bounds(run.scores, run.predictions, metric, level) is None
