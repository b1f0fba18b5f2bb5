"""Weigh channels, filter in time, average over patches: the front of IFNet, DBConformer and MVCNet."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from corticode.layer.depthwise import depthwise


class PatchStem(nn.Module):
    """Spatial filters -> norm -> a temporal filter for each -> norm -> sum over bands -> GELU -> mean of each patch -> dropout.

    Parameters
    ----------
    n_chans : int
        Channels of one band; the input holds those of the first band, then of the second ...
    n_filters : int
        Spatial filters of each band.
    kernel_lengths : sequence of int
        Samples of the temporal filters, a length per band.
    patch_length : int
        Samples averaged into one value; those that fill no patch at the end are left out.
    drop_prob : float

    Source
    ------
    Wang, Yao, Wang 2023, IEEE Trans. Neural Syst. Rehabil. Eng. 31:1900 (IFNet, two bands); with one band Wang et al. 2025 (DBConformer, MVCNet).
    """

    def __init__(self, n_chans: int, n_filters: int, kernel_lengths: Sequence[int], patch_length: int, drop_prob: float = 0.5):
        super().__init__()
        self.n_filters, self.patch_length = n_filters, patch_length
        bands = len(kernel_lengths)
        self.spatial = nn.Conv1d(bands * n_chans, bands * n_filters, 1, groups=bands, bias=False)
        self.spatial_norm = nn.BatchNorm1d(bands * n_filters)
        self.temporal = nn.ParameterList(torch.empty(n_filters, 1, length) for length in kernel_lengths)
        self.temporal_norm = nn.BatchNorm1d(bands * n_filters)
        self.dropout = nn.Dropout(drop_prob)
        for weight in (self.spatial.weight, *self.temporal):
            nn.init.normal_(weight, std=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, n_filters, patches] from [b, bands channels, times]."""
        x = self.spatial_norm(self.spatial(x)).split(self.n_filters, dim=1)
        filtered = [depthwise(_padded(band, weight), weight) for band, weight in zip(x, self.temporal, strict=True)]
        # norms of bands side by side, then their sum
        x = self.temporal_norm(torch.cat(filtered, dim=1)).unflatten(1, (-1, self.n_filters)).sum(dim=1)
        return self.dropout(functional.avg_pool1d(functional.gelu(x), self.patch_length))


def _padded(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Add zeros in time so that the filter keeps the length; the odd one comes last."""
    extra = weight.shape[-1] - 1
    return functional.pad(x, (extra // 2, extra - extra // 2))
