"""Train an encoder and its head on the rows of one fold.

fit rows --inner validation--> rows to learn from | rows to stop by
Stages (stage): Learner (module) + Batches (loader) + callbacks (callback, average, resume) --> Lightning --> weights in place
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch

from corticode.augment.base import Chain
from corticode.encoder.base import Encoder
from corticode.head.base import Head
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.split.inner import Inner, inner_validation
from corticode.train.checkpoint import Checkpoint
from corticode.train.diverged import where
from corticode.train.heap import kept_heap
from corticode.train.settings import Hardware, Training
from corticode.train.tuning import Tuning


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
    checkpoint: Checkpoint | None = None,
    tuning: Tuning | None = None,
) -> dict[str, Any]:
    """Train encoder and head in place; the weights of the best epoch stay, or the average that `training` asks for.

    The same seed and number of threads give the same bits on a CPU; the global random state is left as it was. Where a loss is
    no longer a number, training stops: the best weights on held-back rows stay, and the note 'diverged' says where it was.
    A batch that does not fit the memory of a GPU goes through in parts, with one step for all (batch normalisation then sees
    parts), and the note 'memory' says so.

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
    checkpoint : Checkpoint or None
        Where training is kept while it runs, on one device: what is there under the same settings, seed, rows and network is gone
        on with, to the same bits. Whoever gave it removes it.
    tuning : Tuning or None
        What a way of adapting asks for: who learns when and how fast.

    Returns
    -------
    notes : dict
        'selection' (how the checkpoint was chosen, in words), 'history' (list of dict per epoch), 'best_epoch',
        'n_parameters', 'precision'; 'diverged', 'memory' where there is something to say.

    Raises
    ------
    SentenceError
        The windows are not those the network was built for.
    BrokenDataError
        The loss is no longer a number, and nothing was held back to say which weights were good: names epoch, batch and recordings.
    SentenceError
        A GPU does not hold one window, or batch normalisation was given one.
    """
    encoder.check_input(np.shape(F))
    if inner is None:
        inner = inner_validation(meta, y, training.validation, seed, np.shape(F)[-1] / space.sfreq)
    if learn_scale:
        head.learn_scale(np.asarray(y)[inner.fit])
        if type(encoder).fit is not Encoder.fit:  # filters that are not learned by gradients (CSP)
            encoder.fit(F[inner.fit], np.asarray(y)[inner.fit], meta.iloc[inner.fit])
    # Lightning takes seconds to import, and only a fit needs it
    from corticode.train.stage import Rows, Stages

    hardware = hardware.resolved()
    gpus = list(range(torch.cuda.device_count())) if hardware.accelerator == "gpu" else []
    rows = Rows(F, np.asarray(y), meta, inner, encoder.domains(meta))
    for module in (encoder, head):  # Lightning leaves a network as it finds it, and an earlier fit left it judging
        module.train()
    with torch.random.fork_rng(devices=gpus), _quiet(), kept_heap():
        torch.manual_seed(seed)
        stages = Stages(encoder, head, objective, rows, space, training, seed, hardware, logger, augment, checkpoint, tuning)
        learner = stages.run()
    for module in (encoder, head):
        module.cpu()
        module.eval()
    notes = {
        "selection": selection(inner, training, learner),
        "history": learner.history,
        "best_epoch": learner.best_epoch or len(learner.history),
        "n_parameters": encoder.n_parameters + head.n_parameters,
        "precision": hardware.precision,
    }
    if learner.broken:
        said = where(learner.broken, len(stages.batches(inner.fit)))
        notes["diverged"] = f"{said}: training stopped there, and the weights of epoch {learner.best_epoch} stay"
    return {**notes, "memory": learner.memory} if learner.memory else notes


def selection(inner: Inner, training: Training, learner: Any) -> str:
    """Return in words how the weights that stay were chosen, of a training that ended."""
    first = [line for line in learner.history if "stage" not in line]
    n, second = len(first), len(learner.history) - len(first)
    averaged = f"moving average of the weights ({training.ema_decay:g}), " if training.ema_decay is not None else ""
    if learner.average is not None:
        judged = f", {training.monitor} {learner.average[training.monitor]:.4f}" if training.monitor in learner.average else ""
        return f"mean of the weights of epochs {training.first_averaged} to {n}" + (
            f"; inner validation: {inner.held}{judged}" if judged else ", no inner validation"
        )
    if not len(inner.validation):
        return f"{averaged}last epoch of {n}, no inner validation"
    said = f"{averaged}inner validation: {inner.held}, best {training.monitor} at epoch {learner.best_epoch} of {n}"
    if not second or learner.broken:
        return said
    return f"{said}, then {second} epochs with the held-back rows too (of {training.second_stage_epochs} at most)"


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
