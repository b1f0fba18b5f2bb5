"""Pseudo-online: each session's future is asked by what its past taught, as if the person still wore the cap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import SESSION, TRIAL, Split, codes, in_time, people
from corticode.split.rows import refuse_unclear_order


class PseudoOnline(Split):
    """One fold per person and session, named 'person/session': the past is learned from, the future asked in order of time.

    The cut falls between runs where there are several, else between trials. Windows of the past that share samples with the
    future, or end less than `gap_s` before it, serve neither.

    Parameters
    ----------
    n_runs : int or None
        The first runs of a session that are learned from; None: the `fraction`.
    fraction : float
        The share of a session's trials that is learned from, where `n_runs` is None; whole runs where a session has several.
    gap_s : float, s
        Time between the past and the future, beside the length of a window.
    shots : int or float
        Of the future, as in `split.base.Split`.

    Raises
    ------
    SentenceError
        A session has no later run (or trial) left to be asked; or its runs stand in another order than their names sort.

    Source
    ------
    Carrara and Papadopoulo 2024, J. Neural Eng. 21(1) 016003 (arXiv 2308.11656): earlier runs of a session train, later ones test.
    """

    past = True

    def __init__(self, n_runs: int | None = None, fraction: float = 0.5, gap_s: float = 0.0, shots: float = 0):
        super().__init__(shots)
        self.n_runs, self.fraction, self.gap_s = n_runs if n_runs is None else int(n_runs), float(fraction), float(gap_s)
        if self.n_runs is not None and self.n_runs < 1:
            raise SentenceError(f"split.n_runs={n_runs}: wanted 1 or more runs to learn from, or null to cut by split.fraction=")
        if not 0 < self.fraction < 1:
            raise SentenceError(f"split.fraction={fraction}: wanted a share between 0 and 1")
        if self.gap_s < 0:
            raise SentenceError(f"split.gap_s={gap_s}: wanted 0 or more seconds")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (person/session, the past, the future)."""
        trial = codes(meta, TRIAL)
        for name, rows in people(meta, SESSION):
            refuse_unclear_order(meta, rows, ("run", "recording"), f"runs of {name}", "split=within_session")
            rows = in_time(meta, rows)
            runs = [rows[mine] for _, mine in people(meta.iloc[rows].reset_index(drop=True), ("run", "recording"))]
            # pieces in order of time: runs, or the trials of the only one
            pieces = runs if len(runs) > 1 else [rows[trial[rows] == t] for t in dict.fromkeys(trial[rows])]
            if self.n_runs is not None and len(runs) <= self.n_runs:
                raise SentenceError(
                    f"session {name} has {len(runs)} runs, so split.n_runs={self.n_runs} leaves none to ask: use split.fraction="
                )
            if len(pieces) < 2:
                raise SentenceError(f"session {name} has one trial only: there is no past and future to part")
            n = self.n_runs if self.n_runs is not None else min(max(1, round(self.fraction * len(pieces))), len(pieces) - 1)
            yield name, np.concatenate(pieces[:n]), np.concatenate(pieces[n:])
