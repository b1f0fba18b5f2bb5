"""Mix windows with each other, and their labels in the same proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class Mixup(Augment):
    """Mix each drawn window with a random one of the batch.

        x -> s x + (1 - s) x',   y -> s y + (1 - s) y',   s from Beta(alpha, alpha), one for each window

    Class indices become probabilities [b, classes], for the whole batch; values are mixed as they are. It stands last.

    Parameters
    ----------
    alpha : float
        Small ones leave most windows nearly as they are.
    probability : float
    classes : sequence of str or None
        Names of the classes that y counts; none for a regression.

    Raises
    ------
    SentenceError
        alpha is not above 0, or y holds classes and nobody said how many.

    Source
    ------
    Zhang et al. 2018, ICLR (arXiv 1710.09412): alpha 0.2 to 0.4.
    """

    mixes = True

    def __init__(self, alpha: float = 0.2, probability: float = 0.0, classes: Sequence[str] | None = None):
        super().__init__(probability)
        self.alpha, self.classes = float(alpha), None if classes is None else tuple(classes)
        if not self.alpha > 0:
            raise SentenceError(f"augment.mixup.alpha={alpha} must be above 0")

    def __call__(self, x, y, space=None, generator=None):
        """Return the mixed batch."""
        if self.off:
            return x, y
        y = self._mixable(y)
        rows = self._drawn(len(x), generator)
        share, other = torch.ones(len(x)), torch.randperm(len(x), generator=generator).to(x.device)
        share[rows] = self._shares(len(rows), generator)
        share = share.to(x.device, x.dtype)
        return _mixed(x, x[other], share), _mixed(y, y[other], share)

    def _mixable(self, y: torch.Tensor) -> torch.Tensor:
        if y.is_floating_point():
            return y
        if not self.classes:
            raise SentenceError("augment.mixup makes probabilities of class indices, and was not told the classes: give classes=")
        return functional.one_hot(y, len(self.classes)).float()

    def _shares(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """Return n numbers of Beta(alpha, alpha), which torch draws from no generator of one's own."""
        seed = int(torch.randint(2**62, (), generator=generator))
        return torch.from_numpy(np.random.default_rng(seed).beta(self.alpha, self.alpha, n)).float()


def _mixed(one: torch.Tensor, other: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return share one + (1 - share) other, row by row."""
    return torch.lerp(other, one, share.reshape(-1, *[1] * (one.ndim - 1)))
