"""One weight per token, the same for all its features, then one linear layer; trained with the encoder."""

from __future__ import annotations

import torch
from torch import nn

from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout


class Weighted(NeuralHead):
    """Tokens -> weighted sum -> dropout -> linear.

    Between `head.linear.Linear(pool="mean")`, which treats tokens alike, and "flatten", which has a weight for each feature of each.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    n_tokens : int
        Tokens per window.
    drop_prob : float
    kind : str
        'probability' or 'value'; the task settles it.

    Source
    ------
    Oganesian et al. 2025, NeurIPS, arXiv:2512.12135 (BaRISTA).
    """

    def __init__(self, n_features: int, n_outputs: int, n_tokens: int = 1, drop_prob: float = 0.0, kind: str = "probability"):
        super().__init__(int(n_outputs), kind)
        self.n_features, self.n_tokens, self.drop_prob = int(n_features), int(n_tokens), drop_prob
        self.pool, self.dropout = nn.Linear(self.n_tokens, 1, bias=False), Dropout(drop_prob)
        self.layer = nn.Linear(self.n_features, self.n_outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs]."""
        return self.layer(self.dropout(self.pool(tokens.mT)[..., 0]))
