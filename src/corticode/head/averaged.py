"""One linear layer for each token, and the mean of what they answer, trained with the encoder."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout


class Averaged(NeuralHead):
    """Tokens -> dropout -> a linear layer of each token's own -> mean of their logits or values.

    For encoders whose tokens are answers of their own: ATCNet's windows, TCFormer's groups of filters.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    n_tokens : int
        Tokens per window, each with a layer of its own.
    drop_prob : float
    max_norm : float or None
        Largest norm of a layer's weights for one output, applied to the weights as they are used.
    kind : str
        'probability' or 'value'; the task settles it.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        n_tokens: int = 1,
        drop_prob: float = 0.0,
        max_norm: float | None = None,
        kind: str = "probability",
    ):
        super().__init__(int(n_outputs), kind)
        self.n_features, self.n_tokens, self.drop_prob, self.max_norm = int(n_features), int(n_tokens), drop_prob, max_norm
        self.dropout = Dropout(drop_prob)
        self.weight = nn.Parameter(torch.empty(self.n_tokens, self.n_outputs, self.n_features))
        self.bias = nn.Parameter(torch.zeros(self.n_tokens, self.n_outputs))
        for weight in self.weight:
            nn.init.xavier_uniform_(weight)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs]."""
        weight = self.weight
        if self.max_norm is not None:
            weight = torch.renorm(weight.flatten(0, 1), 2, 0, self.max_norm).view_as(weight)
        # the mean of linear maps of several tokens is one linear map of all of them
        joint = weight.transpose(0, 1).flatten(1) / self.n_tokens
        return functional.linear(self.dropout(tokens).flatten(1), joint, self.bias.mean(dim=0))
