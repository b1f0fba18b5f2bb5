"""The one LightningModule: an encoder, a head and the objective that joins them."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch

from corticode.augment.base import Chain, chance
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.train.average import Moving
from corticode.train.memory import Parts, cut
from corticode.train.optimizer import optimizer_of, schedule_of
from corticode.train.settings import Training
from corticode.train.tuning import Tuning


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

    stage : int
        2 where held-back rows are among those learned from.
    moving : Moving or None
        An average that follows the weights step by step.
    tuning : Tuning or None
        What a way of adapting asks for.

    Attributes
    ----------
    history : list of dict
        One per epoch, plain numbers. Part of the state dict, since that is what comes back from other processes.
    best_epoch : int or None
    broken : dict or None
        Where a loss was no longer a number: 'epoch', 'batch' (None where it is not known, 1 is the first) and 'reason'.
    average : dict or None
        Means over held-back rows of an average of weights that took the place of the best epoch.
    first_broken : int or None
        The first batch of the last epoch whose loss was no number.
    memory : str
        What to say of batches that were cut.
    n_batches : int
        Steps of an epoch.
    """

    # a batch that does not fit the memory makes its step in parts, so the step is made here and not by Lightning
    automatic_optimization = False
    told = ("history", "best_epoch", "broken", "average", "memory")

    def __init__(
        self, encoder: Any, head: Any, objective: Objective, training: Training, space: Space, seed: int,
        augment: Chain | None = None, stage: int = 1, moving: Moving | None = None, tuning: Tuning | None = None,
    ):  # fmt: skip
        super().__init__()
        self.encoder, self.head, self.objective = encoder, head, objective
        self.training_settings, self.space, self.seed, self.augment = training, space, seed, augment
        self.stage, self.moving, self.tuning = int(stage), moving, tuning
        self.history: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.broken: dict[str, Any] | None = None
        self.average: dict[str, float] | None = None
        self.first_broken: int | None = None
        self.n_batches = 0
        self.memory = ""
        self._parts = {"train": Parts(), "val": Parts()}
        self._buffers_now: list[torch.Tensor] = []
        self._kept: dict[str, list[tuple[int, dict[str, torch.Tensor]]]] = {"train": [], "val": []}

    def on_fit_start(self) -> None:
        """Give each process, and each stage, its own dropout."""
        for parts in self._parts.values():
            parts.fixed = self.trainer.world_size > 1
        torch.manual_seed(self.seed + 7919 * self.global_rank + 15485863 * (self.stage - 1))

    def on_train_epoch_start(self) -> None:
        """Tell the encoder, which may change with time, and the batches, whose order does."""
        n_epochs = self.training_settings.max_epochs
        epoch = min(self.current_epoch + 1, n_epochs)
        self.encoder.begin_epoch(epoch, n_epochs)
        if self.tuning is not None:
            self.tuning.begin_epoch(self.encoder, self.head, epoch, n_epochs)
        self.trainer.train_dataloader.batches.epoch = self.current_epoch
        self._buffers_now = list(self.buffers())

    # -- one step -------------------------------------------------------------------------------------------------

    def training_step(self, batches, _):
        """Take one step by each batch of an epoch: [b, ...], [b] (and [b], the domains, for encoders that have them)."""
        convert = self.trainer.precision_plugin.convert_input
        for index, batch in enumerate(batches):
            self._step([tensor.to(self.device) for tensor in convert(batch)], index)
            if self.broken:  # nothing is learned from what is no number
                return

    def _step(self, batch: Any, index: int) -> None:
        batch = self._augmented(batch, index)
        losses = self._of_numbers(lambda: self._parts["train"](lambda n: self._gradients(batch, n), batch[0].shape), index)
        if losses is None:
            return
        self._keep("train", len(batch[0]), losses)
        # on a GPU the number would have to be waited for: there it is looked at when the epoch ends
        if self.device.type == "cpu" and self.trainer.world_size == 1 and not math.isfinite(losses["loss"]):
            self.give_up(float(losses["loss"]), index + 1)
            return
        self.optimizers().step()
        self.lr_schedulers().step()
        if self.tuning is not None:
            step, n_steps = self.current_epoch * self.n_batches + index + 1, self.training_settings.max_epochs * self.n_batches
            self.tuning.after_step(self.encoder, self.head, min(step, n_steps), n_steps)
        if self.moving is not None:
            self.moving.follow(self)

    def validation_step(self, batch, index):
        """Add one batch of held-back rows to the epoch's means."""
        if self.broken:
            return

        def act(n_parts: int) -> list[tuple[int, dict[str, torch.Tensor]]]:
            return [(len(part[0]), self._losses(part)) for part in cut(batch, n_parts)]

        for n, losses in self._of_numbers(lambda: self._parts["val"](act, batch[0].shape), None) or []:
            self._keep("val", n, losses)

    def _augmented(self, batch: Any, index: int) -> Any:
        if not self.augment:
            return batch
        x, y, *domain = batch
        # settled by where training stands, so that one that was resumed goes on as if it had not stopped
        return *self.augment(x, y, self.space, chance(self.seed, self.current_epoch, index, self.global_rank)), *domain

    def _gradients(self, batch: Any, n_parts: int) -> dict[str, torch.Tensor]:
        """Put the gradient of a batch's mean loss in place, the batch in one piece or in parts; return its losses."""
        before = [buffer.clone() for buffer in self._buffers_now]
        self.optimizers().zero_grad()
        total: dict[str, torch.Tensor] = {}
        try:
            for part in cut(batch, n_parts):
                share = len(part[0]) / len(batch[0])
                losses = self._penalised(self._losses(part))
                with torch.autocast(self.device.type, enabled=False):  # gradients have the precision of what they belong to
                    self.manual_backward(losses["loss"] if share == 1 else losses["loss"] * share)
                for name, value in losses.items():
                    value = value.detach() if share == 1 else value.detach() * share
                    total[name] = total[name] + value if name in total else value
        except torch.cuda.OutOfMemoryError:
            for buffer, old in zip(self._buffers_now, before, strict=True):  # the batch has not been seen
                buffer.copy_(old)
            raise
        return total

    def _losses(self, batch: Any) -> dict[str, torch.Tensor]:
        x, y, *domain = batch
        try:
            return self.objective(self.encoder, self.head, x, y, self.space, *domain)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise SentenceError(
                f"batch normalisation learns nothing from a batch of one window {list(x.shape[1:])}: use train.batch_size=2 or more, "
                "and two rows to learn from"
            ) from error

    def _penalised(self, losses: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        penalty = self.tuning.penalty(self.encoder) if self.tuning is not None else None
        return losses if penalty is None else {**losses, "loss": losses["loss"] + penalty}

    def _of_numbers(self, act: Callable[[], Any], index: int | None) -> Any:
        """Return act(), or give up where a matrix is no longer one of numbers."""
        try:
            return act()
        except torch.linalg.LinAlgError as error:
            if self.trainer.world_size > 1:
                raise
            self.give_up(str(error), None if index is None else index + 1)
            return None

    def give_up(self, value: float | str, batch: int | None = None) -> None:
        """Stop training here, since a loss is no longer a number."""
        reason = value if isinstance(value, str) else f"the loss is {value}"
        self.broken = {"epoch": self.current_epoch + 1, "batch": batch, "reason": reason}
        self.trainer.should_stop = True

    def on_before_optimizer_step(self, optimizer) -> None:
        """Cut the gradient down, once it is whole and in its own scale."""
        if self.training_settings.gradient_clip is not None:
            self.clip_gradients(optimizer, self.training_settings.gradient_clip, "norm")

    # -- means of an epoch ------------------------------------------------------------------------------------------

    def _keep(self, part: str, n: int, losses: dict[str, torch.Tensor]) -> None:
        # kept on the device: asking for the numbers here would stop a GPU at every step
        self._kept[part].append((n, {name: value.detach() for name, value in losses.items()}))

    def take_means(self) -> dict[str, float]:
        """Return this epoch's means ('train_loss', 'val_accuracy' ...) and start the next epoch's."""
        means = {}
        self.memory = self._parts["train"].note or self._parts["val"].note
        for part, steps in self._kept.items():
            n = np.array([n for n, _ in steps], dtype=float)
            for name in steps[0][1] if steps else ():
                values = torch.stack([losses[name] for _, losses in steps]).double().cpu().numpy()
                means[f"{part}_{name}"] = float((values * n).sum() / n.sum())
                if (part, name) == ("train", "loss"):
                    wrong = np.flatnonzero(~np.isfinite(values))
                    self.first_broken = int(wrong[0]) + 1 if len(wrong) else None
        self._kept = {"train": [], "val": []}
        return means

    def on_validation_start(self) -> None:
        """Make all processes judge one and the same network: batch statistics are those of the first."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def configure_optimizers(self):
        """Give the optimiser and its schedule, per step."""
        n_steps = self.training_settings.max_epochs * self.n_batches
        # an objective may have parameters of its own (a projection in which views are compared)
        modules = [part for part in (self.encoder, self.head, self.objective) if isinstance(part, torch.nn.Module)]
        if self.tuning is not None:
            self.tuning.begin(self.encoder, self.head)
        shares = self.tuning.shares(self.encoder, self.head) if self.tuning is not None else None
        optimizer = optimizer_of(modules, self.training_settings, shares)
        schedule = schedule_of(optimizer, self.training_settings, n_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # -- the way back from other processes ------------------------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is learned beside weights."""
        return {name: getattr(self, name) for name in self.told}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take it back."""
        for name in self.told:
            setattr(self, name, state[name])

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
