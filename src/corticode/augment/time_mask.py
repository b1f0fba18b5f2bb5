"""Silence a stretch of a window, so that no decision hangs on a single moment."""

from __future__ import annotations

import math

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError


class TimeMask(Augment):
    """Fade all channels of a window to zero for a stretch of `length_s` at a random place, and back.

    Parameters
    ----------
    length_s : float, s
        Of silence, fades not counted.
    fade_s : float, s
        Half a period of a cosine before and after it; 0 cuts.
    probability : float

    Raises
    ------
    SentenceError
        A length is none, or the silence takes a whole window.

    Source
    ------
    Mohsenvand et al. 2020, Machine Learning for Health; 0.4 s are braindecode's 100 samples at 250 Hz.
    """

    def __init__(self, length_s: float = 0.4, fade_s: float = 0.04, probability: float = 0.0):
        super().__init__(probability)
        self.length_s, self.fade_s = float(length_s), float(fade_s)
        if not self.length_s > 0 or not self.fade_s >= 0:
            raise SentenceError(f"augment.time_mask: length_s={length_s} must be above 0 s, and fade_s={fade_s} not below")

    def check(self, space, n_times):
        """Refuse silence for a whole window.

        Raises
        ------
        SentenceError
        """
        if self.length_s * space.sfreq >= n_times:
            raise SentenceError(
                f"augment.time_mask.length_s={self.length_s:g} takes all of a window of {n_times / space.sfreq:g} s: choose a shorter one"
            )

    def change(self, x, y, space, generator):
        """Return x with a silent stretch, and y."""
        n, length = x.shape[-1], self.length_s * space.sfreq
        first = torch.rand(len(x), 1, generator=generator) * (n - length)
        # samples from the silence: below 0 inside it
        away = (torch.arange(n) - first - (length - 1) / 2).abs() - length / 2
        share = (away / max(self.fade_s * space.sfreq, 1e-6)).clamp(0, 1)
        kept = 0.5 - 0.5 * torch.cos(math.pi * share)  # [b, times]
        return x * kept.to(x.device, x.dtype)[:, None], y
