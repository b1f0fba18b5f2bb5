"""Euclidean alignment: each person's windows whitened by their arithmetic mean covariance."""

from __future__ import annotations

import numpy as np

from corticode.align.base import Recentre
from corticode.layer import spd

# Directions below this share of the largest variance hold rounding errors only (average reference, interpolated
# channels): whitening would blow these up, so they are left out.
_FLOOR = 1e-10


class Euclidean(Recentre):
    """X <- R^-1/2 X, R = mean of X X' / times over a domain's windows.

    Acts on the signal, so any encoder can follow, networks too. R may lack dimensions (average reference): directions
    whose variance is below 1e-10 of the largest are left out, as in a pseudo-inverse.

    Source: He and Wu 2020, IEEE TBME 67(2). Parameters: see `Recentre`.
    """

    acts_on = "signal"

    def matrices(self, F: np.ndarray) -> np.ndarray:
        """Return X X' / times of each window [n, c, c], float64."""
        return spd.covariances(F, "scm", centre=False)

    def mean(self, C: np.ndarray) -> np.ndarray:
        """Return the arithmetic mean."""
        return C.mean(axis=0)

    def between(self, M: np.ndarray, C: np.ndarray, t: float) -> np.ndarray:
        """Return the weighted arithmetic mean."""
        return M + t * (C - M)

    def whiten(self, F: np.ndarray, M: np.ndarray) -> np.ndarray:
        """Return windows [n, c, t] in which M has become the identity."""
        return spd.invsqrtm(M, floor=_FLOOR).astype(F.dtype) @ F
