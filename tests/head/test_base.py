"""Inner folds keep people apart where they can, and patterns follow Haufe et al."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.head.base import LinearModel, inner_folds


def table(n: int, **columns) -> pd.DataFrame:
    base = {"dataset": "d", "subject": "S", "session": "", "run": "", "recording": "", "trial": np.arange(n)}
    return pd.DataFrame({**base, **columns}, index=range(n))


def test_people_stay_whole_and_classes_balanced():
    n = 90
    meta, y = table(n, subject=np.repeat([f"S{i}" for i in range(9)], 10)), np.tile([0, 1], n // 2)
    folds, by = inner_folds(meta, y)
    assert by == "subject" and len(folds) == 5
    for fit, held_out in folds:
        assert not set(meta["subject"][fit]) & set(meta["subject"][held_out])
        assert y[held_out].mean() == 0.5
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(n))


def test_one_row_per_person_is_balanced_over_folds():
    """People in order of their diagnosis: plain blocks of people would hold one class only."""
    y = np.repeat([0, 1], 20)
    folds, by = inner_folds(table(40, subject=[f"S{i:02d}" for i in range(40)]), y)
    assert by == "subject"
    assert all(0.4 <= y[held_out].mean() <= 0.6 for _, held_out in folds)


def test_the_next_finer_group_is_taken():
    y = np.tile([0, 1], 12)
    assert inner_folds(table(24, session=np.repeat(list("abc"), 8)), y)[1] == "session"
    assert inner_folds(table(24, recording=np.repeat(list("abcd"), 6)), y)[1] == "recording"
    assert inner_folds(table(24), y)[1] == "trial"
    # two people only: their sessions
    assert inner_folds(table(24, subject=np.repeat(["A", "B"], 12), session=np.tile(np.repeat(["1", "2"], 6), 2)), y)[1] == "session"
    # three recordings, each of one class: leaving one out would leave its class out
    assert inner_folds(table(24, recording=np.repeat(list("abc"), 8)), np.repeat([0, 1, 2], 8))[1] == "trial"


def test_windows_of_a_trial_stay_whole():
    y, trial = np.repeat([0, 1], 12), np.repeat(np.arange(8), 3)
    folds, by = inner_folds(table(24, trial=trial), y)
    assert by == "trial" and len(folds) == 4
    assert all(not set(trial[fit]) & set(trial[held_out]) for fit, held_out in folds)


def test_a_class_of_one_trial_makes_no_fold():
    assert inner_folds(table(4), np.array([0, 0, 0, 1])) == ([], "")


def test_values_are_split_by_group_only():
    folds, by = inner_folds(table(12, subject=[f"S{i}" for i in range(12)]), np.linspace(8, 80, 12))
    assert by == "subject" and len(folds) == 5


def test_pattern_is_the_covariance_with_the_answer():
    rng = np.random.default_rng(0)
    signal, noise = rng.standard_normal((2, 2000))
    # the second feature is noise alone: a decoder weighs it to cancel the noise in the first, but it says nothing
    Z = np.stack([signal + noise, noise], axis=1)
    model = LinearModel().keep(Z, np.array([[1.0, -1.0]]), np.zeros(1), 1)
    pattern, outputs = model.pattern()
    np.testing.assert_allclose(pattern[0], np.cov(Z.T, bias=True) @ [1.0, -1.0])
    assert abs(pattern[0, 1]) < 0.1 < pattern[0, 0] and outputs == [0]
