"""Weigh channels, filter in time, average over patches: the front of IFNet with one band, of DBConformer and of MVCNet."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.layer.depthwise import depthwise, padded
from corticode.layer.dropout import Dropout


class PatchStem(nn.Module):
    """Spatial filters -> norm -> a temporal filter for each -> norm -> GELU -> mean of each patch -> dropout.

    Parameters
    ----------
    n_chans, n_filters : int
    kernel_length : int
        Samples of the temporal filters; signals are padded with zeros and keep their length.
    patch_length : int
        Samples averaged into one value; those at the end that fill no patch are left out.
    drop_prob : float

    Source
    ------
    Wang, Yao, Wang 2023, IEEE Trans. Neural Syst. Rehabil. Eng. 31:1900; with one band github.com/wzwvv/DBConformer and wzwvv/MVCNet.
    """

    def __init__(self, n_chans: int, n_filters: int, kernel_length: int, patch_length: int, drop_prob: float = 0.5):
        super().__init__()
        self.patch_length = patch_length
        self.spatial = nn.Conv1d(n_chans, n_filters, 1, bias=False)
        self.spatial_norm = nn.BatchNorm1d(n_filters)
        self.temporal = nn.Parameter(torch.empty(n_filters, 1, kernel_length))
        self.temporal_norm = nn.BatchNorm1d(n_filters)
        self.dropout = Dropout(drop_prob)
        for weight in (self.spatial.weight, self.temporal):
            nn.init.normal_(weight, std=0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, n_filters, patches] from [b, channels, times]."""
        x = padded(self.spatial_norm(self.spatial(x)), self.temporal.shape[-1])
        x = functional.gelu(self.temporal_norm(depthwise(x, self.temporal)))
        return self.dropout(functional.avg_pool1d(x, self.patch_length))
