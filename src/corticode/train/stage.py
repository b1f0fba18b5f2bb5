"""The stages of one training: to the best epoch or to an average of weights, then with the held-back rows too where that is asked."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Callback, Trainer

from corticode import store
from corticode.augment.base import Chain
from corticode.errors import BrokenDataError, SentenceError
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.split.inner import Inner
from corticode.train.average import Average, Moving
from corticode.train.callback import Best, History, Leave, Until
from corticode.train.checkpoint import Checkpoint
from corticode.train.diverged import sentence
from corticode.train.loader import Batches, Whole
from corticode.train.memory import too_large
from corticode.train.module import Learner
from corticode.train.resume import Resume
from corticode.train.settings import Hardware, Training
from corticode.train.tuning import Tuning

# Windows per forward pass on held-back rows: nothing is learned there, so it is bound by memory alone.
_VALIDATION_BATCH = 256

# The stage of a training that ended; others may have to follow before its result is safe.
_DONE = 0


class Rows(NamedTuple):
    """What is learned from and judged by: windows F [n, channels, times], y [n], meta [n], the cut in two, numbers of domains [n]."""

    F: np.ndarray
    y: np.ndarray
    meta: pd.DataFrame
    inner: Inner
    domain: np.ndarray | None


@dataclass
class Stages:
    """One training; see `train.fit.fit` for its arguments."""

    encoder: Any
    head: Any
    objective: Objective
    rows: Rows
    space: Space
    training: Training
    seed: int
    hardware: Hardware
    logger: dict[str, Any] | None = None
    augment: Chain | None = None
    checkpoint: Checkpoint | None = None
    tuning: Tuning | None = None

    def __post_init__(self):
        # several processes have as many states
        self._key = self._named() if self.checkpoint is not None and self.hardware.devices == 1 else None
        self._saved = self.checkpoint.read(self._key) if self._key else None

    def run(self) -> Learner:
        """Train, from where an interrupted training stood; the weights that count are in place."""
        rows, begin = self.rows.inner, monotonic()
        learner = self._learner(self.training)
        if self._saved is not None and self._saved["stage"] == _DONE:
            learner.load_state_dict(self._saved["learner"])
            return learner
        if self._saved is None or self._saved["stage"] == 1:
            self._learn(learner, rows.fit, self.training.max_epochs, self._to_the_best())
        else:
            learner.load_state_dict(self._saved["learner"])
        if self.training.second_stage_epochs and len(rows.validation) and not learner.broken:
            learner = self._go_on(learner)
        if self._key and monotonic() - begin >= self.checkpoint.every_s:
            self.checkpoint.write(self._key, {"stage": _DONE, "learner": learner.state_dict()})
        return learner

    def batches(self, rows: np.ndarray) -> Batches:
        """Return rows to learn from."""
        own = self.rows
        return Batches(own.F, own.y, rows, self.training.batch_size, self.seed, own.domain, self.encoder.domains_per_batch)

    def _to_the_best(self) -> list[Callback]:
        """Return what decides which weights of the first stage stay: of those that apply, the last one does."""
        average = [Average(self.training.first_averaged)] if self.training.average_from is not None else []
        best = [Best(patient=bool(average))] if len(self.rows.inner.validation) else []
        return [*best, *average]

    def _go_on(self, before: Learner) -> Learner:
        """Learn from all rows by a new optimiser, at the rate of the best epoch, down to the training loss of that epoch."""
        lines = [line for line in before.history if "stage" not in line]
        best = before.best_epoch
        # a line tells the rate at the end of its epoch, and the last cosine ends at nothing
        rate = lines[best - 2]["lr"] if best > 1 else lines[0]["lr"] or self.training.lr
        settings = replace(self.training, lr=rate, schedule="constant", warmup_epochs=0.0)
        learner = self._learner(settings, stage=2)
        learner.set_extra_state(before.get_extra_state())
        everything = np.sort(np.concatenate([self.rows.inner.fit, self.rows.inner.validation]))
        n_epochs = len(lines) + settings.second_stage_epochs
        self._learn(learner, everything, n_epochs, [Until(lines[best - 1]["train_loss"])])
        return learner

    def _learner(self, settings: Training, stage: int = 1) -> Learner:
        moving = Moving(settings.ema_decay) if settings.ema_decay is not None else None
        return Learner(self.encoder, self.head, self.objective, settings, self.space, self.seed, self.augment, stage, moving, self.tuning)

    def _learn(self, learner: Learner, rows: np.ndarray, n_epochs: int, callbacks: list[Callback]) -> None:
        saved = self._saved if self._saved is not None and self._saved["stage"] == learner.stage else None
        resume = [Resume(self.checkpoint, self._key, saved)] if self._key else []
        batches, own = self.batches(rows), self.rows
        held = Batches(own.F, own.y, own.inner.validation, _VALIDATION_BATCH, domain=own.domain) if len(own.inner.validation) else None
        learner.n_batches = len(batches)
        moving = [learner.moving] if learner.moving is not None else []
        # what is written down comes after all that changes with the epoch
        trainer = _trainer(self.hardware, self.logger, n_epochs, [History(), Leave(), *moving, *callbacks, *resume])
        trainer.fit_loop.epoch_progress.current.processed = saved["epoch"] if saved is not None else len(learner.history)
        try:
            trainer.fit(learner, Whole(batches), held)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving with status 1; the one who pressed it is to be told the truth
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
        except torch.cuda.OutOfMemoryError as error:  # not for want of cutting batches
            raise SentenceError(too_large("the network and what its optimiser remembers", str(error))) from None
        if learner.broken and learner.best_epoch is None:
            raise BrokenDataError(sentence(learner.broken, batches, own.F, own.meta, self.space, self.training.lr))

    def _named(self) -> str:
        """Return what makes two trainings the same."""
        own = self.rows
        return store.key(
            {
                "training": self.training.arguments(),
                "network": [repr(self.encoder), repr(self.head)],
                "seed": self.seed,
                "hardware": [self.hardware.accelerator, self.hardware.precision],
                **({"tuning": self.tuning.key()} if self.tuning is not None else {}),
                "rows": [list(np.shape(own.F)), own.inner.fit.tolist(), own.inner.validation.tolist(), np.asarray(own.y).tolist()],
            }
        )


def _trainer(hardware: Hardware, logger: dict[str, Any] | None, n_epochs: int, callbacks: list[Callback]) -> Trainer:
    several_gpus = hardware.accelerator == "gpu" and hardware.devices != 1
    return Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.strategy,
        precision=hardware.precision,
        max_epochs=n_epochs,
        callbacks=callbacks,
        logger=_logger(logger),
        # on a GPU equal seeds give equal numbers as far as its kernels can
        deterministic="warn" if hardware.accelerator == "gpu" else None,
        benchmark=False,
        sync_batchnorm=several_gpus,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _logger(settings: dict[str, Any] | None) -> Any:
    """Return Lightning's logger in a new subfolder; False for none."""
    kind = (settings or {}).get("kind")
    if not kind:
        return False
    if kind not in ("csv", "tensorboard"):
        raise SentenceError(f"logger.kind={kind} is unknown: pick csv or tensorboard, or logger=none")
    from lightning.pytorch import loggers

    folder = Path(settings["folder"])
    for number in range(10_000):
        try:
            # folds run side by side: whoever makes the folder has it
            os.makedirs(folder / f"fit_{number}")
            break
        except FileExistsError:
            continue
    make = {"csv": loggers.CSVLogger, "tensorboard": loggers.TensorBoardLogger}[kind]
    try:
        return make(save_dir=str(folder), name="", version=f"fit_{number}")
    except ModuleNotFoundError as error:
        raise SentenceError("logger=tensorboard needs the package tensorboard: pip install tensorboard, or use logger=csv") from error
