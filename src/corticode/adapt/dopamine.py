"""Thresholds and gains for the neurons of a frozen encoder: which of them speak, and how loudly, is what is learned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from corticode.adapt.frozen import Added, Frozen, Still, along, place_of, put
from corticode.adapt.places import demand, hidden_layers
from corticode.augment.base import Chain
from corticode.encoder.neural import evaluating
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training

# Of the fit rows that thresholds start from and the report is made of.
_N_ROWS = 256
# How far below its smallest activation a neuron's threshold starts, in units of `soft_from`: its gate is 0.95 open there, and more above.
_MARGIN = 3.0
# Passes everything, until activations have been seen.
_OPEN = -1e9


class Dopamine(Frozen):
    """Two numbers per hidden neuron, tau and g, on frozen weights.

        in training     g h sigmoid((h - tau) / T),   T from `soft_from` down to `soft_to` standard deviations of h
        in answering    g h where h > tau, else 0

    Hidden neurons are those between the two linear layers of a block; in a network without such blocks, what each linear layer or
    convolution behind the first reads. The note 'neurons' tells for each layer how many there are, how many are active (speak in some
    window of a sample of the fit rows), and how often they do.

    The sheet of the paper holds no equations: form, start (g = 1, gates 0.95 open or more) and cooling are proposed. Neurons here may be
    negative (GELU), so thresholds start below the smallest activation and are counted in each neuron's own standard deviations.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`. A rate of 0.001 to 0.005 serves (proposed).
    soft_from, soft_to : float
        Width of a gate in the first epoch and in the last.

    Source
    ------
    Ghasemlou 2026, arXiv:2602.11726.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        soft_from: float = 0.5,
        soft_to: float = 0.05,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.soft_from, self.soft_to = float(soft_from), float(soft_to)
        if not 0 < self.soft_to <= self.soft_from:
            raise SentenceError(
                f"adapt.soft_from={soft_from} cools down to adapt.soft_to={soft_to}: give two numbers above 0, the larger first"
            )

    def add(self, encoder, shape, space):
        """Put gates before the layers that read hidden neurons."""
        for place in demand(hidden_layers(encoder, shape, space), self.word, "gates hidden neurons", encoder):
            put(encoder, place.name, _Gates(place.n_in, place.axis), before=True)

    def ready(self, encoder, head, F, space):
        """Set each threshold below what its neuron does on the fit rows."""
        low: dict[str, torch.Tensor] = {}
        moments: dict[str, list[Any]] = {}
        with _listening(encoder, lambda name, gates, h: _take(low, moments, name, gates.by_neuron(h))):
            _ask(encoder, F, space)
        for name, gates in encoder.added.items():
            n, total, squares = moments[name]
            sd = (squares / n - (total / n) ** 2).clamp_min(0).sqrt()
            gates.start(low[name], sd, self.soft_from)

    def report(self, encoder, F, space):
        """Return how many neurons of each layer speak, and how often."""
        spoken: dict[str, list[Any]] = {name: [0, 0] for name in encoder.added}

        def count(name: str, gates: _Gates, h: torch.Tensor) -> None:
            opened = gates.by_neuron(h) > gates.threshold
            spoken[name] = [spoken[name][0] + len(opened), spoken[name][1] + opened.sum(dim=0)]

        with _listening(encoder, count):
            _ask(encoder, F, space)
        return {
            "neurons": [
                {"layer": place_of(name), "n": len(k), "active": int((k > 0).sum()), "open": round(float(k.sum()) / (n * len(k)), 4)}
                for name, (n, k) in spoken.items()
            ]
        }

    def tuning(self, verb):
        """Return the cooling; in `calibrate` the gates stay as narrow as they are."""
        return Cooling(self.soft_from if verb == "fit" else self.soft_to, self.soft_to)


class Cooling(Still):
    """Narrows the gates epoch by epoch, by equal factors.

    Parameters
    ----------
    first, last : float
    """

    def __init__(self, first: float, last: float):
        super().__init__()
        self.first, self.last = first, last

    def begin_epoch(self, encoder, head, epoch, n_epochs):
        """Set the width for this epoch."""
        super().begin_epoch(encoder, head, epoch, n_epochs)
        share = (epoch - 1) / max(1, n_epochs - 1)
        for gates in encoder.added.values():
            gates.softness.fill_(self.first ** (1 - share) * self.last**share)

    def key(self):
        """Return what makes two of them alike."""
        return [*super().key(), self.first, self.last]


class _Gates(Added):
    """Gates n neurons, which lie along an axis."""

    def __init__(self, n: int, axis: int):
        super().__init__()
        self.axis = axis
        self.threshold, self.gain = nn.Parameter(torch.full((n,), _OPEN)), nn.Parameter(torch.ones(n))
        self.register_buffer("sd", torch.ones(n))
        self.register_buffer("softness", torch.ones(()))

    @torch.no_grad()
    def start(self, low: torch.Tensor, sd: torch.Tensor, softness: float) -> None:
        """Open all gates for activations down to `low` [n]."""
        self.sd.copy_(torch.where(sd > 0, sd, torch.ones_like(sd)))
        self.softness.fill_(softness)
        self.threshold.copy_(low - _MARGIN * softness * self.sd)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Return what passes."""
        above = h - along(self.threshold, h, self.axis)
        if self.training:
            gate = torch.sigmoid(above / along(self.softness * self.sd, h, self.axis))
        else:
            gate = above > 0
        return along(self.gain, h, self.axis) * h * gate

    def by_neuron(self, h: torch.Tensor) -> torch.Tensor:
        """Return activations [rows, n]."""
        return h.movedim(self.axis, -1).flatten(0, -2)


def _take(low: dict[str, torch.Tensor], moments: dict[str, list[Any]], name: str, h: torch.Tensor) -> None:
    least = h.min(dim=0).values
    low[name] = torch.minimum(low[name], least) if name in low else least
    h = h.double()
    old = moments.get(name, [0, 0.0, 0.0])
    moments[name] = [old[0] + len(h), old[1] + h.sum(dim=0), old[2] + h.square().sum(dim=0)]


@contextmanager
def _listening(encoder: Any, hear: Any) -> Iterator[None]:
    """Call hear(name, gates, activations) whenever gates are asked while the block runs."""
    hooks = [
        gates.register_forward_pre_hook(lambda module, inputs, name=name: hear(name, module, inputs[0]))
        for name, gates in encoder.added.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _ask(encoder: Any, F: np.ndarray, space: Any) -> None:
    """Send some windows through, spread evenly over the rows."""
    device = next(encoder.parameters()).device
    with evaluating(encoder):
        for row in np.array_split(np.unique(np.linspace(0, len(F) - 1, min(len(F), _N_ROWS)).astype(int)), 4):
            if len(row):
                encoder(torch.from_numpy(np.array(F[row], dtype=np.float32)).to(device), space)
