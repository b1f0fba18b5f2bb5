"""One linear layer on pooled tokens, trained with the encoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout

_POOLS = ("mean", "flatten", "first", "last")


class Linear(NeuralHead):
    """Tokens -> pool -> dropout -> linear.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    n_tokens : int
        Tokens per window; only 'flatten' needs it.
    pool : str
        'mean' over tokens, 'flatten' (a weight for each token's each feature), or the 'first' or 'last' token.
    drop_prob : float
    max_norm : float or None
        Largest norm of the weights of one output, applied to the weights as they are used (0.25 in EEGNet).
    kind : str
        'probability' or 'value'; the task settles it.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        n_tokens: int = 1,
        pool: str = "mean",
        drop_prob: float = 0.0,
        max_norm: float | None = None,
        kind: str = "probability",
    ):
        super().__init__(int(n_outputs), kind)
        if pool not in _POOLS:
            raise SentenceError(f"head pool {pool!r} is unknown: pick one of {', '.join(_POOLS)}")
        self.n_features, self.n_tokens, self.pool = int(n_features), int(n_tokens), pool
        self.drop_prob, self.max_norm = drop_prob, max_norm
        self.dropout = Dropout(drop_prob)
        self.layer = nn.Linear(self.n_features * (self.n_tokens if pool == "flatten" else 1), self.n_outputs)

    def forward(self, tokens):
        """Return logits or standardised values [b, n_outputs]."""
        pools = {"mean": lambda t: t.mean(dim=1), "flatten": lambda t: t.flatten(1), "first": lambda t: t[:, 0], "last": lambda t: t[:, -1]}
        pooled = pools[self.pool](tokens)
        weight = self.layer.weight if self.max_norm is None else torch.renorm(self.layer.weight, 2, 0, self.max_norm)
        return functional.linear(self.dropout(pooled), weight, self.layer.bias)
