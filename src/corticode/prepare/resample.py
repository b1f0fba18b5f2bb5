"""Change of the sampling rate, with the anti-alias filter it needs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from corticode.errors import SentenceError
from corticode.prepare.base import Step, check_finite, number
from corticode.recording import Signal


class Resample(Step):
    """Bring the signal to another rate.

    Each continuous stretch is resampled by itself and laid on one common grid of the new rate, so that many joints
    add up to no drift. Events are in seconds and stay as they are.

    Parameters
    ----------
    sfreq_hz : float or None, Hz
        The new rate; None keeps the recording's own.

    Raises
    ------
    SentenceError
        The rate is not above 0.
    BrokenDataError
        NaN in the signal.

    Source
    ------
    scipy.signal.resample_poly, by the ratio of the two rates (250 to 128 Hz is 64 / 125).
    """

    def __init__(self, sfreq_hz: float | None = None):
        self.sfreq_hz = number(sfreq_hz)
        if self.sfreq_hz is not None and not self.sfreq_hz > 0:
            raise SentenceError(f"prepare.resample.sfreq_hz={sfreq_hz}: wanted a rate above 0, or null to keep the recording's own")

    @property
    def off(self) -> bool:
        """True without a rate."""
        return self.sfreq_hz is None

    @property
    def sees(self) -> str:
        """'recording': the anti-alias filter is symmetric, it reaches some samples into the future."""
        return "window" if self.off else "recording"

    def __call__(self, signal: Signal) -> Signal:
        old, new = signal.space.sfreq, self.sfreq_hz
        if new == old:
            return signal
        check_finite(signal, "resampling")
        pieces = signal.pieces()
        edges = [round(edge * new / old) for edge in (*(first for first, _ in pieces), signal.X.shape[1])]
        X = np.empty((len(signal.space), edges[-1]), dtype=np.float64)
        for (first, stop), start, end in zip(pieces, edges[:-1], edges[1:], strict=True):
            X[:, start:end] = _fitted(_resample(signal.X[:, first:stop], old, new), end - start)
        joints = tuple(sorted({edge for edge in edges[1:-1] if 0 < edge < edges[-1]}))
        return signal.replace(X=X, space=signal.space.at(new), joints=joints)


def _resample(X: np.ndarray, old: float, new: float) -> np.ndarray:
    """Return [channels, about times * new / old]."""
    from scipy.signal import resample_poly

    ratio = _fraction(new / old)
    # the offset travels apart, and the stretch goes on by its end values: zeros would make a step of an offset
    offset = X.mean(axis=1, keepdims=True)
    return offset + resample_poly(X - offset, ratio.numerator, ratio.denominator, axis=-1, padtype="edge")


def _fraction(ratio: float) -> Fraction:
    """Return the simplest fraction within a millionth of a ratio: 4 ms of drift in an hour at most."""
    for largest in (100, 1000, 10_000, 100_000):
        found = Fraction(ratio).limit_denominator(largest)
        if abs(float(found) / ratio - 1) < 1e-6:
            break
    return found


def _fitted(X: np.ndarray, length: int) -> np.ndarray:
    """Cut to a length, or repeat the last sample: rounding to the common grid costs at most one sample."""
    return X[:, :length] if X.shape[1] >= length else np.pad(X, ((0, 0), (0, length - X.shape[1])), mode="edge")
