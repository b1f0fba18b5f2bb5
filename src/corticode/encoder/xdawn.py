"""Tangent space of super-trial covariances: each window beside the mean responses of the classes, for evoked potentials."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd
from corticode.space import Space


class XdawnTangentSpace(Encoder):
    """Windows -> xDAWN sources, below the classes' mean responses -> covariances -> tangent vectors.

        V_k: filters in which class k's mean response stands out most;  P = [V_1 mean_1; V_2 mean_2; ...]
        X [c, t] -> [P; V X] [2 k n_filters, t] -> covariance -> tangent vector

    A plain covariance does not change when time runs backwards; the blocks between response and window do, and so tell
    evoked potentials apart.
    Input: windows [n, channels, times], locked to an event, 1-20 Hz say.
    Representation: [n, m (m + 1) / 2], m = 2 * classes * n_filters, no unit.
    Parameters: n_filters filters and responses per class, and the reference m x m.
    Source: Rivet et al. 2009, IEEE TBME 56(8); Barachant and Congedo 2014, arXiv 1409.0107. Checked against pyriemann's
    XdawnCovariances to 1e-8. Matrices depend on the fit rows' labels, so an aligner acts on the signal. Where channels depend
    on each other (average reference) the decoder hands over the signal in the directions that all fit rows have
    (`layer/rank.py`); without a decoder filters are sought in the directions that are left.

    Parameters
    ----------
    n_filters : int
        Per class; no more than the signal has dimensions.
    estimator : str
        Of the super-trials: 'scm', 'oas' or 'lwf'. The latter two also take more sources than there are channels.
    metric : str
        Which mean is the reference: 'riemann', 'logeuclid' or 'euclid'.

    Attributes
    ----------
    filters_, patterns_ : float64 array [classes * n_filters, channels]
    responses_ : float64 array [classes * n_filters, times]
    reference_ : float64 array [m, m]
    speaks_for_ : int array [classes * n_filters]
        Class of each filter.
    """

    learns_labels = True

    # its features are the signal, but its matrices need the full rank of it as much as those of an SPD encoder
    wants_rank = True

    def __init__(self, n_filters: int = 4, estimator: str = "lwf", metric: str = "riemann"):
        if estimator not in spd.ESTIMATORS:
            raise SentenceError(f"covariance estimator {estimator!r} is unknown: pick one of {', '.join(spd.ESTIMATORS)}")
        self.n_filters, self.estimator, self.metric = int(n_filters), estimator, metric
        self.filters_: np.ndarray | None = None
        self.patterns_: np.ndarray | None = None
        self.responses_: np.ndarray | None = None
        self.reference_: np.ndarray | None = None
        self.speaks_for_: np.ndarray | None = None

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find each class's filters and mean response, then the reference.

        Raises
        ------
        BrokenDataError
            One class only, or a matrix that is not positive definite.
        """
        labels = np.unique(y)
        if len(labels) < 2:
            raise BrokenDataError("xDAWN contrasts classes, and the fit rows hold one only: choose another split= or more data")
        X = np.asarray(features, dtype=np.float64)
        # every sample of every fit row, one behind the other, is the signal that responses stand out of
        centred = X - X.mean(axis=(0, 2))[:, None]
        noise = np.einsum("nct,ndt->cd", centred, centred, optimize=True) / (len(X) * X.shape[2])
        values, basis = np.linalg.eigh(noise)
        basis = basis[:, values > spd.FULL_RANK * values[-1]]
        found = [self._of_class(X[y == label].mean(axis=0), noise, basis) for label in labels]
        self.filters_, self.patterns_, self.responses_ = (np.concatenate([one[k] for one in found]) for k in range(3))
        self.speaks_for_ = np.repeat(labels, [len(one[0]) for one in found])
        self.reference_ = np.ascontiguousarray(spd.mean(self.matrices(features), self.metric))
        return self

    def _of_class(self, response: np.ndarray, noise: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return filters, patterns and filtered mean response of one class, sought in the directions that the signal has."""
        from scipy.linalg import eigh

        vectors = eigh(spd.covariances(basis.T @ response, "scm"), basis.T @ noise @ basis)[1][:, ::-1]
        vectors = vectors / np.linalg.norm(vectors, axis=0)
        V = np.ascontiguousarray(vectors[:, : self.n_filters].T @ basis.T)
        return V, np.linalg.inv(vectors)[: self.n_filters] @ basis.T, V @ response

    def matrices(self, features: np.ndarray) -> np.ndarray:
        """Return covariances of super-trials, float64 [n, m, m].

        Raises
        ------
        BrokenDataError
            Windows of another shape than those fitted, or a matrix that is not positive definite.
        """
        wanted = [self.filters_.shape[1], self.responses_.shape[1]]
        if list(features.shape[1:]) != wanted:
            raise BrokenDataError(f"windows are {list(features.shape[1:])}, this decoder was fitted on {wanted}: cut them alike")
        half = len(self.filters_)
        C = np.empty((len(features), 2 * half, 2 * half))
        for first in range(0, len(features), 64):
            sources = self.filters_ @ np.asarray(features[first : first + 64], dtype=np.float64)
            both = np.concatenate([np.broadcast_to(self.responses_, sources.shape), sources], axis=1)
            C[first : first + 64] = spd.covariances(both, self.estimator)
        return spd.check_spd(C)

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return tangent vectors [n, m (m + 1) / 2]."""
        return spd.tangent(self.matrices(features), self.reference_)

    def patterns(self, head: Any) -> dict[str, Any]:
        """Return how each class's sources reach the channels, whatever the head."""
        labels = [f"xDAWN {k + 1}" for label in np.unique(self.speaks_for_) for k in range(int((self.speaks_for_ == label).sum()))]
        return {
            "patterns": self.patterns_,
            "labels": labels,
            "outputs": [int(label) for label in self.speaks_for_],
            "bands": [0] * len(labels),
        }
