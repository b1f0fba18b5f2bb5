"""What all ways have in common that keep the encoder's weights: freeze, add, then train what was added as `full` trains all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from corticode.adapt.depth import keep_statistics
from corticode.adapt.full import Full
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.space import Space
from corticode.train.settings import Hardware, Training
from corticode.train.tuning import Tuning


class Frozen(Full):
    """Base: a way says in `add` what stands where; it learns together with the head, and nothing else does.

    What is added belongs to the encoder: it is saved, loaded and copied with it, and `n_parameters` counts it. Normalisations with
    running statistics keep those of the pretrained encoder; its dropout goes on.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.

    Attributes
    ----------
    own_dropout : bool
        The encoder's dropout goes on in training; False: it gives the same tokens at any time.
    """

    own_dropout = True

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)

    def add(self, encoder: Any, shape: Sequence[int], space: Space | None) -> None:
        """Put in place what shall learn; all else is frozen already.

        Parameters
        ----------
        encoder : NeuralEncoder
        shape : sequence of int
            Of a window, [channels, times].
        space : Space or None

        Raises
        ------
        SentenceError
            The encoder has no place for it.
        """

    def ready(self, encoder: Any, head: Any, F: np.ndarray, space: Space) -> None:
        """Start what was added from windows F [n, channels, times] of the fit rows, where it starts from any."""

    def report(self, encoder: Any, F: np.ndarray, space: Space) -> dict[str, Any]:
        """Return what to say of the trained parts beside the notes of `train.fit.fit`."""
        return {}

    def check(self, encoder, head):
        """Refuse what `full` refuses, and averages for which batch statistics would be taken anew.

        Raises
        ------
        SentenceError
        """
        super().check(encoder, head)
        if self.training.average_from is not None:
            raise SentenceError(
                f"adapt={self.word} keeps the encoder's statistics, and train.average_from= takes them anew: use train.ema_decay=, or null"
            )

    def rebuild(self, encoder, head, shape, space=None, seed=0):
        """Freeze and add, once."""
        if hasattr(encoder, "added"):
            return
        for parameter in encoder.parameters():
            parameter.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.add(encoder, shape, space)
        if not hasattr(encoder, "added"):
            encoder.added = nn.ModuleDict()

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Freeze, add and train; the notes say of how many numbers."""
        encoder.check_input(np.shape(F))
        fresh = not hasattr(encoder, "added")
        self.rebuild(encoder, head, np.shape(F)[1:], space, seed)
        if fresh:
            self.ready(encoder, head, F, space)
        notes = super().fit(encoder, head, F, y, meta, space, n_outputs, seed, length_s)
        return {**notes, **self.report(encoder, F, space)}

    def tuning(self, verb):
        """Return what holds the frozen parts still."""
        return Still(self.own_dropout)


class Still(Tuning):
    """Keeps a frozen encoder's running statistics, epoch by epoch.

    Parameters
    ----------
    dropout : bool
        Its dropout goes on; False: the whole encoder is as it is when it answers.
    """

    def __init__(self, dropout: bool = True):
        self.dropout = dropout

    def begin_epoch(self, encoder, head, epoch, n_epochs):
        """Set the modes, after whatever set them before."""
        encoder.train(self.dropout)
        keep_statistics(encoder)

    def key(self):
        """Return what makes two of them alike."""
        return [type(self).__name__, self.dropout]


class Added(nn.Module):
    """Something that stands before or behind a module of a frozen network, [.., d, ..] -> [.., d, ..].

    The module keeps its name and weights: its state stays that of the pretrained encoder, and code that reads its weights finds them.
    """

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Change what a module takes: its first argument."""
        return (self(inputs[0]), *inputs[1:])

    def behind(self, module: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor:
        """Change what a module gives."""
        return self(output)


def put(encoder: nn.Module, name: str, added: Added, module: nn.Module | None = None, before: bool = False) -> Added:
    """Let `added` act before or behind the encoder's module of this name, and be part of the encoder.

    Parameters
    ----------
    encoder : NeuralEncoder
    name : str
    added : Added
    module : nn.Module or None
        Where it acts; None takes the module of that name.
    before : bool

    Returns
    -------
    added : Added
    """
    module = encoder.get_submodule(name) if module is None else module
    if not hasattr(encoder, "added"):
        encoder.added = nn.ModuleDict()
    encoder.added["at " + name.replace(".", "/")] = added.to(next(encoder.parameters()).device)
    if before:
        module.register_forward_pre_hook(added.before)
    else:
        module.register_forward_hook(added.behind)
    return added


def place_of(key: str) -> str:
    """Return the name of the module where something stands, from its key in `encoder.added`."""
    return key.removeprefix("at ").replace("/", ".")


def along(values: torch.Tensor, x: torch.Tensor, axis: int) -> torch.Tensor:
    """Return values [d] shaped so that they act on an axis of x."""
    return values.view(*(-1 if k == axis else 1 for k in range(x.ndim)))
