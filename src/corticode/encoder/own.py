"""Anybody's network [b, channels, times] -> [b, n_outputs], trained and judged like the house's own."""

from __future__ import annotations

import copy

import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.stateful import StatefulModule


class OwnNetwork(NeuralEncoder):
    """Wrap a complete network: its answers are one token, and the head (`head.identity.Identity`) adds nothing.

    Input: [b, channels, times] in space.unit, whatever the network takes. Representation: its answers. Parameters: the
    network's own. Answers are taken as logits; log-probabilities do as well, since their softmax is the same.

    Parameters
    ----------
    net : nn.Module
        Takes float tensors [b, channels, times], gives [b, n_outputs]. It is copied, and stays as it is.
    """

    n_tokens = 1

    def __init__(self, net: nn.Module):
        StatefulModule.__init__(self)
        self.net = copy.deepcopy(net)

    @property
    def own(self) -> str:
        """Name of the network's class: its code cannot be saved, only its weights."""
        return f"{type(self.net).__module__}.{type(self.net).__qualname__}"

    def check_input(self, shape):
        """Leave the shape to the network."""

    def forward(self, x, space=None, subject=None):
        """Return the network's answers as one token [b, 1, n_outputs].

        Raises
        ------
        SentenceError
            The network does not give one row of answers per window.
        """
        answers = self.net(x)
        if not isinstance(answers, torch.Tensor):
            raise SentenceError(f"{self.own} answered with a {type(answers).__name__}: wanted a tensor [{len(x)}, n_outputs]")
        if answers.ndim == 1:
            answers = answers[:, None]
        if answers.ndim != 2 or len(answers) != len(x):
            raise SentenceError(f"{self.own} turned windows {list(x.shape)} into {list(answers.shape)}: wanted [{len(x)}, n_outputs]")
        return answers[:, None, :]
