"""What happens after each epoch: the history grows, the best weights are kept, training stops in time."""

from __future__ import annotations

import math
import multiprocessing.util
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from corticode.errors import BrokenDataError, SentenceError


class History(Callback):
    """Appends one line per epoch to `learner.history`: epoch, lr, train_*, val_*.

    Raises
    ------
    BrokenDataError
        The loss is no longer a number.
    """

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Close the epoch."""
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        means = learner.take_means()
        if trainer.world_size > 1:
            # the first process speaks for all, so that all decide alike
            means = trainer.strategy.broadcast(means)
        if not math.isfinite(means["train_loss"]):
            raise BrokenDataError(
                f"training diverged: the loss of epoch {trainer.current_epoch + 1} is {means['train_loss']}: "
                "lower model.train.lr=, or look for windows of extreme amplitude"
            )
        learner.history.append({"epoch": trainer.current_epoch + 1, "lr": rate, **means})
        if trainer.logger is not None:
            trainer.logger.log_metrics({**means, "lr": rate}, step=trainer.current_epoch + 1)


class Best(Callback):
    """Keeps the weights of the best epoch in memory, stops after `patience` epochs without a better one, and puts the best back."""

    def __init__(self):
        self.best: float | None = None
        self.weights: dict[str, Any] = {}

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Compare this epoch with the best."""
        settings, line = learner.training_settings, learner.history[-1]
        if settings.monitor not in line:
            raise SentenceError(
                f"train.monitor={settings.monitor} is not measured here: pick one of {', '.join(n for n in line if n.startswith('val_'))}"
            )
        if settings.is_better(line[settings.monitor], self.best):
            self.best, learner.best_epoch = line[settings.monitor], line["epoch"]
            self.weights = {name: tensor.detach().clone() for name, tensor in _tensors(learner).items()}
        elif line["epoch"] - (learner.best_epoch or 0) >= settings.patience and line["epoch"] >= settings.min_epochs:
            trainer.should_stop = True

    def on_train_end(self, trainer, learner) -> None:
        """Put the best weights back."""
        with torch.no_grad():
            for name, tensor in _tensors(learner).items():
                if name in self.weights:
                    tensor.copy_(self.weights[name])


class Leave(Callback):
    """Takes each of several processes out of their group before it ends: threads of the group would abort it on exit."""

    def on_fit_start(self, trainer, learner) -> None:
        """Ask for it at the end of a process that was started for this fit."""
        if trainer.world_size > 1 and multiprocessing.parent_process() is not None:
            multiprocessing.util.Finalize(None, _leave_group, exitpriority=100)


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _tensors(learner: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(learner.named_parameters()), **dict(learner.named_buffers())}
