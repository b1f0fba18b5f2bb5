"""Bring each channel of a window to the size of its own large values."""

from __future__ import annotations

import math

import torch


def by_quantile(x: torch.Tensor, share: float = 0.95, eps: float = 1e-8) -> torch.Tensor:
    """Divide each row by a quantile of its absolute values, interpolated linearly.

    Parameters
    ----------
    x : float tensor [..., times]
    share : float
        Of the absolute values that lie below the quantile.
    eps : float, unit of x
        Added to the quantile, so that a flat row of zeros stays what it is.

    Returns
    -------
    scaled : float tensor [..., times], no unit

    Source
    ------
    Yang, Westover, Sun 2023, arXiv:2305.10351 (BIOT).
    """
    place = share * (x.shape[-1] - 1)
    below = math.floor(place)
    # only the largest values are sorted; torch.quantile sorts all, and refuses large batches
    largest = x.abs().topk(x.shape[-1] - below).values
    low, high = largest[..., -1:], largest[..., -2:-1] if below < x.shape[-1] - 1 else largest[..., -1:]
    return x / (torch.lerp(low, high, place - below) + eps)
