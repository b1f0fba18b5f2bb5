"""Guards: a fold whose sides share more than it says is refused, and the rows are named.

    rows, trials, samples (overlap, context), signals under two names, columns the target is made of, promises of the split

`check_folds` is for any folds, one's own too; the benchmark calls it before anything is fitted. The smaller checks serve
splits while they make folds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.errors import GuardError, SentenceError
from corticode.split.fold import Fold
from corticode.split.rows import PERSON, RECORDING, SESSION, TRIAL, Spans, codes, said
from corticode.split.twin import stretches, twins
from corticode.windows import Windows

# What a split may promise never to have met: the columns in which fit and test then have nothing in common.
UNSEEN = {"trial": TRIAL, "session": SESSION, "subject": PERSON, "site": ("dataset", "site"), "dataset": ("dataset",)}


def check_folds(windows: Windows, folds: Sequence[Fold], context: tuple[int, int] = (0, 0)) -> None:
    """Refuse folds in which test rows could be known from what is learned.

    Parameters
    ----------
    windows : Windows
        Labelled. `info["whole"]` names columns whose values never stand on both sides (a stimulus that the target is made of).
    folds : sequence of Fold
        Of any split, one's own too.
    context : (before, after)
        Neighbouring windows of a recording that a decoder looks at together with a row.

    Raises
    ------
    GuardError
        What is learned from (fit, calibrate, and align unless it is the test itself) shares with test: a trial; samples of a
        recording, through overlap or context, said or not; a signal under two names; a value of a column to be kept whole. Or fit holds what
        the split promises not to: the test person, their session, their site, their data set, or anything learned from is their
        future. Or a channel tells the label. Names the first pair of rows.
    """
    meta = windows.meta
    known = _Known(windows, context)
    for fold in folds:
        for part in ("fit", "test", "align", "calibrate"):
            rows = getattr(fold, part)
            if len(rows) and rows.max() >= len(meta):
                raise GuardError(f"fold {fold.name}: {part} names row {rows.max()}, and there are {len(meta)} (0 to {len(meta) - 1})")
        align = fold.align if fold.unlabelled != "transductive" else fold.align[:0]
        learned = np.concatenate([fold.fit, fold.calibrate, align])
        check_whole(meta, known.trial, learned, fold.test, fold.name, overlap=False)
        if known.spans is not None:
            check_spans(meta, known.spans, learned, fold.test, fold.name)
        _refuse_shared(meta, known.twin, learned, fold.test, fold.name, "hold the same signal", "one is a copy of the other: remove one")
        _refuse_stretches(meta, known, learned, fold)
        for column, value in known.whole.items():
            what, cure = f"share a {column} that the target is made of", f"keep it whole with split=kfold split.by={column}"
            _refuse_shared(meta, value, learned, fold.test, fold.name, what, cure)
        _check_promises(meta, known, fold, learned)


def check_fold(windows: Windows, fold: Fold, context: tuple[int, int] = (0, 0)) -> None:
    """Refuse one fold, see `check_folds`."""
    check_folds(windows, [fold], context)


class _Known:
    """What is the same for all folds of one set of windows."""

    def __init__(self, windows: Windows, context: tuple[int, int]):
        meta = windows.meta
        absent = [column for column in windows.info.get("whole", ()) if column not in meta]
        if absent:
            raise GuardError(
                f"the target is said to be made of {', '.join(absent)}, and the windows have no such column: it cannot be kept whole"
            )
        self.trial = codes(meta, TRIAL)
        self.spans = Spans.of(meta, windows.reach_s, context) if windows.info.get("overlap") or any(context) else None
        self.twin, self.stretches = twins(windows), stretches(windows)
        # a window without a stimulus shares none
        own = -1 - np.arange(len(meta))
        self.whole = {column: np.where(meta[column].isna(), own, codes(meta, (column,))) for column in windows.info.get("whole", ())}
        self.groups = {name: codes(meta, columns) for name, columns in UNSEEN.items()}
        check_channels(windows)


def _moments(meta: pd.DataFrame) -> np.ndarray:
    """Return each row's place in time among the rows of its data set: runs in the order of their names, then onsets."""
    order = np.lexsort((meta["onset_s"].to_numpy(), codes(meta, RECORDING)))
    place = np.empty(len(meta), dtype=np.int64)
    place[order] = np.arange(len(meta))
    return place


