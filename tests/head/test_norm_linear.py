"""A head on the normalised mean over tokens, whose first answers are nearly even."""

from __future__ import annotations

import torch

from corticode.head.norm_linear import NormLinear


def head(**settings) -> NormLinear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NormLinear(8, 3, **settings)


def tokens(n_tokens: int = 5) -> torch.Tensor:
    return torch.randn(4, n_tokens, 8, generator=torch.Generator().manual_seed(1))


def test_the_mean_is_normalised_after_it_is_taken():
    x, one = tokens(), head(start_scale=1.0)
    mean = x.mean(dim=1)
    normal = (mean - mean.mean(dim=1, keepdim=True)) / mean.std(dim=1, keepdim=True, correction=0)
    assert torch.allclose(one(x), normal @ one.layer.weight.T + one.layer.bias, atol=1e-4)
    assert torch.allclose(one(7 * x + 3), one(x), atol=1e-4), "neither gain nor offset counts"


def test_first_answers_are_nearly_even():
    assert head()(tokens()).abs().max() < 0.01 < head(start_scale=1.0)(tokens()).abs().max()


def test_values_have_a_unit():
    one = head(kind="value")
    one.learn_scale(torch.tensor([[0.0, 1, 2], [10, 21, 2]]).numpy())
    assert torch.allclose(one.answer(torch.zeros(1, 3)), torch.tensor([[5.0, 11, 2]]))
