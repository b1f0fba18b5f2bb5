"""The layers of a network from its input to its answers: which of them learn, and how fast."""

from __future__ import annotations

from typing import Any

from torch import nn

from corticode.train.tuning import Tuning


def layers(encoder: nn.Module) -> list[list[nn.Parameter]]:
    """Return the trained parameters of each layer, from the input on.

    A layer is a part of the network in the order in which its constructor made them; each member of a stack of blocks is one. Parts
    that hold single vectors alone (a norm) belong to the layer before, and what the network itself holds (positions, class tokens) to
    the first.
    """
    found: list[list[nn.Parameter]] = []
    for part in _parts(encoder):
        own = [parameter for parameter in part.parameters() if parameter.requires_grad]
        if found and all(parameter.ndim < 2 for parameter in own):
            found[-1] += own
        elif own:
            found.append(own)
    loose = [parameter for parameter in encoder.parameters(recurse=False) if parameter.requires_grad]
    if found:
        found[0] += loose
    elif loose:
        found.append(loose)
    return found


def _parts(encoder: nn.Module) -> list[nn.Module]:
    parts = []
    for child in encoder.children():
        stack = list(child.children()) if isinstance(child, nn.ModuleList | nn.Sequential) else []
        parts += stack if len({type(block) for block in stack}) == 1 else [child]
    return parts


def keep_statistics(module: nn.Module, whole: bool = False) -> None:
    """Make normalisations with running statistics use those, and leave them as they are, though the rest is in training.

    Parameters
    ----------
    module : nn.Module
    whole : bool
        Of the module and all inside; False leaves the module's own mode alone.
    """
    for part in module.modules():
        near = [part, *part.children()]  # a layer may do the work of the norm that it holds
        runs = any(name.startswith("running") for one in near for name, _ in one.named_buffers(recurse=False))
        if runs and (whole or part is not module):
            part.training = False


class Depth(Tuning):
    """Lets the layers near the answers learn first, and faster.

    Parameters
    ----------
    decay : float
        The rate of each layer over that of the one behind it; the head has `train.lr`.
    head_epochs : int
        Epochs in which the head alone learns.
    every : int
        Epochs from one more layer that learns to the next, beginning with the last; 0: after `head_epochs` all learn.
    """

    def __init__(self, decay: float = 1.0, head_epochs: int = 0, every: int = 0):
        self.decay, self.head_epochs, self.every = decay, head_epochs, every
        self._layers: list[list[nn.Parameter]] = []

    def n_learning(self, epoch: int) -> int:
        """Return how many of the last layers learn in an epoch, which is counted from 1."""
        if epoch <= self.head_epochs:
            return 0
        return len(self._layers) if not self.every else min(len(self._layers), 1 + (epoch - self.head_epochs - 1) // self.every)

    def begin(self, encoder, head):
        """Find the layers, all of them set to learn."""
        self.end()
        self._layers = layers(encoder)

    def shares(self, encoder, head):
        """Return decay^k for the k-th layer from the head."""
        return {p: self.decay**k for k, layer in enumerate(reversed(self._layers), 1) for p in layer} if self.decay != 1 else {}

    def begin_epoch(self, encoder, head, epoch, n_epochs):
        """Switch layers on and off; while the first ones rest, so do all running statistics."""
        encoder.train()
        resting = len(self._layers) - self.n_learning(epoch)
        for k, layer in enumerate(self._layers):
            for parameter in layer:
                parameter.requires_grad_(k >= resting)
        if resting:
            keep_statistics(encoder)

    def end(self) -> None:
        """Set all layers to learn again."""
        for layer in self._layers:
            for parameter in layer:
                parameter.requires_grad_(True)

    def key(self) -> Any:
        """Return what makes two of them alike."""
        return [self.decay, self.head_epochs, self.every]
