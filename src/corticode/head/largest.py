"""The class with the largest score, as a probability; a class without a score (rest) wins when no other is large enough."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.head.base import Head, Inner, check_classes, softmax, spread


class Largest(Head):
    """Class probabilities from one score per class (a correlation with its template): softmax(slope * score + offset).

    One slope serves all classes, so whichever has the largest score is decided for, and the fit rows say only how far it
    may be trusted. A class whose score is the same in all fit rows has none (`rest`: nothing flickers): its offset is
    fitted, and is the bar that the others' largest score must pass. All other offsets are 0. Scores by templates that were
    learned (TRCA) serve for that as inner folds give them: a row that is part of its own template looks too good.

    Attributes
    ----------
    slope_ : float
    offset_ : float64 array [k]
        Of the classes that had fit rows.
    """

    selects = True

    def __init__(self) -> None:
        self.slope_: float | None = None
        self.offset_: np.ndarray | None = None
        self.classes_: np.ndarray | None = None
        self.n_outputs_: int | None = None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Fit the slope, and the offsets of classes without a score, to the least log loss.

        Raises
        ------
        SentenceError, BrokenDataError
            Z does not hold one score per class, y holds values, or one class only.
        """
        from scipy.optimize import minimize

        self.classes_, self.n_outputs_ = check_classes(y, self), int(n_outputs)
        scores, y = self._scores(Z), np.asarray(y)
        if inner is not None and inner.Z and inner.folds:
            scores = np.concatenate([self._scores(Z[asked]) for Z, _, asked in inner.cuts(Z)])
            y = np.concatenate([y[asked] for _, asked in inner.folds])
        spread_of = np.ptp(scores, axis=0)
        unit = scores[:, spread_of > 0].std() if (spread_of > 0).any() else 1.0
        without = np.flatnonzero(spread_of == 0)
        truth = np.searchsorted(self.classes_, y)

        def loss(parameters: np.ndarray) -> float:
            probability = softmax(self._values(scores, parameters, unit, without))[np.arange(len(truth)), truth]
            return float(-np.log(np.maximum(probability, 1e-300)).mean())

        begin = np.append(0.0, np.full(len(without), scores.mean() / unit))
        # separable rows would send the slope to infinity
        found = minimize(loss, begin, method="L-BFGS-B", bounds=[(-7, 5)] + [(-1e4, 1e4)] * len(without)).x
        self.slope_, self.offset_ = float(np.exp(found[0]) / unit), np.zeros(len(self.classes_))
        self.offset_[without] = found[1:]
        return self

    @staticmethod
    def _values(scores: np.ndarray, parameters: np.ndarray, unit: float, without: np.ndarray) -> np.ndarray:
        values = np.exp(parameters[0]) / unit * scores
        values[:, without] += parameters[1:]
        return values

    def _scores(self, Z: np.ndarray) -> np.ndarray:
        Z, wanted = np.asarray(Z, dtype=np.float64), int(np.squeeze(self.n_outputs_))
        if Z.ndim != 2 or Z.shape[1] != wanted:
            raise SentenceError(
                f"Largest reads one score per class, [n, {wanted}], and the encoder gives {list(Z.shape)}: use encoder CCA or TRCA"
            )
        return Z[:, self.classes_.astype(int)]

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        values = float(np.squeeze(self.slope_)) * self._scores(Z) + self.offset_
        return spread(softmax(values), self.classes_, self.n_outputs_)

    def notes(self) -> dict[str, Any]:
        """Return the slope."""
        return {"slope": float(np.squeeze(self.slope_))}
