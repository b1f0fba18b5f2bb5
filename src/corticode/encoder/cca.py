"""Canonical correlation with sines and cosines at each class's flicker: the training-free reader of SSVEP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.encoder.flicker import band_weights, banded, frequencies
from corticode.errors import SentenceError
from corticode.layer import spd
from corticode.space import Space


class CCA(Encoder):
    """Windows -> largest canonical correlation with each class's reference -> one score per class.

        reference of f: sin and cos of 2 pi h f t, h = 1 .. n_harmonics       score = sum over bands of weight * correlation²

    Input: windows [n, channels, times]; unfiltered, or no more narrowly than the harmonics.
    Representation: [n, classes], no unit. A class without a frequency (rest) has score 0 always: head `Largest` then fits
    the bar that the others must pass, other heads (LDA) learn from the other columns.
    Parameters: none is learned.
    Source: Lin et al. 2006, IEEE TBME 53(12); several bands: Chen et al. 2015, J. Neural Eng. 12:046008. Checked against
    scikit-learn's CCA to 1e-5.

    Parameters
    ----------
    freqs_hz : sequence of float or None
        Of each class in the task's order, None for rest; None reads them from the classes' names ('13Hz').
    n_harmonics : int
        Those above half the sampling rate are left out.
    bands_hz : sequence of (low, high) or None
        Sub-bands, the m-th with weight m^-1.25 + 0.25: [[8, 88], [16, 88], [24, 88]] as in the paper.
    order : int
        Of the band-pass.
    start_s : float, s
        Left out at each window's begin.
    classes : sequence of str or None
        The task's, given by the recipe.
    """

    window_arguments: tuple[str, ...] = ("freqs_hz", "n_harmonics", "bands_hz", "order", "start_s", "classes")

    def __init__(
        self,
        freqs_hz: Sequence[float | None] | None = None,
        n_harmonics: int = 3,
        bands_hz: Sequence[Sequence[float]] | None = None,
        order: int = 4,
        start_s: float = 0.0,
        classes: Sequence[str] | None = None,
    ):
        self.freqs_hz = None if freqs_hz is None else tuple(None if f is None else float(f) for f in freqs_hz)
        self.n_harmonics, self.order, self.start_s = int(n_harmonics), int(order), float(start_s)
        self.bands_hz = None if bands_hz is None else tuple((float(low), float(high)) for low, high in bands_hz)
        self.classes = None if classes is None else tuple(classes)

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return canonical correlations [n, bands, classes].

        Raises
        ------
        SentenceError
            No frequencies are known, or a band or frequency does not fit under half the sampling rate.
        """
        freqs = frequencies(self.freqs_hz, self.classes)
        signals = banded(X, self.bands_hz, space.sfreq, self.order, self.start_s)
        rho = np.zeros((*signals.shape[:2], len(freqs)))
        # channels are whitened once; directions that are not there (average reference) are left out
        white = spd.invsqrtm(spd.covariances(signals, "scm"), floor=spd.FULL_RANK) @ signals / np.sqrt(signals.shape[-1])
        for k, freq in enumerate(freqs):
            if freq is not None:
                basis = reference(freq, self.n_harmonics, signals.shape[-1], space.sfreq)
                rho[..., k] = np.linalg.norm(white @ basis, ord=2, axis=(-2, -1))
        return rho

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return one score per class [n, classes]."""
        return np.einsum("b,nbk->nk", band_weights(features.shape[1]), np.asarray(features) ** 2)


def reference(freq_hz: float, n_harmonics: int, times: int, sfreq: float) -> np.ndarray:
    """Return an orthonormal basis [times, 2 * harmonics] of centred sines and cosines.

    Raises
    ------
    SentenceError
        The frequency does not fit under half the sampling rate.
    """
    harmonics = freq_hz * np.arange(1, n_harmonics + 1)
    harmonics = harmonics[harmonics < sfreq / 2]
    if not len(harmonics) or freq_hz <= 0:
        raise SentenceError(f"a flicker of {freq_hz:g} Hz does not fit between 0 and half the sampling rate ({sfreq / 2:g} Hz)")
    angle = 2 * np.pi * harmonics * (np.arange(times) / sfreq)[:, None]
    waves = np.hstack([np.sin(angle), np.cos(angle)])
    return np.linalg.qr(waves - waves.mean(axis=0))[0]
