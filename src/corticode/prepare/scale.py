"""Bring amplitudes to one scale: exponential moving standardisation, or median and quartiles of the recording."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from corticode.errors import SentenceError
from corticode.prepare.base import Step, check_choice, check_finite, each_piece, number
from corticode.recording import Signal

KINDS = ("exponential", "robust")


class Scale(Step):
    """Standardise each channel; the unit becomes 'z'.

    Parameters
    ----------
    kind : str or None
        'exponential' (mean and variance of the past, forgotten exponentially, anew after each joint), 'robust' (median
        and interquartile range of the whole recording, / 1.349 so that Gaussian data get variance 1); None or 'none':
        off.
    factor_new : float
        Weight of the newest sample in the exponential mean.
    init_block_s : float or None, s
        The first seconds are standardised by their own mean and deviation, since they have no past to speak of. They
        then see their own future: the step says 'recording'.
    eps : float, unit of the signal
        Smallest deviation that is divided by.

    Raises
    ------
    SentenceError
        factor_new is not between 0 and 1.
    BrokenDataError
        NaN in the signal.

    Source
    ------
    braindecode.preprocessing.exponential_moving_standardize (pandas `ewm(alpha=factor_new)`), and scikit-learn's
    RobustScaler with unit_variance=True.
    """

    def __init__(self, kind: str | None = None, factor_new: float = 1e-3, init_block_s: float | None = None, eps: float = 1e-4):
        self.kind = None if kind in (None, "none") else check_choice(kind, KINDS, "prepare.scale.kind")
        self.factor_new = float(factor_new)
        self.init_block_s = number(init_block_s)
        self.eps = float(eps)
        if not 0 < self.factor_new < 1:
            raise SentenceError(f"prepare.scale.factor_new={factor_new}: wanted a weight between 0 and 1")

    @property
    def off(self) -> bool:
        """True without a kind."""
        return self.kind is None

    @property
    def sees(self) -> str:
        """'past' for the exponential kind without an initial block, else 'recording'."""
        if self.off:
            return "window"
        return "past" if self.kind == "exponential" and not self.init_block_s else "recording"

    def __call__(self, signal: Signal) -> Signal:
        check_finite(signal, "scaling")
        if self.kind == "robust":
            X = robust(signal.X, self.eps)
        else:
            block = round((self.init_block_s or 0.0) * signal.space.sfreq)
            X = each_piece(signal, lambda piece: exponential(piece, self.factor_new, block, self.eps))
        return signal.replace(X=X, space=replace(signal.space, unit="z"))


def exponential(X: np.ndarray, factor_new: float = 1e-3, init_block: int = 0, eps: float = 1e-4) -> np.ndarray:
    """Return (x - m) / s with exponentially weighted mean m and mean square s² of x - m over the past.

    Weights are (1 - factor_new)^age, normalised to sum to 1 from the first sample on.

    Parameters
    ----------
    X : float array [channels, times]
    init_block : int, samples
        This many first samples are standardised by their own mean and deviation instead.
    """
    from scipy.signal import lfilter

    keep = 1.0 - factor_new
    total = (1.0 - keep ** np.arange(1, X.shape[1] + 1)) / factor_new  # sum of the weights so far

    def smooth(x: np.ndarray) -> np.ndarray:
        return lfilter([1.0], [1.0, -keep], x, axis=-1) / total

    # an offset of millivolts would cost digits in the running sums
    X = X - X[:, :1]
    centred = X - smooth(X)
    out = centred / np.maximum(np.sqrt(smooth(centred**2)), eps)
    if init_block:
        first = X[:, :init_block]
        out[:, :init_block] = (first - first.mean(axis=1, keepdims=True)) / np.maximum(first.std(axis=1, keepdims=True), eps)
    return out


def robust(X: np.ndarray, eps: float = 1e-4) -> np.ndarray:
    """Return (x - median) / (interquartile range / 1.349) of each channel [channels, times]."""
    low, middle, high = np.percentile(X, [25, 50, 75], axis=1)[..., None]
    return (X - middle) / np.maximum((high - low) / 1.3489795003921634, eps)
