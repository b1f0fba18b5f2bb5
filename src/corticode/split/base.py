"""Who is learned from and who is asked: folds of row indices, decided by identity columns alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from corticode.errors import GuardError, SentenceError
from corticode.state import Stateful
from corticode.windows import natural

_NONE = np.arange(0)

# What of the target people a decoder may see without labels, before or while it answers.
ACCESS = ("online", "calibration", "all")

PERSON = ("dataset", "subject")
SESSION = (*PERSON, "session")
RECORDING = (*SESSION, "run", "recording")
TRIAL = (*RECORDING, "trial")


@dataclass(frozen=True)
class Fold:
    """Row indices of one fold.

    Parameters
    ----------
    fit : int array
        Labelled source rows.
    test : int array
        Rows to be predicted, person by person in the order of time.
    align : int array
        Unlabelled rows of the target: none, disjoint from `test` (a calibration run), or equal to `test` (transductive).
    calibrate : int array
        Labelled rows of the target.
    name : str

    Raises
    ------
    GuardError
        Parts overlap: a test row would be learned from.
    """

    fit: np.ndarray
    test: np.ndarray
    name: str
    align: np.ndarray = field(default_factory=lambda: _NONE)
    calibrate: np.ndarray = field(default_factory=lambda: _NONE)

    def __post_init__(self):
        for part in ("fit", "test", "align", "calibrate"):
            rows = np.asarray(getattr(self, part), dtype=np.int64)
            if len(np.unique(rows)) != len(rows):
                raise GuardError(f"fold {self.name}: {part} names a row twice")
            object.__setattr__(self, part, rows)
        for one, other in (("fit", "test"), ("fit", "calibrate"), ("fit", "align"), ("calibrate", "test")):
            both = np.intersect1d(getattr(self, one), getattr(self, other))
            if len(both):
                raise GuardError(f"fold {self.name}: {len(both)} rows stand in {one} and in {other}, the first is row {both[0]}")
        shared = np.intersect1d(self.align, self.test)
        if len(shared) and not self._transductive():
            raise GuardError(f"fold {self.name}: align must be disjoint from test or equal to it; {len(shared)} rows are shared")

    def _transductive(self) -> bool:
        return bool(len(self.align)) and np.array_equal(np.sort(self.align), np.sort(self.test))

    @property
    def unlabelled(self) -> str:
        """What of the target is seen without labels before it is asked: '', 'unlabelled calibration' or 'transductive'."""
        if not len(self.align):
            return ""
        return "transductive" if self._transductive() else "unlabelled calibration"


class Split(Stateful):
    """Base of all splits.

    Parameters
    ----------
    shots : int
        Labelled windows per class of each target person given to `calibrate`, the earliest first (of a factor to regress:
        windows). Windows between them that are not needed are still tested.

    Attributes
    ----------
    notes : list of str
        What the run should show once: people left out.
    """

    def __init__(self, shots: int = 0):
        self.shots = int(shots)
        self.notes: list[str] = []
        if self.shots < 0:
            raise SentenceError(f"split.shots={shots}: wanted 0 or more labelled windows per class")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (name, fit rows, target rows). `y` may serve only to balance classes."""
        raise NotImplementedError

    def folds(self, meta: pd.DataFrame, y: np.ndarray, access: str = "online", n_align: int = 20, overlap: bool = False) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        meta : DataFrame [n]
            Identity columns.
        y : array [n]
        access : str
            'online': align is empty; 'calibration': the first `n_align` windows of each target person's session are
            unlabelled calibration and are not tested; 'all': align equals test (transductive).
        overlap : bool
            Windows share samples (or their context does): then a recording must be whole.

        Raises
        ------
        GuardError
            A trial (or an overlapping recording) stands on both sides.
        SentenceError
            The data cannot be split this way.
        """
        if access not in ACCESS:
            raise SentenceError(f"align.access={access} is unknown: pick one of {', '.join(ACCESS)}")
        y, self.notes = np.asarray(y), []
        # a piece is what may never stand on both sides
        pieces = codes(meta, RECORDING if overlap else TRIAL)
        place = np.empty(len(meta), dtype=np.int64)
        place[in_time(meta, np.arange(len(meta)))] = np.arange(len(meta))
        folds = []
        for name, fit, target in self.pairs(meta, y):
            if not len(fit) or not len(target):
                raise SentenceError(f"fold {name} has {len(fit)} windows to fit on and {len(target)} to test: choose another split=")
            check_whole(meta, pieces, fit, target, name, overlap)
            check_classes(y, fit, name)
            check_recordings(meta, y, fit, target, name)
            target = target[np.argsort(place[target])]
            calibrate, test = _first_shots(meta, y, target, self.shots, pieces, name)
            align = _NONE
            if access == "all":
                align = test
            elif access == "calibration":
                before = set(meta["subject"].iloc[test])
                align, test = _first_rows(meta, test, n_align, pieces, name)
                lost = sorted(before - set(meta["subject"].iloc[test]), key=natural)
                if lost:
                    self.notes.append(f"fold {name}: align.n_align={n_align} leaves no window to test of {', '.join(lost)}")
            folds.append(Fold(np.sort(fit), test, name, align, calibrate))
        if not folds:
            raise SentenceError("this split makes no fold of these data: choose another split=")
        return folds


# -- who and when -------------------------------------------------------------------------------------------------


def codes(meta: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Number the distinct combinations of some columns, int [n], in natural order of their names."""
    total = np.zeros(len(meta), dtype=np.int64)
    for column in columns:
        values, names = pd.factorize(meta[column], use_na_sentinel=False)
        order = np.argsort(names) if pd.api.types.is_numeric_dtype(names) else sorted(range(len(names)), key=lambda i: natural(names[i]))
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        # kept small after each column, so that the product never overflows
        total = np.unique(total * max(1, len(names)) + rank[values], return_inverse=True)[1]
    return total


