"""Temporal filters, then spatial filters for each of them: the front of EEGNet and its kin, without its widest array.

published   x [b, channels, times] -> temporal -> [b, F1, channels, times] -> norm -> spatial -> [b, F1 D, times]
here        x [b, channels, times] -> spatial -> [b, F1 D, times] -> temporal x norm -> [b, F1 D, times]
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.layer.depthwise import depthwise, fast_length, padded


class FilterBank(nn.Module):
    """Temporal convolution, batch norm, D spatial filters per temporal filter, batch norm, ELU, average pool.

    All up to the second norm is linear once the first one's statistics are known, and linear maps on different axes change
    places: a window is reduced to its F1 D virtual channels first. The statistics of what is never computed, the temporal
    filters' outputs at each channel, follow from the autocorrelation of x: mean w m and variance w R w - (w m)^2. Outputs,
    gradients and running statistics are those of the published order of steps.

    Parameters
    ----------
    n_chans : int
    F1 : int
        Temporal filters.
    D : int
        Spatial filters per temporal filter.
    kernel_length : int
        Samples of a temporal filter; the length is kept, of an even filter's zeros the odd one comes last.
    pool : int
        Samples that are averaged.
    eps : float
        Of the batch norms.
    max_norm : float or None
        Largest norm of a spatial filter, applied as it is used.

    Attributes
    ----------
    temporal : tensor [F1, kernel_length]
    spatial : tensor [F1 D, n_chans]
    """

    def __init__(self, n_chans: int, F1: int, D: int, kernel_length: int, pool: int, eps: float = 1e-3, max_norm: float | None = None):
        super().__init__()
        self.D, self.pool, self.max_norm = D, pool, max_norm
        self.temporal = nn.Parameter(torch.empty(F1, kernel_length))
        self.temporal_norm = nn.BatchNorm1d(F1, eps=eps)
        self.spatial = nn.Parameter(torch.empty(F1 * D, n_chans))
        self.spatial_norm = nn.BatchNorm1d(F1 * D, eps=eps)
        # fans as the two-dimensional layers of the published networks count them
        nn.init.xavier_uniform_(self.temporal[:, None])
        nn.init.xavier_uniform_(self.spatial[:, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, F1 D, times // pool] from windows [b, channels, times]."""
        x = padded(x, self.temporal.shape[1])
        mean, var = self._statistics(x)
        norm = self.temporal_norm
        gain = norm.weight * torch.rsqrt(var + norm.eps)
        offset = norm.bias - gain * mean
        spatial = self.spatial if self.max_norm is None else torch.renorm(self.spatial, 2, 0, self.max_norm)
        kernel = (gain[:, None] * self.temporal).repeat_interleave(self.D, dim=0)[:, None]
        bias = offset.repeat_interleave(self.D) * spatial.sum(dim=1)
        # as many small products as windows: a product of broadcast matrices would copy x to make it one
        z = torch.bmm(spatial.expand(x.shape[0], *spatial.shape), x)
        z = depthwise(z, kernel, bias)  # [b, F1 D, times]
        return functional.avg_pool1d(functional.elu(self.spatial_norm(z), inplace=True), self.pool)

    def _statistics(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance [F1] to normalise by, of this batch in training; the running ones then follow."""
        norm = self.temporal_norm
        if not self.training:
            return norm.running_mean, norm.running_var
        with torch.autocast(x.device.type, enabled=False):
            lagged, products = moments(x.to(self.temporal.dtype).flatten(0, 1), self.temporal.shape[1])
            mean = self.temporal @ lagged
            var = (((self.temporal @ products) * self.temporal).sum(dim=1) - mean.square()).clamp_min(0)
        with torch.no_grad():
            n = x.shape[0] * x.shape[1] * (x.shape[2] - self.temporal.shape[1] + 1)
            norm.num_batches_tracked.add_(1)
            norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
            norm.running_var.lerp_(var.to(norm.running_var) * n / max(n - 1, 1), norm.momentum)
        return mean, var


def moments(x: torch.Tensor, n_lags: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the means and mean products of a signal seen through a sliding window.

    Parameters
    ----------
    x : float tensor [rows, times + n_lags - 1]
    n_lags : int
        Length of the sliding window.

    Returns
    -------
    mean : tensor [n_lags]
        Of x[:, t + k] over rows and t < times, for each k.
    products : tensor [n_lags, n_lags]
        Mean of x[:, t + k] x[:, t + l].
    """
    rows, times = x.shape[0], x.shape[1] - n_lags + 1
    lag = torch.arange(n_lags, device=x.device)
    # the power spectrum of all rows gives the sums of x[t] x[t + lag]; zeros behind a row keep its end from its beginning
    n = fast_length(x.shape[1] + n_lags - 1)
    power = torch.view_as_real(torch.fft.rfft(x, n)).flatten(1).square().sum(dim=0).view(-1, 2).sum(dim=1)
    head, tail = x[:, : n_lags - 1], x[:, times:]
    last = tail.T @ tail
    # less those of t >= times, which stand on the diagonals of the last samples' products
    first = torch.fft.irfft(power, n)[:n_lags] - functional.pad(last, (0, n_lags))[lag[:-1, None], lag[:-1, None] + lag].sum(dim=0)
    # one step down the diagonal drops the first sample's product and takes one in behind the last
    step = functional.pad(last - head.T @ head, (0, 1, 1, 0))  # [lags, lags], row k: what step k changes, columns one back
    low, high = torch.minimum(lag[:, None], lag), torch.maximum(lag[:, None], lag)
    diagonal = step[lag[:, None], (lag[:, None] + lag - 1).clamp(0, n_lags - 1)].cumsum(dim=0)  # [k, lag]
    products = first[high - low] + diagonal[low, high - low]
    edges = functional.pad((tail - head).sum(dim=0).cumsum(dim=0), (1, 0))
    return (x[:, :times].sum() + edges) / (rows * times), products / (rows * times)
