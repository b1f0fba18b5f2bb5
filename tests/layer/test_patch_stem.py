"""The stem of DBConformer and MVCNet does its published steps."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from corticode.layer.patch_stem import PatchStem


@pytest.mark.parametrize("kernel", [15, 16])
def test_it_does_the_published_steps(kernel):
    torch.manual_seed(0)
    stem = PatchStem(3, 4, kernel, patch_length=20, drop_prob=0.0).train()
    for norm in (stem.spatial_norm, stem.temporal_norm):
        torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    x = torch.randn(5, 3, 90)
    z = functional.batch_norm(functional.conv1d(x, stem.spatial.weight), None, None, stem.spatial_norm.weight, stem.spatial_norm.bias, True)
    z = functional.conv1d(z, stem.temporal, padding="same", groups=4)
    z = functional.batch_norm(z, None, None, stem.temporal_norm.weight, stem.temporal_norm.bias, True)
    wanted = functional.gelu(z)[..., :80].unflatten(2, (4, 20)).mean(dim=3)
    assert torch.allclose(stem(x), wanted, atol=1e-4)
