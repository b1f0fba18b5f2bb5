"""Learned tokens that a frozen encoder's own tokens may attend to, new ones in each block."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from corticode.adapt.frozen import Added, Frozen, put
from corticode.adapt.places import demand, open_blocks
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class Prefix(Frozen):
    """n_tokens learned vectors stand before the tokens that go into a block, and are taken away behind it.

    The block's own frozen layers make keys and values of them ("deep prompts"); Li and Liang learn keys and values themselves, through a
    small network. It needs blocks whose tokens are a set: attention that knows of no places.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    n_tokens : int

    Source
    ------
    Li and Liang 2021, arXiv:2101.00190; Jia et al. 2022, arXiv:2203.12119 (deep prompts).
    """

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        n_tokens: int = 8,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.n_tokens = int(n_tokens)
        if self.n_tokens < 1:
            raise SentenceError(f"adapt.n_tokens={n_tokens} is too small: 1 or more")

    def add(self, encoder, shape, space):
        """Give each block its tokens."""
        for place in demand(open_blocks(encoder, shape, space), self.word, "adds tokens to blocks of attention", encoder):
            tokens = put(encoder, place.name, _Tokens(self.n_tokens, place.n_in), before=True)
            place.module.register_forward_hook(tokens.behind)


class _Tokens(Added):
    """Adds tokens before a block, and takes them away behind it."""

    def __init__(self, n_tokens: int, n_features: int):
        super().__init__()
        self.tokens = nn.Parameter(0.02 * torch.randn(n_tokens, n_features))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return [b, n_tokens + n, d] from [b, n, d]."""
        return torch.cat([self.tokens.to(z.dtype).expand(len(z), -1, -1), z], dim=1)

    def behind(self, module, inputs, output):
        """Return what became of the tokens that were there before."""
        return output[:, len(self.tokens) :]
