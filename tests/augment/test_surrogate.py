"""A surrogate has the spectrum of the signal, and other phases."""

from __future__ import annotations

import pytest
import torch

from corticode.augment.base import chance
from corticode.augment.surrogate import Surrogate

LABELS = torch.zeros(20, dtype=torch.int64)


def windows(n):
    return 5 + torch.randn(20, 4, n, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("n", [100, 101])
def test_every_amplitude_stays(n, independent):
    x = windows(n)
    made, _ = Surrogate(independent=independent, probability=1.0)(x, LABELS, None, chance(0, 0, 0))
    assert torch.allclose(torch.fft.rfft(made).abs(), torch.fft.rfft(x).abs(), atol=1e-3)
    assert torch.allclose(made.mean(2), x.mean(2), atol=1e-5)
    assert (made - x).abs().mean() > 0.5


@pytest.mark.parametrize("independent", [False, True])
def test_channels_keep_their_covariance_when_they_turn_together(independent):
    x = windows(100)
    x[:, 1] += 2 * x[:, 0]
    made, _ = Surrogate(independent=independent, probability=1.0)(x, LABELS, None, chance(0, 0, 0))
    kept = torch.allclose(made @ made.mT, x @ x.mT, rtol=1e-4, atol=1e-2)
    assert kept is not independent


def test_a_small_magnitude_turns_a_little():
    x = windows(100)
    made, _ = Surrogate(magnitude=0.1, probability=1.0)(x, LABELS, None, chance(0, 0, 0))
    angle = (torch.fft.rfft(made) / torch.fft.rfft(x)).angle()[..., 1:-1]
    assert angle.min() > -1e-3 and 0.5 < angle.max() < 0.1 * 2 * torch.pi + 1e-3
