"""Let some channels of a window change places."""

from __future__ import annotations

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class ChannelShuffle(Augment):
    """Take each channel with probability `share`, and put those that were taken into each other's places.

    Parameters
    ----------
    share : float
        Of a drawn window's channels, on average.
    probability : float
        Of a window to be drawn.

    Raises
    ------
    SentenceError
        The share is none.

    Source
    ------
    Saeed et al. 2020, arXiv 2010.13694; a share of 0.2 is that of braindecode.
    """

    def __init__(self, share: float = 0.2, probability: float = 0.0):
        super().__init__(probability)
        self.share = float(share)
        if not 0 < self.share <= 1:
            raise SentenceError(f"augment.channel_shuffle.share={share}: wanted a share above 0 and up to 1")

    def change(self, x, y, space, generator):
        """Return x with channels in other places, and y."""
        source = _shuffled(torch.rand(x.shape[:2], generator=generator) < self.share, generator)
        return x[torch.arange(len(x), device=x.device)[:, None], source.to(x.device)], y


def _shuffled(taken: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Return where each place takes its channel from, int64 [b, channels]: taken ones from each other at random, all else from itself."""
    places = torch.arange(taken.shape[1]).expand(taken.shape)
    last = places + 2.0  # behind all numbers below 1, in order
    left_to_right = torch.where(taken, places / taken.shape[1], last).argsort(dim=1)
    at_random = torch.where(taken, torch.rand(taken.shape, generator=generator), last).argsort(dim=1)
    return torch.empty_like(left_to_right).scatter_(1, left_to_right, at_random)
