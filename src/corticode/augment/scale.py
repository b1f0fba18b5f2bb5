"""Make a window larger or smaller."""

from __future__ import annotations

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class Scale(Augment):
    """Multiply all channels of a window by one factor, uniform between `low` and `high`.

    Parameters
    ----------
    low, high : float
        Equal ones multiply by exactly so much: MVCNet's code has 0.8.
    probability : float

    Raises
    ------
    SentenceError
        A factor is not above 0, or they stand in the wrong order.
    """

    def __init__(self, low: float = 0.8, high: float = 1.2, probability: float = 0.0):
        super().__init__(probability)
        self.low, self.high = float(low), float(high)
        if not 0 < self.low <= self.high:
            raise SentenceError(f"augment.scale: low={low} must be above 0 and not above high={high}")

    def change(self, x, y, space, generator):
        """Return x multiplied, and y."""
        factor = self.low + (self.high - self.low) * torch.rand(len(x), 1, 1, generator=generator)
        return x * factor.to(x.device, x.dtype), y
