"""What is decayed, and how the rate goes up and down."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from corticode.train.optimizer import adamw, warmup_cosine


def test_norms_and_biases_are_not_decayed():
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    frozen = nn.Linear(2, 2)
    frozen.weight.requires_grad_(False)
    decayed, free = adamw([net, frozen], 1e-3, 0.1).param_groups
    assert decayed["weight_decay"] == 0.1 and decayed["params"] == [net[0].weight]
    assert free["weight_decay"] == 0 and len(free["params"]) == 4


def test_rate_warms_up_and_falls_to_zero():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warmup_cosine(optimizer, 4, 14)
    rates = []
    for _ in range(15):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert np.allclose(rates[:4], [0.4, 0.8, 1.2, 1.6])
    assert rates[4] == 2.0
    assert np.isclose(rates[9], 1.0) and np.isclose(rates[14], 0.0)
    assert all(np.diff(rates[4:]) < 0)


def test_no_warm_up_starts_at_the_top():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    warmup_cosine(optimizer, 0, 10)
    assert optimizer.param_groups[0]["lr"] == 2.0
