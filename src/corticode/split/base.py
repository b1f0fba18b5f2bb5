"""Who is learned from and who is asked: folds of row indices, decided by identity columns alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.fold import Fold
from corticode.split.guard import check_classes, check_recordings, check_spans, check_whole
from corticode.split.rows import PERSON, RECORDING, SESSION, TRIAL, Spans, codes, in_time, people
from corticode.state import Stateful
from corticode.windows import natural

__all__ = ["ACCESS", "PERSON", "RECORDING", "SESSION", "TRIAL", "Fold", "Split", "codes", "in_time", "people"]

_NONE = np.arange(0)

# What of the target people a decoder may see without labels, before or while it answers (see split.access).
ACCESS = ("online", "trialwise", "calibration", "all")


class Split(Stateful):
    """Base of all splits.

    Parameters
    ----------
    shots : int or float
        Labelled windows given to `calibrate`, the earliest first: a whole number per class of each target person (of a factor
        to regress: windows); a share between 0 and 1 of each of their sessions, classes as they come. Tested is what comes
        after the last of them: windows between them serve neither.

    Attributes
    ----------
    notes : list of str
        What the run should show once: people left out.
    unseen : str
        What of a test row `fit` never holds, see `Fold`.
    past : bool
        `fit` holds nothing of a test person's future.
    gap_s : float or None, s
        Of splits that cut through a recording: fit rows that share samples with the target, or come nearer than this, are
        left out. None: a fold that cuts so is refused.
    """

    unseen, past = "trial", False
    gap_s: float | None = None

    def __init__(self, shots: float = 0):
        self.shots = _amount(shots, "split.shots", least=0)
        self.notes: list[str] = []

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (name, fit rows, target rows). `y` may serve only to balance classes."""
        raise NotImplementedError

    def size(self, name: str) -> int | None:
        """Return how many people or trials a fold of a learning curve learns from; None of any other."""
        return None

    def folds(
        self, meta: pd.DataFrame, y: np.ndarray, access: str = "online", n_align: float = 20, overlap: bool = False, length_s: float = 0.0
    ) -> list[Fold]:
        """Return the folds.

        Parameters
        ----------
        meta : DataFrame [n]
            Identity columns.
        y : array [n]
        access : str
            'online': align is empty; 'trialwise': so it is, and each window is to be answered by itself; 'calibration': the
            first `n_align` windows of each target person's session (a share of them, if below 1) are unlabelled calibration
            and are not tested; 'all': align equals test (transductive).
        overlap : bool
            Windows share samples: then a recording must be whole, or cut where there is a gap.
        length_s : float, s
            What a window is made of, from first to last sample. 0: not known, so a recording of overlapping windows stays whole.

        Raises
        ------
        GuardError
            A trial, overlapping windows or a recording of one class stand on both sides.
        SentenceError
            The data cannot be split this way.
        """
        if access not in ACCESS:
            raise SentenceError(f"align.access={access} is unknown: pick one of {', '.join(ACCESS)}")
        y, self.notes = np.asarray(y), []
        cut = _Cut(meta, y, overlap, length_s)
        place = np.empty(len(meta), dtype=np.int64)
        place[in_time(meta, np.arange(len(meta)))] = np.arange(len(meta))
        folds = []
        for name, fit, target in self.pairs(meta, y):
            if self.gap_s is not None:
                fit = fit[~Spans.of(meta, (0.0, length_s)).touching(fit, target, self.gap_s)]
            if not len(fit) or not len(target):
                raise SentenceError(f"fold {name} has {len(fit)} windows to fit on and {len(target)} to test: choose another split=")
            cut.check(fit, target, name)
            fold = self._fold(cut, np.sort(fit), target[np.argsort(place[target])], name, access, n_align)
            folds.append(fold)
        if not folds:
            raise SentenceError("this split makes no fold of these data: choose another split=")
        return folds

    def _fold(self, cut: _Cut, fit: np.ndarray, target: np.ndarray, name: str, access: str, n_align: float) -> Fold:
        """Return the fold; of the target (in time order), the first windows may go to calibration and alignment."""
        calibrate, test = _first_shots(cut, target, self.shots, name)
        self._note_lost(cut.meta, target, test, f"fold {name}: split.shots={self.shots:g}")
        given = [_said(self.shots, "labelled", f"{len(calibrate)} labelled")] if len(calibrate) else []
        align = _NONE
        if access == "all":
            align = test
            given.append("transductive")
        elif access == "trialwise":
            given.append("trialwise")
        elif access == "calibration":
            before = test
            align, test = _first_rows(cut, test, n_align, name)
            self._note_lost(cut.meta, before, test, f"fold {name}: align.n_align={n_align:g}")
            given.append(_said(n_align, "unlabelled", "unlabelled calibration"))
        return Fold(fit, test, name, align, calibrate, self.unseen, self.past, self.size(name), tuple(given))

    def _note_lost(self, meta: pd.DataFrame, before: np.ndarray, test: np.ndarray, what: str) -> None:
        """Say whom a calibration leaves without a window to test."""
        lost = sorted(set(meta["subject"].iloc[before]) - set(meta["subject"].iloc[test]), key=natural)
        if lost:
            self.notes.append(f"{what} leaves no window to test of {', '.join(lost)}")


