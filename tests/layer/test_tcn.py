"""Causal convolutions see the past only, as far as they say; groups are networks of their own."""

from __future__ import annotations

import torch

from corticode.layer.tcn import TCN, CausalConv1d


def signal(n: int, times: int) -> torch.Tensor:
    return torch.randn(3, n, times, generator=torch.Generator().manual_seed(0))


def test_a_causal_filter_is_the_sum_it_says():
    layer, x = CausalConv1d(1, 1, kernel_length=3, dilation=2), signal(1, 20)
    w = layer.weight[0, 0].tolist()
    y = layer(x)
    assert y.shape == x.shape
    assert torch.allclose(y[:, 0, 10], w[0] * x[:, 0, 6] + w[1] * x[:, 0, 8] + w[2] * x[:, 0, 10], atol=1e-6)
    assert torch.allclose(y[:, 0, 1], w[2] * x[:, 0, 1], atol=1e-6)


def test_the_last_sample_sees_its_receptive_field():
    tcn = TCN(2, 5, kernel_length=4, depth=2).eval()
    assert tcn.receptive_field == 19
    x = signal(2, 40).requires_grad_()
    tcn(x)[..., -1].sum().backward()
    seen = x.grad.abs().sum(dim=(0, 1)).nonzero()[:, 0]
    assert seen.min() == 40 - 19 and seen.max() == 39


def test_a_grouped_network_is_several_networks():
    whole, part = TCN(6, 10, depth=2, groups=2).eval(), TCN(3, 5, depth=2).eval()
    with torch.no_grad():
        for name, tensor in part.state_dict().items():
            tensor.copy_(whole.state_dict()[name][: len(tensor)] if tensor.ndim else tensor)
    x = signal(6, 12)
    assert torch.allclose(whole(x)[:, :5], part(x[:, :3]), atol=1e-6)
