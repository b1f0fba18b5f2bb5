"""Filter each feature in time by itself, with a gradient that does not grow with the length of the filters."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def depthwise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Convolve as `conv1d(x, weight, bias, groups=features)` does, and learn several times faster on a CPU.

    The gradient of a filter is the correlation of what came in with what came back, at as many lags as the filter is long. A
    convolution sums each lag by itself; here the batch's spectra are multiplied once.

    Parameters
    ----------
    x : float tensor [b, features, times + kernel - 1]
        Padded already.
    weight : float tensor [features, 1, kernel]
    bias : float tensor [features] or None

    Returns
    -------
    y : float tensor [b, features, times]
    """
    return _Depthwise.apply(x, weight, bias)


def padded(x: torch.Tensor, kernel_length: int) -> torch.Tensor:
    """Return x with zeros in time, so that a filter of so many samples keeps the length; of an even one's zeros the odd one comes last."""
    extra = kernel_length - 1
    return functional.pad(x, (extra // 2, extra - extra // 2))


class _Depthwise(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        return functional.conv1d(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype), groups=len(weight))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor | None, ...], output: torch.Tensor) -> None:
        x, weight, bias = inputs
        ctx.save_for_backward(x, weight)
        ctx.bias_dtype = None if bias is None else bias.dtype

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        k, exact = weight.shape[-1], torch.promote_types(weight.dtype, torch.float32)  # there is no FFT in 16 bits
        dx = dweight = dbias = None
        if ctx.needs_input_grad[0]:
            dx = functional.conv1d(functional.pad(back, (k - 1, k - 1)), weight.flip(2).to(back.dtype), groups=len(weight)).to(x.dtype)
        if ctx.needs_input_grad[1]:
            n = fast_length(x.shape[-1])
            spectra = torch.fft.rfft(back.to(exact), n).conj() * torch.fft.rfft(x.to(exact), n)
            dweight = torch.fft.irfft(spectra.sum(dim=0), n)[:, None, :k].to(weight.dtype)
        if ctx.needs_input_grad[2]:
            dbias = back.sum(dim=(0, 2), dtype=exact).to(ctx.bias_dtype)
        return dx, dweight, dbias


def fast_length(n: int) -> int:
    """Return a length of n or more, little more, of which a transform is fast: a product of 2, 3 and 5."""
    power = max(16, 1 << (n - 1).bit_length())
    return next(power * part // 16 for part in (9, 10, 12, 15, 16) if power * part // 16 >= n)
