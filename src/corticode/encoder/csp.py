"""Common spatial patterns: log-variances of the sources that differ most between classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.covariance import Covariance, check_shape
from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd
from corticode.layer.matrix import blocks
from corticode.space import Space

CONTRASTS = ("others", "joint")


class CSP(Covariance):
    """Windows -> covariances -> log-variances of sources found by contrasting classes.

    Input: windows [n, channels, times] of any kind, band-passed, or bands named here (a filter bank).
    Representation: [n, bands * n_components], log unit².
    Parameters: n_components filters per band.
    Source: Koles 1991; Blankertz et al. 2008, IEEE Signal Proc. Mag. 25(1). Two classes are checked against pyriemann's
    CSP to 1e-8 (up to sign), more classes with contrast 'joint' too.

    Parameters
    ----------
    n_components : int
        Sources per band.
    estimator, bands_hz, order, scale
        As in `Covariance`.
    metric : str
        Mean of a class's matrices: 'euclid' (the variance of all its windows), 'riemann' or 'logeuclid', which strong
        windows and people sway less.
    contrast : str
        How three or more classes are set apart. 'others': each against the mean of the others (Dornhege et al. 2004), and
        the classes give their best sources in turn, so a multiple of the number of classes treats them alike. 'joint':
        the class means are diagonalised together as well as may be, and the sources with the largest mutual information
        with the class are kept (Grosse-Wentrup and Buss 2008, IEEE TBME 55(8)): what pyriemann and MOABB do.

    Raises
    ------
    SentenceError
        The contrast is unknown.

    Attributes
    ----------
    filters_, patterns_ : float64 array [bands, n_components, channels]
        Source = filter @ signal; channels = pattern * source.
    """

    learns_labels = True

    def __init__(
        self,
        n_components: int = 8,
        estimator: str = "oas",
        bands_hz: Sequence[Sequence[float]] | None = None,
        order: int = 4,
        scale: str = "none",
        metric: str = "euclid",
        contrast: str = "others",
    ):
        super().__init__(estimator, bands_hz, order, scale)
        if contrast not in CONTRASTS:
            raise SentenceError(f"CSP contrast {contrast!r} is unknown: pick one of {', '.join(CONTRASTS)}")
        self.n_components, self.metric, self.contrast = int(n_components), metric, contrast
        self.filters_: np.ndarray | None = None
        self.patterns_: np.ndarray | None = None

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find filters and patterns of each band from the class means of the fit rows.

        Raises
        ------
        BrokenDataError
            The fit rows hold one class only.
        """
        classes, counts = np.unique(y, return_counts=True)
        if len(classes) < 2:
            raise BrokenDataError("CSP contrasts classes, and the fit rows hold one only: choose another split= or more data")
        C = self.banded(features)
        means = np.stack([spd.mean(C[y == label], self.metric) for label in classes], axis=1)
        if self.contrast == "joint" and len(classes) > 2:
            found = [jointly(of_band, spd.mean(of_band, self.metric), counts / len(y), self.n_components) for of_band in means]
        else:
            found = [against_others(of_band, self.n_components) for of_band in means]
        self.filters_ = np.stack([filters for filters, _ in found])
        self.patterns_ = np.stack([patterns for _, patterns in found])
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return log-variances [n, bands * n_components]."""
        C = self.banded(features)
        channels = self.filters_.shape[-1]
        check_shape(C, (len(self.filters_), channels, channels))
        variance = np.empty((len(C), *self.filters_.shape[:2]))
        for block in blocks(C):
            variance[block] = ((self.filters_ @ C[block]) * self.filters_).sum(axis=-1)
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


def against_others(means: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
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


def jointly(means: np.ndarray, total: np.ndarray, share: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return filters and patterns [n_components, c] of the sources that tell most about the class, of jointly diagonalised means.

    I = -sum(p log(sigma)) - 3/16 (sum(p (sigma^4 - 1)))^2,  sigma^2 a source's variance in a class of share p, 1 in all

    Parameters
    ----------
    means : float array [classes, c, c]
    total : float array [c, c]
        Mean of the means: sources have variance 1 there.
    share : float array [classes]
        Of the classes among the fit rows.
    n_components : int
    """
    filters = diagonaliser(means)
    filters /= np.sqrt(np.einsum("ic,cd,id->i", filters, total, filters))[:, None]
    variance = np.einsum("ic,kcd,id->ki", filters, means, filters)
    told = -share @ np.log(variance) / 2 - 3 / 16 * (share @ (variance**2 - 1)) ** 2
    order = np.argsort(-told, kind="stable")[:n_components]
    return filters[order], np.linalg.inv(filters).T[order]


def diagonaliser(C: np.ndarray, tol: float = 1e-6, max_iter: int = 100) -> np.ndarray:
    """Return V [c, c] that makes V C_k V' as diagonal as may be for all positive definite C [k, c, c] at once.

    Pairs of sources in turn are mixed by the step of Newton's method that lowers mean(log det diag(V C_k V')) - 2 log |det V|.

    Parameters
    ----------
    C : float array [k, c, c]
    tol : float
        Gain of a whole round, per pair of sources, at which to stop.
    max_iter : int
        Rounds over all pairs. Where the matrices are nearly alike, most mixtures are as good as any other and never
        settle: pyriemann's limits are kept, so that the sources are those that it finds.

    Source
    ------
    Pham 2001, SIAM J. Matrix Anal. 22(4). Checked against pyriemann's ajd_pham to 1e-8 (tests/encoder/test_csp.py).
    """
    D, V = np.array(C, dtype=np.float64), np.eye(C.shape[-1])
    pairs = [(i, j) for i in range(1, len(V)) for j in range(i)]
    for _ in range(max_iter):
        if sum(_mix(D, V, i, j) for i, j in pairs) < 2 * len(pairs) * tol / len(C):
            break
    return V


def _mix(D: np.ndarray, V: np.ndarray, i: int, j: int) -> float:
    """Mix sources i and j of D [k, c, c] and V [c, c], in place; return about what is gained."""
    a, b, both = D[:, i, i], D[:, j, j], D[:, i, j]
    slope = np.array([(both / a).mean(), (both / b).mean()])
    over, under = (b / a).mean(), (a / b).mean()
    # [[over, 1], [1, under]] @ part = 2 slope; no determinant where both have one ratio of variances in all matrices
    part = 2 * np.array([under * slope[0] - slope[1], over * slope[1] - slope[0]]) / max(over * under - 1, 2e-9)
    first, second = part / (1 + np.sqrt(max(1 - part[0] * part[1], 0.0)))
    mixing = np.array([[1.0, -first], [-second, 1.0]])
    here = [i, j]
    D[:, here] = mixing @ D[:, here]
    D[:, :, here] = D[:, :, here] @ mixing.T
    V[here] = mixing @ V[here]
    return float(slope @ part) / 2
