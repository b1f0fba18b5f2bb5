"""An objective turns a batch into a loss."""

from __future__ import annotations

from typing import Any

from corticode.state import Stateful


class Objective(Stateful):
    """(encoder, head, x, y) -> {"loss": scalar, ...}; further entries are logged."""

    def __call__(self, encoder: Any, head: Any, x: Any, y: Any, space: Any = None, subject: Any = None) -> dict[str, Any]:
        """Return the loss of one batch.

        Parameters
        ----------
        encoder : NeuralEncoder
        head : neural Head
        x : float tensor [b, channels, times], space.unit
        y : int tensor [b] (class indices), float tensor [b, classes] (their probabilities) or float tensor [b] (values)
        space : Space or None
        subject : int tensor [b] or None
            Number of each row's domain, for encoders that take it (see `NeuralEncoder.domains`).
        """
        raise NotImplementedError
