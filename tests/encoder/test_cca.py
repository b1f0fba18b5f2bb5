"""Canonical correlation against scikit-learn's, and what it does with rest, harmonics and bands."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.cca import CCA, reference
from corticode.errors import SentenceError
from corticode.head.largest import Largest
from corticode.space import Space

CLASSES = ("rest", "9Hz", "11.5Hz")
SPACE = Space("eeg", tuple(f"O{i}" for i in range(5)), "uV", 128)


def flicker(n=60, channels=5, times=256, sfreq=128.0, seed=0, strength=1.0):
    """Windows of rest, 9 Hz and 11.5 Hz with a second harmonic, at any phase, in coloured noise."""
    rng = np.random.default_rng(seed)
    y, t = np.arange(n) % 3, np.arange(times) / sfreq
    X = np.cumsum(rng.standard_normal((n, channels, times)), axis=-1) * 0.3 + rng.standard_normal((n, channels, times))
    topography = rng.standard_normal(channels)
    for i, label in enumerate(y):
        if label:
            f, phase = (None, 9.0, 11.5)[label], rng.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * f * t + phase) + 0.5 * np.sin(4 * np.pi * f * t + phase)
            X[i] += strength * topography[:, None] * wave
    return X.astype(np.float32), y, pd.DataFrame({"subject": np.arange(n)})


@pytest.mark.parametrize("bands", [None, [[6, 30], [14, 30]]])
def test_correlations_equal_scikit_learn(bands):
    from scipy.signal import butter, sosfiltfilt
    from sklearn.cross_decomposition import CCA as Reference

    X, _, _ = flicker(6)
    rho = CCA(n_harmonics=2, bands_hz=bands, classes=CLASSES).per_window(X, SPACE)
    assert rho.shape == (6, 2 if bands else 1, 3) and (rho[..., 0] == 0).all()
    t = np.arange(256) / 128
    for i in range(6):
        for b, band in enumerate(bands or [None]):
            x = X[i].astype(float)
            x = x if band is None else sosfiltfilt(butter(4, band, "bandpass", fs=128, output="sos"), x)
            for k, f in ((1, 9.0), (2, 11.5)):
                Y = np.stack([g(2 * np.pi * h * f * t) for h in (1, 2) for g in (np.sin, np.cos)], axis=1)
                u, v = Reference(1, max_iter=5000, tol=1e-12).fit_transform(x.T, Y)
                assert rho[i, b, k] == pytest.approx(abs(np.corrcoef(u[:, 0], v[:, 0])[0, 1]), abs=1e-5)


def test_score_is_the_weighted_sum_of_squares():
    X, y, meta = flicker(6)
    encoder = CCA(bands_hz=[[6, 30], [14, 30]], classes=CLASSES)
    rho = encoder.per_window(X, SPACE)
    expected = 1.25 * rho[:, 0] ** 2 + (2**-1.25 + 0.25) * rho[:, 1] ** 2
    np.testing.assert_allclose(encoder.fit(rho, y, meta).encode(rho, meta, SPACE), expected)


def test_flicker_and_rest_are_read_from_new_windows():
    X, y, meta = flicker(150)
    encoder = CCA(classes=CLASSES)
    Z = encoder.encode(encoder.per_window(X, SPACE), meta, SPACE)
    decided = Largest().fit(Z[:75], y[:75], meta[:75], 3).predict(Z[75:]).argmax(axis=1)
    assert (decided == y[75:]).mean() > 0.9
    flickering = y > 0
    assert (Z[flickering].argmax(axis=1) == y[flickering]).mean() > 0.95  # nothing is learned for this


def test_dependent_channels_change_nothing():
    """An average reference takes a dimension away; the correlation lives in the others."""
    X, _, _ = flicker(6)
    bare = CCA(classes=CLASSES).per_window(X[:, :4], SPACE)
    doubled = np.concatenate([X[:, :4], X[:, :1] - X[:, 1:2]], axis=1)
    np.testing.assert_allclose(CCA(classes=CLASSES).per_window(doubled, SPACE), bare, atol=1e-5)


def test_harmonics_above_half_the_rate_are_left_out():
    assert reference(30.0, 3, 256, 128.0).shape == (256, 4)
    basis = reference(9.0, 2, 256, 128.0)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    with pytest.raises(SentenceError, match="half the sampling rate"):
        reference(64.0, 3, 256, 128.0)


def test_names_without_frequency_are_refused():
    with pytest.raises(SentenceError, match="freqs_hz"):
        CCA(classes=("left_hand", "right_hand")).per_window(flicker(3)[0], SPACE)


def test_class_names_of_the_task_reach_the_encoder():
    from corticode.compose import compose
    from corticode.recipe import Recipe

    cfg = compose(["model=cca"])
    decoder = Recipe("cca", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], SPACE, 256, CLASSES)(0)
    assert decoder.encoder.classes == CLASSES
    assert decoder.encoder.per_window(flicker(2)[0], SPACE).shape == (2, 1, 3)
