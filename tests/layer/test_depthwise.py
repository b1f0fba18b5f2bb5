"""A depthwise convolution with another way to its gradient is the same convolution with the same gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corticode.layer.depthwise import depthwise, fast_length


def drawn(b=3, features=4, times=50, k=9, dtype=torch.float64):
    random = torch.Generator().manual_seed(0)
    return [
        torch.randn(size, generator=random, dtype=dtype).requires_grad_()
        for size in ((b, features, times + k - 1), (features, 1, k), (features,), (b, features, times))
    ]


@pytest.mark.parametrize("k", [1, 2, 9, 64, 125])
def test_outputs_and_gradients_are_those_of_the_convolution(k):
    x, weight, bias, back = drawn(k=k, dtype=torch.float32)
    got, wanted = depthwise(x, weight, bias), functional.conv1d(x, weight, bias, groups=4)
    assert torch.allclose(got, wanted, atol=1e-5)
    for a, b in zip(*(torch.autograd.grad((y * back).sum(), (x, weight, bias)) for y in (got, wanted)), strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-4)


def test_only_what_learns_has_a_gradient():
    x, weight, _, back = drawn(dtype=torch.float32)
    depthwise(x.detach(), weight).mul(back).sum().backward()
    assert weight.grad is not None and x.grad is None


def test_several_sets_of_weights_learn_side_by_side():
    """Networks of several folds may be stacked: `torch.func` maps over their weights."""
    x, weight, _, back = drawn(dtype=torch.float32)
    stacked = torch.stack((weight, 2 * weight)).detach()

    def loss(w):
        return (depthwise(x.detach(), w) * back).square().sum()

    together = torch.func.vmap(torch.func.grad(loss))(stacked)
    for w, got in zip(stacked, together, strict=True):
        assert torch.allclose(got, torch.func.grad(loss)(w), atol=1e-2, rtol=1e-4)


def test_half_precision_learns_too():
    x, weight, _, _ = drawn(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise(x, weight)
    assert y.dtype == torch.bfloat16
    y.float().square().sum().backward()
    assert weight.grad.dtype == torch.float32 and weight.grad.isfinite().all()


@pytest.mark.parametrize("n", [1, 16, 17, 100, 1023, 1124, 1153, 4097])
def test_lengths_are_products_of_small_primes(n):
    length = fast_length(n)
    assert n <= length <= max(16, 1.3 * n)
    for prime in (2, 3, 5):
        while length % prime == 0:
            length //= prime
    assert length == 1
