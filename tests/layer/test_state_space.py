"""A state space layer is the recurrence that it stands for, run over past and future."""

from __future__ import annotations

import pytest
import torch

from corticode.layer.state_space import StateSpace


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def layer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return StateSpace(3, 5).double()


def stepped(layer: StateSpace, drive: torch.Tensor, direction: int) -> torch.Tensor:
    """Run the states sample by sample: s <- exp(step A) s + B (exp(step A) - 1) / A x, y = 2 Re C s."""
    A = torch.complex(-layer.log_decay.exp(), -layer.frequency)
    turn = (A * layer.log_step.exp() * layer.rate).exp()
    B, C = torch.view_as_complex(layer.B)[0], torch.view_as_complex(layer.C)[direction]
    state, found = torch.zeros_like(A), []
    for x in drive:  # [n_features]
        state = turn * state + B * (turn - 1) / A * x[:, None]
        found.append(2 * (C * state).sum(dim=1).real)
    return torch.stack(found)


@pytest.mark.parametrize("n_times", [1, 2, 17, 40])
def test_kernels_are_those_of_the_recurrence(layer, n_times):
    pulse = torch.zeros(n_times, 3).double()
    pulse[0] = 1
    kernels = layer.kernels(n_times)
    assert kernels.shape == (2, 3, n_times)
    for direction in (0, 1):
        assert torch.allclose(kernels[direction].T.double(), stepped(layer, pulse, direction), atol=1e-6)


def test_it_filters_past_and_future(layer):
    """The future begins one sample later: the present is heard once."""
    x = torch.randn(40, 3, generator=seeded()).double()
    past = stepped(layer, x, 0)
    future = stepped(layer, x.flip(0), 1).flip(0)
    wanted = past + layer.D * x
    wanted[:-1] += future[1:]
    with torch.no_grad():
        assert torch.allclose(layer.float()(x.float()[None])[0], wanted.float(), atol=1e-5)


def test_another_rate_is_the_same_system(layer):
    """A constant that is switched on is held between samples at any rate: the answers at one time are equal."""
    fast = StateSpace(3, 5, rate=0.5).double()
    fast.load_state_dict(layer.state_dict())
    answers, finer = layer.kernels(50).cumsum(-1), fast.kernels(100).cumsum(-1)
    assert torch.allclose(finer[..., 1::2], answers, atol=1e-5)


def test_gradients_reach_every_parameter_and_half_precision_changes_little(layer):
    layer = layer.float()
    x = torch.randn(2, 30, 3, generator=seeded(1))
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.float32 and torch.allclose(y, layer(x))
    y.square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in layer.parameters())
