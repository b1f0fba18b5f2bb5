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
        'auto' takes cross-entropy for a head of classes and squared error for one of values; else 'cross_entropy', 'mse' or
        'huber'. Classes are indices [b], or probabilities [b, classes] where an augmentation mixed windows. Values are
        compared standardised (sd of the fit rows = 1).
    """

    def __init__(self, label_smoothing: float = 0.0, loss: str = "auto"):
        if loss not in _LOSSES:
            raise SentenceError(f"objective loss {loss!r} is unknown: pick one of {', '.join(_LOSSES)}")
        self.label_smoothing, self.loss = float(label_smoothing), loss

    def __call__(
        self, encoder: Any, head: Any, x: torch.Tensor, y: torch.Tensor, space: Any = None, subject: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return 'loss', and 'accuracy' where y are classes; see `compare`."""
        return self.compare(head, head(encoder(x, space) if subject is None else encoder(x, space, subject)), y)

    def compare(self, head: Any, output: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return 'loss' of a head's output [b, n_outputs], and 'accuracy' where y are classes; of probabilities the likeliest class counts.

        Raises
        ------
        SentenceError
            The loss, or y, is not for what the head answers.
        """
        classes = head.kind == "probability"  # what y is cannot be told from its numbers: both may be [b, k] floats
        loss = self.loss if self.loss != "auto" else ("cross_entropy" if classes else "mse")
        if (loss == "cross_entropy") != classes:
            raise SentenceError(
                f"objective loss {loss!r} does not fit y, which {'names classes' if classes else 'is a value'}: use loss=auto"
            )
        if not classes:
            compare = functional.mse_loss if loss == "mse" else functional.huber_loss
            return {"loss": compare(output, head.target(y))}
        if y.is_floating_point() and y.shape != output.shape:
            raise SentenceError(
                f"y holds values {list(y.shape)} and the head answers with {output.shape[-1]} probabilities: give class indices, or kind='value' to the head"
            )
        value = functional.cross_entropy(output, y, label_smoothing=self.label_smoothing)
        likeliest = y.argmax(dim=-1) if y.ndim == 2 else y
        return {"loss": value, "accuracy": (output.detach().argmax(dim=-1) == likeliest).float().mean()}
