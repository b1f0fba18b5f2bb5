"""Within session: each session of a person by itself, parted into trials to learn from and trials to be asked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import SESSION, TRIAL, Split, codes, people


class WithinSession(Split):
    """Folds of trials inside each session of each person, named 'person/session/fold'. Trials stay whole.

    Parameters
    ----------
    n_folds : int
    shuffle : bool
        True: trials are drawn at random, each fold with the class shares of the session. False: as they come in time, which
        keeps most neighbours on one side and so leans less on slow drifts.
    random_state : int
        Seed of the draw.
    shots : int or float
        Labelled windows per class of the asked trials given to `calibrate`, the earliest first; a share of them, if below 1.

    Raises
    ------
    SentenceError
        A session holds one class, or a class has fewer trials than there are folds.
    """

    def __init__(self, n_folds: int = 5, shuffle: bool = True, random_state: int = 0, shots: float = 0):
        super().__init__(shots)
        self.n_folds, self.shuffle, self.random_state = int(n_folds), bool(shuffle), int(random_state)
        if self.n_folds < 2:
            raise SentenceError(f"split.n_folds={n_folds}: wanted 2 or more")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (person/session/fold, other trials of the session, the fold's trials)."""
        from sklearn.model_selection import KFold, StratifiedKFold

        trial = codes(meta, TRIAL)
        seed = self.random_state if self.shuffle else None
        for name, rows in people(meta, SESSION):
            first, number = np.unique(trial[rows], return_index=True, return_inverse=True)[1:]
            labels = y[rows[first]]
            draw = KFold
            if np.issubdtype(y.dtype, np.integer):
                draw = StratifiedKFold
                self._check(name, labels)
            elif len(first) < self.n_folds:
                raise SentenceError(f"session {name} has {len(first)} trials for split.n_folds={self.n_folds}: ask for fewer folds")
            folds = draw(self.n_folds, shuffle=self.shuffle, random_state=seed).split(labels, labels)
            for i, (fit, test) in enumerate(folds):
                yield f"{name}/{i + 1}", rows[np.isin(number, fit)], rows[np.isin(number, test)]

    def _check(self, name: str, labels: np.ndarray) -> None:
        counts = np.unique(labels, return_counts=True)[1]
        if len(counts) < 2:
            raise SentenceError(
                f"session {name} holds one class only ({counts[0]} trials): there is nothing to tell apart within it, use split=loso or split=kfold"
            )
        if counts.min() < self.n_folds:
            raise SentenceError(
                f"session {name}: a class has {counts.min()} trials for split.n_folds={self.n_folds}: ask for {max(2, counts.min())} folds or fewer"
            )
