"""A temporal convolutional network: residual blocks of causal convolutions, each block looking twice as far back."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.layer.dropout import Dropout


class CausalConv1d(nn.Conv1d):
    """Convolution in time [b, n_inputs, times] -> [b, n_filters, times] that sees the past only.

    Parameters
    ----------
    n_inputs, n_filters : int
    kernel_length : int
        Samples of a filter.
    dilation : int
        Samples from one weight of a filter to the next.
    groups : int
        Parts of the inputs that do not see one another.
    bias : bool
    """

    def __init__(self, n_inputs: int, n_filters: int, kernel_length: int, dilation: int = 1, groups: int = 1, bias: bool = True):
        super().__init__(n_inputs, n_filters, kernel_length, dilation=dilation, groups=groups, bias=bias)
        nn.init.kaiming_uniform_(self.weight)
        if bias:
            nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return filtered signals of the same length; before its start a signal is 0."""
        return super().forward(functional.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0)))


class TemporalBlock(nn.Module):
    """Two causal convolutions, each with batch norm, ELU and dropout, beside a shortcut; then ELU.

    Parameters
    ----------
    n_inputs, n_filters : int
        Where they differ the shortcut is a convolution of length 1.
    kernel_length, dilation : int
    drop_prob : float
    groups : int
        Parts that do not see one another: several networks of one shape run as one.
    bias : bool
        Of the two convolutions; that of the shortcut always has one.
    eps : float
        Of the batch norms.

    Source
    ------
    Bai et al. 2018, arXiv:1803.01271, with batch norm for weight norm and ELU for ReLU as in Ingolfsson et al. 2020, arXiv:2006.00622.
    """

    def __init__(
        self,
        n_inputs: int,
        n_filters: int,
        kernel_length: int,
        dilation: int = 1,
        drop_prob: float = 0.3,
        groups: int = 1,
        bias: bool = True,
        eps: float = 1e-3,
    ):
        super().__init__()
        self.first = CausalConv1d(n_inputs, n_filters, kernel_length, dilation, groups, bias)
        self.first_norm = nn.BatchNorm1d(n_filters, eps=eps)
        self.second = CausalConv1d(n_filters, n_filters, kernel_length, dilation, groups, bias)
        self.second_norm = nn.BatchNorm1d(n_filters, eps=eps)
        self.shortcut = nn.Identity() if n_inputs == n_filters else nn.Conv1d(n_inputs, n_filters, 1, groups=groups)
        self.dropout = Dropout(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, n_filters, times] from [b, n_inputs, times]."""
        z = self.dropout(functional.elu(self.first_norm(self.first(x))))
        z = self.dropout(functional.elu(self.second_norm(self.second(z))))
        return functional.elu(z + self.shortcut(x))


class TCN(nn.Sequential):
    """Blocks of dilation 1, 2, 4 ...: the last sample has seen `receptive_field` samples.

    Parameters
    ----------
    n_inputs, n_filters : int
    kernel_length : int
    depth : int
        Blocks.
    drop_prob : float
    groups : int
        Parts that do not see one another.
    bias : bool
    eps : float
        Of the batch norms: 1e-3 is Keras' default, 1e-5 that of torch.
    """

    def __init__(
        self,
        n_inputs: int,
        n_filters: int,
        kernel_length: int = 4,
        depth: int = 2,
        drop_prob: float = 0.3,
        groups: int = 1,
        bias: bool = True,
        eps: float = 1e-3,
    ):
        super().__init__(
            *(
                TemporalBlock(n_inputs if i == 0 else n_filters, n_filters, kernel_length, 2**i, drop_prob, groups, bias, eps)
                for i in range(depth)
            )
        )
        self.receptive_field = 1 + 2 * (kernel_length - 1) * (2**depth - 1)
