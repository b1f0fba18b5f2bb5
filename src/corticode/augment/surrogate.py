"""Give a window new phases: another signal of the same spectrum."""

from __future__ import annotations

import math

import torch

from corticode.augment.base import Augment, beside
from corticode.errors import SentenceError


class Surrogate(Augment):
    """Fourier surrogate: add random angles to the phases, and leave every amplitude as it is.

        X(f) -> X(f) e^(2 pi i magnitude u(f)),   u uniform between 0 and 1; the mean, and half the rate, keep their sign

    Parameters
    ----------
    magnitude : float
        Share of the circle from which angles are drawn; 1 forgets the phases altogether.
    independent : bool
        False adds the same angles to all channels, which keeps their covariances and coherences; True forgets these too.
    probability : float

    Raises
    ------
    SentenceError
        The magnitude is no share.

    Source
    ------
    Schwabedal et al. 2018, arXiv 1806.08675.
    """

    def __init__(self, magnitude: float = 1.0, independent: bool = False, probability: float = 0.0):
        super().__init__(probability)
        self.magnitude, self.independent = float(magnitude), bool(independent)
        if not 0 < self.magnitude <= 1:
            raise SentenceError(f"augment.surrogate.magnitude={magnitude}: wanted a share of the circle above 0 and up to 1")

    def change(self, x, y, space, generator):
        """Return x with new phases, and y."""
        n = x.shape[-1]
        spectrum = torch.fft.rfft(x)
        shape = (len(x), x.shape[1] if self.independent else 1, spectrum.shape[-1])
        angle = 2 * math.pi * self.magnitude * torch.rand(shape, generator=beside(x, generator), device=x.device)
        # these two are real: turned, they would lose amplitude
        angle[..., 0] = 0
        if n % 2 == 0:
            angle[..., -1] = 0
        return torch.fft.irfft(spectrum.mul_(torch.polar(torch.ones_like(angle), angle)), n=n), y
