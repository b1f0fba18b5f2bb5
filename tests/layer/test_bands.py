"""Filters inside a network give scipy's numbers, pass gradients on, and are no part of what is saved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import butter, cheby2, sosfilt

from corticode.errors import SentenceError
from corticode.layer.bands import Bands, butterworth, chebyshev

BANDS = [(4, 8), (12, 30)]


@pytest.mark.parametrize("make", [chebyshev, butterworth])
@pytest.mark.parametrize("n_times", [7, 50, 401])
def test_it_is_scipy_s_filter_from_silence(make, n_times):
    filters = make(BANDS, 128.0)
    x = np.random.default_rng(0).normal(10, 5, (3, 2, n_times)).astype(np.float32)
    got = Bands(filters, n_times)(torch.from_numpy(x))
    assert got.shape == (3, 2, 2, n_times) and got.is_contiguous()
    assert np.allclose(got, np.stack([sosfilt(sos, x.astype(float)) for sos in filters], axis=1), atol=1e-4)


def test_the_past_alone_counts():
    bank = Bands(chebyshev(BANDS, 128.0), 200)
    x = torch.randn(1, 1, 200, generator=torch.Generator().manual_seed(0))
    later = x.clone()
    later[..., 150:] += 100
    assert torch.allclose(bank(later)[..., :150], bank(x)[..., :150], atol=1e-3)
    assert (bank(later)[..., 150:] - bank(x)[..., 150:]).abs().max() > 1


def test_gradients_go_through_and_nothing_is_saved():
    bank = Bands(butterworth(BANDS, 128.0), 64)
    x = torch.randn(2, 3, 64, dtype=torch.float32, requires_grad=True)
    bank(x).square().sum().backward()
    assert (x.grad.abs().sum(dim=2) > 0).all()
    assert not bank.state_dict() and not list(bank.parameters())


def test_half_precision_around_it_changes_nothing():
    bank, x = Bands(butterworth(BANDS, 128.0), 64), torch.randn(2, 3, 64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(bank(x), Bands(butterworth(BANDS, 128.0), 64)(x))


def test_the_filters_are_those_asked_for():
    assert np.allclose(butterworth([(4, 16)], 250.0, order=3)[0], butter(3, (4, 16), "bandpass", fs=250, output="sos"))
    assert np.allclose(chebyshev([(20, 24)], 250.0)[0], cheby2(4, 30, (18, 26), "bandpass", fs=250, output="sos"))
    with pytest.raises(SentenceError, match="above 60 Hz, not 60"):
        butterworth([(4, 30)], 60.0)
    with pytest.raises(SentenceError, match="from 0 to 10 Hz: take bands"):
        chebyshev([(2, 8)], 128.0)


def test_the_filters_are_their_answers_to_an_impulse():
    bank = Bands(butterworth(BANDS, 128.0), 100)
    impulse = torch.zeros(1, 1, 100)
    impulse[..., 0] = 1
    assert torch.allclose(bank.filters(), bank(impulse)[0, :, 0], atol=1e-6)
