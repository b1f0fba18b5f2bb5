import numpy as np
import pandas as pd
import pytest

from corticode.compose import compose
from corticode.errors import GuardError, SentenceError
from corticode.experiment import run_config
from corticode.split.pseudo_online import PseudoOnline
from corticode.split.within_session import WithinSession


def stream(n=40, step=0.5, per_trial=1):
    """One recording, a window every half second, trials of one label each."""
    trial = np.arange(n) // per_trial
    meta = pd.DataFrame(
        {
            "dataset": "d",
            "site": "",
            "subject": "1",
            "session": "",
            "run": "",
            "recording": "r",
            "trial": trial,
            "onset_s": step * np.arange(n),
        }
    )
    return meta, trial % 2


def test_runs_before_are_learned_from(table):
    meta, y = table(n_subjects=2)
    for fold in PseudoOnline(n_runs=1).folds(meta, y):
        assert set(meta.loc[fold.fit, "run"]) == {"0"} and set(meta.loc[fold.test, "run"]) == {"1"}
        assert meta.loc[[*fold.fit, *fold.test], ["subject", "session"]].drop_duplicates().shape[0] == 1


def test_runs_that_stand_otherwise_than_their_names_sort_are_refused():
    meta, y = stream(n=30)
    meta["run"] = np.repeat(["pre", "mid", "post"], 10)
    with pytest.raises(SentenceError, match=r"runs of .* stand in the order pre, mid, post in the data and mid, post, pre by name"):
        PseudoOnline().folds(meta, y)
    assert len(PseudoOnline().folds(meta.assign(run=np.repeat(["1", "2", "10"], 10)), y)) == 1


def test_windows_that_reach_over_the_cut_serve_neither():
    meta, y = stream()
    (fold,) = PseudoOnline().folds(meta, y, overlap=True, length_s=2.0)
    assert list(fold.test) == list(range(20, 40))
    assert list(fold.fit) == list(range(17))  # window 16 ends at 10 s, where the first test window begins
    (fold,) = PseudoOnline(gap_s=1.0).folds(meta, y, overlap=True, length_s=2.0)
    assert list(fold.fit) == list(range(15))


def test_a_trial_is_not_cut():
    meta, y = stream(per_trial=7)
    (fold,) = PseudoOnline(fraction=0.4).folds(meta, y, overlap=True, length_s=0.5)
    assert not set(meta.loc[fold.fit, "trial"]) & set(meta.loc[fold.test, "trial"]) and list(fold.test) == list(range(14, 40))


def test_other_splits_refuse_such_a_stream():
    with pytest.raises(GuardError, match=r"share samples.*row \d+ \(dataset d, subject 1.*pseudo_online"):
        WithinSession().folds(*stream(), overlap=True, length_s=2.0)
    assert WithinSession().folds(*stream(), overlap=True, length_s=0.5)  # they only touch


def test_calibration_leaves_a_gap_too():
    (fold,) = PseudoOnline().folds(*stream(), access="calibration", n_align=4, overlap=True, length_s=2.0)
    assert list(fold.align) == [20, 21, 22, 23] and fold.test[0] == 27


def test_what_leaves_no_future_is_refused(table):
    with pytest.raises(SentenceError, match=r"has 2 runs, so split\.n_runs=2"):
        PseudoOnline(n_runs=2).folds(*table())
    with pytest.raises(SentenceError, match="one trial only"):
        PseudoOnline().folds(*stream(2, per_trial=2))
    for wrong in (dict(n_runs=0), dict(fraction=1.0), dict(gap_s=-1)):
        with pytest.raises(SentenceError, match=next(iter(wrong))):
            PseudoOnline(**wrong)


def test_the_whole_road_on_a_stream(tmp_path, monkeypatch):
    """Causal preparation, idle windows answered too, nothing of the future known, and an answer better than always saying idle."""
    monkeypatch.chdir(tmp_path)
    words = ["experiment=simulated_pseudo_online", "data.n_subjects=1", "data.n_sessions=1", "data.n_trials=20"]
    words += [f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false", "report=false", "progress=silent"]
    result = run_config(compose(words), tmp_path / "run")
    assert result.summary["metric"] == "nmcc" and result.summary["chance"] == 0.5 and result.headline > 0.6
    assert set(result.predictions["y"]) == {"left_hand", "right_hand", "idle"}
    assert set(result.scores["prepare_sees"]) == {"past"} and set(result.scores["access"]) == {"labelled windows of the session"}
    onsets = result.predictions["onset_s"].to_numpy()
    assert np.allclose(np.diff(onsets), 0.5)  # a stream without holes
