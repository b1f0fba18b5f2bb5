"""Log-variance of each channel: the simplest measure of band power."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError
from corticode.space import Space


class LogVar(Encoder):
    """Windows -> log of each channel's variance.

    Input: windows [n, channels, times] of any kind, band-passed before.
    Representation: [n, channels], log unit².
    Parameters: none is learned.
    """

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return float64 log-variances [n, channels].

        Raises
        ------
        BrokenDataError
            A channel is constant: names the first window and the channel.
        """
        variance = np.stack([window.astype(np.float64).var(axis=-1) for window in X]) if len(X) else np.empty((0, len(space)))
        if not (variance > 0).all():
            row, channel = np.argwhere(~(variance > 0))[0]
            raise BrokenDataError(f"channel {space.names[channel]} is constant or broken in window {row}: drop that channel or that window")
        return np.log(variance)

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Learn nothing."""
        return self

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return how each channel's log-variance moves with each answer of a linear head."""
        found = head.pattern()
        if found is None:
            return None
        pattern, outputs = found
        return {"patterns": pattern, "labels": [""] * len(pattern), "outputs": outputs, "bands": None}
