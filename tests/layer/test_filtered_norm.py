"""Filters and norm in one product have the numbers, gradients and running statistics of one after the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from corticode.layer.filtered_norm import FilteredNorm


@pytest.fixture
def drawn() -> tuple[FilteredNorm, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    layer = FilteredNorm(3, 4)
    nn.init.normal_(layer.norm.weight, 1, 0.3, generator=generator)
    nn.init.normal_(layer.norm.bias, 0, 0.3, generator=generator)
    # channels that go together, with an offset: as an amplifier leaves them
    x = torch.randn(6, 3, 5, 40, generator=generator) @ torch.ones(40, 40).tril().div(10) + 2
    return layer, x, torch.randn(3, 4, 5, generator=generator)


def published(layer: FilteredNorm, x: torch.Tensor, weight: torch.Tensor, training: bool) -> torch.Tensor:
    z = functional.conv1d(x.flatten(1, 2), weight.flatten(0, 1)[..., None], groups=3)
    norm = layer.norm
    z = functional.batch_norm(z, norm.running_mean.clone(), norm.running_var.clone(), norm.weight, norm.bias, training=training)
    return z.unflatten(1, (3, 4))


@pytest.mark.parametrize("training", [True, False])
def test_numbers_and_gradients_are_those_of_one_after_the_other(drawn, training):
    layer, x, weight = drawn
    layer.train(training)
    inputs = [weight.requires_grad_(), x.requires_grad_(), layer.norm.weight, layer.norm.bias]
    outputs = [published(layer, x, weight, training), layer(x, weight)]
    assert torch.allclose(*outputs, atol=1e-4)
    for wanted, got in zip(*(torch.autograd.grad(z.sin().sum(), inputs) for z in outputs), strict=True):
        assert torch.allclose(got, wanted, atol=1e-3, rtol=1e-4)


def test_running_statistics_are_those_of_batch_norm(drawn):
    layer, x, weight = drawn
    reference = nn.BatchNorm1d(12)
    for scale in (1.0, 3.0):
        layer(scale * x, weight)
        reference(functional.conv1d((scale * x).flatten(1, 2), weight.flatten(0, 1)[..., None], groups=3))
    for name, value in reference.state_dict().items():
        if "running" in name or "num" in name:
            assert torch.allclose(layer.norm.state_dict()[name].float(), value.float(), rtol=1e-4, atol=1e-4), name
