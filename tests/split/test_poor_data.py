"""Data that can hardly be split or learned from: a sentence that says what to do, or an answer and a note."""

from __future__ import annotations

import numpy as np
import pytest

import corticode
from conftest import make_windows
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError, SentenceError
from corticode.windows import Windows

MODELS = ("logvar_lda", "mdm", "tangent_space", "csp_lda")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(windows, model="logvar_lda", split=None, *words):
        words = [f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false", "report=false", *words]
        return corticode.run(model, windows, split, overrides=words, progress="silent")

    return run


def rows_of(windows, keep):
    """The kept rows, and only their samples."""
    part = windows[np.flatnonzero(keep)]
    return Windows.from_arrays(
        np.array(part.X), list(part.meta["event"]), sfreq=part.space.sfreq, meta=part.meta.drop(columns="event"), ch_names=part.space.names
    )


# -- one class ---------------------------------------------------------------------------------------------------------


def test_people_of_one_class_each_leave_one_class_to_learn(run):
    windows = make_windows(n_subjects=2)
    label = np.where(windows.meta["subject"] == "S1", "left_hand", "right_hand")
    with pytest.raises(SentenceError, match="fold S1: all 12 windows to fit on are of one class"):
        run(rows_of(windows, windows.meta["event"] == label), split="loso")


def test_a_test_person_of_one_class_is_left_out_of_the_mean_and_counted(run):
    windows = make_windows(n_subjects=3)
    result = run(rows_of(windows, (windows.meta["subject"] != "S3") | (windows.meta["event"] == "left_hand")), "mdm", "loso")
    assert result.summary["n"] == 2 and result.summary["n_left_out"] == 1
    assert any("1 people have no balanced_accuracy of their own" in note for note in result.summary["notes"])
    assert len(result.predictions) == 60  # they are answered all the same


def test_a_session_of_one_class_is_named(run):
    windows = make_windows(n_subjects=1)
    kept = rows_of(windows, (windows.meta["session"] == "0") | (windows.meta["event"] == "left_hand"))
    with pytest.raises(SentenceError, match=r"session 1 holds one class only \(6 trials\).*split=loso"):
        run(kept, split="within_session")


# -- few trials, few people, few channels ------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_one_trial_per_class(run, model):
    windows = make_windows(n_subjects=4, n_sessions=1, n_trials=2)
    result = run(windows, model, "loso")
    assert len(result.predictions) == 8 and 0 <= result.headline <= 1
    with pytest.raises(SentenceError, match=r"a class has 1 trials for split\.n_folds=5"):
        run(windows, model, "within_session")
    with pytest.raises(SentenceError, match=r"split\.shots=1 leaves no window to test"):
        run(windows, model, "loso", "split.shots=1")


@pytest.mark.parametrize("model", MODELS)
def test_two_people(run, model):
    windows = make_windows(n_subjects=2)
    assert run(windows, model, "loso").headline > 0.7
    with pytest.raises(SentenceError, match=r"2 subjects cannot be parted into split\.n_folds=10"):
        run(windows, model, "kfold")


def test_one_person_cannot_be_left_out(run):
    with pytest.raises(SentenceError, match="there is only S1: use split=within_session"):
        run(make_windows(n_subjects=1), "mdm", "loso")


@pytest.mark.parametrize("align", ["none", "euclidean", "riemannian"])
@pytest.mark.parametrize("model", MODELS)
def test_one_channel(run, model, align):
    """The power of one channel is what is left, and it tells the classes of this simulation apart."""
    windows = make_windows(n_subjects=3, n_trials=20)
    alone = Windows.from_arrays(np.array(windows.X)[:, :1], list(windows.meta["event"]), sfreq=128, meta=windows.meta.drop(columns="event"))
    assert run(alone, model, "loso", f"align={align}").headline > 0.7


# -- holes -------------------------------------------------------------------------------------------------------------


def test_nan_in_one_trial_is_refused_by_place():
    windows = make_windows(n_subjects=1)
    X = np.array(windows.X)
    X[5, 2, 17] = np.nan
    with pytest.raises(BrokenDataError, match="window 5, channel 2, sample 17"):
        Windows.from_arrays(X, list(windows.meta["event"]), sfreq=128)


def test_a_label_missing_in_one_session(run):
    """Windows without a label are left out and counted; who has one labelled session left is named."""
    windows = make_windows(n_subjects=3)
    event = windows.meta["event"].astype(object).where((windows.meta["subject"] != "S2") | (windows.meta["session"] != "1"), None)
    holes = windows._replace(meta=windows.meta.assign(event=event))
    result = run(holes, "mdm", "cross_session")
    assert any("12 windows have no event and are left out" in note for note in result.summary["notes"])
    assert any("1 people have one session only and are left out: S2" in note for note in result.summary["notes"])
    assert set(result.predictions["subject"]) == {"S1", "S3"}
    with pytest.raises(BrokenDataError, match="missing labels"):
        Windows.from_arrays(np.array(windows.X), list(event), sfreq=128)
    nobody = windows._replace(meta=windows.meta.assign(event=None))
    with pytest.raises((MissingDataError, CorticodeError), match=r"no window is labelled|no labels|single class"):
        run(nobody, "mdm")
