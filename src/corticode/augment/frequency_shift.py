"""Move the whole spectrum of a window up or down by a few tenths of a hertz, or a few hertz."""

from __future__ import annotations

import math

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class FrequencyShift(Augment):
    """Shift every frequency of a window by the same amount, all channels together.

        x(t) -> Re( (x + i H[x])(t) e^(2 pi i f t) ),   f uniform between low_hz and high_hz, H the Hilbert transform

    Parameters
    ----------
    low_hz, high_hz : float
        Equal ones shift by exactly so much: MVCNet takes 0.1.
    probability : float

    Raises
    ------
    SentenceError
        The limits stand in the wrong order, or reach beyond half the rate.

    Source
    ------
    The frequency view of MVCNet (Wang et al. 2025, Knowledge-Based Systems 328:114205), which pads with zeros to a power of two
    before the transform, as this does; the range of 2 Hz is that of braindecode. Checked against `scipy.signal.hilbert`.
    """

    def __init__(self, low_hz: float = -2.0, high_hz: float = 2.0, probability: float = 0.0):
        super().__init__(probability)
        self.low_hz, self.high_hz = float(low_hz), float(high_hz)
        if not self.low_hz <= self.high_hz:
            raise SentenceError(f"augment.frequency_shift: low_hz={low_hz} lies above high_hz={high_hz}")

    def check(self, space, n_times):
        """Refuse shifts beyond half the rate.

        Raises
        ------
        SentenceError
        """
        largest = max(abs(self.low_hz), abs(self.high_hz))
        if largest >= space.sfreq / 2:
            raise SentenceError(
                f"augment.frequency_shift: {largest:g} Hz is half the rate of {space.sfreq:g} Hz or more: choose low_hz and high_hz below it"
            )

    def change(self, x, y, space, generator):
        """Return x shifted, and y."""
        n = x.shape[-1]
        share = torch.rand(len(x), 1, 1, generator=generator).to(x.device)
        f = self.low_hz + (self.high_hz - self.low_hz) * share
        angle = 2 * math.pi * f * torch.arange(n, device=x.device, dtype=x.dtype) / space.sfreq  # [b, 1, times]
        padded = 1 << (n - 1).bit_length()
        spectrum = torch.fft.rfft(x, n=padded)
        hilbert = torch.fft.irfft(spectrum.mul_(-1j), n=padded)[..., :n]
        return torch.addcmul(x * angle.cos(), hilbert, angle.sin(), value=-1), y
