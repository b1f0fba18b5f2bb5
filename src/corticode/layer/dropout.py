"""Dropout that draws 16 random bits per number: on a CPU several times as fast as torch's own."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

_LEVELS = 2**16


class Dropout(nn.Dropout):
    """As `torch.nn.Dropout`, elementwise; the probability is rounded to a multiple of 2^-16, and scaled by as it is rounded."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return x, in training with random numbers of it set to 0 and the others scaled, so that their mean stays."""
        return dropout(x, self.p, self.training)


def dropout(x: torch.Tensor, p: float, training: bool) -> torch.Tensor:
    """Return x with each number set to 0 with probability p, in training alone."""
    if not training or not p:
        return x
    if x.device.type != "cpu":  # one fused kernel there
        return functional.dropout(x, p)
    n, dropped = x.numel(), min(round(p * _LEVELS), _LEVELS)
    if dropped == _LEVELS:
        return x * 0
    # 64 bits at once, of which each number takes 16
    bits = torch.randint(-(2**63), 2**63 - 1, (-(-n // 4),), device=x.device).view(torch.int16)[:n].view(x.shape)
    return x * (bits >= dropped - _LEVELS // 2).to(x.dtype).mul_(_LEVELS / (_LEVELS - dropped))
