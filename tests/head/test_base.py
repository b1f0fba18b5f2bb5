"""Inner folds keep people apart where they can, and patterns follow Haufe et al."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.head.base import Inner, LinearModel, inner_folds
from corticode.head.elastic_net import ElasticNet
from corticode.head.largest import Largest
from corticode.head.logistic import LogisticRegression
from corticode.head.ridge import Ridge
from corticode.head.svm import SVM
from corticode.split.rows import Spans


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


def sliding(n: int = 120, step_s: float = 0.25, per_trial: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """Windows of one recording, one every step_s; blocks of ten windows have one class."""
    return table(n, trial=np.arange(n) // per_trial, onset_s=np.arange(n) * step_s), np.arange(n) // 10 % 2


def test_windows_that_share_samples_are_never_on_both_sides():
    meta, y = sliding()
    spans = Spans.of(meta, (0.0, 1.0))
    blind_to_it, _ = inner_folds(meta, y)
    assert any(spans.touching(held_out, fit).any() for fit, held_out in blind_to_it)
    folds, by = inner_folds(meta, y, length_s=1.0)
    assert by == "stretch" and len(folds) == 5
    for fit, held_out in folds:
        assert not spans.touching(held_out, fit).any() and np.array_equal(held_out, np.arange(held_out[0], held_out[-1] + 1))
        assert len(fit) >= 120 - len(held_out) - 6 and set(y[fit]) == {0, 1}
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(120))


def test_trials_that_do_not_touch_stay_balanced_over_folds():
    """Windows slide inside a trial, and a trial is whole anyway."""
    meta, y = sliding(per_trial=10)
    meta["onset_s"] += meta["trial"] * 5.0
    folds, by = inner_folds(meta, y, length_s=1.0)
    assert by == "trial"
    for (fit, held_out), (same, there) in zip(folds, inner_folds(meta, y)[0], strict=True):
        assert np.array_equal(fit, same) and np.array_equal(held_out, there)


def test_a_stretch_that_would_cost_a_class_is_not_held_out():
    meta, _ = sliding()
    y = (np.arange(120) >= 96).astype(int)  # all of class 1 in the last fifth
    folds, _ = inner_folds(meta, y, length_s=1.0)
    assert len(folds) == 4 and all(set(y[fit]) == {0, 1} for fit, _ in folds)
    # nobody knows how far windows overlap: any two may, and none can be held out
    assert inner_folds(meta.assign(onset_s=0.0), y, length_s=1.0) == ([], "")


@pytest.mark.parametrize(
    "head,weakest",
    [
        (LogisticRegression(), lambda head: min(head.Cs) == head.C_),
        (ElasticNet(C=None), lambda head: min(head.Cs) == head.C_),
        (SVM(kernel="linear"), lambda head: head.slope_ < 0.05),
        (Ridge(), lambda head: head.alpha_ == max(head.alphas)),
        (Largest(), lambda head: head.slope_ < 0.05),
    ],
    ids=lambda value: type(value).__name__,
)
def test_choices_are_made_on_what_strangers_look_like(head, weakest):
    """A representation that knows the answers of those it was made from, and says nothing of held-out rows."""
    n = 60
    y, meta = np.tile([0, 1], n // 2), table(n, subject=np.repeat([f"S{k}" for k in range(6)], 10))
    told, noise = np.stack([1.0 - y, y], axis=1), np.random.default_rng(0).standard_normal((n, 2))
    folds, by = inner_folds(meta, y)
    seen = [told.copy() for _ in folds]
    for Z, (_, held_out) in zip(seen, folds, strict=True):
        Z[held_out] = noise[held_out]
    assert head.selects
    target = y.astype(float) if head.yhat_kind == "value" else y
    assert not weakest(head.fit(told, target, meta, 1 if head.yhat_kind == "value" else 2))
    assert weakest(head.fit(told, target, meta, 1 if head.yhat_kind == "value" else 2, Inner(folds, by, seen)))


def test_nothing_given_by_hand_is_chosen():
    assert not LogisticRegression(C=1.0).selects and not Ridge(alpha=1.0).selects and not ElasticNet(C=1.0, l1_ratio=0.5).selects
    assert ElasticNet().selects and SVM(C=1.0, kernel="linear").selects  # a slope is always to be found


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
