"""Amplitudes turned upside down."""

from __future__ import annotations

import torch

from corticode.augment.sign_flip import SignFlip


def test_the_sign_changes_and_nothing_else():
    x, y = torch.randn(4, 3, 20, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    flipped, labels = SignFlip(probability=1.0)(x, y)
    assert torch.equal(flipped, -x) and torch.equal(labels, y)