def _check_promises(meta: pd.DataFrame, known: _Known, fold: Fold, learned: np.ndarray) -> None:
    """Refuse a fold that met in fit what its split says it did not."""
    if fold.unseen not in known.groups:
        raise SentenceError(f"fold {fold.name}: unseen={fold.unseen} is unknown: pick one of {', '.join(UNSEEN)}")
    if fold.unseen != "trial":
        what = f"are of one {fold.unseen}, which this split promises to be new"
        _refuse_shared(meta, known.groups[fold.unseen], fold.fit, fold.test, fold.name, what, "learn from others")
    if fold.past:
        check_past(meta, learned, fold.test, fold.name, "this split promises the past alone")


def check_past(meta: pd.DataFrame, learned: np.ndarray, test: np.ndarray, name: str, why: str) -> None:
    """Refuse a fold that learns from what was recorded after a test row of the same person.

    Parameters
    ----------
    why : str
        Who promised that, and what to do, for the message.

    Raises
    ------
    GuardError
    """
    everybody, when = codes(meta, PERSON), _moments(meta)
    for person in np.intersect1d(everybody[learned], everybody[test]):
        mine, asked = (rows[everybody[rows] == person] for rows in (learned, test))
        late, early = mine[np.argmax(when[mine])], asked[np.argmin(when[asked])]
        if when[late] > when[early]:
            raise GuardError(
                f"fold {name}: row {late} ({said(meta, late)}) is learned from and was recorded after row {early} ({said(meta, early)}), "
                f"which is asked: {why}"
            )


def _refuse_shared(meta: pd.DataFrame, value: np.ndarray, learned: np.ndarray, test: np.ndarray, name: str, what: str, cure: str) -> None:
    """Refuse rows of both sides that have one value."""
    both = np.intersect1d(value[learned], value[test])
    if not len(both):
        return
    one, other = (next(row for row in rows if value[row] == both[0]) for rows in (learned, test))
    n = int(np.isin(value[test], both).sum())
    raise GuardError(
        f"fold {name}: {n} of {len(test)} test rows and rows learned from {what}, the first are row {one} ({said(meta, one)}) and "
        f"row {other} ({said(meta, other)}): {cure}"
    )


def _refuse_stretches(meta: pd.DataFrame, known: _Known, learned: np.ndarray, fold: Fold) -> None:
    """Refuse rows of both sides that hold the same samples somewhere."""
    stretch, row = known.stretches
    sides = [np.isin(row, side) for side in (learned, fold.test)]
    both = np.intersect1d(stretch[sides[0]], stretch[sides[1]])
    if not len(both):
        return
    one, other = (row[side][np.argmax(stretch[side] == both[0])] for side in sides)
    n = len(np.unique(row[sides[1] & np.isin(stretch, both)]))
    raise GuardError(
        f"fold {fold.name}: at least {n} of {len(fold.test)} test rows hold stretches of signal that stand in rows learned from as well, the first are row "
        f"{one} ({said(meta, one)}) and row {other} ({said(meta, other)}): where one recording has two names, remove one; where windows overlap, say "
        "when they were recorded (meta onset_s, in one recording) or overlap=True"
    )


def check_whole(meta: pd.DataFrame, pieces: np.ndarray, fit: np.ndarray, target: np.ndarray, name: str, overlap: bool) -> None:
    """Refuse a fold that splits a trial, or a recording whose windows overlap nobody knows how far.

    Raises
    ------
    GuardError
    """
    both = np.intersect1d(pieces[fit], pieces[target])
    if not len(both):
        return
    columns = RECORDING if overlap else TRIAL
    first = said(meta, int(np.flatnonzero(pieces == both[0])[0]), columns)
    what = "recordings (their windows overlap)" if overlap else "trials"
    raise GuardError(
        f"fold {name}: {len(both)} {what} stand in fit and in test, the first is {first}: use split=cross_session or split=loso"
    )


