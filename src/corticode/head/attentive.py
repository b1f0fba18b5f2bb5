"""Learned queries attend to the tokens; one linear layer answers from what they found."""

from __future__ import annotations

import torch
from torch import nn

from corticode.errors import SentenceError
from corticode.head.neural import NeuralHead
from corticode.layer.attention import attend
from corticode.layer.dropout import Dropout


class Attentive(NeuralHead):
    """Tokens -> layer norm -> keys, values -> attention of learned queries -> linear.

    Where `pool="mean"` weighs all tokens alike, the weights here depend on what they hold; where `pool="flatten"` has a weight for
    each place, these do not grow with the number of tokens.

    Parameters
    ----------
    n_features : int
        Length of a token, d.
    n_outputs : int
        Classes, or regressed values.
    n_queries : int
    n_heads : int
        A divisor of d.
    drop_prob : float
        Before the linear layer.
    kind : str
        'probability' or 'value'; the task settles it.

    Raises
    ------
    SentenceError
        The features cannot be shared among the heads.
    """

    def __init__(
        self, n_features: int, n_outputs: int, n_queries: int = 1, n_heads: int = 1, drop_prob: float = 0.0, kind: str = "probability"
    ):
        super().__init__(int(n_outputs), kind)
        if n_features % n_heads:
            raise SentenceError(f"tokens of {n_features} numbers cannot be shared among n_heads={n_heads}: take a number that divides them")
        self.n_features, self.n_queries, self.n_heads, self.drop_prob = int(n_features), int(n_queries), int(n_heads), drop_prob
        self.query = nn.Parameter(0.02 * torch.randn(self.n_queries, self.n_features))
        self.norm, self.key_value = nn.LayerNorm(self.n_features), nn.Linear(self.n_features, 2 * self.n_features)
        self.dropout = Dropout(drop_prob)
        self.layer = nn.Linear(self.n_queries * self.n_features, self.n_outputs)

    def forward(self, tokens):
        """Return logits or standardised values [b, n_outputs]."""
        b, n, d = tokens.shape
        each = d // self.n_heads
        key, value = self.key_value(self.norm(tokens)).view(b, n, 2, self.n_heads, each).permute(2, 0, 3, 1, 4)
        query = self.query.view(self.n_queries, self.n_heads, each).transpose(0, 1).expand(b, -1, -1, -1)
        found = attend(query, key, value)  # [b, heads, queries, each]
        return self.layer(self.dropout(found.transpose(1, 2).flatten(1)))
