"""Riemannian alignment: each person's covariances re-centred at the identity."""

from __future__ import annotations

import numpy as np

from corticode.align.base import Recentre
from corticode.layer import spd

# Share of a window's mean variance given to each direction: far below any signal, far above float32 rounding.
_FLOOR = 1e-6


class Riemannian(Recentre):
    """C <- W C W with W = M^-1/2, M = Riemannian mean of a domain's covariances, for each band by itself.

    Acts on covariance features where the encoder has them; else the signal is whitened by the Riemannian mean of its
    sample covariances, each with 1e-6 of its mean variance on the diagonal, so that windows that lack dimensions
    (average reference, fewer samples than channels) have a mean too.

    Online the mean is carried along as M_i = M_(i-1) #_(1/i) C_i, one step of length 1/i on the geodesic to the new
    row: it needs the last reference only, whatever the length of the session, and comes to the mean of all
    (Ho et al. 2013, NeurIPS: "recursive Karcher expectation estimators").

    Source: Zanini et al. 2018, IEEE TBME 65(5). Parameters: see `Recentre`.
    """

    acts_on = "feature"

    def matrices(self, F: np.ndarray) -> np.ndarray:
        """Return the covariance of each row [n, ..., c, c], float64."""
        if are_matrices(F):
            return F
        C = spd.covariances(F, "scm")
        return C + _FLOOR * np.trace(C, axis1=-2, axis2=-1)[:, None, None] / C.shape[-1] * np.eye(C.shape[-1])

    def mean(self, C: np.ndarray) -> np.ndarray:
        """Return the Riemannian mean."""
        return spd.mean_riemann(C)

    def between(self, M: np.ndarray, C: np.ndarray, t: float) -> np.ndarray:
        """Return the point at t of the geodesic."""
        return spd.geodesic(M, C, t)

    def whiten(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        """Return rows in which M has become the identity."""
        W = spd.invsqrtm(M)
        return W @ F @ W if are_matrices(F) else W.astype(F.dtype) @ F


def are_matrices(F: np.ndarray) -> bool:
    """Return True for covariance matrices [n, ..., c, c], False for windows [n, c, t]: no window is symmetric."""
    if F.shape[-1] != F.shape[-2] or not len(F):
        return F.shape[-1] == F.shape[-2]
    first = F[0]
    return bool(np.abs(first - first.swapaxes(-1, -2)).max() <= 1e-6 * np.abs(first).max())
