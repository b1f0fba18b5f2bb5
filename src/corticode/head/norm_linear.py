"""The mean over tokens, layer norm, and one linear layer that starts near zero: what masked-pretrained transformers are fine-tuned with."""

from __future__ import annotations

import torch
from torch import nn

from corticode.head.neural import NeuralHead


class NormLinear(NeuralHead):
    """Tokens -> mean -> layer norm -> linear.

    Parameters
    ----------
    n_features : int
        Length of a token.
    n_outputs : int
        Classes, or regressed values.
    start_scale : float
        What the linear layer's first weights are multiplied by, so that answers start even.
    kind : str
        'probability' or 'value'; the task settles it.

    Source
    ------
    Bao et al. 2022, arXiv:2106.08254; Jiang, Zhao, Lu 2024, arXiv:2405.18765.
    """

    def __init__(self, n_features: int, n_outputs: int, start_scale: float = 0.001, kind: str = "probability"):
        super().__init__(int(n_outputs), kind)
        self.n_features, self.start_scale = int(n_features), start_scale
        self.norm = nn.LayerNorm(self.n_features, eps=1e-6)
        self.layer = nn.Linear(self.n_features, self.n_outputs)
        with torch.no_grad():
            self.layer.weight.mul_(start_scale)
            self.layer.bias.mul_(start_scale)

    def forward(self, tokens):
        """Return logits or standardised values [b, n_outputs]."""
        return self.layer(self.norm(tokens.mean(dim=1)))
