"""DeepConvNet: four blocks of convolution and maximum, each seeing longer stretches of the signal."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout

_N_BLOCKS = 4
_PAPER_HZ, _KERNEL, _POOL = 250.0, 10, 3


class DeepConvNet(NeuralEncoder):
    """Deep ConvNet of Schirrmeister et al. (2017).

        x [b, channels, times] -> filters in time -> filters over channels -> batch norm -> maximum -> ELU
          -> three times: convolution -> batch norm -> maximum -> ELU

    Input: EEG in µV, any rate; the paper used 250 Hz. Representation: tokens of 200 values, one per 81 samples at 250 Hz.
    Parameters: with the dense layer (`head.linear.Linear(pool="flatten")`) 282,879 at 22 channels x 1000 samples of 250 Hz x 4.
    Trained on: nothing, learns from scratch. Departures from the paper: windows are decoded whole, not in crops; above
    the paper's rate the first block's filters and maximum are as much longer, so that the others see what they see there; below it
    those of all blocks are shorter (at 128 Hz 5 samples and 2, as in the EEGNet authors' version). Nothing lies between the filters in time and those over channels, so the two are applied as the one
    convolution that they make together; like there, the bias between them is of no effect, since batch norm takes it out again.
    The maximum is taken before ELU, a third of the work to the same numbers, since ELU rises everywhere.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_filters : int
        Filters in time, and over channels and those; each further block has twice as many as the one before.
    kernel_length : int or None
        Samples of every filter; None takes 10 at 250 Hz, see above for other rates.
    pool_length : int or None
        Samples of which every block keeps the largest; None takes 3 at 250 Hz, and 2 at least.
    drop_prob : float
        Before each of the three later convolutions.

    Raises
    ------
    SentenceError
        Windows are shorter than one token.

    Source
    ------
    Schirrmeister et al. 2017, Hum. Brain Mapp. 38:5391. Equal to braindecode's Deep4Net to 1e-5 (tests/encoder/test_deep_convnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_filters: int = 25,
        kernel_length: int | None = None,
        pool_length: int | None = None,
        drop_prob: float = 0.5,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_filters, self.kernel_length, self.pool_length, self.drop_prob = n_filters, kernel_length, pool_length, drop_prob
        self._kernels = _lengths(kernel_length, _KERNEL, sfreq)
        self._pools = _lengths(pool_length, _POOL, sfreq)
        needed = _least_n_times(self._kernels, self._pools)
        if self.n_times < needed:
            raise SentenceError(
                f"DeepConvNet with kernels of {self._kernels} and maxima over {self._pools} samples needs windows of {needed} or more and got "
                f"{n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): take longer windows, or set model.encoder.kernel_length= or "
                "model.encoder.pool_length= lower"
            )
        widths = [n_filters * 2**k for k in range(_N_BLOCKS)]
        self.n_features, self.n_tokens = widths[-1], _n_tokens(self.n_times, self._kernels, self._pools)
        self.temporal = nn.Parameter(torch.empty(n_filters, 1, self._kernels[0]))
        self.temporal_bias = nn.Parameter(torch.zeros(n_filters))
        self.spatial = nn.Parameter(torch.empty(n_filters, n_filters, self.n_chans))
        self.norm = nn.BatchNorm1d(n_filters)
        self.blocks = nn.ModuleList(
            Block(n, 2 * n, *lengths, drop_prob) for n, *lengths in zip(widths, self._kernels[1:], self._pools[1:], strict=False)
        )
        for weight in (self.temporal, self.spatial):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, 8 n_filters]."""
        kernel = torch.einsum("sfc,fk->sck", self.spatial, self.temporal[:, 0])
        bias = self.spatial.sum(dim=2) @ self.temporal_bias
        x = functional.elu(functional.max_pool1d(self.norm(functional.conv1d(x, kernel, bias)), self._pools[0]))
        for block in self.blocks:
            x = block(x)
        return x.transpose(1, 2)

    def cam_layer(self):
        """Return the last convolution, normalised: [b, 8 n_filters, 1, n_tokens pool_length or a little more]."""
        return self.blocks[-1].norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters of the first block [n_filters, kernel]."""
        return self.temporal[:, 0]


class Block(nn.Module):
    """Dropout, convolution, batch norm, maximum and ELU: [b, n_inputs, times] -> [b, n_filters, times / pool]."""

    def __init__(self, n_inputs: int, n_filters: int, kernel_length: int, pool_length: int, drop_prob: float):
        super().__init__()
        self.pool_length = pool_length
        self.dropout = Dropout(drop_prob)
        self.convolution = nn.Conv1d(n_inputs, n_filters, kernel_length, bias=False)
        self.norm = nn.BatchNorm1d(n_filters)
        nn.init.xavier_uniform_(self.convolution.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's output."""
        return functional.elu(functional.max_pool1d(self.norm(self.convolution(self.dropout(x))), self.pool_length))


def _lengths(given: int | None, published: int, sfreq: float) -> list[int]:
    """Return each block's length in samples."""
    if given:
        return [given] * _N_BLOCKS
    scaled = max(2, round(published * sfreq / _PAPER_HZ))
    return [scaled] + [min(published, scaled)] * (_N_BLOCKS - 1)


def _n_tokens(n_times: int, kernels: list[int], pools: list[int]) -> int:
    for kernel, pool in zip(kernels, pools, strict=True):
        n_times = (n_times - kernel + 1) // pool
    return n_times


def _least_n_times(kernels: list[int], pools: list[int]) -> int:
    n_times = 1
    for kernel, pool in zip(reversed(kernels), reversed(pools), strict=True):
        n_times = n_times * pool + kernel - 1
    return n_times
