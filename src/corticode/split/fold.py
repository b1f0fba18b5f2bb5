"""A fold: which rows are learned from, which are asked, and what of the target is seen beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from corticode.errors import GuardError

_NONE = np.arange(0)


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
    unseen : str
        What the split promises never to have met in `fit`: the 'subject', 'session', 'site' or 'dataset' of the test rows, or
        their 'trial's only. The guard holds it to that.
    past : bool
        A further promise: what of a test person's is learned from (fit, calibrate, and align unless it is the test itself) was
        recorded before.
    size : int or None
        Of a learning curve: how many people or trials are learned from.
    given : tuple of str
        What was given of the target, in the words of `split.access`.

    Raises
    ------
    GuardError
        Parts overlap: a test row would be learned from. Or a part does not hold numbers of rows, counted from 0.
    """

    fit: np.ndarray
    test: np.ndarray
    name: str
    align: np.ndarray = field(default_factory=lambda: _NONE)
    calibrate: np.ndarray = field(default_factory=lambda: _NONE)
    unseen: str = "trial"
    past: bool = False
    size: int | None = None
    given: tuple[str, ...] = ()

    def __post_init__(self):
        for part in ("fit", "test", "align", "calibrate"):
            rows = np.asarray(getattr(self, part))
            if len(rows) and not np.issubdtype(rows.dtype, np.integer):
                raise GuardError(f"fold {self.name}: {part} holds {rows.dtype}: wanted numbers of rows (np.flatnonzero of a mask)")
            if len(rows) and rows.min() < 0:
                raise GuardError(f"fold {self.name}: {part} names row {rows.min()}: rows are counted from 0, or one row has two names")
            rows = rows.astype(np.int64)
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
