"""Covariances of bands: what protocol B measures, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.covariance import Covariance
from corticode.errors import BrokenDataError, SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("Fz", "Cz", "Pz"), "uV", 128)


def noise(n=4, times=512, seed=0) -> np.ndarray:
    return (10 * np.random.default_rng(seed).standard_normal((n, 3, times))).astype(np.float32)


def test_bands_are_filtered_then_estimated_as_pyriemann_does():
    from pyriemann.estimation import Covariances
    from scipy.signal import butter, sosfiltfilt

    X, bands = noise(), [[4, 8], [8, 13]]
    C = Covariance("lwf", bands).per_window(X, SPACE)
    assert C.shape == (4, 2, 3, 3)
    for k, band in enumerate(bands):
        sos = butter(4, band, "band", output="sos", fs=128)
        np.testing.assert_allclose(
            C[:, k], Covariances("lwf").transform(sosfiltfilt(sos, X.astype(float), axis=-1)), rtol=1e-10, atol=1e-10
        )


def test_power_of_a_rhythm_is_found_in_its_band():
    X = noise() * 0.1
    X[:, 1] += 10 * np.sin(2 * np.pi * 10 * np.arange(512) / 128)
    C = Covariance(bands_hz=[[4, 8], [8, 13], [13, 30]]).per_window(X, SPACE)
    power = C[:, :, 1, 1].mean(axis=0)
    assert power.argmax() == 1 and power[1] > 100 * power[[0, 2]].max()


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(SentenceError, match="scm, oas, lwf"):
        Covariance("mve")
    with pytest.raises(SentenceError, match="none, correlation"):
        Covariance(scale="trace")
    with pytest.raises(SentenceError, match=r"13-70 Hz.*64 Hz"):
        Covariance(bands_hz=[[13, 70]]).per_window(noise(), SPACE)
    with pytest.raises(BrokenDataError, match="20 samples are too short"):
        Covariance(bands_hz=[[4, 8]]).per_window(noise(times=20), SPACE)
