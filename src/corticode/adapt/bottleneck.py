"""Small networks between the blocks of a frozen encoder: down to a few numbers and up again, beside a shortcut."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.adapt.frozen import Added, Frozen, put
from corticode.adapt.places import blocks, demand, linear_layers
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class Bottleneck(Frozen):
    """z + up(gelu(down(norm(z)))) behind each block; up starts at zero, so training starts from the encoder as it is.

    Behind a block of attention and linear layers stands one, as in Pfeiffer et al.; Houlsby et al. have two. In a network without such
    blocks one stands behind each linear layer and convolution, and acts on its features.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    width : int
        Numbers in between.

    Source
    ------
    Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2021, arXiv:2005.00247.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        width: int = 16,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.width = int(width)
        if self.width < 1:
            raise SentenceError(f"adapt.width={width} is too small: 1 or more")

    def add(self, encoder, shape, space):
        """Put one behind each block."""
        places = blocks(encoder, shape, space) or linear_layers(encoder, shape, space)
        for place in demand(places, self.word, "stands behind blocks, linear layers or convolutions", encoder):
            put(encoder, place.name, _Neck(place.n_out, self.width, place.axis))


class _Neck(Added):
    """Acts on the features of any array."""

    def __init__(self, n_features: int, width: int, axis: int):
        super().__init__()
        self.axis = axis
        self.norm, self.down, self.up = nn.LayerNorm(n_features), nn.Linear(n_features, width), nn.Linear(width, n_features)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return z, changed by a little."""
        features = z.movedim(self.axis, -1)
        return z + self.up(functional.gelu(self.down(self.norm(features)))).movedim(-1, self.axis)
