"""Spatial filters and the batch norm behind them, as one product."""

from __future__ import annotations

import torch
from torch import nn


class FilteredNorm(nn.Module):
    """Batch norm of spatially filtered signals, which are never written down without it.

        y = w x,   norm(y) = (g / s) w x + (h - g / s  w m),   s^2 = w C w' + eps

    m and C, mean and covariance of x over the batch, give mean and variance of every filter's signal; so what `torch.nn.BatchNorm1d`
    does in further passes over [b, groups, filters, times], forwards and backwards, is done on the weights. Outside of training the running
    statistics stand in. To the numbers of `nn.BatchNorm1d`, with its momentum and its state under `norm`.

    Parameters
    ----------
    n_groups : int
        Signals of one group are filtered by the filters of that group alone.
    n_filters : int
        Per group.
    """

    def __init__(self, n_groups: int, n_filters: int):
        super().__init__()
        self.n_groups, self.n_filters = n_groups, n_filters
        self.norm = nn.BatchNorm1d(n_groups * n_filters)

    def forward(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return normalised signals [b, groups, filters, times] of x [b, groups, channels, times], filtered by weight [groups, filters, channels]."""
        norm, shape = self.norm, (self.n_groups, self.n_filters)
        with torch.autocast(x.device.type, enabled=False):
            if self.training:
                mean, variance = self._of_batch(x.float(), weight)
            else:
                mean, variance = norm.running_mean.view(shape), norm.running_var.view(shape)
            gain = norm.weight.view(shape) * torch.rsqrt(variance + norm.eps)
            offset = norm.bias.view(shape) - gain * mean
            weight = weight * gain[..., None]
        b, times = x.shape[0], x.shape[-1]  # not len(x), which an export would fix
        weight = weight.expand(b, *weight.shape).flatten(0, 1)
        offset = offset.to(x.dtype).expand(b, *shape).reshape(-1, self.n_filters, 1)
        return torch.baddbmm(offset, weight, x.flatten(0, 1)).view(b, *shape, times)

    def _of_batch(self, x: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance of each filter's signal in this batch, [groups, filters], and let the running ones move."""
        center = x.mean(dim=(0, 3))  # [groups, channels]
        # groups times batch small products: no signal is copied to bring a group's windows together
        covariance = (x @ x.mT).mean(dim=0) / x.shape[-1] - center[:, :, None] * center[:, None]
        mean = (weight @ center[..., None])[..., 0]
        variance = ((weight @ covariance) * weight).sum(dim=-1).clamp(min=0)
        with torch.no_grad():
            n = x.shape[0] * x.shape[-1]
            self.norm.running_mean.lerp_(mean.flatten(), self.norm.momentum)
            self.norm.running_var.lerp_(variance.flatten() * (n / max(1, n - 1)), self.norm.momentum)
            self.norm.num_batches_tracked.add_(1)
        return mean, variance
