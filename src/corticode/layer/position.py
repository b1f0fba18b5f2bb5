"""Positions that are computed, not learned."""

from __future__ import annotations

import math

import torch


def sinusoid(n: int, d: int) -> torch.Tensor:
    """Return sines and cosines of positions 0 to n - 1, at wavelengths from 2 pi to 10000 * 2 pi.

    Parameters
    ----------
    n : int
        Positions.
    d : int
        Numbers per position: sine and cosine of one wavelength stand side by side.

    Returns
    -------
    table : float tensor [n, d]

    Source
    ------
    Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """
    angle = torch.arange(n)[:, None] * torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d]
