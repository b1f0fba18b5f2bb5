"""Linear attention is the product it says it is, and rows and tokens know of each other as they should."""

from __future__ import annotations

import pytest
import torch

from corticode.errors import SentenceError
from corticode.layer.linear_attention import LinearAttention, LinearBlock, linear_stack, published_names


def tokens(n: int = 7, d: int = 12) -> torch.Tensor:
    return torch.randn(3, n, d, generator=torch.Generator().manual_seed(0))


def test_it_equals_the_formula_head_by_head():
    layer, x = LinearAttention(12, 3).eval(), tokens()
    heads = []
    for i in range(3):
        rows = slice(4 * i, 4 * i + 4)
        query, key, value = (x @ part.weight[rows].T for part in (layer.query, layer.key, layer.value))
        context = torch.einsum("bnk,bnv->bkv", key.softmax(dim=1), value)
        heads.append(query.softmax(dim=2) / 2 @ context)
    assert torch.allclose(layer(x), layer.mix(torch.cat(heads, dim=-1)), atol=1e-6)


def test_tokens_in_another_order_give_the_same_answers_in_that_order():
    block, x = LinearBlock(12, 3).eval(), tokens()
    assert torch.allclose(block(x.flip(1)), block(x).flip(1), atol=1e-6)


def test_dropout_acts_on_the_answer_of_attention_in_training_alone():
    block, x = LinearBlock(12, 3, drop_prob=1.0), tokens()
    without = x + block.narrow(torch.nn.functional.gelu(block.widen(block.feedforward_norm(x))))
    assert torch.allclose(block(x), without, atol=1e-6)
    assert not torch.allclose(block.eval()(x), without, atol=1e-3)


def test_published_names_reach_every_weight_of_a_stack():
    names = published_names("LAT.layers.layers", "blocks", 2)
    assert set(names.values()) == {f"blocks.{n}" for n in linear_stack(12, 3, 2).state_dict()}


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(SentenceError, match="n_heads=5"):
        LinearAttention(12, 5)
