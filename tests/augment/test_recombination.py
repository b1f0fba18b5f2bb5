"""New trials are made of trials of their class, each piece in its place."""

from __future__ import annotations

import itertools

import pytest
import torch

from corticode.augment.base import chance
from corticode.augment.recombination import Recombination
from corticode.errors import SentenceError

Y = torch.tensor([2, 0, 1, 0, 2, 2, 0, 1, 0, 2])
# a sample knows its row and its time
X = 1000.0 * torch.arange(10)[:, None, None] + torch.arange(41.0).expand(10, 3, -1)


def recombined(y=Y, **arguments):
    return Recombination(**{"probability": 1.0, **arguments})(X, y, None, chance(0, 0, 0))


def test_every_piece_comes_from_the_class_and_stays_in_its_time():
    x, y = recombined(n_segments=8, copies=3)
    assert torch.equal(x[:10], X) and torch.equal(y[:10], Y) and len(x) == 40
    new, rows = x[10:], (x[10:] // 1000).long()
    assert torch.equal(y[10:], Y.repeat(3))
    assert torch.equal(Y[rows], y[10:, None, None].expand_as(rows)), "a piece of another class"
    assert torch.equal(new % 1000, torch.arange(41.0).expand_as(new)), "a piece left its place in time"
    assert torch.equal(rows[:, :1].expand_as(rows), rows), "channels were taken from different trials"


def test_pieces_are_equal_stretches_of_random_trials():
    x, _ = recombined(n_segments=4, copies=50)
    rows = (x[10:, 0] // 1000).long()
    bounds = [0, 10, 20, 30, 41]
    for first, stop in itertools.pairwise(bounds):
        assert torch.equal(rows[:, first:stop], rows[:, first : first + 1].expand(-1, stop - first))
    starts = rows[:, bounds[:-1]]
    for label in range(3):
        drawn = starts[Y.repeat(50) == label]
        counts = torch.bincount(drawn.flatten(), minlength=10)[label == Y]
        assert counts.min() > 0.7 * counts.float().mean(), "some trials of a class are hardly ever drawn"


def test_in_the_place_of_the_drawn_window():
    x, y = recombined(copies=0)
    assert x.shape == X.shape and torch.equal(y, Y)
    assert not torch.equal(x[Y == 0], X[Y == 0])


def test_what_is_no_class_is_refused():
    with pytest.raises(SentenceError, match="asks for a number"):
        Recombination(probability=1.0, classes=())
    with pytest.raises(SentenceError, match="class indices"):
        recombined(y=Y.float())
