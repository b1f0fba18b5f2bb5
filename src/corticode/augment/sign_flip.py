"""Turn the signal upside down: amplitudes change their sign, powers and labels do not."""

from __future__ import annotations

from corticode.augment.base import Augment


class SignFlip(Augment):
    """x -> -x, all channels of a window together.

    Parameters
    ----------
    probability : float

    Source
    ------
    The time view of MVCNet: Wang et al. 2025, Knowledge-Based Systems 328:114205.
    """

    def change(self, x, y, space, generator):
        """Return -x and y."""
        return -x, y
