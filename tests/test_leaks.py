"""Leaks that must be impossible: blind is blind, nothing of the test side reaches the other, shuffled labels give chance."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from conftest import make_windows
from corticode.predictions import Predictions
from corticode.split.base import TRIAL, codes
from corticode.split.cross_session import CrossSession
from corticode.split.kfold import KFold
from corticode.split.loso import LOSO
from corticode.split.within_session import WithinSession
from corticode.task.classification import Classification
from corticode.windows import IDENTITY

SPLITS = {"loso": LOSO(), "kfold": KFold(n_folds=2), "cross_session": CrossSession(), "within_session": WithinSession(n_folds=3)}


@pytest.fixture
def labelled(windows):
    """Windows with y, two facts about the person and a stimulus."""
    facts = windows.meta["subject"].map({"S1": 8, "S2": 30, "S3": 31, "S4": 70})
    return Classification().label(
        windows._replace(meta=windows.meta.assign(age=facts, group=np.where(facts > 30, "old", "young"), stimulus="x"))
    )


# -- blind is blind ---------------------------------------------------------------------------------------------------


def test_blind_windows_know_who_and_when_and_nothing_else(labelled):
    blind = labelled.blind()
    assert blind.is_blind and blind.y is None and blind.y_space is None
    assert list(blind.meta.columns) == list(IDENTITY)
    assert labelled.y is not None and "event" in labelled.meta
    assert np.array_equal(blind.X, labelled.X)


def test_blind_windows_keep_only_declared_uses(labelled):
    assert list(labelled.blind(uses=["age"]).meta.columns) == [*IDENTITY, "age"]


@pytest.mark.parametrize("rows", [slice(None), [5, 3, 90], np.arange(96) % 2 == 0])
def test_blind_rows_stay_blind(labelled, rows):
    part = labelled.blind()[rows]
    assert part.is_blind and list(part.meta.columns) == list(IDENTITY)


def test_blind_windows_stay_blind_in_another_process(labelled, tmp_path):
    """They travel as path + rows, and the folder holds the outcomes: opening it there must not bring them back."""
    saved = labelled.save(tmp_path / "windows")
    rows = np.array([7, 2, 50])
    again = pickle.loads(pickle.dumps(saved[rows].blind(uses=["age"])))
    assert again.is_blind and again.y_space is None
    assert list(again.meta.columns) == [*IDENTITY, "age"]
    assert np.array_equal(again.X, labelled.X[rows])
    assert list(again.meta["subject"]) == list(labelled.meta["subject"].iloc[rows])


def test_what_travels_holds_no_labels(labelled, tmp_path):
    blind = labelled.save(tmp_path / "windows").blind()
    assert b"left_hand" not in pickle.dumps(blind)


# -- nothing straddles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPLITS)
def test_trials_never_straddle(name):
    windows = make_windows(n_trials=24)
    windows = windows._replace(
        meta=windows.meta.assign(trial=np.arange(len(windows)) // 4, event=np.array(["a", "b"])[np.arange(len(windows)) // 4 % 2])
    )
    windows.info["classes"] = {}
    labelled = Classification().label(windows)
    trial = codes(labelled.meta, TRIAL)
    for fold in SPLITS[name].folds(labelled.meta, labelled.y):
        assert not set(trial[fold.fit]) & set(trial[fold.test])


@pytest.mark.parametrize("name", ["loso", "kfold"])
def test_people_never_straddle(name, labelled):
    for fold in SPLITS[name].folds(labelled.meta, labelled.y):
        assert not set(labelled.meta["subject"].iloc[fold.fit]) & set(labelled.meta["subject"].iloc[fold.test])


@pytest.mark.parametrize("name", SPLITS)
def test_folds_do_not_read_outcomes(name, labelled):
    """The same folds come of a table without any outcome column."""
    for one, other in zip(
        SPLITS[name].folds(labelled.meta, labelled.y), SPLITS[name].folds(labelled.blind().meta, labelled.y), strict=True
    ):
        assert np.array_equal(one.fit, other.fit) and np.array_equal(one.test, other.test)


# -- classes belong to the task -----------------------------------------------------------------------------------------


def test_classes_do_not_shrink_to_those_of_a_fold(labelled):
    """A person with one class is scored against all classes of the task."""
    task = Classification()
    task.label(labelled)
    rows = np.flatnonzero((labelled.meta["subject"] == "S1") & (labelled.y == 1))
    answers = Predictions(
        np.tile([0.25, 0.75], (len(rows), 1)), "probability", labelled.y[rows], labelled.meta.iloc[rows], task.classes, {"fold": "S1"}
    )
    found = task.score([answers]).set_index(["level", "metric"])["score"]
    assert found["subject", "log_loss"] == pytest.approx(-np.log(0.75))


# -- shuffled labels give chance ------------------------------------------------------------------------------------------


def balanced_accuracy(windows, task, split):
    """A plain classifier of channel power, by scikit-learn, through the task's labels, the split's folds and the task's scores."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    labelled = task.label(windows)
    power = np.log(labelled.X.var(axis=2))
    predictions = []
    for fold in split.folds(labelled.meta, labelled.y):
        model = LinearDiscriminantAnalysis().fit(power[fold.fit], labelled.y[fold.fit])
        yhat = model.predict_proba(power[fold.test])
        predictions.append(
            Predictions(yhat, "probability", labelled.y[fold.test], labelled.meta.iloc[fold.test], task.classes, {"fold": fold.name})
        )
    return task.headline(task.score(predictions), predictions)["headline"]


@pytest.mark.parametrize("name", SPLITS)
def test_shuffled_labels_give_chance(name):
    windows = make_windows(n_trials=24)
    assert balanced_accuracy(windows, Classification(), SPLITS[name]) > 0.8
    shuffled = [balanced_accuracy(windows, Classification(shuffle=True, shuffle_seed=seed), SPLITS[name]) for seed in range(10)]
    assert 0.44 < np.mean(shuffled) < 0.56