def in_time(meta: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Return rows in the order in which they were recorded, person by person, session by session."""
    rows = np.asarray(rows, dtype=np.int64)
    part = meta.iloc[rows]
    return rows[np.lexsort((part["onset_s"].to_numpy(), codes(part, RECORDING)))]


def people(meta: pd.DataFrame, columns: Sequence[str] = PERSON) -> list[tuple[str, np.ndarray]]:
    """Return (name, rows) of each person (or other group of identity columns), in natural order.

    The name leaves out columns that are the same for all.
    """
    number = codes(meta, columns)
    order = np.argsort(number, kind="stable")
    edges = np.flatnonzero(np.diff(number[order])) + 1
    telling = [c for c in columns if meta[c].nunique() > 1] or [columns[-1]]
    groups = np.split(order, edges) if len(meta) else []
    return [("/".join(str(meta[c].iloc[rows[0]]) for c in telling), rows) for rows in groups]


# -- guards -------------------------------------------------------------------------------------------------------


def check_whole(meta: pd.DataFrame, pieces: np.ndarray, fit: np.ndarray, target: np.ndarray, name: str, overlap: bool) -> None:
    """Refuse a fold that splits a trial, or a recording whose windows overlap.

    Raises
    ------
    GuardError
    """
    both = np.intersect1d(pieces[fit], pieces[target])
    if not len(both):
        return
    row = meta.iloc[int(np.flatnonzero(pieces == both[0])[0])]
    columns = RECORDING if overlap else TRIAL
    first = ", ".join(f"{c} {row[c]}" for c in columns if str(row[c]))
    what = "recordings (their windows overlap)" if overlap else "trials"
    raise GuardError(
        f"fold {name}: {len(both)} {what} stand in fit and in test, the first is {first}: use split=cross_session or split=loso"
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


# -- the target's first windows -----------------------------------------------------------------------------------


def _first_shots(
    meta: pd.DataFrame, y: np.ndarray, target: np.ndarray, shots: int, pieces: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Part the target (in time order) into labelled calibration and test."""
    if not shots:
        return _NONE, target
    labels = y if np.issubdtype(y.dtype, np.integer) else np.zeros(len(y), dtype=int)
    chosen = []
    for person, rows in people(meta.iloc[target].reset_index(drop=True)):
        mine = target[rows]
        for label in np.unique(labels[mine]):
            first = mine[labels[mine] == label][:shots]
            if len(first) < shots:
                raise SentenceError(f"fold {name}: split.shots={shots}, but a class of {person} has only {len(first)} windows")
            chosen.append(first)
    calibrate = np.concatenate(chosen)
    test = target[~np.isin(pieces[target], pieces[calibrate])]
    if not len(test):
        raise SentenceError(
            f"fold {name}: split.shots={shots} leaves no window to test (a trial, or a recording of overlapping windows, stays whole)"
        )
    return np.sort(calibrate), test


def _first_rows(meta: pd.DataFrame, test: np.ndarray, n_align: int, pieces: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Part test rows (in time order) into unlabelled calibration and the rest."""
    if n_align < 1:
        raise SentenceError(f"align.n_align={n_align}: unlabelled calibration needs 1 window or more")
    align = np.concatenate([test[rows][:n_align] for _, rows in people(meta.iloc[test].reset_index(drop=True), SESSION)])
    rest = test[~np.isin(pieces[test], pieces[align])]
    if not len(rest):
        raise SentenceError(
            f"fold {name}: align.n_align={n_align} unlabelled windows leave none to test (a trial, or a recording of overlapping windows, stays whole)"
        )
    return align, rest
