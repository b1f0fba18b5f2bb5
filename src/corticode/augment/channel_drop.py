"""Silence some channels of a window, so that no decision hangs on a single one."""

from __future__ import annotations

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class ChannelDrop(Augment):
    """Set each channel to zero with probability `share`; at least one is left.

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
        if not 0 < self.share < 1:
            raise SentenceError(f"augment.channel_drop.share={share}: wanted a share above 0 and below 1")

    def change(self, x, y, space, generator):
        """Return x with silent channels, and y."""
        number = torch.rand(x.shape[:2], generator=generator)
        kept = (number >= self.share) | (number == number.amax(dim=1, keepdim=True))
        return x * kept.to(x.device, x.dtype)[..., None], y
