"""Attention whose cost grows with the number of tokens, not with its square, and the transformer block around it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout


class LinearAttention(nn.Module):
    """Multi-head linear self-attention [b, n, d] -> [b, n, d].

        softmax_d(query) / sqrt(d / n_heads) (softmax_n(key)^T value), in each head by itself

    Keys and values meet first, in a matrix [d / n_heads, d / n_heads]: no product of tokens with tokens is made, so a token
    mixes features, not chosen tokens.

    Parameters
    ----------
    n_features : int
        d, a multiple of n_heads.
    n_heads : int
    drop_prob : float
        Of the answer.

    Raises
    ------
    SentenceError
        The features cannot be shared among the heads.

    Source
    ------
    Shen et al. 2021, WACV (arXiv:1812.01243), as in linear-attention-transformer 0.19.1.
    """

    def __init__(self, n_features: int, n_heads: int, drop_prob: float = 0.0):
        super().__init__()
        if n_features % n_heads:
            raise SentenceError(f"tokens of {n_features} numbers cannot be shared among n_heads={n_heads}: take a number that divides them")
        self.n_heads = n_heads
        # three layers and not one: published weights come as three
        self.query, self.key, self.value = (nn.Linear(n_features, n_features, bias=False) for _ in range(3))
        self.mix, self.dropout = nn.Linear(n_features, n_features), Dropout(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each token's mixture of features, [b, n, d]."""
        b, n, d = x.shape
        weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])  # one product for all three
        query, key, value = functional.linear(x, weight).view(b, n, 3, self.n_heads, d // self.n_heads).permute(2, 0, 3, 1, 4)
        query = query.softmax(dim=-1) * query.shape[-1] ** -0.5
        mixed = query @ (key.softmax(dim=-2).mT @ value)  # [b, heads, n, d / heads]
        return self.dropout(self.mix(mixed.transpose(1, 2).reshape(b, n, d)))


class LinearBlock(nn.Module):
    """One pre-norm transformer layer [b, n, d] -> [b, n, d] around linear attention.

    Parameters
    ----------
    n_features, n_heads : int
    drop_prob : float
        Of the attention's answer; there is none elsewhere.
    expansion : int
        Length of the hidden layer over n_features.
    """

    def __init__(self, n_features: int, n_heads: int, drop_prob: float = 0.2, expansion: int = 4):
        super().__init__()
        self.attention = LinearAttention(n_features, n_heads, drop_prob)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(n_features), nn.LayerNorm(n_features)
        self.widen, self.narrow = nn.Linear(n_features, expansion * n_features), nn.Linear(expansion * n_features, n_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        x = x + self.attention(self.attention_norm(x))
        return x + self.narrow(functional.gelu(self.widen(self.feedforward_norm(x))))


def linear_stack(n_features: int, n_heads: int, depth: int, drop_prob: float = 0.2) -> nn.Sequential:
    """Return `depth` linear blocks one after another; no position is added inside."""
    return nn.Sequential(*(LinearBlock(n_features, n_heads, drop_prob) for _ in range(depth)))


def published_names(theirs: str, ours: str, depth: int) -> dict[str, str]:
    """Return published name -> name here of a stack of linear-attention-transformer, for weight cards.

    Parameters
    ----------
    theirs : str
        Up to and without the layer's number: 'LAT.layers.layers'.
    ours : str
        Name of the `linear_stack`.
    depth : int
    """
    parts = {
        "0.norm": ("attention_norm", ("weight", "bias")),
        "0.fn.to_q": ("attention.query", ("weight",)),
        "0.fn.to_k": ("attention.key", ("weight",)),
        "0.fn.to_v": ("attention.value", ("weight",)),
        "0.fn.to_out": ("attention.mix", ("weight", "bias")),
        "1.norm": ("feedforward_norm", ("weight", "bias")),
        "1.fn.fn.w1": ("widen", ("weight", "bias")),
        "1.fn.fn.w2": ("narrow", ("weight", "bias")),
    }
    return {f"{theirs}.{i}.{a}.{n}": f"{ours}.{i}.{b}.{n}" for i in range(depth) for a, (b, kinds) in parts.items() for n in kinds}
