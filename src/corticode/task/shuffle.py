"""Shuffled labels: which labels may change places, so that a control keeps all structure but the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from corticode.windows import PERSON, RECORDING, TRIAL


@dataclass(frozen=True)
class Exchange:
    """Labels that may change places.

    Parameters
    ----------
    piece : int array [n]
        Number of the piece (trial, recording or person) of each window: its windows keep one label.
    among : int array [m]
        Group of each piece: labels move inside it only.
    label : array [m]
        Label of each piece.
    rule : str
        What moves where, as words.
    """

    piece: np.ndarray
    among: np.ndarray
    label: np.ndarray
    rule: str

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n shuffled copies of the labels [n, windows]; each group keeps the labels of its pieces."""
        places = np.argsort(self.among, kind="stable")
        # whole numbers keep groups apart, the random fraction shuffles inside
        drawn = np.argsort(self.among + rng.random((n, len(self.among))), axis=1)
        labels = np.empty((n, len(self.label)), dtype=self.label.dtype)
        labels[:, places] = self.label[drawn]
        return labels[:, self.piece]


def exchange(y: np.ndarray, meta: pd.DataFrame) -> Exchange:
    """Find which labels may change places.

    Trials inside a person, where labels differ inside recordings (windows of a trial stay together); recordings inside a
    person, where each recording has one label (rest, then arithmetic); people of a data set, where each has one label (a
    diagnosis); recordings of a data set, where only some people have several labels.

    Parameters
    ----------
    y : array [n]
    meta : DataFrame [n]
        Identity columns.
    """
    y = np.asarray(y)
    person, recording, trial = (_number(meta, columns) for columns in (PERSON, RECORDING, TRIAL))
    dataset = _number(meta, ["dataset"])
    variety = pd.Series(y).groupby(person).nunique()
    if variety.max() == 1:
        return _exchange(y, person, dataset, "the labels of people, each of whom has one")
    if _constant(y, recording):
        if variety.min() > 1:
            return _exchange(y, recording, person, "the labels of recordings inside each person")
        return _exchange(y, recording, dataset, "the labels of recordings among all people, some of whom have one label")
    if _constant(y, trial):
        return _exchange(y, trial, person, "the labels of trials inside each person")
    return _exchange(y, np.arange(len(y)), person, "the labels of windows inside each person")


def _exchange(y: np.ndarray, piece: np.ndarray, among: np.ndarray, rule: str) -> Exchange:
    first = np.unique(piece, return_index=True)[1]
    return Exchange(piece, among[first], y[first], rule)


def _number(meta: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    return meta.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()


def _constant(y: np.ndarray, group: np.ndarray) -> bool:
    return bool(pd.Series(y).groupby(group).nunique().max() == 1)
