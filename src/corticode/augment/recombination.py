"""Make new trials of a class out of pieces of its trials, each piece in its own place in time."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class Recombination(Augment):
    """Segmentation and recombination: cut trials into equal segments, and join segments of random trials of one class.

        new(t) = trial_k(t) for t in segment k,   trial_1 ... trial_n random among those of the class in the batch

    For each drawn window `copies` new ones of its class are added to the batch. Departure from the papers: they draw segments
    from all trials that are learned from, this from those of the batch.

    Parameters
    ----------
    n_segments : int
    copies : int
        1 as in the Conformer, 3 as in CTNet; 0 puts a new window in the place of the drawn one.
    probability : float
    classes : sequence of str or None
        Names of the classes; there must be some.

    Raises
    ------
    SentenceError
        y is no class, or a window has fewer samples than segments.

    Source
    ------
    Lotte 2015, Proc. IEEE 103(6); Song et al. 2023, IEEE TNSRE 31 (Conformer): 8 segments.
    """

    mixes = True

    def __init__(self, n_segments: int = 8, copies: int = 1, probability: float = 0.0, classes: Sequence[str] | None = None):
        super().__init__(probability)
        self.n_segments, self.copies, self.classes = int(n_segments), int(copies), None if classes is None else tuple(classes)
        if self.n_segments < 2 or self.copies < 0:
            raise SentenceError(f"augment.recombination: n_segments={n_segments} (2 or more) and copies={copies} (0 or more) cannot be")
        if self.classes == () and not self.off:
            raise SentenceError("augment.recombination joins trials of one class, and the task asks for a number: use augment=none")

    def check(self, space, n_times):
        """Refuse more segments than samples.

        Raises
        ------
        SentenceError
        """
        if n_times < self.n_segments:
            raise SentenceError(f"augment.recombination: a window of {n_times} samples cannot be cut into n_segments={self.n_segments}")

    def __call__(self, x, y, space=None, generator=None):
        """Return the batch with the new windows behind it, or in it."""
        if y.is_floating_point():
            raise SentenceError("augment.recombination takes class indices: let it stand before what mixes labels")
        rows = self._drawn(len(x), generator).to(x.device)
        if not len(rows):
            return x, y
        wanted = y[rows].repeat(max(1, self.copies))
        new = _joined(x, _donors(y, wanted, self.n_segments, generator))
        if self.copies:
            return torch.cat([x, new]), torch.cat([y, wanted])
        return x.index_copy(0, rows, new), y


def _donors(y: torch.Tensor, wanted: torch.Tensor, n_segments: int, generator: torch.Generator | None) -> torch.Tensor:
    """Return random rows of the wanted classes, int64 [m, n_segments]."""
    ordered, order = torch.sort(y)
    first = torch.searchsorted(ordered, wanted)
    count = torch.searchsorted(ordered, wanted, right=True) - first
    share = torch.rand(len(wanted), n_segments, generator=generator).to(y.device)
    # a share just below 1 may be rounded up to the next class
    place = (share * count[:, None]).long().minimum(count[:, None] - 1)
    return order[first[:, None] + place]


def _joined(x: torch.Tensor, donors: torch.Tensor) -> torch.Tensor:
    """Return windows [m, channels, times] whose segment k is that of row donors[:, k] of x."""
    n_times, n_segments = x.shape[-1], donors.shape[1]
    new = x.new_empty(len(donors), *x.shape[1:])
    for k in range(n_segments):
        piece = slice(k * n_times // n_segments, (k + 1) * n_times // n_segments)
        new[..., piece] = x[..., piece][donors[:, k]]
    return new
