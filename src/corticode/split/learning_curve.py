"""Learning curve: the same test windows, asked by what more and more people (or trials) taught."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import PERSON, SESSION, TRIAL, Split, codes, people

OF = ("subject", "trial")


class LearningCurve(Split):
    """Folds of growing size, named 'person/size' or 'person/session/fold/size', the size also in `Fold.size`.

    Smaller sets are part of larger ones, so that a curve shows what more data add and not another draw of them.

    Parameters
    ----------
    of : str
        'subject': each person is asked by what `size` others taught (`size` equal to all others is split=loso). 'trial': trials
        of each session are asked by what the earliest `size` trials per class, of those outside the fold, taught.
    sizes : list of int, or None
        None: 1, 2, 4 ... and all there are (of trials: and as many as every class has).
    n_folds : int
        Of trials inside a session; not looked at for people.
    random_state : int
        Seed of the draw of people.
    shots : int or float
        As in `split.base.Split`.

    Raises
    ------
    SentenceError
        A size that the data do not have, two people (or trials per class) too few.
    """

    def __init__(self, of: str = "subject", sizes: Sequence[int] | None = None, n_folds: int = 5, random_state: int = 0, shots: float = 0):
        super().__init__(shots)
        self.of, self.n_folds, self.random_state = of, int(n_folds), int(random_state)
        self.sizes = None if sizes is None else sorted({int(size) for size in sizes})
        self.unseen = "subject" if of == "subject" else "trial"
        if of not in OF:
            raise SentenceError(f"split.of={of} is unknown: pick one of {', '.join(OF)}")
        if self.sizes is not None and (not self.sizes or self.sizes[0] < 1):
            raise SentenceError(f"split.sizes={sizes}: wanted whole numbers from 1 on, such as [1,2,4,8]")

    def size(self, name: str) -> int:
        """Return how many people (or trials per class) a fold learns from."""
        return int(re.search(r"(\d+)$", name).group(1))

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (.../size, fit rows, test rows), size by size for each test set."""
        self.notes.append(
            "learning curve: the headline is the mean over all sizes; scores.csv has each size as a fold of its own (.../size)"
        )
        yield from self._of_people(meta, y) if self.of == "subject" else self._of_trials(meta, y)

    def _of_people(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        everybody = people(meta, PERSON)
        for i, (name, target) in enumerate(everybody):
            others = [everybody[k][1] for k in range(len(everybody)) if k != i]
            drawn = [others[k] for k in np.random.default_rng([self.random_state, i]).permutation(len(others))]
            for size in self._sizes(len(drawn), "people to learn from"):
                fit = np.concatenate(drawn[:size])
                if self.sizes is not None or len(np.unique(y[fit])) > 1 or not np.issubdtype(y.dtype, np.integer):
                    yield f"{name}/{size}", fit, target

    def _of_trials(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        from sklearn.model_selection import KFold, StratifiedKFold

        trial, classes = codes(meta, TRIAL), np.issubdtype(y.dtype, np.integer)
        for name, rows in people(meta, SESSION):
            rows = rows[np.argsort(trial[rows], kind="stable")]
            first, number = np.unique(trial[rows], return_index=True, return_inverse=True)[1:]
            labels = y[rows[first]] if classes else np.zeros(len(first), dtype=int)
            if min(np.unique(labels, return_counts=True)[1]) < self.n_folds:
                raise SentenceError(f"session {name}: a class has fewer trials than split.n_folds={self.n_folds}: ask for fewer folds")
            # in order of time, so that a fold's trials stand together and neighbours are mostly on one side
            draw = StratifiedKFold if classes else KFold
            for i, (fit, test) in enumerate(draw(self.n_folds).split(labels, labels)):
                per_class = [fit[labels[fit] == label] for label in np.unique(labels)]
                for size in self._sizes(min(len(mine) for mine in per_class), "trials per class"):
                    chosen = np.concatenate([mine[:size] for mine in per_class])
                    yield f"{name}/{i + 1}/{size}", rows[np.isin(number, chosen)], rows[np.isin(number, test)]

    def _sizes(self, most: int, what: str) -> list[int]:
        """Return the sizes to run, up to `most`."""
        if self.sizes is None:
            return sorted({*(2**k for k in range(most.bit_length()) if 2**k <= most), most})
        if self.sizes[-1] > most:
            raise SentenceError(f"split.sizes={self.sizes}, and there are only {most} {what}: ask for fewer")
        return self.sizes
