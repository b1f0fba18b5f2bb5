"""Each row of a mask hides equally many tokens, and others than its neighbours do."""

from __future__ import annotations

import pytest
import torch

from corticode.layer.mask import random_mask


@pytest.mark.parametrize("n_tokens,share,hidden", [(20, 0.5, 10), (7, 0.5, 3), (8, 0.75, 6), (5, 0.0, 0)])
def test_each_row_hides_as_many(n_tokens, share, hidden):
    mask = random_mask(50, n_tokens, share, torch.Generator().manual_seed(0))
    assert mask.dtype == torch.bool and mask.shape == (50, n_tokens)
    assert (mask.sum(dim=1) == hidden).all()


def test_all_tokens_are_equally_likely_and_draws_follow_the_generator():
    first = random_mask(2000, 6, 0.5, torch.Generator().manual_seed(1))
    assert torch.allclose(first.double().mean(dim=0), torch.full((6,), 0.5).double(), atol=0.05)
    assert torch.equal(first, random_mask(2000, 6, 0.5, torch.Generator().manual_seed(1)))
    assert not torch.equal(first, random_mask(2000, 6, 0.5, torch.Generator().manual_seed(2)))
