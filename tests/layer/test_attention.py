"""Attention and its blocks equal torch's own layers with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from corticode.errors import SentenceError
from corticode.layer.attention import Attention, Block, attend

PLACES = {
    "self_attn.in_proj_weight": "attention.query_key_value.weight", "self_attn.in_proj_bias": "attention.query_key_value.bias",
    "self_attn.out_proj.weight": "attention.mix.weight", "self_attn.out_proj.bias": "attention.mix.bias",
    "linear1.weight": "widen.weight", "linear1.bias": "widen.bias", "linear2.weight": "narrow.weight", "linear2.bias": "narrow.bias",
    "norm1.weight": "attention_norm.weight", "norm1.bias": "attention_norm.bias",
    "norm2.weight": "feedforward_norm.weight", "norm2.bias": "feedforward_norm.bias",
}  # fmt: skip


def tokens() -> torch.Tensor:
    return torch.randn(3, 7, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_block_equals_torch_s_layer(norm_first):
    block = Block(12, 4, drop_prob=0.0, expansion=2, norm_first=norm_first)
    published = nn.TransformerEncoderLayer(12, 4, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first)
    mine = block.state_dict()
    assert set(PLACES.values()) == set(mine)
    published.load_state_dict({theirs: mine[ours] for theirs, ours in PLACES.items()})
    assert torch.allclose(block(tokens()), published(tokens()), atol=1e-5)


def test_scale_sharpens_attention():
    layer, sharp = Attention(12, 4), Attention(12, 4, scale=1.0)
    sharp.load_state_dict(layer.state_dict())
    with torch.no_grad():
        sharp.query_key_value.weight[:12].mul_(3**-0.5)  # queries: a head has 3 numbers
        sharp.query_key_value.bias[:12].mul_(3**-0.5)
    assert torch.allclose(layer(tokens()), sharp(tokens()), atol=1e-6)


def test_dropout_is_for_training():
    layer = Attention(12, 4, drop_prob=0.5)
    assert not torch.allclose(layer(tokens()), layer(tokens()))
    layer.eval()
    assert torch.equal(layer(tokens()), layer(tokens()))


def test_heads_must_share_the_features():
    with pytest.raises(SentenceError, match="n_heads=5"):
        Attention(12, 5)


@pytest.mark.parametrize("n", [1, 7, 300])
def test_few_tokens_and_many_are_mixed_alike(n):
    query, key, value = torch.randn(3, 2, 4, n, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    wanted = nn.functional.scaled_dot_product_attention(query, key, value, scale=0.3)
    assert torch.allclose(attend(query, key, value, scale=0.3), wanted, atol=1e-5)
    assert torch.allclose(attend(query, key, value), nn.functional.scaled_dot_product_attention(query, key, value), atol=1e-5)
