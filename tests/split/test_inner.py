"""The rows that training stops by: whole people, else sessions, else the end of each run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.split.inner import inner_validation


def table(n_people=5, n_sessions=2, n_runs=2, n_trials=8, n_windows=1):
    lines = []
    for p in range(n_people):
        for s in range(n_sessions):
            for r in range(n_runs):
                for t in range(n_trials):
                    for w in range(n_windows):
                        lines.append(("d", f"S{p}", str(s), str(r), f"S{p}_{s}_{r}", t, 5.0 * t + w, t % 2))
    columns = ["dataset", "subject", "session", "run", "recording", "trial", "onset_s", "y"]
    meta = pd.DataFrame(lines, columns=columns)
    return meta.drop(columns="y"), meta["y"].to_numpy()


def check_parts(meta, inner):
    assert np.array_equal(np.sort(np.concatenate([inner.fit, inner.validation])), np.arange(len(meta)))


@pytest.mark.parametrize("n_people,fraction,n_held", [(2, 0.2, 1), (5, 0.2, 1), (15, 0.2, 3), (16, 0.25, 4), (3, 0.9, 1)])
def test_people_are_held_back_whole(n_people, fraction, n_held):
    meta, y = table(n_people)
    inner = inner_validation(meta, y, fraction, seed=0)
    check_parts(meta, inner)
    assert not set(meta.subject[inner.fit]) & set(meta.subject[inner.validation])
    assert meta.subject[inner.validation].nunique() == n_held
    assert inner.held == f"{n_held} of {n_people} people"


def test_people_of_two_data_sets_are_not_one():
    meta, y = table(1)
    both = pd.concat([meta, meta.assign(dataset="e")], ignore_index=True)
    assert inner_validation(both, np.tile(y, 2), 0.2, 0).held == "1 of 2 people"


def test_seed_chooses_people():
    meta, y = table(10)
    chosen = {tuple(meta.subject[inner_validation(meta, y, 0.2, seed).validation].unique()) for seed in range(8)}
    assert len(chosen) > 3
    first, again = inner_validation(meta, y, 0.2, 3), inner_validation(meta, y, 0.2, 3)
    assert np.array_equal(first.validation, again.validation)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_held_back_in_their_shares(seed):
    meta, _ = table(12, 1, 1)
    patient = meta.subject.isin([f"S{i}" for i in range(4)]).to_numpy().astype(int)  # a label that belongs to the person
    inner = inner_validation(meta, patient, 0.25, seed)
    assert meta.subject[inner.validation].nunique() == 3
    assert patient[inner.validation].mean() == pytest.approx(1 / 3)


def test_a_class_that_one_person_has_is_kept_to_learn_from():
    meta, _ = table(2, 1, 1)
    patient = (meta.subject == "S0").to_numpy().astype(int)
    inner = inner_validation(meta, patient, 0.5, 0)
    check_parts(meta, inner)
    assert set(patient[inner.fit]) == {0, 1}


def test_one_person_gives_a_session():
    meta, y = table(1, 4)
    inner = inner_validation(meta, y, 0.25, 0)
    check_parts(meta, inner)
    assert inner.held == "1 of 4 sessions"
    assert not set(meta.session[inner.fit]) & set(meta.session[inner.validation])


def test_one_session_gives_the_end_of_each_run():
    meta, y = table(1, 1, 3, 10)
    inner = inner_validation(meta, y, 0.2, 0)
    check_parts(meta, inner)
    for _, rows in meta.groupby("run").indices.items():
        held = np.intersect1d(rows, inner.validation)
        assert len(held) == 2 and set(y[held]) == {0, 1}
        assert set(meta.trial[held]) == {8, 9}
    assert inner.held == "the last 6 of 30 windows"


def test_trials_stay_whole():
    meta, y = table(1, 1, 2, 8, n_windows=3)
    inner = inner_validation(meta, y, 0.25, 0)
    check_parts(meta, inner)
    fit = set(zip(meta.run[inner.fit], meta.trial[inner.fit], strict=True))
    assert not fit & set(zip(meta.run[inner.validation], meta.trial[inner.validation], strict=True))
    assert len(inner.validation) == 12


def test_order_in_time_counts_not_order_of_rows():
    meta, y = table(1, 1, 1, 10)
    shuffled = np.random.default_rng(0).permutation(10)
    inner = inner_validation(meta.iloc[shuffled].reset_index(drop=True), y[shuffled], 0.2, 0)
    assert set(meta.trial[shuffled[inner.validation]]) == {8, 9}


def test_short_runs_are_held_back_from_by_turns():
    meta, y = table(1, 1, 10, 2)  # one trial per class and run
    inner = inner_validation(meta, y, 0.2, 0)
    assert len(inner.validation) == 4 and np.bincount(y[inner.validation]).tolist() == [2, 2]


def test_values_need_no_balance():
    meta, _ = table(1, 1, 1, 10)
    inner = inner_validation(meta, np.linspace(20, 80, 10), 0.3, 0)
    assert set(meta.trial[inner.validation]) == {7, 8, 9}


@pytest.mark.parametrize("fraction,n_trials", [(0.0, 8), (0.2, 1), (0.2, 2)])
def test_nothing_to_hold_back(fraction, n_trials):
    meta, y = table(1, 1, 1, n_trials)
    inner = inner_validation(meta, y, fraction, 0)
    assert len(inner.fit) == n_trials and not len(inner.validation) and inner.held == "nothing"


def stream(n=40, step=0.5, n_recordings=1):
    """One person, one session: a window every half second, labels in trials of four windows."""
    parts = [
        pd.DataFrame({"dataset": "d", "subject": "S1", "session": "0", "run": str(r), "recording": f"S1_0_{r}", "trial": np.arange(n) // 4, "onset_s": step * np.arange(n)})
        for r in range(n_recordings)
    ]  # fmt: skip
    meta = pd.concat(parts, ignore_index=True)
    return meta, (meta["trial"] % 2).to_numpy()


@pytest.mark.parametrize("n_recordings", [1, 3])
def test_windows_that_reach_into_what_is_held_back_serve_neither(n_recordings):
    meta, y = stream(n_recordings=n_recordings)
    inner = inner_validation(meta, y, 0.2, seed=0, length_s=2.0)
    for recording in meta["recording"].unique():
        fit, held = (meta.loc[rows][meta.loc[rows, "recording"] == recording] for rows in (inner.fit, inner.validation))
        assert len(held) == 8 and held["onset_s"].min() == 16.0  # the last two of ten trials
        assert fit["onset_s"].max() + 2.0 <= 16.0 and len(fit) == 29
    assert set(y[inner.fit]) == set(y[inner.validation]) == {0, 1}


def test_nothing_is_held_back_where_a_class_would_be_lost_or_all_overlap():
    meta, _ = stream()
    everywhere = inner_validation(meta, (np.arange(40) >= 32).astype(int), 0.2, 0, length_s=2.0)
    assert not len(everywhere.validation) and len(everywhere.fit) == 40 and everywhere.held == "nothing"
    unknown = inner_validation(meta.assign(onset_s=0.0), stream()[1], 0.2, 0, length_s=2.0)
    assert not len(unknown.validation) and len(unknown.fit) == 40


def test_windows_that_only_touch_are_held_back_by_class():
    meta, y = stream()
    inner = inner_validation(meta, y, 0.2, 0, length_s=0.5)
    check_parts(meta, inner)