def check_spans(meta: pd.DataFrame, spans: Spans, fit: np.ndarray, target: np.ndarray, name: str) -> None:
    """Refuse a fold in which a window learned from and one that is asked overlap.

    Raises
    ------
    GuardError
    """
    touch = spans.touching(target, fit)
    if not touch.any():
        return
    row = target[np.argmax(touch)]
    other = fit[np.argmax(spans.touching(fit, np.array([row])))]
    raise GuardError(
        f"fold {name}: {int(touch.sum())} of {len(target)} test windows share samples with windows learned from (their windows overlap, or their "
        f"context does), the first are row {other} ({said(meta, other)}) and row {row} ({said(meta, row)}): use split=cross_session or split=loso, "
        "or split=pseudo_online, which leaves a gap"
    )


def check_recordings(meta: pd.DataFrame, y: np.ndarray, fit: np.ndarray, target: np.ndarray, name: str) -> None:
    """Refuse a fold that splits recordings of one class each: to know the recording again would be to know the answer.

    Raises
    ------
    GuardError
    """
    if not np.issubdtype(y.dtype, np.integer):
        return
    number = codes(meta, RECORDING)
    shared = np.intersect1d(number[fit], number[target])
    inside = np.flatnonzero(np.isin(number, shared))
    constant = len(shared) > 1 and (pd.Series(y[inside]).groupby(number[inside]).nunique() == 1).all()
    if constant:
        raise GuardError(
            f"fold {name}: each recording holds one class, and windows of {len(shared)} recordings stand in fit and in test: a decoder would know "
            "the recording again, not the class; use split=loso or split=kfold"
        )


def check_classes(y: np.ndarray, fit: np.ndarray, name: str) -> None:
    """Refuse a fold whose fit rows hold one class.

    Raises
    ------
    SentenceError
    """
    if np.issubdtype(y.dtype, np.integer) and len(np.unique(y[fit])) < 2:
        raise SentenceError(
            f"fold {name}: all {len(fit)} windows to fit on are of one class: choose another split=, or more people with data.subjects="
        )


def check_channels(windows: Windows) -> None:
    """Refuse a channel that tells the label: a trigger line among the electrodes holds a value of its own for a class.

    Raises
    ------
    GuardError
        Names the channel.
    """
    if windows.y is None or not np.issubdtype(np.asarray(windows.y).dtype, np.integer):
        return
    y = np.asarray(windows.y)
    for space, _, where in windows.parts(read=False):
        # some dozens of windows are enough to clear a channel, and only a suspect is read in full
        some = where[np.linspace(0, len(where) - 1, min(64, len(where))).astype(int)]
        _, X, _ = next(windows[some].parts())
        for channel in _tellers(X, y[some]):
            _, X, _ = next(windows[where].parts())
            if len(_tellers(X[:, [channel]], y[where])):
                raise GuardError(
                    f"channel {space.names[channel]} holds a value of its own for a class in all {len(where)} windows: it is a trigger line and tells "
                    "the answer; leave it out with prepare.pick.channels="
                )


def _tellers(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the channels that tell a class: some sample of theirs, or the mean, is far from all other classes in every window of one.

    Far is twenty times what it varies inside classes; a million times where windows are so few that chance would do it.
    """
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2 or len(y) < 2 * len(labels):
        return np.arange(0)
    far = 20 if len(y) - len(labels) >= 12 else 1e6
    values = np.concatenate([X.mean(axis=2, dtype=np.float64, keepdims=True), X], axis=2)
    low, high = (np.stack([reach(values[y == label], axis=0) for label in labels[counts > 1]]) for reach in (np.min, np.max))
    inside = (high - low).max(axis=0)
    found = np.zeros(X.shape[1], dtype=bool)
    for label in labels[counts > 1]:
        mine, others = values[y == label], values[y != label]
        # the nearest window of another class, on either side; one in between has no distance
        below, above = mine.min(axis=0) - others, others - mine.max(axis=0)
        gap = np.maximum(below, above).min(axis=0)
        found |= ((gap > 0) & (gap > far * inside)).any(axis=1)
    return np.flatnonzero(found)
