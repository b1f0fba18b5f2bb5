"""Which class flickers how, and band-passes inside a window."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.flicker import band_weights, banded, frequencies
from corticode.errors import BrokenDataError, SentenceError


def test_frequencies_are_read_from_names_or_told():
    assert frequencies(None, ("rest", "13Hz", "21 Hz", "17.5hz")) == (None, 13.0, 21.0, 17.5)
    assert frequencies(None, ("9.25", "left 12Hz")) == (9.25, 12.0)
    assert frequencies([None, 10, 12], ("a", "b", "c")) == (None, 10.0, 12.0)
    assert frequencies([10, 12], None) == (10.0, 12.0)


@pytest.mark.parametrize(
    "told,classes,said",
    [
        (None, ("left_hand", "right_hand"), "freqs_hz"),
        (None, None, "none are known"),
        (None, ("rest", "idle", "13Hz"), "cannot be told apart"),
        (None, ("left 13Hz", "right 13Hz"), "cannot be told apart"),
        ([10, 12], ("a", "b", "c"), "2 frequencies for 3 classes"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(told, classes, said):
    with pytest.raises(SentenceError, match=said):
        frequencies(told, classes)


def test_bands_are_filtered_window_by_window_then_cropped():
    from scipy.signal import butter, sosfiltfilt

    X = np.random.default_rng(0).standard_normal((3, 2, 512)).astype(np.float32)
    signals = banded(X, [[8, 12], [12, 16]], 128.0, order=3, start_s=1.0)
    expected = sosfiltfilt(butter(3, [12, 16], "bandpass", fs=128, output="sos"), X[2].astype(float))[:, 128:]
    np.testing.assert_allclose(signals[2, 1], expected - expected.mean(axis=-1, keepdims=True), atol=1e-12)
    assert signals.shape == (3, 2, 2, 384)
    whole = banded(X, None, 128.0)
    np.testing.assert_allclose(whole[:, 0], X - X.mean(axis=-1, keepdims=True), atol=1e-6)


def test_impossible_bands_are_refused():
    X = np.zeros((1, 2, 64), dtype=np.float32)
    with pytest.raises(SentenceError, match="half the sampling rate"):
        banded(X, [[8, 70]], 128.0)
    with pytest.raises(SentenceError, match="start_s"):
        banded(X, None, 128.0, start_s=0.5)
    with pytest.raises(BrokenDataError, match="too short"):
        banded(X[..., :20], [[8, 12]], 128.0)


def test_weights_fall_to_a_quarter():
    np.testing.assert_allclose(band_weights(3), [1.25, 2**-1.25 + 0.25, 3**-1.25 + 0.25])
