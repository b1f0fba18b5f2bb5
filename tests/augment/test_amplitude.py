"""Noise in proportion to the signal, and factors."""

from __future__ import annotations

import torch

from corticode.augment.base import chance
from corticode.augment.noise import Noise
from corticode.augment.scale import Scale

X = torch.tensor([1.0, 30.0])[:, None] * torch.randn(50, 2, 400, generator=torch.Generator().manual_seed(0)) + 7
LABELS = torch.zeros(50, dtype=torch.int64)


def test_noise_is_white_and_as_large_as_each_channel_says():
    added = Noise(level=0.2, probability=1.0)(X, LABELS, None, chance(0, 0, 0))[0] - X
    ratio = added.std(2) / X.std(2)
    assert (ratio - 0.2).abs().max() < 0.04
    assert (added[..., 1:] * added[..., :-1]).mean(2).abs().max() / added.var(2).max() < 0.2


def test_one_factor_for_all_channels_of_a_window():
    factor = Scale(low=0.5, high=2.0, probability=1.0)(X, LABELS, None, chance(0, 0, 0))[0] / X
    assert torch.allclose(factor, factor[:, :1, :1].expand_as(factor), atol=1e-5)
    assert 0.5 <= factor.min() < 0.6 and 1.9 < factor.max() <= 2.0001
