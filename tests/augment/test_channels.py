"""Channels that fall silent, and channels in each other's places."""

from __future__ import annotations

import torch

from corticode.augment.base import chance
from corticode.augment.channel_drop import ChannelDrop
from corticode.augment.channel_shuffle import ChannelShuffle

X = (1.0 + torch.arange(8.0))[:, None].expand(500, 8, 5).contiguous()
LABELS = torch.zeros(500, dtype=torch.int64)


def test_a_share_of_the_channels_falls_silent_for_the_whole_window():
    x, _ = ChannelDrop(share=0.25, probability=1.0)(X, LABELS, None, chance(0, 0, 0))
    silent = x == 0
    assert torch.equal(silent.all(2), silent.any(2)) and torch.equal(x[~silent], X[~silent])
    assert 0.22 < silent.float().mean() < 0.28


def test_one_channel_is_always_left():
    x, _ = ChannelDrop(share=0.99, probability=1.0)(X, LABELS, None, chance(0, 0, 0))
    assert ((x != 0).any(2).sum(1) >= 1).all()
    alone = X[:, :1]
    assert torch.equal(ChannelDrop(share=0.9, probability=1.0)(alone, LABELS, None, chance(0, 0, 0))[0], alone)


def test_no_channel_is_lost_by_shuffling():
    x, _ = ChannelShuffle(share=0.5, probability=1.0)(X, LABELS, None, chance(0, 0, 0))
    assert torch.equal(x.sort(dim=1).values, X)
    # of k taken channels each stays where it is with probability 1 / k: about 4 + 1 of 8 stay
    assert 4.5 < (x[..., 0] == X[..., 0]).sum(1).float().mean() < 5.5


def test_all_channels_are_shuffled_when_all_are_taken():
    x, _ = ChannelShuffle(share=1.0, probability=1.0)(X, LABELS, None, chance(0, 0, 0))
    where = (x[..., 0] == 1.0).nonzero()[:, 1]
    assert torch.bincount(where, minlength=8).min() > 30, "the first channel does not come to every place"
