"""The stem of IFNet and of what was built on it does its published steps."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corticode.layer.patch_stem import PatchStem


def published(stem: PatchStem, x: torch.Tensor) -> torch.Tensor:
    """Each band by itself, normalised by the batch, and their sum."""
    bands = len(stem.temporal)
    total = 0
    for i, band in enumerate(x.chunk(bands, dim=1)):
        part = slice(i * stem.n_filters, (i + 1) * stem.n_filters)
        z = torch.einsum("fc,bct->bft", stem.spatial.weight[part, :, 0], band)
        z = functional.batch_norm(z, None, None, stem.spatial_norm.weight[part], stem.spatial_norm.bias[part], training=True)
        z = functional.conv1d(z, stem.temporal[i], padding=stem.temporal[i].shape[-1] // 2, groups=stem.n_filters)
        total = total + functional.batch_norm(z, None, None, stem.temporal_norm.weight[part], stem.temporal_norm.bias[part], training=True)
    return functional.avg_pool1d(functional.gelu(total), stem.patch_length)


@pytest.mark.parametrize("kernels", [(15,), (15, 7)])
def test_it_does_the_published_steps(kernels):
    torch.manual_seed(0)
    stem = PatchStem(3, 4, kernels, patch_length=20, drop_prob=0.0).train()
    for norm in (stem.spatial_norm, stem.temporal_norm):
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    x = torch.randn(5, 3 * len(kernels), 90)
    got = stem(x)
    assert got.shape == (5, 4, 4)
    assert torch.allclose(got, published(stem, x), atol=1e-4)


def test_even_filters_keep_the_length_too():
    assert PatchStem(3, 4, (16,), patch_length=10)(torch.randn(2, 3, 50)).shape == (2, 4, 5)
