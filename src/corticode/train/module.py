"""The one LightningModule: an encoder, a head and the objective that joins them."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import lightning.pytorch as lightning
import torch

from corticode.augment.base import Chain, chance
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.train.optimizer import optimizer_of, schedule_of
from corticode.train.settings import Training


class Learner(lightning.LightningModule):
    """Trains encoder and head in place.

    Parameters
    ----------
    encoder : NeuralEncoder
    head : NeuralHead
    objective : Objective
    training : Training
    space : Space
    seed : int
        Of dropout and all else that is drawn while training.
    augment : Chain or None
        Changes batches that are learned from, never those that are judged.

    Attributes
    ----------
    history : list of dict
        One per epoch, plain numbers. Part of the state dict, since that is what comes back from other processes.
    """

    def __init__(
        self, encoder: Any, head: Any, objective: Objective, training: Training, space: Space, seed: int, augment: Chain | None = None
    ):
        super().__init__()
        self.encoder, self.head, self.objective = encoder, head, objective
        self.training_settings, self.space, self.seed, self.augment = training, space, seed, augment
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self._sums: dict[str, dict[str, Any]] = {}

    def on_fit_start(self) -> None:
        """Give each process its own dropout."""
        torch.manual_seed(self.seed + 7919 * self.global_rank)

    def on_train_epoch_start(self) -> None:
        """Tell the encoder, which may change with time."""
        self.encoder.begin_epoch(self.current_epoch + 1, self.training_settings.max_epochs)

    def training_step(self, batch, index):
        """Return the loss of one batch [b, ...], [b] (and [b], the domains, for encoders that have them)."""
        return self._losses("train", self._augmented(batch, index))["loss"]

    def validation_step(self, batch, index):
        """Add one batch of held-back rows to the epoch's means."""
        self._losses("val", batch)

    def _augmented(self, batch: Any, index: int) -> Any:
        if not self.augment:
            return batch
        x, y, *domain = batch
        # settled by where training stands, so that one that was resumed goes on as if it had not stopped
        return *self.augment(x, y, self.space, chance(self.seed, self.current_epoch, index, self.global_rank)), *domain

    def _losses(self, part: str, batch: Any) -> dict[str, torch.Tensor]:
        x, y, *domain = batch
        losses = self.objective(self.encoder, self.head, x, y, self.space, *domain)
        sums = self._sums.setdefault(part, {"n": 0})
        sums["n"] += len(x)
        for name, value in losses.items():
            # summed on the device: asking for the number here would stop a GPU at every step
            sums[name] = sums.get(name, 0.0) + value.detach().double() * len(x)
        return losses

    def on_validation_start(self) -> None:
        """Make all processes judge one and the same network: batch statistics are those of the first."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def take_means(self) -> dict[str, float]:
        """Return this epoch's means ('train_loss', 'val_accuracy' ...) and start the next epoch's."""
        means = {
            f"{part}_{name}": float(total) / sums["n"] for part, sums in self._sums.items() for name, total in sums.items() if name != "n"
        }
        self._sums = {}
        return means

    def configure_optimizers(self):
        """Give the optimiser and its schedule, per step."""
        n_steps = int(self.trainer.estimated_stepping_batches)
        optimizer = optimizer_of((self.encoder, self.head), self.training_settings)
        schedule = schedule_of(optimizer, self.training_settings, n_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # -- the way back from other processes ------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is learned beside weights."""
        return {"history": self.history, "best_epoch": self.best_epoch}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.history, self.best_epoch = state["history"], state["best_epoch"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        # only a process started for the fit unpickles a learner, and it shall be as quiet as its parent
        super().__setstate__(state)
        silence()
        warnings.simplefilter("ignore")


def silence() -> dict[str, int]:
    """Keep Lightning's banners and tips off the screen; return the levels that were set before."""
    names = ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    return before
