"""Rows are divided by numpy's quantile of their absolute values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.layer.quantile import by_quantile


@pytest.mark.parametrize("n", [1, 2, 21, 200, 1001])
@pytest.mark.parametrize("share", [0.5, 0.95, 1.0])
def test_it_is_numpys_quantile(n, share):
    x = np.random.default_rng(0).normal(0, 30, (2, 3, n)).astype(np.float32)
    wanted = x / np.quantile(np.abs(x), share, axis=-1, keepdims=True)
    assert np.allclose(by_quantile(torch.from_numpy(x), share).numpy(), wanted, rtol=1e-5)


def test_a_flat_row_stays_zero_and_gains_do_not_matter():
    x = torch.randn(2, 3, 100, generator=torch.Generator().manual_seed(0))
    assert by_quantile(torch.zeros(1, 1, 50)).eq(0).all()
    assert torch.allclose(by_quantile(1000 * x), by_quantile(x), rtol=1e-5)
