"""An augmentation changes some windows of a batch while a network learns, and never when it is judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from corticode.errors import SentenceError
from corticode.space import Space
from corticode.state import Stateful

if TYPE_CHECKING:  # a classical model asks here whether anything is switched on, and shall not wait for torch
    import torch


class Augment(Stateful):
    """Base: each window of a batch is drawn with `probability`, and `change` acts on those that were.

    Parameters
    ----------
    probability : float
        0 switches it off, 1 changes every window of every batch.

    Attributes
    ----------
    mixes : bool
        Windows of a batch are mixed with each other, of whatever person they are.

    Raises
    ------
    SentenceError
        The probability is none.
    """

    mixes = False

    def __init__(self, probability: float = 0.0):
        self.probability = float(probability)
        if not 0 <= self.probability <= 1:
            raise SentenceError(f"augment: probability={probability} is none: 0 (off) to 1 (every window)")

    @property
    def off(self) -> bool:
        """True where it never acts: every entry lists every augmentation."""
        return self.probability == 0

    def __call__(
        self, x: torch.Tensor, y: torch.Tensor, space: Space | None = None, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a changed batch; the given tensors stay as they are.

        Parameters
        ----------
        x : float32 tensor [b, channels, times], space.unit
        y : int tensor [b] (class indices), float tensor [b] (values) or [b, classes] (probabilities)
        space : Space or None
        generator : torch.Generator on the CPU, or None
            All chance comes from it: the same one gives the same batch. None takes torch's own.
        """
        rows = self._drawn(len(x), generator)
        if not len(rows):
            return x, y
        if len(rows) == len(x):
            return self.change(x, y, space, generator)
        rows = rows.to(x.device)
        changed, labels = self.change(x[rows], y[rows], space, generator)
        return x.index_copy(0, rows, changed), y.index_copy(0, rows, labels)

    def change(
        self, x: torch.Tensor, y: torch.Tensor, space: Space | None, generator: torch.Generator | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return x and y of the drawn windows, changed, in the same shapes; the given tensors stay as they are."""
        raise NotImplementedError

    def check(self, space: Space, n_times: int) -> None:
        """Refuse windows on which it cannot act, before any is loaded.

        Raises
        ------
        SentenceError
        """

    def _drawn(self, n: int, generator: torch.Generator | None) -> torch.Tensor:
        """Return the rows that were drawn, int64 on the CPU."""
        import torch

        if self.probability == 1:
            return torch.arange(n)
        return (torch.rand(n, generator=generator) < self.probability).nonzero()[:, 0]


class Chain(Stateful):
    """Named augmentations, one after the other.

    Parameters
    ----------
    steps : mapping of name -> Augment or None
        In order; those that are off are left out.
    """

    def __init__(self, **steps: Augment | None):
        self.steps: Mapping[str, Augment] = {name: step for name, step in steps.items() if step is not None and not step.off}

    def __bool__(self) -> bool:
        return bool(self.steps)

    def __call__(self, x, y, space=None, generator=None):
        """Return a batch that went through all of them; see `Augment.__call__`."""
        for step in self.steps.values():
            x, y = step(x, y, space, generator)
        return x, y

    def check(self, space: Space, n_times: int) -> None:
        """Let each refuse windows on which it cannot act.

        Raises
        ------
        SentenceError
        """
        for step in self.steps.values():
            step.check(space, n_times)

    @property
    def mixing(self) -> list[str]:
        """Names of those that mix windows with each other."""
        return [name for name, step in self.steps.items() if step.mixes]

    def arguments(self) -> dict[str, Any]:
        """Return the augmentations by name, in order; one's own are left out, since a saved decoder may name no code from outside."""
        return {name: step for name, step in self.steps.items() if type(step).__module__.startswith("corticode.")}


def switched_on(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the part of an `augment` configuration that acts: name -> configuration, in order."""
    steps = {name: step for name, step in (config or {}).items() if isinstance(step, Mapping)}
    # one's own augmentation may know no probability, and then always acts
    return {name: dict(step) for name, step in steps.items() if step.get("probability", 1.0) != 0}


def chance(seed: int, epoch: int, step: int, rank: int = 0) -> torch.Generator:
    """Return the generator of one training step: a resumed training draws what an uninterrupted one draws, processes differ."""
    import torch

    number = np.random.SeedSequence([int(seed), int(epoch), int(step), int(rank)]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(number))


def beside(x: torch.Tensor, generator: torch.Generator | None) -> torch.Generator | None:
    """Return a generator on the device of x, for numbers by the million: the given one on a CPU, else one that it seeds."""
    import torch

    if generator is None or x.device.type == "cpu":
        return generator
    return torch.Generator(x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
