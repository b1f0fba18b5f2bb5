"""Attention between tokens, and the two kinds of transformer block that are built around it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout, dropout

# Up to so many tokens plain products are faster on a CPU than the fused kernel, which there knows no dropout and no short heads.
_FEW = 256


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, drop_prob: float = 0.0, scale: float | None = None) -> torch.Tensor:
    """Return mixtures of values: softmax(scale query key^T) value, in each head by itself.

    Parameters
    ----------
    query : tensor [..., heads, n, d]
    key, value : tensor [..., heads, m, d]
    drop_prob : float
        Of the weights; 0 where nothing is trained.
    scale : float or None
        None takes 1 / sqrt(d).

    Returns
    -------
    mixed : tensor [..., heads, n, d]
    """
    if query.is_cuda or key.shape[-2] > _FEW:
        return functional.scaled_dot_product_attention(query, key, value, dropout_p=drop_prob, scale=scale)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    # heads are short: with keys in rows all products but one of the way there and back have long rows
    share = dropout((key @ (query * scale).mT).softmax(dim=-2), drop_prob, drop_prob > 0)  # [..., heads, m, n]
    return (value.mT @ share).mT


class Attention(nn.Module):
    """Multi-head self-attention [b, n, d] -> [b, n, d].

    Parameters
    ----------
    n_features : int
        d, a multiple of n_heads.
    n_heads : int
    drop_prob : float
        Of the attention weights.
    scale : float or None
        What products of queries and keys are multiplied by; None takes 1 / sqrt(d / n_heads).

    Raises
    ------
    SentenceError
        The features cannot be shared among the heads.

    Source
    ------
    Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(self, n_features: int, n_heads: int, drop_prob: float = 0.0, scale: float | None = None):
        super().__init__()
        if n_features % n_heads:
            raise SentenceError(f"tokens of {n_features} numbers cannot be shared among n_heads={n_heads}: take a number that divides them")
        self.n_heads, self.drop_prob, self.scale = n_heads, drop_prob, scale
        # one product for all three; each has the initial weights of a linear layer of its own
        self.query_key_value, self.mix = nn.Linear(n_features, 3 * n_features), nn.Linear(n_features, n_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each token's mixture of all tokens, [b, n, d]."""
        b, n, d = x.shape
        query, key, value = self.query_key_value(x).view(b, n, 3, self.n_heads, d // self.n_heads).permute(2, 0, 3, 1, 4)
        mixed = attend(query, key, value, self.drop_prob if self.training else 0.0, self.scale)
        return self.mix(mixed.transpose(1, 2).reshape(b, n, d))


class Block(nn.Module):
    """One transformer layer [b, n, d] -> [b, n, d]: attention, then two linear layers, each beside a shortcut.

    Parameters
    ----------
    n_features, n_heads : int
    drop_prob : float
        Of attention weights, of the hidden layer, and of what is added to the shortcuts.
    expansion : int
        Length of the hidden layer over n_features.
    norm_first : bool
        Layer norm before attention and before the linear layers (pre-norm); else after each shortcut (post-norm).
    scale : float or None
        See `Attention`.
    """

    def __init__(
        self,
        n_features: int,
        n_heads: int,
        drop_prob: float = 0.5,
        expansion: int = 4,
        norm_first: bool = True,
        scale: float | None = None,
    ):
        super().__init__()
        self.norm_first = norm_first
        self.attention = Attention(n_features, n_heads, drop_prob, scale)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(n_features), nn.LayerNorm(n_features)
        self.widen, self.narrow = nn.Linear(n_features, expansion * n_features), nn.Linear(expansion * n_features, n_features)
        self.dropout = Dropout(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        if self.norm_first:
            x = x + self.dropout(self.attention(self.attention_norm(x)))
            return x + self.dropout(self._feedforward(self.feedforward_norm(x)))
        x = self.attention_norm(x + self.dropout(self.attention(x)))
        return self.feedforward_norm(x + self.dropout(self._feedforward(x)))

    def _feedforward(self, x: torch.Tensor) -> torch.Tensor:
        return self.narrow(self.dropout(functional.gelu(self.widen(x))))
