"""Cross data set: each data set is asked by what other data sets taught."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split, people


class CrossDataset(Split):
    """One fold per asked data set, named after it.

    Windows must share one space: `data=joined` brings several data sets to common channels, rate and labels.

    Parameters
    ----------
    fit : list of str, or None
        Data sets that are learned from; None takes all that a fold does not ask.
    test : list of str, or None
        Data sets that are asked, one after the other; None takes all that are not in `fit`, or simply all.
    shots : int or float
        Labelled windows per class of each asked person given to `calibrate`, the earliest first; a share of each session, if
        below 1.

    Raises
    ------
    SentenceError
        There is one data set only, no such data set, or one that would be learned from and asked.
    """

    unseen = "dataset"

    def __init__(self, fit: Sequence[str] | None = None, test: Sequence[str] | None = None, shots: float = 0):
        super().__init__(shots)
        self.fit, self.test = _names(fit), _names(test)
        both = set(self.fit or []) & set(self.test or [])
        if both:
            raise SentenceError(f"split.fit and split.test both name {', '.join(sorted(both))}: a data set is learned from or asked")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (data set, rows of the others, rows of the data set)."""
        sets = dict(people(meta, ("dataset",)))
        absent = [name for name in [*(self.fit or []), *(self.test or [])] if name not in sets]
        if absent:
            raise SentenceError(
                f"there is no data set {', '.join(absent)} among these windows, only {', '.join(sets)}: set split.fit= and split.test="
            )
        if len(sets) < 2:
            raise SentenceError(
                f"split=cross_dataset needs two data sets, and there is only {', '.join(sets) or 'none'}: use data=joined data.sets=[...]"
            )
        for name in self.test or [name for name in sets if name not in (self.fit or [])]:
            learned = self.fit or [other for other in sets if other != name]
            yield name, np.concatenate([sets[other] for other in learned]), sets[name]


def _names(values: Sequence[str] | str | None) -> list[str] | None:
    return None if values is None else [str(value) for value in ([values] if isinstance(values, str) else values)]
