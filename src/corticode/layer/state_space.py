"""A linear system with a diagonal state, run forwards and backwards over time as one convolution."""

from __future__ import annotations

import math

import torch
from torch import nn


class StateSpace(nn.Module):
    """Bidirectional diagonal state space layer (S4D): each feature is filtered over all of time, past and future.

        kernel_j[l] = 2 Re sum_n B C_j (exp(step A) - 1) / A exp(step A l)      forwards: j = 0, backwards: j = 1
        y[l] = sum_m kernel_0[m] x[l - m] + sum_m kernel_1[m] x[l + 1 + m] + D x[l]

    The system is discretised by holding its input between samples. Its kernels are as long as the signal; the convolution goes through
    their spectra, in 32 bits whatever the precision around. What is to come begins one sample after the present, which belongs to what was.

    Parameters
    ----------
    n_features : int
        Filtered each by a system of its own.
    n_states : int
        Complex numbers that a system remembers.
    rate : float
        Time between two samples in that of the signals that the layer was trained on: 0.8 for 250 Hz after 200 Hz.

    Source
    ------
    Gu et al. 2022, arXiv:2206.11893 (S4D, initial values "Lin"). The layout of the parameters is that of EEGDM, whose blocks are
    reproduced to 1e-5 (tests/encoder/test_eegdm.py).
    """

    def __init__(self, n_features: int, n_states: int = 64, rate: float = 1.0):
        super().__init__()
        self.rate = float(rate)
        # A = -exp(log_decay) - i frequency
        self.log_decay = nn.Parameter(torch.full((n_features, n_states), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(n_states, dtype=torch.float32).repeat(n_features, 1))
        # complex numbers as pairs, which optimisers and files know
        self.B = nn.Parameter(torch.tensor([1.0, 0.0]).repeat(1, n_features, n_states, 1))
        self.C = nn.Parameter(math.sqrt(0.5) * torch.randn(2, n_features, n_states, 2))
        self.D = nn.Parameter(torch.randn(1, n_features))
        shortest, longest = math.log(1e-3), math.log(1e-1)
        self.log_step = nn.Parameter(shortest + (longest - shortest) * torch.rand(n_features, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the filtered signal, float32 [..., times, n_features], from x of that shape."""
        n_times = x.shape[-2]
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            past, future = self.kernels(n_times)
            # on a circle of twice the length what is to come stands at the end
            kernel = torch.cat([past, future.flip(-1)], dim=-1)  # [n_features, 2 times]
            spectrum = torch.fft.rfft(x.mT, 2 * n_times) * torch.fft.rfft(kernel)
            return torch.fft.irfft(spectrum, 2 * n_times)[..., :n_times].mT + self.D * x

    def kernels(self, n_times: int) -> torch.Tensor:
        """Return the two impulse responses [2, n_features, times]: of what was, the present first, and of what is to come."""
        A = torch.complex(-self.log_decay.exp(), -self.frequency)
        step = A * self.log_step.exp() * self.rate
        gain = torch.view_as_complex(self.B) * torch.view_as_complex(self.C) * (step.exp() - 1) / A  # [2, n_features, n_states]
        # exp(step l) for l = row width + column is a product of few powers, and the sum over states one of matrices
        width = math.ceil(math.sqrt(n_times))
        column = torch.arange(width, dtype=torch.float32, device=step.device)[:, None]
        rows = gain[:, :, None] * (step[:, None] * (column[: math.ceil(n_times / width)] * width)).exp()  # [2, n_features, rows, n_states]
        columns = (step[:, None] * column).exp()  # [n_features, width, n_states]
        # the real part of a complex product as one real product
        rows, columns = torch.cat([rows.real, -rows.imag], dim=-1), torch.cat([columns.real, columns.imag], dim=-1)
        return 2 * (rows @ columns.mT).flatten(-2)[..., :n_times]
