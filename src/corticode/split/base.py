"""Who is learned from and who is asked: folds of row indices, decided by identity columns alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from corticode.errors import GuardError, SentenceError

_NONE = np.arange(0)

# What of the target people a decoder may see without labels, before or while it answers.
ACCESS = ("online", "calibration", "all")


@dataclass(frozen=True)
class Fold:
    """Row indices of one fold.

    Parameters
    ----------
    fit : int array
        Labelled source rows.
    test : int array
        Rows to be predicted.
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
        if len(shared) and not np.array_equal(np.sort(self.align), np.sort(self.test)):
            raise GuardError(f"fold {self.name}: align must be disjoint from test or equal to it; {len(shared)} rows are shared")

    @property
    def access(self) -> str:
        """What of the target was available, for the score table."""
        if len(self.align) and np.array_equal(np.sort(self.align), np.sort(self.test)):
            seen = "transductive"
        elif len(self.align):
            seen = "unlabelled calibration"
        else:
            seen = "none"
        return f"{len(self.calibrate)} labelled" + ("" if seen == "none" else f" + {seen}") if len(self.calibrate) else seen


class Split:
    """Base of all splits.

    Parameters
    ----------
    shots : int
        Labelled windows per class of each target person given to `calibrate`, the earliest first.
    """

    def __init__(self, shots: int = 0):
        self.shots = int(shots)

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
            Windows share samples: then a recording must be whole.

        Raises
        ------
        GuardError
            A trial (or an overlapping recording) stands on both sides.
        SentenceError
            The data cannot be split this way.
        """
        if access not in ACCESS:
            raise SentenceError(f"align.access={access} is unknown: pick one of {', '.join(ACCESS)}")
        folds = []
        for name, fit, target in self.pairs(meta, y):
            if not len(fit) or not len(target):
                raise SentenceError(f"fold {name} has {len(fit)} windows to fit on and {len(target)} to test: choose another split=")
            check_whole(meta, fit, target, name, overlap)
            calibrate, test = _first_shots(meta, y, target, self.shots, name)
            align = _NONE
            if access == "all":
                align = test
            elif access == "calibration":
                align, test = _first_rows(meta, test, n_align, name)
            folds.append(Fold(fit, test, name, align, calibrate))
        if not folds:
            raise SentenceError("this split makes no fold of these data: choose another split=")
        return folds


def in_time(meta: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Return rows in the order in which they were recorded, person by person, session by session."""
    rows = np.asarray(rows, dtype=np.int64)
    part = meta.iloc[rows]
    keys = pd.DataFrame({c: [natural(v) for v in part[c]] for c in ("dataset", "subject", "session", "run", "recording")})
    keys["onset_s"] = part["onset_s"].to_numpy()
    return rows[keys.sort_values(list(keys.columns), kind="stable").index.to_numpy()]


def natural(text: str) -> tuple:
    """Return a sort key in which 'S2' stands before 'S10'."""
    import re

    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", str(text)) if part)


def check_whole(meta: pd.DataFrame, fit: np.ndarray, target: np.ndarray, name: str, overlap: bool) -> None:
    """Refuse a fold that splits a trial, or a recording whose windows overlap.

    Raises
    ------
    GuardError
    """
    columns = ["dataset", "subject", "session", "run", "recording"] + ([] if overlap else ["trial"])
    pieces = meta[columns].astype(str).agg("\x1f".join, axis=1).to_numpy()
    both = np.intersect1d(pieces[fit], pieces[target])
    if len(both):
        what = "recording (its windows overlap)" if overlap else "trial"
        raise GuardError(
            f"fold {name}: {len(both)} {what} stand in fit and in test, the first is {both[0].replace(chr(31), ' ').strip()}: "
            "split by session or subject instead"
        )


def _first_shots(meta, y, target, shots, name):
    if not shots:
        return _NONE, target
    ordered = in_time(meta, target)
    chosen = []
    for _, rows in meta.iloc[ordered].groupby("subject", sort=False).indices.items():
        mine = ordered[rows]
        for label in np.unique(y[mine]):
            first = mine[y[mine] == label][:shots]
            if len(first) < shots:
                raise SentenceError(f"fold {name}: split.shots={shots}, but a class has only {len(first)} windows")
            chosen.append(first)
    calibrate = np.sort(np.concatenate(chosen))
    test = target[~np.isin(target, calibrate)]
    # windows of one trial stay on one side
    trial = meta[["recording", "trial"]].astype(str).agg("\x1f".join, axis=1).to_numpy()
    test = test[~np.isin(trial[test], trial[calibrate])]
    if not len(test):
        raise SentenceError(f"fold {name}: split.shots={shots} leaves no window to test")
    return calibrate, test


def _first_rows(meta, test, n_align, name):
    ordered = in_time(meta, test)
    first = [ordered[rows][:n_align] for _, rows in meta.iloc[ordered].groupby(["subject", "session"], sort=False).indices.items()]
    align = np.sort(np.concatenate(first))
    rest = test[~np.isin(test, align)]
    if not len(rest):
        raise SentenceError(f"fold {name}: align.n_align={n_align} unlabelled windows leave none to test")
    return align, rest
