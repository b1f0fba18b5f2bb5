"""Dropout drops as many numbers as it says, keeps the mean, and is a matter of training."""

from __future__ import annotations

import pytest
import torch

from corticode.layer.dropout import Dropout, dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_share_and_scale(p):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        y = Dropout(p)(torch.ones(401, 503))
    assert (y == 0).float().mean().item() == pytest.approx(p, abs=0.005)
    assert torch.allclose(y[y != 0], torch.tensor(1 / (1 - p)), rtol=1e-4)
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    # neighbours, which share a random word, are drawn apart
    dropped = (y == 0).float().flatten() - p
    for lag in (1, 2, 3, 4):
        assert abs((dropped[lag:] * dropped[:-lag]).mean().item()) < 0.005 * max(p, 1 - p)


def test_the_gradient_takes_the_same_places():
    x = torch.ones(7, 11, 3, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_it_is_for_training():
    x = torch.ones(50)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(dropout(x, 1.0, training=True), torch.zeros(50))


def test_it_follows_the_seed_and_draws_anew():
    x = torch.ones(1000)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first, second = dropout(x, 0.5, True), dropout(x, 0.5, True)
        torch.manual_seed(1)
        assert torch.equal(dropout(x, 0.5, True), first) and not torch.equal(first, second)


def test_stacked_networks_draw_apart():
    y = torch.vmap(lambda x: dropout(x, 0.5, True), randomness="different")(torch.ones(2, 1000))
    assert not torch.equal(y[0], y[1]) and (y == 0).float().mean().item() == pytest.approx(0.5, abs=0.1)
