"""Causal band-pass filters inside a network: one signal in, one per band out, with gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from corticode.errors import SentenceError


class Bands(nn.Module):
    """Filter every window by itself, forwards only, from silence before its first sample.

    The product of spectra is a circular convolution: a window is followed by so many zeros that nothing of its end comes round to
    its beginning, and only what a filter answers within the length of a window is used. So the numbers are those of
    `scipy.signal.sosfilt`, in float32. No part of it is learned or saved.

    Parameters
    ----------
    filters : sequence of float array [sections, 6]
        Second-order sections of each band.
    n_times : int
        Samples per window.

    Attributes
    ----------
    response : complex tensor [bands, 1, frequencies]
        What the filters do to each frequency of the padded window.
    """

    def __init__(self, filters: Sequence[np.ndarray], n_times: int):
        super().__init__()
        from scipy.fft import next_fast_len
        from scipy.signal import sosfilt, unit_impulse

        self.n_times = int(n_times)
        self.n_padded = next_fast_len(2 * self.n_times, real=True)
        answers = np.stack([sosfilt(sos, unit_impulse(self.n_times)) for sos in filters])
        response = torch.from_numpy(np.fft.rfft(answers, n=self.n_padded)).to(torch.complex64)
        self.register_buffer("response", response[:, None], persistent=False)

    def filters(self) -> torch.Tensor:
        """Return what each filter answers to one impulse, float32 [bands, n_times]."""
        return torch.fft.irfft(self.response[:, 0], n=self.n_padded)[:, : self.n_times]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return filtered windows, float32 [b, bands, channels, times], of x [b, channels, times]."""
        with torch.autocast(x.device.type, enabled=False):  # spectra have no half precision on a CPU, and need their digits
            spectrum = torch.fft.rfft(x.float(), n=self.n_padded)  # [b, channels, frequencies]
            # one band after the other stays in a CPU's cache
            bands = [torch.fft.irfft(spectrum * response, n=self.n_padded)[..., : self.n_times] for response in self.response]
            return torch.stack(bands, dim=1)


def chebyshev(
    bands_hz: Sequence[Sequence[float]], sfreq: float, transition_hz: float = 2.0, pass_db: float = 3.0, stop_db: float = 30.0
) -> list[np.ndarray]:
    """Return Chebyshev II band-passes as second-order sections, made as those of FBCNet's authors.

    The order is the lowest that could keep `pass_db`; the edges then stand where signals must be `stop_db` weaker, so that in low bands
    the upper edge loses up to 6 dB.

    Parameters
    ----------
    bands_hz : sequence of (low, high)
    sfreq : float, Hz
    transition_hz : float
        From this far outside of a band on, signals are `stop_db` weaker.
    pass_db : float
        How much weaker they may be at its edges, when the order is chosen.
    stop_db : float

    Raises
    ------
    SentenceError
        A band with its transitions does not fit between 0 and half the sampling rate.
    """
    from scipy.signal import cheb2ord, cheby2

    filters = []
    for low, high in bands_hz:
        stop = (low - transition_hz, high + transition_hz)
        _check_band((low, high), stop, sfreq)
        order, _ = cheb2ord((low, high), stop, pass_db, stop_db, fs=sfreq)
        filters.append(cheby2(order, stop_db, stop, btype="bandpass", output="sos", fs=sfreq))
    return filters


def butterworth(bands_hz: Sequence[Sequence[float]], sfreq: float, order: int = 5) -> list[np.ndarray]:
    """Return Butterworth band-passes as second-order sections.

    Raises
    ------
    SentenceError
        A band does not fit between 0 and half the sampling rate.
    """
    from scipy.signal import butter

    for band in bands_hz:
        _check_band(band, band, sfreq)
    return [butter(order, band, btype="bandpass", output="sos", fs=sfreq) for band in bands_hz]


def _check_band(band: Sequence[float], reach: Sequence[float], sfreq: float) -> None:
    said = f"a band-pass of {band[0]:g} to {band[1]:g} Hz reaches from {reach[0]:g} to {reach[1]:g} Hz"
    if not 0 < reach[0] <= band[0] < band[1] <= reach[1]:
        raise SentenceError(f"{said}: take bands (low, high) that stay above 0")
    if not reach[1] < sfreq / 2:
        raise SentenceError(
            f"{said} and needs a rate above {2 * reach[1]:g} Hz, not {sfreq:g}: set prepare.resample.sfreq_hz=, or take lower bands"
        )
