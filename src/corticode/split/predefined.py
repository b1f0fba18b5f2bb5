"""Predefined: a column says which windows are learned from and which are asked, as a publisher or a challenge laid down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split


class Predefined(Split):
    """One fold, named after the values that are asked.

    Parameters
    ----------
    column : str
        Column of the windows' table: `split` from recordings.csv, or `session`, `site`, `run`, `subject`, `dataset`.
    fit : list of str or None
        Values that are learned from; None takes all that are not asked.
    test : list of str
        Values that are asked.
    shots : int or float
        Labelled windows per class of each asked person given to `calibrate`, the earliest first; a share of each session, if
        below 1.

    Raises
    ------
    SentenceError
        There is no such column or value: names those there are.
    """

    def __init__(self, column: str = "split", fit: Sequence[str] | None = None, test: Sequence[str] = ("test",), shots: float = 0):
        super().__init__(shots)
        self.column = column
        self.fit = None if fit is None else [str(value) for value in fit]
        self.test = [str(value) for value in test]

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give the one (name, fit rows, test rows)."""
        if self.column not in meta:
            raise SentenceError(f"split.column={self.column}: the windows have no such column, only {', '.join(map(str, meta.columns))}")
        values = meta[self.column].astype(str)
        absent = [value for value in [*(self.fit or []), *self.test] if value not in set(values)]
        if absent:
            there = ", ".join(sorted(values.unique())[:20])
            raise SentenceError(f"column {self.column} holds no {', '.join(absent)}, only {there}: set split.fit= and split.test=")
        asked = values.isin(self.test).to_numpy()
        known = ~asked if self.fit is None else values.isin(self.fit).to_numpy()
        yield "+".join(self.test), np.flatnonzero(known), np.flatnonzero(asked)
