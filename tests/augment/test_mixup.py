"""Windows and labels are mixed in one proportion."""

from __future__ import annotations

import pytest
import torch

from corticode.augment.base import chance
from corticode.augment.mixup import Mixup
from corticode.errors import SentenceError

Y = torch.arange(600) % 3
X = torch.eye(3)[Y][:, :, None].expand(-1, 3, 4).contiguous()  # a window shows what it is made of
CLASSES = ("a", "b", "c")


def test_labels_say_what_a_window_is_made_of():
    x, y = Mixup(alpha=0.4, probability=1.0, classes=CLASSES)(X, Y, None, chance(0, 0, 0))
    assert torch.allclose(x[..., 0], y, atol=1e-6) and torch.allclose(y.sum(1), torch.ones(600))
    mixed = y.max(1).values < 0.99
    assert 0.3 < mixed.float().mean() < 0.7


def test_shares_are_of_the_beta_distribution():
    x, _ = Mixup(alpha=2.0, probability=1.0, classes=CLASSES)(torch.arange(600.0)[:, None, None], Y, None, chance(0, 0, 0))
    other = torch.randperm(600, generator=chance(0, 0, 0))
    apart = (torch.arange(600) - other).abs() > 50
    share = ((x[:, 0, 0] - other) / (torch.arange(600) - other))[apart]
    # Beta(2, 2): mean 1/2, variance 1/20
    assert abs(share.mean() - 0.5) < 0.03 and abs(share.var() - 0.05) < 0.01


def test_undrawn_windows_are_sure_of_their_class():
    x, y = Mixup(alpha=5.0, probability=0.2, classes=CLASSES)(X, Y, None, chance(0, 0, 0))
    sure = (y == torch.eye(3)[Y]).all(1)
    assert 0.75 < sure.float().mean() < 0.93 and torch.equal(x[sure], X[sure])


def test_values_are_mixed():
    y = torch.linspace(0, 1, 600)
    x, mixed = Mixup(alpha=1.0, probability=1.0, classes=())(y[:, None, None].expand(-1, 2, 3), y, None, chance(0, 0, 0))
    assert mixed.shape == y.shape and torch.allclose(x[:, 0, 0], mixed, atol=1e-6) and not torch.equal(mixed, y)


def test_unknown_classes_are_refused():
    with pytest.raises(SentenceError, match="classes="):
        Mixup(probability=1.0)(X, Y)
