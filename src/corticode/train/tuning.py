"""What a way of adapting asks of a training beside its settings: who learns when and how fast, and what happens after a step."""

from __future__ import annotations

from typing import Any

import torch


class Tuning:
    """Base: asks for nothing. `encoder` and `head` are those in training, in whatever process that happens."""

    def begin(self, encoder: Any, head: Any) -> None:
        """Hear that a training begins: what shall ever learn in it has to require gradients now."""

    def shares(self, encoder: Any, head: Any) -> dict[torch.nn.Parameter, float]:
        """Return for parameters that learn at another rate what `train.lr` is multiplied by."""
        return {}

    def begin_epoch(self, encoder: Any, head: Any, epoch: int, n_epochs: int) -> None:
        """Hear that epoch 1, 2 ... n_epochs begins."""

    def penalty(self, encoder: Any) -> torch.Tensor | None:
        """Return what is added to the loss that is learned from, a scalar; None for nothing."""
        return None

    def after_step(self, encoder: Any, head: Any, step: int, n_steps: int) -> None:
        """Hear that step 1, 2 ... n_steps was made; its gradients are still there."""

    def end(self) -> None:
        """Undo what shall not outlast the training."""

    def key(self) -> Any:
        """Return plain values that make two trainings the same."""
        return type(self).__name__
