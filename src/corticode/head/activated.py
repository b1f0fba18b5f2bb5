"""The mean of all tokens, an activation, one linear layer, trained with the encoder."""

from __future__ import annotations

import torch
from torch import nn

from corticode.errors import SentenceError
from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout

_ACTIVATIONS = {"elu": nn.ELU, "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class Activated(NeuralHead):
    """Tokens -> mean -> activation -> dropout -> linear, as BIOT classifies.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    activation : str
        'elu', 'gelu', 'relu' or 'silu'.
    drop_prob : float
    kind : str
        'probability' or 'value'; the task settles it.

    Raises
    ------
    SentenceError
        An unknown activation.
    """

    def __init__(self, n_features: int, n_outputs: int, activation: str = "elu", drop_prob: float = 0.0, kind: str = "probability"):
        super().__init__(int(n_outputs), kind)
        if activation not in _ACTIVATIONS:
            raise SentenceError(f"head activation {activation!r} is unknown: pick one of {', '.join(_ACTIVATIONS)}")
        self.n_features, self.activation, self.drop_prob = int(n_features), activation, drop_prob
        self.bend, self.dropout = _ACTIVATIONS[activation](), Dropout(drop_prob)
        self.layer = nn.Linear(self.n_features, self.n_outputs)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs]."""
        return self.layer(self.dropout(self.bend(tokens.mean(dim=1))))
