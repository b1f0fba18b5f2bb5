"""Filter spectra: which frequencies a network's temporal filters let through."""

from __future__ import annotations

import numpy as np

from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.explain.maps import Map
from corticode.windows import Windows

_STEP_HZ = 0.5


def filters(decoder: Decoder, windows: Windows) -> Map:
    """Frequency response of each temporal filter, its largest gain 1.

    Raises
    ------
    SentenceError
        The decoder has no temporal filters.
    """
    taps = getattr(decoder.encoder, "filters", lambda: None)() if decoder.encoder.neural else None
    if taps is None:
        raise SentenceError(f"filters needs temporal filters, and {type(decoder.encoder).__name__} names none")
    response, edges_hz = gain(taps.detach().cpu().numpy(), decoder.space.sfreq)
    return Map("filters", tuple(f"filter {i + 1}" for i in range(len(response))), {"frequency": response}, edges_hz=edges_hz)


def gain(taps: np.ndarray, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the gain of filters [k, samples] at frequencies up to half the rate [k, frequencies], and their edges in Hz."""
    n = max(taps.shape[1], int(np.ceil(sfreq / _STEP_HZ)))
    response = np.abs(np.fft.rfft(taps.astype(np.float64), n, axis=1))
    largest = response.max(axis=1, keepdims=True)
    edges = np.concatenate([[0.0], (np.arange(n // 2) + 0.5) * sfreq / n, [sfreq / 2]])
    return response / np.where(largest > 0, largest, 1), edges
