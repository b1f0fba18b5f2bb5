"""The windows themselves, for estimators that read the signal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.space import Space


class Identity(Encoder):
    """Windows -> windows.

    Input: windows [n, channels, times] of any kind.
    Representation: the same, or [n, channels * times].
    Parameters: none is learned.

    Parameters
    ----------
    flatten : bool
        Give one row of numbers per window. Heads that wrap an estimator of scikit-learn's do this by themselves.
    """

    def __init__(self, flatten: bool = False):
        self.flatten = bool(flatten)

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return [n, channels, times] or [n, channels * times]."""
        return features.reshape(len(features), -1) if self.flatten else features
