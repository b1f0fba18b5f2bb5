"""Learn the labels: cross-entropy for classes, squared or Huber error for values."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.objective.base import Objective

_LOSSES = ("auto", "cross_entropy", "mse", "huber")


class Supervised(Objective):
    """Compare the head's output with y.

    Parameters
    ----------
    label_smoothing : float
        Share of the target that is spread over all classes.
    loss : str
        'auto' takes cross-entropy for class indices and squared error for values; else 'cross_entropy', 'mse' or
        'huber'. Values are compared standardised (sd of the fit rows = 1).
    """

    def __init__(self, label_smoothing: float = 0.0, loss: str = "auto"):
        if loss not in _LOSSES:
            raise SentenceError(f"objective loss {loss!r} is unknown: pick one of {', '.join(_LOSSES)}")
        self.label_smoothing, self.loss = float(label_smoothing), loss

    def __call__(
        self, encoder: Any, head: Any, x: torch.Tensor, y: torch.Tensor, space: Any = None, subject: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return 'loss', and 'accuracy' where y are classes."""
        output = head(encoder(x, space) if subject is None else encoder(x, space, subject))
        classes = not y.is_floating_point()
        loss = self.loss if self.loss != "auto" else ("cross_entropy" if classes else "mse")
        if (loss == "cross_entropy") != classes:
            raise SentenceError(
                f"objective loss {loss!r} does not fit y, which {'names classes' if classes else 'is a value'}: use loss=auto"
            )
        if classes:
            value = functional.cross_entropy(output, y, label_smoothing=self.label_smoothing)
            return {"loss": value, "accuracy": (output.detach().argmax(dim=-1) == y).float().mean()}
        compare = functional.mse_loss if loss == "mse" else functional.huber_loss
        return {"loss": compare(output, head.target(y))}
