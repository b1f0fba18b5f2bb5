"""The filter bank equals the published order of steps: outputs, gradients and running statistics."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corticode.layer.filter_bank import FilterBank, moments


def bank(n_chans: int = 5, kernel: int = 16) -> FilterBank:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = FilterBank(n_chans, F1=3, D=2, kernel_length=kernel, pool=4, max_norm=1.0)
        with torch.no_grad():
            for norm in (layer.temporal_norm, layer.spatial_norm):
                norm.weight.uniform_(0.5, 2), norm.bias.normal_(), norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
            layer.spatial.mul_(2)
    return layer.double()  # so that nothing but a mistake makes a difference


def windows(n_chans: int = 5, times: int = 100) -> torch.Tensor:
    return 10 * torch.randn(4, n_chans, times, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 3


def published(layer: FilterBank, x: torch.Tensor) -> torch.Tensor:
    """As EEGNet's layers stand in the paper, with the weights and the running statistics of `layer`."""

    def normed(z, norm):
        return functional.batch_norm(
            z, norm.running_mean, norm.running_var, norm.weight, norm.bias, layer.training, norm.momentum, norm.eps
        )

    z = normed(functional.conv2d(x[:, None], layer.temporal[:, None, None], padding="same"), layer.temporal_norm)
    spatial = torch.renorm(layer.spatial, 2, 0, layer.max_norm)
    z = normed(functional.conv2d(z, spatial[:, None, :, None], groups=len(layer.temporal)), layer.spatial_norm)
    return functional.avg_pool2d(functional.elu(z), (1, 4))[:, :, 0]


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_chans,kernel,times", [(5, 16, 100), (5, 17, 100), (1, 8, 64), (2, 40, 30), (3, 1, 65)])
def test_it_equals_the_published_order(training, n_chans, kernel, times):
    layer, twin = bank(n_chans, kernel).train(training), bank(n_chans, kernel).train(training)
    x = windows(n_chans, times)
    out, wanted = layer(x), published(twin, x)
    assert torch.allclose(out, wanted, atol=1e-9)
    weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (out * weight).sum().backward(), (wanted * weight).sum().backward()
    for (name, ours), theirs in zip(layer.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-8), name
    for name in ("running_mean", "running_var"):
        for norm in ("temporal_norm", "spatial_norm"):
            assert torch.allclose(getattr(getattr(layer, norm), name), getattr(getattr(twin, norm), name), rtol=1e-9)


@pytest.mark.parametrize("rows,times,lags", [(5, 100, 7), (4, 130, 64), (2, 9, 12), (3, 20, 1)])
def test_moments_are_those_of_a_sliding_window(rows, times, lags):
    x = torch.randn(rows, times + lags - 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1
    seen = x.unfold(1, lags, 1).reshape(-1, lags)
    mean, products = moments(x, lags)
    assert torch.allclose(mean, seen.mean(dim=0))
    assert torch.allclose(products, seen.T @ seen / len(seen))
