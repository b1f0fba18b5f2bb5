"""Tangent space of covariances between bands: the signal at each flicker stacked below the others, for SSVEP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from corticode.encoder.flicker import banded, frequencies
from corticode.encoder.tangent_space import TangentSpace
from corticode.layer import spd
from corticode.space import Space


class StackedTangentSpace(TangentSpace):
    """Windows -> bands around each flicker, stacked as further channels -> covariances -> tangent vectors.

        X [c, t] -> [X at 13 Hz; X at 17 Hz; X at 21 Hz] [3 c, t] -> covariance [3 c, 3 c] -> tangent vector

    Unlike a filter bank of separate matrices, the blocks beside the diagonal and a common reference tell how strong one
    band is against another.
    Input: windows [n, channels, times], unfiltered.
    Representation: [n, k (k + 1) / 2], k = frequencies * channels, no unit. A class without a frequency (rest) adds no
    band: it is the one with little power in all of them.
    Parameters: the reference, k x k.
    Source: Congedo et al. 2013; Kalunga et al. 2016, Neurocomputing 191.

    Parameters
    ----------
    freqs_hz : sequence of float or None
        None reads them from the classes' names ('13Hz').
    half_width_hz : float, Hz
        Bands are f - half_width_hz to f + half_width_hz.
    start_s : float, s
        Left out at each window's begin, after filtering.
    estimator, order, metric
        As in `TangentSpace`.
    classes : sequence of str or None
        The task's, given by the recipe.
    """

    window_arguments: tuple[str, ...] = ("freqs_hz", "half_width_hz", "start_s", "estimator", "order", "classes")

    def __init__(
        self,
        freqs_hz: Sequence[float | None] | None = None,
        half_width_hz: float = 1.0,
        start_s: float = 0.0,
        estimator: str = "lwf",
        order: int = 4,
        metric: str = "riemann",
        classes: Sequence[str] | None = None,
    ):
        super().__init__(estimator, None, order, "none", metric)
        self.freqs_hz = None if freqs_hz is None else tuple(None if f is None else float(f) for f in freqs_hz)
        self.half_width_hz, self.start_s = float(half_width_hz), float(start_s)
        self.classes = None if classes is None else tuple(classes)

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return float64 covariances [n, k, k] of the stacked bands; the decoder sees to their rank (`layer/rank.py`).

        Raises
        ------
        SentenceError
            No frequencies are known, or a band does not fit under half the sampling rate.
        BrokenDataError
            Windows are too short to be filtered.
        """
        # any frequencies may be stacked, also more or fewer than there are classes
        freqs = [f for f in frequencies(self.freqs_hz, self.classes if self.freqs_hz is None else None) if f is not None]
        bands = [(f - self.half_width_hz, f + self.half_width_hz) for f in freqs]
        size = len(bands) * X.shape[1]
        C = np.empty((len(X), size, size))
        for first in range(0, len(X), 64):  # the filtered copy is float64 and would multiply the memory of the data
            signals = banded(X[first : first + 64], bands, space.sfreq, self.order, self.start_s)
            C[first : first + 64] = spd.covariances(signals.reshape(len(signals), size, -1), self.estimator)
        return C

    def patterns(self, head: Any) -> None:
        """Return nothing: a source of the stack is a map per band, and alignment is undone for the stack only."""
