"""Let a window begin a little earlier or later."""

from __future__ import annotations

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class TimeShift(Augment):
    """Move a window in time by up to `max_shift_s` either way, all channels together; the gap is filled by what lies beside it, mirrored.

        x(t) -> x(t - d),   d uniform between -max_shift_s and max_shift_s, in whole samples

    Parameters
    ----------
    max_shift_s : float, s
    probability : float

    Raises
    ------
    SentenceError
        The shift is none, or longer than a window.
    """

    def __init__(self, max_shift_s: float = 0.1, probability: float = 0.0):
        super().__init__(probability)
        self.max_shift_s = float(max_shift_s)
        if not self.max_shift_s > 0:
            raise SentenceError(f"augment.time_shift.max_shift_s={max_shift_s} must be above 0 s")

    def check(self, space, n_times):
        """Refuse shifts as long as a window, or shorter than a sample.

        Raises
        ------
        SentenceError
        """
        if not 1 <= round(self.max_shift_s * space.sfreq) < n_times:
            raise SentenceError(
                f"augment.time_shift.max_shift_s={self.max_shift_s:g}: wanted one sample or more ({1 / space.sfreq:g} s) and less than a "
                f"window ({n_times / space.sfreq:g} s)"
            )

    def change(self, x, y, space, generator):
        """Return x moved, and y."""
        largest, last = round(self.max_shift_s * space.sfreq), x.shape[-1] - 1
        shift = torch.randint(-largest, largest + 1, (len(x), 1), generator=generator)
        source = (torch.arange(last + 1) - shift).abs()
        source = last - (last - source).abs()  # [b, times], mirrored at both ends
        return x.gather(2, source.to(x.device)[:, None].expand_as(x)), y
