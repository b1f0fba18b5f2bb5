"""Covariance matrices of each window, of the whole signal or of one band after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.layer.spd import correlations, covariances, known_estimator
from corticode.space import Space

SCALES = ("none", "correlation")


class Covariance(Encoder):
    """Windows -> one covariance matrix per window (and band).

    Input: windows [n, channels, times] of any kind; band-pass them before, or name bands here.
    Representation: [n, c, c], or [n, bands, c, c] where bands are named, float64, unit² (no unit for correlations).
    Parameters: none is learned.

    Parameters
    ----------
    estimator : str or float
        'scm', 'oas', 'lwf', 'shrunk', or a number to shrink by (see `corticode.layer.spd.covariances`). Where channels depend
        on each other the decoder projects all of them to the dimensions that are left (`corticode.layer.rank`).
    bands_hz : sequence of (low, high) or None
        Butterworth band-passes, zero phase, made inside each window: a window is its own filter's whole signal, so
        slow bands want long windows.
    order : int
        Order of the band-pass (the pass forth and back doubles it).
    scale : str
        'none', or 'correlation': every channel's variance is 1, so that gains cannot be read.
    """

    spd = True
    window_arguments: tuple[str, ...] = ("estimator", "bands_hz", "order", "scale")

    def __init__(
        self, estimator: str | float = "oas", bands_hz: Sequence[Sequence[float]] | None = None, order: int = 4, scale: str = "none"
    ):
        if scale not in SCALES:
            raise SentenceError(f"covariance scale {scale!r} is unknown: pick one of {', '.join(SCALES)}")
        self.estimator, self.order, self.scale = known_estimator(estimator), int(order), scale
        self.bands_hz = None if bands_hz is None else tuple((float(low), float(high)) for low, high in bands_hz)

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return float64 covariances [n, c, c] or [n, bands, c, c]; the decoder sees to their rank (`layer/rank.py`).

        Raises
        ------
        BrokenDataError
            A band needs longer windows, or correlations a channel that is not constant.
        SentenceError
            A band does not fit under half the sampling rate.
        """
        if self.bands_hz is None:
            C = covariances(X, self.estimator)
        else:
            C = np.stack([self._of_band(X, band, space.sfreq) for band in self.bands_hz], axis=1)
        if self.scale == "correlation":
            C = correlations(C)
        return C

    def _of_band(self, X: np.ndarray, band: tuple[float, float], sfreq: float) -> np.ndarray:
        low, high = band
        if not 0 < low < high < sfreq / 2:
            raise SentenceError(
                f"band {low:g}-{high:g} Hz does not fit between 0 and half the sampling rate ({sfreq / 2:g} Hz): change bands_hz"
            )
        from scipy.signal import butter, sosfiltfilt

        sos = butter(self.order, band, btype="bandpass", output="sos", fs=sfreq)
        C = np.empty((len(X), X.shape[1], X.shape[1]))
        try:
            # a few windows at a time: the filtered copy is float64 and would double the memory of the data
            for first in range(0, len(X), 64):
                rows = slice(first, first + 64)
                C[rows] = covariances(sosfiltfilt(sos, X[rows].astype(np.float64), axis=-1), self.estimator)
        except ValueError as error:
            raise BrokenDataError(
                f"windows of {X.shape[2]} samples are too short to filter at {low:g}-{high:g} Hz: make them longer, or bands_hz null"
            ) from error
        return C

    @property
    def band_names(self) -> list[str]:
        """A word for each band; one empty word when there are none."""
        return [""] if self.bands_hz is None else [f"{low:g}-{high:g} Hz" for low, high in self.bands_hz]

    def banded(self, features: np.ndarray) -> np.ndarray:
        """Return features as [n, bands, c, c] whether or not bands were named."""
        return features[:, None] if features.ndim == 3 else features

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return the matrices as they are."""
        return features


def check_shape(features: np.ndarray, fitted: tuple[int, ...]) -> None:
    """Refuse matrices of another montage or another list of bands than those seen in fit.

    Raises
    ------
    BrokenDataError
    """
    if features.shape[1:] != tuple(fitted):
        raise BrokenDataError(
            f"covariances are {list(features.shape[1:])} per window, this decoder was fitted on {list(fitted)}: "
            "give it the channels and bands it was fitted with"
        )
