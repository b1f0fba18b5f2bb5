"""Heads that are trained together with their encoder: tokens -> logits or values."""

from __future__ import annotations

import numpy as np
import torch

from corticode.errors import SentenceError
from corticode.head.base import Head
from corticode.layer.stateful import StatefulModule


class NeuralHead(StatefulModule, Head):
    """Base of all heads with gradients.

    Parameters
    ----------
    n_outputs : int or None
        Classes, or regressed values; None where the encoder alone knows.
    kind : str
        'probability' (outputs are logits) or 'value' (outputs are standardised: mean 0, sd 1 over the fit rows;
        `answer` gives them back in the unit of y).
    """

    neural = True
    deterministic = False

    def __init__(self, n_outputs: int | None, kind: str = "probability"):
        super().__init__()
        if kind not in ("probability", "value"):
            raise SentenceError(f"a neural head answers with kind 'probability' or 'value', not {kind!r}")
        self.n_outputs, self.kind, self.yhat_kind = n_outputs, kind, kind
        if kind == "value":
            self.register_buffer("y_mean", torch.zeros(n_outputs or 1))
            self.register_buffer("y_sd", torch.ones(n_outputs or 1))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits or standardised values [b, n_outputs] from tokens [b, n_tokens, n_features]."""
        raise NotImplementedError

    def learn_scale(self, y: np.ndarray) -> None:
        """Keep mean and sd of the fit rows' y [n] or [n, n_outputs]; of no use to classes."""
        if self.kind == "value":
            y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
            sd = y.std(axis=0)
            self.y_mean.copy_(torch.from_numpy(y.mean(axis=0)))
            self.y_sd.copy_(torch.from_numpy(np.where(sd > 0, sd, 1.0)))

    def target(self, y: torch.Tensor) -> torch.Tensor:
        """Return y as the loss compares it with `forward`: class indices [b], or standardised values [b, n_outputs]."""
        if self.kind == "probability":
            return y
        return (y.reshape(len(y), -1).float() - self.y_mean) / self.y_sd

    def answer(self, output: torch.Tensor) -> torch.Tensor:
        """Turn outputs of `forward` into probabilities, or values in the unit of y, [b, n_outputs]."""
        return output.softmax(dim=-1) if self.kind == "probability" else output * self.y_sd + self.y_mean

    def fit(self, Z, y, meta, n_outputs):
        """Refuse: this head has no closed form.

        Raises
        ------
        SentenceError
        """
        raise SentenceError(f"head {type(self).__name__} is trained with its encoder: use adapt=full, or a head with a fit of its own")

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return answers [n, n_outputs], float64, for a representation [n, d] (one token) or [n, tokens, d]."""
        tokens = torch.from_numpy(np.array(Z, dtype=np.float32))
        mode = self.training
        self.eval()
        try:
            with torch.no_grad():
                return self.answer(self(tokens if tokens.ndim == 3 else tokens[:, None]).double()).numpy()
        finally:
            self.train(mode)
