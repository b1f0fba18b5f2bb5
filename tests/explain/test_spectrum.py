"""Filter spectra are those of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import firwin, freqz

from corticode.explain.spectrum import gain


def test_gain_is_the_frequency_response_over_its_largest():
    taps = np.stack([firwin(61, [8, 12], fs=160, pass_zero=False), 7 * firwin(61, [20, 30], fs=160, pass_zero=False)])
    found, edges = gain(taps, 160.0)
    middle = np.concatenate([[0.0], (edges[1:-2] + edges[2:-1]) / 2, [80.0]])
    for row, b in zip(found, taps, strict=True):
        wanted = np.abs(freqz(b, worN=middle, fs=160)[1])
        np.testing.assert_allclose(row, wanted / wanted.max(), atol=1e-6)
    assert middle[found[0].argmax()] == pytest.approx(10, abs=1) and middle[found[1].argmax()] == pytest.approx(25, abs=3)
    assert edges[0] == 0 and edges[-1] == 80 and found.shape == (2, len(edges) - 1)


@pytest.mark.parametrize("length", [1, 2, 500, 501])
def test_filters_of_any_length_have_axes_that_fit(length):
    found, edges = gain(np.ones((3, length)), 100.0)
    assert found.shape == (3, len(edges) - 1) and (np.diff(edges) > 0).all()


def test_a_filter_of_zeros_lets_nothing_through():
    assert not gain(np.zeros((1, 16)), 100.0)[0].any()
