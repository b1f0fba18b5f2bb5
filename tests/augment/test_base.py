"""Drawing windows, chaining augmentations, and where chance comes from."""

from __future__ import annotations

import pytest
import torch

from corticode.augment.base import Augment, Chain, chance, switched_on
from corticode.augment.sign_flip import SignFlip
from corticode.errors import SentenceError

X, Y = torch.arange(1.0, 1001.0)[:, None, None].expand(-1, 2, 3).contiguous(), torch.arange(1000)


class Double(Augment):
    """Twice the signal, and the next label."""

    def change(self, x, y, space, generator):
        return 2 * x, y + 1


def test_each_window_is_drawn_by_itself():
    x, y = Double(probability=0.3)(X, Y, None, chance(0, 0, 0))
    drawn = y != Y
    assert 250 < drawn.sum() < 350
    assert torch.equal(x[drawn], 2 * X[drawn]) and torch.equal(x[~drawn], X[~drawn])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_never_and_always(probability):
    x, y = Double(probability=probability)(X, Y)
    assert torch.equal(x, X * (1 + probability)) and torch.equal(y, Y + int(probability))


def test_the_given_batch_stays_as_it_is():
    x, y = X.clone(), Y.clone()
    Double(probability=0.5)(x, y), Double(probability=1.0)(x, y)
    assert torch.equal(x, X) and torch.equal(y, Y)


def test_a_chain_acts_in_order_and_leaves_out_what_is_off():
    chain = Chain(one=Double(1.0), none=None, off=Double(0.0), two=SignFlip(1.0))
    assert list(chain.steps) == ["one", "two"] and chain
    assert torch.equal(chain(X, Y)[0], -2 * X)
    assert not Chain(off=Double(0.0))


def test_chance_is_settled_by_seed_epoch_step_and_process():
    def first(*where):
        return float(torch.rand((), generator=chance(*where)))

    assert first(0, 1, 2) == first(0, 1, 2, 0)
    numbers = [first(*where) for where in [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]]
    assert len(set(numbers)) == 5


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_a_probability_that_is_none_is_refused(probability):
    with pytest.raises(SentenceError, match="0 \\(off\\) to 1"):
        SignFlip(probability)


def test_what_is_switched_on():
    config = {
        "_target_": "x",
        "a": {"_target_": "a", "probability": 0.0},
        "b": {"_target_": "b", "probability": 0.5},
        "own": {"_target_": "c"},
    }
    assert list(switched_on(config)) == ["b", "own"] and switched_on(None) == {}
