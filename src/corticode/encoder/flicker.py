"""Parts that readers of flicker responses share: which class flickers at which frequency, and band-passes inside a window."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from corticode.errors import BrokenDataError, SentenceError

_NAMED = re.compile(r"(\d+(?:\.\d+)?)\s*hz|^\s*(\d+(?:\.\d+)?)\s*$", re.IGNORECASE)


def frequencies(freqs_hz: Sequence[float | None] | None, classes: Sequence[str] | None) -> tuple[float | None, ...]:
    """Return the flicker of each class, Hz; None for a class that is none (rest).

    Parameters
    ----------
    freqs_hz : sequence of float or None
        As told, one per class in the classes' order, None for rest; nothing told reads them from the classes' names.
    classes : sequence of str or None
        '13Hz', '13.5 Hz', 'left 13Hz' or '13' name a frequency, 'rest' names none.

    Raises
    ------
    SentenceError
        No frequency is known, two classes have one and the same (or none), or there is not one for each class.
    """
    if freqs_hz is None:
        found = tuple(_frequency(str(name)) for name in classes or ())
        if not any(found):
            raise SentenceError(
                f"no frequency stands in the class names ({', '.join(map(str, classes or ())) or 'none are known'}): "
                "say model.encoder.freqs_hz=[13,17,21], one per class, null for rest"
            )
    else:
        found = tuple(None if f is None else float(f) for f in freqs_hz)
        if classes and len(found) != len(classes):
            raise SentenceError(
                f"freqs_hz names {len(found)} frequencies for {len(classes)} classes ({', '.join(map(str, classes))}): one each, null for rest"
            )
    if len(set(found)) < len(found):
        raise SentenceError(
            f"two classes flicker alike ({_said(found)}), or two do not flicker at all: they cannot be told apart by frequency"
        )
    return found


def _frequency(name: str) -> float | None:
    match = _NAMED.search(name)
    return None if match is None else float(match.group(1) or match.group(2))


def _said(found: Sequence[float | None]) -> str:
    return ", ".join("none" if f is None else f"{f:g} Hz" for f in found)


def banded(X: np.ndarray, bands_hz: Sequence[Sequence[float]] | None, sfreq: float, order: int = 4, start_s: float = 0.0) -> np.ndarray:
    """Return windows band-passed inside themselves, one band beside the other, without their first seconds.

    Butterworth, zero phase; each window is its own filter's whole signal, so nothing leaks between neighbours.

    Parameters
    ----------
    X : array [n, channels, times]
    bands_hz : sequence of (low, high) or None
        None gives X itself as the only band.
    sfreq : float, Hz
    order : int
        The pass forth and back doubles it.
    start_s : float, s
        Left out after filtering: the response needs time to build up, and the filter to settle.

    Returns
    -------
    signals : float64 array [n, bands, channels, times - start], centred

    Raises
    ------
    SentenceError
        A band does not fit under half the sampling rate, or nothing is left after `start_s`.
    BrokenDataError
        Windows are too short to be filtered.
    """
    from scipy.signal import butter, sosfiltfilt

    X, first = np.asarray(X, dtype=np.float64), round(start_s * sfreq)
    if X.shape[-1] - first < 2:
        raise SentenceError(f"start_s={start_s:g} leaves nothing of windows of {X.shape[-1] / sfreq:g} s: make it smaller")
    signals = np.empty((len(X), len(bands_hz or [0]), X.shape[1], X.shape[2] - first))
    for k, band in enumerate(bands_hz or [None]):
        if band is None:
            signals[:, k] = X[..., first:]
            continue
        low, high = band
        if not 0 < low < high < sfreq / 2:
            raise SentenceError(f"band {low:g}-{high:g} Hz does not fit between 0 and half the sampling rate ({sfreq / 2:g} Hz): change it")
        sos = butter(order, (low, high), btype="bandpass", output="sos", fs=sfreq)
        try:
            signals[:, k] = sosfiltfilt(sos, X, axis=-1)[..., first:]
        except ValueError as error:
            raise BrokenDataError(
                f"windows of {X.shape[-1]} samples are too short to filter at {low:g}-{high:g} Hz: make them longer"
            ) from error
    return signals - signals.mean(axis=-1, keepdims=True)


def band_weights(n_bands: int) -> np.ndarray:
    """Return how much each sub-band counts [n_bands]: m^-1.25 + 0.25, the lower ones more (Chen et al. 2015)."""
    return np.arange(1, n_bands + 1) ** -1.25 + 0.25
