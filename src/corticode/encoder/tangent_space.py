"""Tangent vectors of covariance matrices at the mean of the fit rows: the strong classical baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.covariance import Covariance, check_shape
from corticode.layer import spd
from corticode.space import Space


class TangentSpace(Covariance):
    """Windows -> covariances -> tangent vectors at the fit rows' mean, the bands' vectors behind each other.

    Input: windows [n, channels, times] of any kind, band-passed, or bands named here.
    Representation: [n, bands * c (c + 1) / 2], no unit.
    Parameters: the reference, one c x c matrix per band.
    Source: Barachant et al. 2012, IEEE TBME 59(4). Checked against pyriemann's TangentSpace to 1e-8.

    Parameters
    ----------
    estimator, bands_hz, order, scale
        As in `Covariance`.
    metric : str
        Which mean is the reference: 'riemann', 'logeuclid' or 'euclid'.

    Attributes
    ----------
    reference_ : float64 array [c, c] or [bands, c, c]
    """

    def __init__(
        self,
        estimator: str = "oas",
        bands_hz: Sequence[Sequence[float]] | None = None,
        order: int = 4,
        scale: str = "none",
        metric: str = "riemann",
    ):
        super().__init__(estimator, bands_hz, order, scale)
        self.metric = metric
        self.reference_: np.ndarray | None = None

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find the reference of each band: the mean of the fit rows."""
        self.reference_ = np.ascontiguousarray(spd.mean(features, self.metric))
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return tangent vectors [n, bands * c (c + 1) / 2]."""
        check_shape(features, self.reference_.shape)
        return spd.tangent(features, self.reference_).reshape(len(features), -1)

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return, per band and answer, the source whose variance moves most with the answer.

        A pattern of the tangent vector is a symmetric matrix A; its eigenvector u of largest |eigenvalue| is a source
        of the whitened signal, and reference^1/2 u is how that source reaches the channels (Kobler et al. 2021).
        """
        found = head.pattern()
        if found is None:
            return None
        pattern, outputs = found
        channels, bands = self.reference_.shape[-1], self.band_names
        values, vectors = np.linalg.eigh(spd.symmetric(pattern.reshape(len(pattern), len(bands), -1)))
        largest = np.abs(values).argmax(axis=-1)
        source = np.take_along_axis(vectors, largest[..., None, None], axis=-1)
        maps = (spd.sqrtm(self.reference_.reshape(-1, channels, channels)) @ source).reshape(-1, channels)
        # the sign of a source is arbitrary: let its strongest channel be positive
        maps *= np.sign(np.take_along_axis(maps, np.abs(maps).argmax(axis=1)[:, None], axis=1))
        return {
            "patterns": maps,
            "labels": bands * len(pattern),
            "outputs": [k for k in outputs for _ in bands],
            "bands": list(range(len(bands))) * len(pattern),
        }