class _Cut:
    """What may not stand on both sides of a fold: trials, and overlapping windows (or, where it is not known how far, recordings)."""

    def __init__(self, meta: pd.DataFrame, y: np.ndarray, overlap: bool, length_s: float):
        self.meta, self.y = meta, y
        self.whole = overlap and not length_s
        self.pieces = codes(meta, RECORDING if self.whole else TRIAL)
        self.spans = Spans.of(meta, (0.0, length_s)) if overlap and length_s else None

    def check(self, fit: np.ndarray, target: np.ndarray, name: str) -> None:
        check_whole(self.meta, self.pieces, fit, target, name, self.whole)
        if self.spans is not None:
            check_spans(self.meta, self.spans, fit, target, name)
        check_classes(self.y, fit, name)
        check_recordings(self.meta, self.y, fit, target, name)

    def clear_of(self, rows: np.ndarray, taken: np.ndarray) -> np.ndarray:
        """Return the rows that share neither a trial nor a sample with those taken."""
        rest = rows[~np.isin(self.pieces[rows], self.pieces[taken])]
        return rest if self.spans is None else rest[~self.spans.touching(rest, taken)]


# -- the target's first windows -----------------------------------------------------------------------------------


def _first_shots(cut: _Cut, target: np.ndarray, shots: float, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Part the target (in time order) into labelled calibration and test."""
    if not shots:
        return _NONE, target
    parts, rest = [], []
    for mine in _groups(cut.meta, target, SESSION if shots < 1 else PERSON):
        parts.append(_share(mine, shots) if shots < 1 else np.concatenate([*_per_class(cut, mine, shots, name)]))
        rest.append(mine[np.flatnonzero(np.isin(mine, parts[-1])).max() + 1 :])
    calibrate = np.concatenate(parts)
    test = cut.clear_of(np.concatenate(rest), calibrate)
    if not len(test):
        raise SentenceError(
            f"fold {name}: split.shots={shots:g} leaves no window to test: the last one given comes too late (a trial, or a recording of "
            "overlapping windows, stays whole); give fewer, or a share of each session whatever its classes, split.shots=0.2"
        )
    return np.sort(calibrate), test


def _per_class(cut: _Cut, mine: np.ndarray, shots: int, name: str) -> Iterator[np.ndarray]:
    """Give the first windows of each class of one person."""
    labels = cut.y[mine] if np.issubdtype(cut.y.dtype, np.integer) else np.zeros(len(mine), dtype=int)
    for label in np.unique(labels):
        first = mine[labels == label][:shots]
        if len(first) < shots:
            person = cut.meta["subject"].iloc[mine[0]]
            raise SentenceError(f"fold {name}: split.shots={shots}, but a class of {person} has only {len(first)} windows")
        yield first


def _first_rows(cut: _Cut, test: np.ndarray, n_align: float, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Part test rows (in time order) into unlabelled calibration and the rest."""
    n_align = _amount(n_align, "align.n_align", least=1)
    align = np.concatenate([_share(mine, n_align) if n_align < 1 else mine[:n_align] for mine in _groups(cut.meta, test, SESSION)])
    rest = cut.clear_of(test, align)
    if not len(rest):
        raise SentenceError(
            f"fold {name}: align.n_align={n_align:g} unlabelled windows leave none to test (a trial, or a recording of overlapping windows, stays whole)"
        )
    return align, rest


def _groups(meta: pd.DataFrame, rows: np.ndarray, columns: tuple[str, ...]) -> list[np.ndarray]:
    return [rows[mine] for _, mine in people(meta.iloc[rows].reset_index(drop=True), columns)]


def _share(rows: np.ndarray, share: float) -> np.ndarray:
    """Return the first share of rows, one at least and not all: as MOABB cuts a target's session."""
    return rows[: min(max(int(share * len(rows)), 1), len(rows) - 1)]


def _said(amount: float, kind: str, otherwise: str) -> str:
    return f"{kind} {round(100 * amount)} %" if 0 < amount < 1 else otherwise


def _amount(value: float, key: str, least: int) -> float:
    """Return a number of windows as int, or a share of them as float.

    Raises
    ------
    SentenceError
    """
    fine = (
        not isinstance(value, bool)
        and isinstance(value, int | float | np.number)
        and (0 < value < 1 or (value >= least and value == int(value)))
    )
    if not fine:
        raise SentenceError(f"{key}={value}: wanted {least} or more windows, or a share of them between 0 and 1")
    return float(value) if 0 < value < 1 else int(value)
