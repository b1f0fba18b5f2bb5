"""ShallowConvNet: filters in time and over channels, then the logarithm of their power, as filter-bank CSP has it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout

_KERNEL_S, _STRIDE_S = 0.1, 0.06
_STRIDES_PER_POOL = 5
_LEAST_POWER = 1e-6


class ShallowConvNet(NeuralEncoder):
    """Shallow ConvNet of Schirrmeister et al. (2017).

        x [b, channels, times] -> filters in time -> filters over channels -> batch norm -> square -> mean -> logarithm

    Input: EEG in µV, any rate; the paper used 250 Hz. Representation: one token of log powers per 60 ms, each over 300 ms.
    Parameters: with the dense layer (`head.linear.Linear(pool="flatten")`) 46,084 at 22 channels x 1000 samples of 250 Hz x 4.
    Trained on: nothing, learns from scratch. Departures from the paper: windows are decoded whole, not in crops. Nothing lies
    between the filters in time and those over channels, so the two are applied as the one convolution that they make together,
    to the same numbers; like there, the bias between them is of no effect, since batch norm takes it out again.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_temporal, n_spatial : int
        Filters in time, and over channels and those.
    kernel_length : int or None
        Samples of a filter in time; None takes 0.1 s.
    pool_length, pool_stride : int or None
        Samples of a mean, and from one to the next; None takes 0.06 s for the stride and five of them for the mean.
    drop_prob : float

    Raises
    ------
    SentenceError
        Windows are shorter than filter and mean together.

    Source
    ------
    Schirrmeister et al. 2017, Hum. Brain Mapp. 38:5391. Equal to braindecode's ShallowFBCSPNet to 1e-5 (tests/encoder/test_shallow_convnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_temporal: int = 40,
        n_spatial: int = 40,
        kernel_length: int | None = None,
        pool_length: int | None = None,
        pool_stride: int | None = None,
        drop_prob: float = 0.5,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_temporal, self.n_spatial, self.drop_prob = n_temporal, n_spatial, drop_prob
        self.kernel_length, self.pool_length, self.pool_stride = kernel_length, pool_length, pool_stride
        kernel = kernel_length or max(1, round(_KERNEL_S * sfreq))
        self._stride = pool_stride or max(1, round(_STRIDE_S * sfreq))
        self._pool = pool_length or _STRIDES_PER_POOL * self._stride
        if self.n_times < kernel + self._pool - 1:
            raise SentenceError(
                f"ShallowConvNet filters with {kernel} samples and averages over {self._pool}, and got windows of {n_times} "
                f"({n_times / sfreq:g} s at {sfreq:g} Hz): take longer windows, or set model.encoder.pool_length= lower"
            )
        self.n_features, self.n_tokens = n_spatial, (self.n_times - kernel + 1 - self._pool) // self._stride + 1
        self.temporal = nn.Parameter(torch.empty(n_temporal, 1, kernel))
        self.temporal_bias = nn.Parameter(torch.zeros(n_temporal))
        self.spatial = nn.Parameter(torch.empty(n_spatial, n_temporal, self.n_chans))
        self.norm = nn.BatchNorm1d(n_spatial)
        self.dropout = Dropout(drop_prob)
        for weight in (self.temporal, self.spatial):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, n_spatial]."""
        kernel = torch.einsum("sfc,fk->sck", self.spatial, self.temporal[:, 0])
        bias = self.spatial.sum(dim=2) @ self.temporal_bias
        x = self._mean(self.norm(functional.conv1d(x, kernel, bias)).square())  # [b, n_spatial, n_tokens]
        return self.dropout(x.clamp(min=_LEAST_POWER).log()).transpose(1, 2)

    def cam_layer(self):
        """Return the filters' signals, normalised: [b, n_spatial, 1, times]."""
        return self.norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [n_temporal, kernel]."""
        return self.temporal[:, 0]

    def _mean(self, x: torch.Tensor) -> torch.Tensor:
        """Return means over pool_length samples every pool_stride: means of strides, where these fill the pool, are read once."""
        if self._pool % self._stride:
            return functional.avg_pool1d(x, self._pool, self._stride)
        return functional.avg_pool1d(functional.avg_pool1d(x, self._stride), self._pool // self._stride, 1)
