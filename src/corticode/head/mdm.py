"""Minimum distance to mean: the class whose mean covariance is nearest."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.head.base import Head, check_classes, softmax, spread
from corticode.layer import spd


class MDM(Head):
    """Class probabilities: softmax of minus the squared distances to the class means.

    Of several bands the squared distances add up. Source: Barachant et al. 2012, IEEE TBME 59(4). Checked against
    pyriemann's MDM to 1e-8.

    Parameters
    ----------
    metric : str
        Of means and distances: 'riemann', 'logeuclid' or 'euclid'.

    Attributes
    ----------
    means_ : float64 array [classes, c, c] or [classes, bands, c, c]
    """

    def __init__(self, metric: str = "riemann"):
        self.metric = metric
        self.means_: np.ndarray | None = None
        self.classes_: np.ndarray | None = None
        self.n_outputs_: int | None = None
        self._whitened: np.ndarray | None = None
        self._whiteners: np.ndarray | None = None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Find the mean of each class.

        Raises
        ------
        SentenceError
            Z holds no matrices, or y holds values.
        BrokenDataError
            One class only, or a matrix that is not positive definite.
        """
        if Z.ndim < 3 or Z.shape[-1] != Z.shape[-2]:
            raise SentenceError(f"MDM reads covariance matrices [n, c, c], and the encoder gives {list(Z.shape)}: use encoder Covariance")
        self.classes_, self.n_outputs_ = check_classes(y, self), int(n_outputs)
        self.means_ = np.stack([spd.mean(Z[y == label], self.metric) for label in self.classes_])
        return self

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        squared = self.distances(Z) ** 2
        squared = squared.reshape(len(Z), len(self.means_), -1).sum(axis=2)
        return spread(softmax(-squared), self.classes_, self.n_outputs_)

    def distances(self, Z: np.ndarray) -> np.ndarray:
        """Return the distance of each row from each class's mean, [n, classes] or [n, classes, bands]."""
        if self.metric != "riemann":
            return np.stack([spd.distance(Z, M, self.metric) for M in self.means_], axis=1)
        if self._whitened is not self.means_:  # made once for all decisions to come; not kept on disk
            self._whitened, self._whiteners = self.means_, spd.whitener(self.means_)
        return spd.distances(Z, self._whiteners)
