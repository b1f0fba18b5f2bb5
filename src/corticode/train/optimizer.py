"""The optimiser, and a learning rate that warms up on a line and then falls on a cosine or stays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from corticode.train.settings import Training


def optimizer_of(
    modules: Iterable[nn.Module], training: Training, shares: Mapping[nn.Parameter, float] | None = None
) -> torch.optim.Optimizer:
    """Return AdamW or Adam over all trained parameters; biases, norms and other single vectors are not decayed.

    Parameters
    ----------
    modules : modules
    training : Training
    shares : mapping of parameter -> float, or None
        What `training.lr` is multiplied by for these; 1 for the others.
    """
    trained, shares = [p for module in modules for p in module.parameters() if p.requires_grad], shares or {}
    groups = []
    for share in sorted({shares.get(p, 1.0) for p in trained}, reverse=True):  # the highest rate is the one that is written down
        alike, rate = [p for p in trained if shares.get(p, 1.0) == share], {"lr": training.lr * share}
        groups.append({"params": [p for p in alike if p.ndim > 1], "weight_decay": training.weight_decay, **rate})
        groups.append({"params": [p for p in alike if p.ndim <= 1], "weight_decay": 0.0, **rate})
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[training.optimizer]
    return kind([group for group in groups if group["params"]], lr=training.lr, betas=(training.beta1, training.beta2))


def schedule_of(optimizer: torch.optim.Optimizer, training: Training, n_steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Return a schedule to be moved on after every one of `n_steps` steps."""
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_of(training, step, n_steps))


def rate_of(training: Training, step: int, n_steps: int) -> float:
    """Return the share of `training.lr` at a step, counted from 0."""
    n_warmup = round(n_steps * min(1.0, training.warmup_epochs / training.max_epochs))
    if step < n_warmup:
        return (step + 1) / (n_warmup + 1)
    if training.schedule == "constant":
        return 1.0
    progress = (step - n_warmup) / max(1, n_steps - n_warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
