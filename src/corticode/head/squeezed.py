"""Few numbers of each token, by the same linear layer, then one linear layer on all of them; trained with the encoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout


class Squeezed(NeuralHead):
    """Tokens -> dropout -> linear to `hidden` numbers each -> flatten -> linear, as EEGPT is probed.

    Far fewer weights than `head.linear.Linear(pool="flatten")` where tokens are long.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    n_tokens : int
        Tokens per window.
    hidden : int
        Numbers that are kept of a token.
    drop_prob : float
    hidden_max_norm, max_norm : float or None
        Largest norm of the weights of one number of the first and of the last layer, applied to the weights as they are used.
    kind : str
        'probability' or 'value'; the task settles it.

    Source
    ------
    Wang et al. 2024, NeurIPS; github.com/BINE022/EEGPT.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        n_tokens: int = 1,
        hidden: int = 16,
        drop_prob: float = 0.5,
        hidden_max_norm: float | None = 1.0,
        max_norm: float | None = 0.25,
        kind: str = "probability",
    ):
        super().__init__(int(n_outputs), kind)
        self.n_features, self.n_tokens, self.hidden = int(n_features), int(n_tokens), int(hidden)
        self.drop_prob, self.hidden_max_norm, self.max_norm = drop_prob, hidden_max_norm, max_norm
        self.dropout = Dropout(drop_prob)
        self.squeeze = nn.Linear(self.n_features, self.hidden)
        self.layer = nn.Linear(self.hidden * self.n_tokens, self.n_outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs]."""
        return _bounded(self.layer, _bounded(self.squeeze, self.dropout(tokens), self.hidden_max_norm).flatten(1), self.max_norm)


def _bounded(layer: nn.Linear, x: torch.Tensor, max_norm: float | None) -> torch.Tensor:
    weight = layer.weight if max_norm is None else torch.renorm(layer.weight, 2, 0, max_norm)
    return functional.linear(x, weight, layer.bias)
