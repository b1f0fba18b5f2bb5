"""Train an encoder and its head on the rows of one fold.

fit rows --inner validation--> rows to learn from | rows to stop by
Learner (module) + Batches (loader) + History, Best (callback) --> Lightning --> weights in place, notes
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from corticode.augment.base import Chain
from corticode.encoder.base import Encoder
from corticode.errors import SentenceError
from corticode.head.base import Head
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.split.inner import Inner, inner_validation
from corticode.train.loader import Batches
from corticode.train.settings import Hardware, Training

# Windows per forward pass on held-back rows: nothing is learned there, so it is bound by memory alone.
_VALIDATION_BATCH = 256


def fit(
    encoder: Encoder,
    head: Head,
    objective: Objective,
    F: np.ndarray,
    y: np.ndarray,
    meta: pd.DataFrame,
    space: Space,
    training: Training,
    seed: int,
    hardware: Hardware,
    logger: dict[str, Any] | None = None,
    learn_scale: bool = True,
    inner: Inner | None = None,
    augment: Chain | None = None,
) -> dict[str, Any]:
    """Train encoder and head in place; the weights of the best epoch stay.

    The same seed and number of threads give the same bits on a CPU; the global random state is left as it was.

    Parameters
    ----------
    encoder : NeuralEncoder
    head : NeuralHead
    objective : Objective
    F : array [n, channels, times], space.unit
        Fit rows alone: rows to stop by are taken out of them.
    y : int array [n] or float array [n]
    meta : DataFrame [n]
    space : Space
    training : Training
    seed : int
        Of the inner split, the order of batches and dropout.
    hardware : Hardware
    logger : dict or None
        {'kind': 'csv' or 'tensorboard', 'folder': path}: curves for programs that read them.
    learn_scale : bool
        Standardise values of y by these rows, and let the encoder learn what it learns without gradients; False keeps what an
        earlier fit made of both.
    inner : Inner or None
        Rows to learn from and rows to stop by; None cuts them by `training.validation` and `seed`.
    augment : Chain or None
        Changes batches that are learned from.

    Returns
    -------
    notes : dict
        'selection' (how the checkpoint was chosen, in words), 'history' (list of dict per epoch), 'best_epoch',
        'n_parameters', 'precision'.

    Raises
    ------
    SentenceError
        The windows are not those the network was built for.
    BrokenDataError
        The loss is no longer a number.
    """
    encoder.check_input(np.shape(F))
    if inner is None:
        inner = inner_validation(meta, y, training.validation, seed, np.shape(F)[-1] / space.sfreq)
    if learn_scale:
        head.learn_scale(np.asarray(y)[inner.fit])
        if type(encoder).fit is not Encoder.fit:  # filters that are not learned by gradients (CSP)
            encoder.fit(F[inner.fit], np.asarray(y)[inner.fit], meta.iloc[inner.fit])
    hardware = hardware.resolved()
    gpus = list(range(torch.cuda.device_count())) if hardware.accelerator == "gpu" else []
    with torch.random.fork_rng(devices=gpus), _quiet():
        torch.manual_seed(seed)
        learner = _run(encoder, head, objective, F, y, inner, space, training, seed, hardware, logger, encoder.domains(meta), augment)
    for module in (encoder, head):
        module.cpu()
        module.eval()
    return {
        "selection": _selection(inner, training, learner),
        "history": learner.history,
        "best_epoch": learner.best_epoch or len(learner.history),
        "n_parameters": encoder.n_parameters + head.n_parameters,
        "precision": hardware.precision,
    }


def _run(encoder, head, objective, F, y, inner, space, training, seed, hardware, logger, domain, augment):
    # Lightning takes seconds to import, and only a fit needs it
    from corticode.train.callback import Best, History, Leave
    from corticode.train.module import Learner

    learner = Learner(encoder, head, objective, training, space, seed, augment)
    batches = Batches(F, y, inner.fit, training.batch_size, seed, domain, encoder.domains_per_batch)
    held = Batches(F, y, inner.validation, _VALIDATION_BATCH, domain=domain) if len(inner.validation) else None
    trainer = _trainer(training, hardware, logger, [History(), Leave(), *([Best()] if held else [])])
    try:
        trainer.fit(learner, batches, held)
    except SystemExit:
        # Lightning answers Ctrl-C by leaving with status 1; the one who pressed it is to be told the truth
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    return learner


def _trainer(training: Training, hardware: Hardware, logger: dict[str, Any] | None, callbacks: list[Any]) -> Any:
    from lightning.pytorch import Trainer

    several_gpus = hardware.accelerator == "gpu" and hardware.devices != 1
    return Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.strategy,
        precision=hardware.precision,
        max_epochs=training.max_epochs,
        gradient_clip_val=training.gradient_clip,
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


def _selection(inner: Inner, training: Training, learner: Any) -> str:
    n = len(learner.history)
    if not len(inner.validation):
        return f"last epoch of {n}, no inner validation"
    return f"inner validation: {inner.held}, best {training.monitor} at epoch {learner.best_epoch} of {n}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's banners and hints off the screen while the block runs."""
    from corticode.train.module import silence

    before, strict = silence(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warn_only)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
