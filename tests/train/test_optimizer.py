"""What is decayed, what the optimiser remembers, and how the rate goes up and down."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from corticode.train.optimizer import optimizer_of, schedule_of
from corticode.train.settings import Training


def test_norms_and_biases_are_not_decayed():
    net = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    frozen = nn.Linear(2, 2)
    frozen.weight.requires_grad_(False)
    decayed, free = optimizer_of([net, frozen], Training(weight_decay=0.1)).param_groups
    assert decayed["weight_decay"] == 0.1 and decayed["params"] == [net[0].weight]
    assert free["weight_decay"] == 0 and len(free["params"]) == 4


@pytest.mark.parametrize("name,kind", [("adamw", torch.optim.AdamW), ("adam", torch.optim.Adam)])
def test_optimizer_and_its_memory_are_settings(name, kind):
    found = optimizer_of([nn.Linear(2, 2)], Training(optimizer=name, lr=0.02, beta1=0.5, beta2=0.9))
    assert type(found) is kind
    assert all(group["betas"] == (0.5, 0.9) and group["lr"] == 0.02 for group in found.param_groups)


def rates(training, n_steps, n_asked):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = schedule_of(optimizer, training, n_steps)
    found = []
    for _ in range(n_asked):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_rate_warms_up_and_falls_to_zero():
    found = rates(Training(max_epochs=14, warmup_epochs=4), 14, 15)
    assert np.allclose(found[:4], [0.4, 0.8, 1.2, 1.6])
    assert found[4] == 2.0
    assert np.isclose(found[9], 1.0) and np.isclose(found[14], 0.0)
    assert all(np.diff(found[4:]) < 0)


def test_a_constant_rate_warms_up_and_stays():
    found = rates(Training(max_epochs=14, warmup_epochs=4, schedule="constant"), 14, 15)
    assert np.allclose(found[:4], [0.4, 0.8, 1.2, 1.6]) and set(found[4:]) == {2.0}


def test_no_warm_up_starts_at_the_top():
    assert rates(Training(max_epochs=10, warmup_epochs=0), 10, 1) == [2.0]
