"""Averages of the weights over steps or over epochs, which may answer better than the last of them."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

# (1 + n) / (10 + n) of the average is kept at step n: a decay meant for thousands of steps serves a training of hundreds
_EARLY = 10


def tensors_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return parameters and buffers by name, themselves."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


def copies(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors that no longer change with the given ones."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def put(module: nn.Module, values: dict[str, torch.Tensor]) -> None:
    """Write values into the parameters and buffers of these names."""
    own = tensors_of(module)
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)


class Moving(Callback):
    """Keeps an exponential moving average of weights and batch statistics, and lets it be judged and kept in place of them.

        average <- d average + (1 - d) weights,   d = min(decay, (1 + n) / (10 + n)) at step n

    Parameters
    ----------
    decay : float
    """

    def __init__(self, decay: float):
        self.decay, self.n = float(decay), 0
        self.weights: dict[str, torch.Tensor] = {}
        self._live: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer, learner) -> None:
        """Begin with the weights that are there."""
        if not self.weights:
            self.weights = copies(tensors_of(learner))

    @torch.no_grad()
    def follow(self, learner: nn.Module) -> None:
        """Move towards the weights of this step."""
        decay = min(self.decay, (1 + self.n) / (_EARLY + self.n))
        self.n += 1
        for name, tensor in tensors_of(learner).items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)

    def on_validation_start(self, trainer, learner) -> None:
        """Let the average be judged."""
        self._live = copies(tensors_of(learner))
        put(learner, self.weights)

    def on_validation_end(self, trainer, learner) -> None:
        """Go on learning where learning stood."""
        put(learner, self._live)

    def on_train_end(self, trainer, learner) -> None:
        """Let the average stay."""
        put(learner, self.weights)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"n": self.n, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.n, self.weights = state["n"], state["weights"]


class Average(Callback):
    """Keeps the mean of the weights at the end of the last epochs; batch statistics are taken anew with it (Izmailov 2018).

    Parameters
    ----------
    first : int
        The first epoch whose end counts.
    """

    def __init__(self, first: int):
        self.first, self.n = int(first), 0
        self.weights: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def on_train_epoch_end(self, trainer, learner) -> None:
        """Take these weights into the mean."""
        if learner.broken or trainer.current_epoch + 1 < self.first:
            return
        self.n += 1
        for name, tensor in learner.named_parameters():
            if self.n == 1:
                self.weights[name] = tensor.detach().clone()
            else:
                self.weights[name].lerp_(tensor, 1 / self.n)

    def on_train_end(self, trainer, learner) -> None:
        """Let the mean stay, and have it judged."""
        if learner.broken or not self.n:
            return
        before = copies(tensors_of(learner))
        put(learner, self.weights)
        with torch.no_grad(), trainer.precision_plugin.train_step_context():
            _renew_statistics(learner, trainer.train_dataloader.batches)
            if trainer.val_dataloaders is not None:
                learner.eval()
                for index, batch in enumerate(trainer.val_dataloaders):
                    learner.validation_step([tensor.to(learner.device) for tensor in batch], index)
                learner.average = learner.take_means()
        if learner.broken:
            put(learner, before)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"n": self.n, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.n, self.weights = state["n"], state["weights"]


def _renew_statistics(learner: Any, batches: Any) -> None:
    """Take means and variances of batch normalisation from one pass over the fit rows; other running statistics go on from theirs."""
    norms = [module for module in learner.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None]
    if not any(True for _ in learner.buffers()):
        return
    momenta = [norm.momentum for norm in norms]
    learner.train()
    for k, (x, _, *domain) in enumerate(batches):
        for norm in norms:
            norm.momentum = 1 / (k + 1)  # a plain mean over batches
        tokens = learner.encoder(x.to(learner.device), learner.space, *(d.to(learner.device) for d in domain))
        learner.head(tokens)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
