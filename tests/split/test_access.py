"""The words for what was given of the target, against the protocols of MOABB itself."""

import numpy as np
import pytest

from corticode.align.euclidean import Euclidean
from corticode.align.riemannian import Riemannian
from corticode.catalogue import make
from corticode.compose import compose
from corticode.split.access import MODES, seen
from corticode.split.loso import LOSO


def folds_of(mode, meta, y):
    cfg = compose(["split=loso", *(f"{key}={value}" for key, value in mode.typed.items())])
    split, aligner = make(cfg["split"]), make(cfg["align"])
    return split.folds(meta, y, aligner.access, aligner.n_align), aligner.acts_on != "nothing"


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.word)
def test_what_is_typed_is_what_tables_say(mode, table):
    meta, y = table(windows_per_trial=1)
    folds, aligned = folds_of(mode, meta, y)
    assert {seen(fold, meta, aligned) for fold in folds} == {mode.word}


def test_words_and_members_of_moabb_are_one_to_one():
    protocols = pytest.importorskip("moabb.evaluations.protocols", reason="needs the extra [moabb]")
    named = [mode.moabb for mode in MODES if mode.moabb is not None]
    assert sorted(named) == sorted(member.value for member in protocols.CrossSubjectMode)
    assert len({mode.word for mode in MODES}) == len(MODES) and [mode.word for mode in MODES if mode.moabb is None] == ["online"]


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.moabb is not None], ids=lambda mode: mode.word)
def test_rows_are_those_of_moabb(mode, table):
    """The same windows are learned from, given and tested as MOABB's own splitter gives, in each of its modes."""
    protocols = pytest.importorskip("moabb.evaluations.protocols", reason="needs the extra [moabb]")
    from moabb.evaluations.splitters import CrossSubjectSplitter

    member = protocols.CrossSubjectMode(mode.moabb)
    meta, y = table(n_subjects=4, windows_per_trial=1)
    # MOABB takes rows as they stand: in order of time
    order = np.lexsort((meta["onset_s"], meta["run"], meta["session"], meta["subject"]))
    meta, y = meta.iloc[order].reset_index(drop=True), y[order]
    splitter = CrossSubjectSplitter(calibration_size=member.calibration_size, calibration_labeled=member.calibration_labeled)
    theirs = {meta["subject"][parts[-1][0]]: parts for parts in splitter.split(y, meta)}
    folds, _ = folds_of(mode, meta, y)
    assert set(theirs) == {fold.name for fold in folds}
    for fold in folds:
        fit, *given, test = theirs[fold.name]
        assert np.array_equal(fold.fit, np.sort(fit)) and np.array_equal(fold.test, test)
        mine = fold.calibrate if member.calibration_labeled else fold.align
        assert np.array_equal(np.sort(mine), np.sort(given[0]) if given else np.arange(0))
        assert ("trialwise" in fold.given) == member.trialwise


def test_words_of_other_protocols(table):
    meta, y = table()
    (fold, *_) = LOSO(shots=2).folds(meta, y, access="all")
    assert seen(fold, meta, True) == "4 labelled + transductive"
    (fold, *_) = LOSO().folds(meta, y, access="calibration", n_align=6)
    assert seen(fold, meta, True) == "unlabelled calibration"


def test_what_nobody_aligns_by_was_not_seen(table):
    (fold, *_) = LOSO().folds(*table(), access="all")
    assert seen(fold, table()[0], False) == "none" and seen(fold, table()[0], True) == "transductive"


@pytest.mark.parametrize("kind", [Euclidean, Riemannian])
def test_aligners_take_a_share(kind):
    assert kind(n_align=0.2).n_align == 0.2 and kind(n_align=20).n_align == 20 and isinstance(kind(n_align=20.0).n_align, int)
