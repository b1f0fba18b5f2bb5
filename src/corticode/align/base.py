"""Alignment: learning about a person from windows without labels."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from corticode.state import Stateful


class Align(Stateful):
    """Make people alike, one domain at a time, from blind windows.

    Parameters
    ----------
    by : str
        Identity column that names a domain: 'subject', 'session' or 'recording' (the finer ones include the coarser).
    access : str
        'online' (a test window is aligned by what came before it and itself), 'calibration' (by the target's first
        `n_align` unlabelled windows, which are not tested), 'all' (by all test windows: transductive, marked so).
    n_align : int
        Windows per person and session for access='calibration'.

    Attributes
    ----------
    acts_on : str
        'signal' (the aligned signal goes to `per_window`) or 'feature' (acts on SPD features, where the encoder has
        them, else on the signal).
    """

    acts_on = "signal"

    def __init__(self, by: str = "subject", access: str = "online", n_align: int = 20):
        self.by, self.access, self.n_align = by, access, int(n_align)

    def domains(self, meta: pd.DataFrame) -> np.ndarray:
        """Return the name of each row's domain [n]."""
        columns = {"subject": ["dataset", "subject"], "session": ["dataset", "subject", "session"],
                   "recording": ["dataset", "subject", "session", "run", "recording"]}[self.by]
        return meta[columns].astype(str).agg("\x1f".join, axis=1).to_numpy()

    def fit_source(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align the source: each domain by all of its own rows. Returns the aligned array, shape of F."""
        raise NotImplementedError

    def observe(self, F: np.ndarray, meta: pd.DataFrame) -> Self:
        """Take in blind rows of the target, before it is predicted."""
        raise NotImplementedError

    def transform(self, F: np.ndarray, meta: pd.DataFrame) -> np.ndarray:
        """Align target rows. With access='online' row i is aligned by the rows of its domain that stand before it
        (and those observed) and itself; rows must then be in time order. The state moves on with each row."""
        raise NotImplementedError

    def forget(self) -> Self:
        """Drop what is known of targets; the source's part stays."""
        raise NotImplementedError


class NoAlign(Align):
    """Leave everybody as recorded."""

    acts_on = "nothing"

    def fit_source(self, F, meta):
        """Return F."""
        return F

    def observe(self, F, meta):
        """Learn nothing."""
        return self

    def transform(self, F, meta):
        """Return F."""
        return F

    def forget(self):
        """Nothing to drop."""
        return self
