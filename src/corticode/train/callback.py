"""What happens after each epoch: the history grows, the best weights are kept, training stops in time."""

from __future__ import annotations

import math
import multiprocessing.util
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from corticode.errors import SentenceError
from corticode.train.average import copies, put, tensors_of


class History(Callback):
    """Appends one line per epoch to `learner.history`: epoch, lr, train_*, val_*; stops where a loss is no longer a number."""

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Close the epoch."""
        rate, epoch = trainer.optimizers[0].param_groups[0]["lr"], trainer.current_epoch + 1
        means = learner.take_means()
        if trainer.world_size > 1:
            # the first process speaks for all, so that all decide alike
            means = trainer.strategy.broadcast(means)
        for name in ("train_loss", "val_loss"):
            if not learner.broken and not math.isfinite(means.get(name, 0.0)):
                learner.give_up(means[name], batch=learner.first_broken if name == "train_loss" else None)
        if learner.broken:
            return
        stage = {"stage": 2} if learner.stage == 2 else {}
        learner.history.append({"epoch": epoch, **stage, "lr": rate, **means})
        if trainer.logger is not None:
            trainer.logger.log_metrics({**means, "lr": rate}, step=epoch)


class Best(Callback):
    """Keeps the weights of the best epoch in memory, stops after `patience` epochs without a better one, and puts the best back.

    Parameters
    ----------
    patient : bool
        Never stop: the weights of later epochs are wanted.
    """

    def __init__(self, patient: bool = False):
        self.patient = patient
        self.best: float | None = None
        self.weights: dict[str, Any] = {}

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Compare this epoch with the best."""
        if learner.broken:
            return
        settings, line = learner.training_settings, learner.history[-1]
        if settings.monitor not in line:
            raise SentenceError(
                f"train.monitor={settings.monitor} is not measured here: pick one of {', '.join(n for n in line if n.startswith('val_'))}"
            )
        if settings.is_better(line[settings.monitor], self.best):
            self.best, learner.best_epoch = line[settings.monitor], line["epoch"]
            self.weights = copies(learner.moving.weights if learner.moving else tensors_of(learner))
        elif line["epoch"] - (learner.best_epoch or 0) >= settings.patience and line["epoch"] >= settings.min_epochs:
            trainer.should_stop = not self.patient

    def on_train_end(self, trainer, learner) -> None:
        """Put the best weights back."""
        put(learner, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.best, self.weights = state["best"], state["weights"]


class Until(Callback):
    """Stops as soon as the loss on held-back rows, which now are learned from, has come down to a target.

    Parameters
    ----------
    target : float
    """

    def __init__(self, target: float):
        self.target = float(target)
        self.start: dict[str, Any] = {}

    def on_train_start(self, trainer, learner) -> None:
        """Remember the weights, should all that follows come to nothing."""
        self.start = self.start or copies(tensors_of(learner))

    def on_train_epoch_end(self, trainer, learner) -> None:
        """Compare the loss with the target."""
        if not learner.broken and learner.history[-1]["val_loss"] <= self.target:
            trainer.should_stop = True

    def on_train_end(self, trainer, learner) -> None:
        """Go back where a loss was no number."""
        if learner.broken:
            put(learner, self.start)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"start": self.start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.start = state["start"]


class Leave(Callback):
    """Takes each of several processes out of their group before it ends: threads of the group would abort it on exit."""

    def on_fit_start(self, trainer, learner) -> None:
        """Ask for it at the end of a process that was started for this fit."""
        if trainer.world_size > 1 and multiprocessing.parent_process() is not None:
            multiprocessing.util.Finalize(None, _leave_group, exitpriority=100)


def _leave_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
