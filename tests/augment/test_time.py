"""Windows that begin earlier or later, and stretches of silence."""

from __future__ import annotations

import torch

from corticode.augment.base import chance
from corticode.augment.time_mask import TimeMask
from corticode.augment.time_shift import TimeShift
from corticode.space import Space

SPACE = Space("eeg", ("C3", "C4"), "uV", 100)
LABELS = torch.zeros(300, dtype=torch.int64)


def test_a_shift_moves_all_channels_and_mirrors_what_lies_beside_the_gap():
    x = torch.stack([torch.arange(50.0), -torch.arange(50.0)]).expand(300, 2, 50)
    moved, _ = TimeShift(max_shift_s=0.05, probability=1.0)(x, LABELS, SPACE, chance(0, 0, 0))
    shift = (25 - moved[:, 0, 25]).long()
    assert sorted(shift.unique().tolist()) == list(range(-5, 6))
    assert torch.equal(moved[:, 1], -moved[:, 0])
    for row in (shift.argmax(), shift.argmin()):
        wanted = list(range(5, 0, -1)) + list(range(45)) if shift[row] > 0 else list(range(5, 50)) + list(range(48, 43, -1))
        assert moved[row, 0].tolist() == [float(t) for t in wanted]


def test_a_stretch_of_the_asked_length_is_silent_wherever_it_falls():
    x = torch.ones(300, 2, 100)
    masked, _ = TimeMask(length_s=0.3, fade_s=0.0, probability=1.0)(x, LABELS, SPACE, chance(0, 0, 0))
    silent = masked[:, 0] == 0
    assert torch.equal(masked[:, 0], masked[:, 1]) and set(masked.unique().tolist()) == {0.0, 1.0}
    assert ((silent.sum(1) - 30).abs() <= 1).all()
    assert (silent.int().diff(dim=1).abs().sum(1) <= 2).all(), "more than one stretch"
    first = silent.int().argmax(1)
    assert first.min() <= 2 and first.max() >= 68


def test_fades_are_smooth():
    x = torch.ones(300, 2, 100)
    masked, _ = TimeMask(length_s=0.3, fade_s=0.1, probability=1.0)(x, LABELS, SPACE, chance(0, 0, 0))
    assert masked.diff(dim=2).abs().max() < 0.2 and (masked == 0).any(2).all() and (masked == 1).any(2).all()
