"""A shift moves every frequency by the same number of hertz."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import hilbert

from corticode.augment.frequency_shift import FrequencyShift
from corticode.errors import SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("C3", "Cz", "C4"), "uV", 250)
T = torch.arange(1000) / 250
LABELS = torch.zeros(6, dtype=torch.int64)


def tones(*hz):
    return torch.stack([torch.cos(2 * np.pi * f * T + 0.3) for f in hz]).expand(6, -1, -1).contiguous()


def loudest(x):
    return torch.fft.rfftfreq(8000, 1 / 250)[torch.fft.rfft(x, n=8000).abs().argmax(-1)]


def test_every_tone_moves_by_the_same_number_of_hertz():
    x = tones(8, 12, 30)
    shifted, _ = FrequencyShift(3.0, 3.0, probability=1.0)(x, LABELS, SPACE)
    assert torch.allclose(loudest(shifted), torch.tensor([11.0, 15.0, 33.0]), atol=0.05)


def test_numbers_of_scipy():
    x = torch.randn(6, 3, 1000, generator=torch.Generator().manual_seed(0))
    shifted, _ = FrequencyShift(0.1, 0.1, probability=1.0)(x, LABELS, SPACE)
    wanted = (hilbert(x.double().numpy(), N=1024)[..., :1000] * np.exp(2j * np.pi * 0.1 * np.arange(1000) / 250)).real
    assert np.allclose(shifted.numpy(), wanted, atol=1e-5)


def test_windows_move_by_different_amounts_within_the_limits():
    shifted, _ = FrequencyShift(-2.0, 1.0, probability=1.0)(tones(20, 20, 20), LABELS, SPACE, torch.Generator().manual_seed(0))
    moved = loudest(shifted) - 20
    assert torch.allclose(moved, moved[:, :1].expand(-1, 3), atol=0.02), "channels of a window move together"
    assert len(moved[:, 0].unique()) == 6 and moved.min() >= -2.1 and moved.max() <= 1.1


def test_limits_that_cannot_be_meant_are_refused():
    with pytest.raises(SentenceError, match="above high_hz"):
        FrequencyShift(2.0, -2.0)
    with pytest.raises(SentenceError, match="half the rate"):
        FrequencyShift(-2.0, 130.0, probability=1.0).check(SPACE, 1000)
