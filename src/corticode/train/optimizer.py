"""AdamW with a linear warm-up and a cosine to zero, step by step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn


def adamw(modules: Iterable[nn.Module], lr: float, weight_decay: float) -> torch.optim.AdamW:
    """Return AdamW over all trained parameters; biases, norms and other single vectors are not decayed."""
    trained = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr)


def warmup_cosine(optimizer: torch.optim.Optimizer, n_warmup: int, n_steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule to be moved on after every step: up on a line over `n_warmup` steps, then down on a cosine."""

    def factor(step: int) -> float:
        if step < n_warmup:
            return (step + 1) / (n_warmup + 1)
        progress = (step - n_warmup) / max(1, n_steps - n_warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
