"""Add white noise, in proportion to each channel's own signal."""

from __future__ import annotations

import torch

from corticode.augment.base import Augment, beside
from corticode.errors import SentenceError


class Noise(Augment):
    """Add Gaussian white noise whose standard deviation is `level` times that of the window's channel.

    Parameters
    ----------
    level : float
    probability : float

    Raises
    ------
    SentenceError
        The level is not above 0.
    """

    def __init__(self, level: float = 0.1, probability: float = 0.0):
        super().__init__(probability)
        self.level = float(level)
        if not self.level > 0:
            raise SentenceError(f"augment.noise.level={level} must be above 0")

    def change(self, x, y, space, generator):
        """Return x with noise, and y."""
        # ten times faster than x.std
        sd = torch.linalg.vector_norm(x - x.mean(dim=2, keepdim=True), dim=2, keepdim=True) / x.shape[2] ** 0.5
        noise = torch.randn(x.shape, generator=beside(x, generator), device=x.device, dtype=x.dtype)
        return torch.addcmul(x, noise, sd, value=self.level), y
