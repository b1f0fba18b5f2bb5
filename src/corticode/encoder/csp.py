"""Common spatial patterns: log-variances of the sources that differ most between classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.covariance import Covariance, check_shape
from corticode.errors import BrokenDataError
from corticode.layer import spd
from corticode.space import Space


class CSP(Covariance):
    """Windows -> covariances -> log-variances of sources found by contrasting classes.

    Input: windows [n, channels, times] of any kind, band-passed, or bands named here (a filter bank).
    Representation: [n, bands * n_components], log unit².
    Parameters: n_components filters per band.
    Source: Koles 1991; Blankertz et al. 2008, IEEE Signal Proc. Mag. 25(1). Two classes are checked against pyriemann's
    CSP to 1e-8 (up to sign). More classes: each against the mean of the others (Dornhege et al. 2004), and the classes
    give their best sources in turn, so a multiple of the number of classes treats them alike.

    Parameters
    ----------
    n_components : int
        Sources per band.
    estimator, bands_hz, order, scale
        As in `Covariance`.
    metric : str
        Mean of a class's matrices: 'euclid' (the variance of all its windows), 'riemann' or 'logeuclid', which strong
        windows and people sway less.

    Attributes
    ----------
    filters_, patterns_ : float64 array [bands, n_components, channels]
        Source = filter @ signal; channels = pattern * source.
    """

    def __init__(
        self,
        n_components: int = 8,
        estimator: str = "oas",
        bands_hz: Sequence[Sequence[float]] | None = None,
        order: int = 4,
        scale: str = "none",
        metric: str = "euclid",
    ):
        super().__init__(estimator, bands_hz, order, scale)
        self.n_components, self.metric = int(n_components), metric
        self.filters_: np.ndarray | None = None
        self.patterns_: np.ndarray | None = None

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find filters and patterns of each band from the class means of the fit rows.

        Raises
        ------
        BrokenDataError
            The fit rows hold one class only.
        """
        classes = np.unique(y)
        if len(classes) < 2:
            raise BrokenDataError("CSP contrasts classes, and the fit rows hold one only: choose another split= or more data")
        C = self.banded(features)
        means = np.stack([spd.mean(C[y == label], self.metric) for label in classes], axis=1)
        found = [contrast(of_band, self.n_components) for of_band in means]
        self.filters_ = np.stack([filters for filters, _ in found])
        self.patterns_ = np.stack([patterns for _, patterns in found])
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return log-variances [n, bands * n_components]."""
        C = self.banded(features)
        channels = self.filters_.shape[-1]
        check_shape(C, (len(self.filters_), channels, channels))
        variance = ((self.filters_ @ C) * self.filters_).sum(axis=-1)
        return np.log(variance).reshape(len(C), -1)

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return the sources' patterns, whatever the head."""
        bands, k, channels = self.patterns_.shape
        labels = [f"CSP {i + 1} {band}".strip() for band in self.band_names for i in range(k)]
        return {
            "patterns": self.patterns_.reshape(bands * k, channels),
            "labels": labels,
            "outputs": None,
            "bands": [band for band in range(bands) for _ in range(k)],
        }


def contrast(means: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return filters and patterns [n_components, c] of the sources that set class means [classes, c, c] apart."""
    pairs = [(means[1], means[0])] if len(means) == 2 else [(M, np.delete(means, k, axis=0).mean(axis=0)) for k, M in enumerate(means)]
    found = [_extremes(M, rest) for M, rest in pairs]
    # the classes give their first source each, then their second, ...
    order = [(i, k) for i in range(means.shape[-1]) for k in range(len(found))][:n_components]
    return np.stack([found[k][0][i] for i, k in order]), np.stack([found[k][1][i] for i, k in order])


def _extremes(M: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import eigh

    share, vectors = eigh(M, M + rest)
    # the share of a source's variance that is this class's: far from one half is telling, near 0 as much as near 1
    vectors = vectors[:, np.argsort(-np.abs(share - 0.5), kind="stable")]
    # the filters are orthonormal in M + rest, so the inverse of their matrix needs no inversion
    return vectors.T, ((M + rest) @ vectors).T
