"""Low-rank changes of frozen weights: W + (alpha / rank) B A."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from torch import nn

from corticode.adapt.frozen import Frozen
from corticode.adapt.injected import inject
from corticode.adapt.places import demand, linear_layers
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class LoRA(Frozen):
    """Two thin matrices beside each linear layer and each convolution; B starts at zero, so training starts from the encoder as it is.

    A convolution's first factor has its kernel, its second one that of a point. Layers that a network does not call but reads the
    weights of stay as they are, and so do convolutions in groups.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    rank : int
        Columns of B; a layer with fewer inputs or outputs takes as many.
    alpha : float
        Over rank, what the change is multiplied by.
    drop_prob : float
        Of what goes into A.

    Attributes
    ----------
    served_ : bool array [layers] or None
        Which of the network's linear layers and convolutions, in the order of their calls, are changed.

    Source
    ------
    Hu et al. 2022, arXiv:2106.09685, by the library peft. Rank 8 and alpha 16 are those of EEG-FM-Bench.
    """

    options: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        rank: int = 8,
        alpha: float = 16.0,
        drop_prob: float = 0.0,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.rank, self.alpha, self.drop_prob = int(rank), float(alpha), float(drop_prob)
        self.served_: np.ndarray | None = None
        if self.rank < 1:
            raise SentenceError(f"adapt.rank={rank} is too small: 1 or more")

    def serves(self, layer: nn.Module) -> bool:
        """Return whether a layer is one that can be changed so."""
        return getattr(layer, "groups", 1) == 1

    def add(self, encoder, shape, space):
        """Give each layer its two factors."""
        places = linear_layers(encoder, shape, space)
        if self.served_ is None:  # what weights say must not be asked again when others are about to be loaded
            self.served_ = np.array([self.serves(place.module) for place in places], dtype=bool)
        places = [place for place, served in zip(places, self.served_, strict=True) if served]
        demand(places, self.word, "changes linear layers and convolutions", encoder)
        ranks = {place.name: min(self.rank, place.n_in, place.n_out) for place in places}
        inject(
            encoder, "LoraConfig", list(ranks), self.word,
            r=self.rank, lora_alpha=self.alpha, lora_dropout=self.drop_prob,
            rank_pattern={_exactly(name): rank for name, rank in ranks.items() if rank != self.rank},
            alpha_pattern={_exactly(name): self.alpha * rank / self.rank for name, rank in ranks.items() if rank != self.rank},
            **self.options,
        )  # fmt: skip


def _exactly(name: str) -> str:
    # a bare name would stand for every layer whose path ends with it
    return "^" + name.replace(".", r"\.") + "$"
