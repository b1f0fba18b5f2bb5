"""A few linear layers with an activation between them, on all tokens side by side, trained with the encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from corticode.errors import SentenceError
from corticode.head.neural import NeuralHead
from corticode.layer.dropout import Dropout

_ACTIVATIONS = {"elu": nn.ELU, "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class MLP(NeuralHead):
    """Tokens -> flatten -> (linear -> activation -> dropout) for each hidden layer -> linear.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    n_tokens : int
        Tokens per window.
    hidden : sequence of int
        Lengths of the hidden layers.
    drop_prob : float or sequence of float
        After each hidden layer.
    activation : str
        'elu', 'gelu', 'relu' or 'silu'.
    kind : str
        'probability' or 'value'; the task settles it.

    Raises
    ------
    SentenceError
        An unknown activation, or not one drop_prob per hidden layer.
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        n_tokens: int = 1,
        hidden: Sequence[int] = (256, 32),
        drop_prob: float | Sequence[float] = (0.5, 0.3),
        activation: str = "elu",
        kind: str = "probability",
    ):
        super().__init__(int(n_outputs), kind)
        if activation not in _ACTIVATIONS:
            raise SentenceError(f"head activation {activation!r} is unknown: pick one of {', '.join(_ACTIVATIONS)}")
        self.n_features, self.n_tokens, self.activation = int(n_features), int(n_tokens), activation
        self.hidden = tuple(int(n) for n in hidden)
        self.drop_prob = drop_prob if isinstance(drop_prob, int | float) else tuple(drop_prob)
        drop_probs = self.drop_prob if isinstance(self.drop_prob, tuple) else (self.drop_prob,) * len(self.hidden)
        if len(drop_probs) != len(self.hidden):
            raise SentenceError(
                f"{len(drop_probs)} values of drop_prob for {len(self.hidden)} hidden layers {list(self.hidden)}: give one for each"
            )
        lengths = [self.n_features * self.n_tokens, *self.hidden]
        layers = []
        for before, after, p in zip(lengths, self.hidden, drop_probs, strict=False):
            layers += [nn.Linear(before, after), _ACTIVATIONS[activation](), Dropout(p)]
        self.layers = nn.Sequential(*layers, nn.Linear(lengths[-1], self.n_outputs))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs]."""
        return self.layers(tokens.flatten(1))
