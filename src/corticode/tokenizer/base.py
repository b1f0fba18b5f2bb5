"""A tokenizer turns windows into discrete codes and back: what all of them have in common."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional

from corticode.layer.windowed import WindowModule
from corticode.space import Space
from corticode.state import Stateful


class Tokens(NamedTuple):
    """What a tokenizer makes of windows.

    Attributes
    ----------
    codes : int tensor [b, n_tokens] or [b, n_tokens, levels]
    embedded : float tensor [b, n_tokens, n_features]
        The codes' vectors, through which gradients reach the tokenizer's encoder.
    rebuilt : dict of str -> float tensor
        Reconstructions, by the names and in the shapes of `Tokenizer.targets`.
    loss : float tensor, scalar
        The quantiser's own.
    """

    codes: torch.Tensor
    embedded: torch.Tensor
    rebuilt: dict[str, torch.Tensor]
    loss: torch.Tensor


class Tokenizer(WindowModule, Stateful):
    """Windows [b, channels, times] -> codes -> reconstruction of something of the windows.

        x --tokenize--> codes --embed--> vectors --rebuild--> {name: reconstruction}
        x --targets---------------------------------------> {name: what it should be}

    Parameters
    ----------
    n_chans : int
    n_times : int
        Samples per window.
    sfreq : float, Hz

    Attributes
    ----------
    n_codes : int
        Words in the book. A tokenizer with several levels has books of equal size.
    n_features : int
        Length of a code's vector.
    grid : tuple of int
        Rows (channels, or 1 where a token is of all channels) and steps in time: token i is row i // steps, step i % steps.
    levels : int
        Codes per token; 1: codes are [b, n_tokens].
    rate_hz : float or None
        The one rate it takes; None: any.
    expects : Space or None
        What trained weights were trained on.

    Raises
    ------
    SentenceError
        The windows come at another rate than `rate_hz`.
    """

    n_codes: int
    n_features: int
    grid: tuple[int, int]
    levels = 1
    expects: Space | None = None

    @property
    def n_tokens(self) -> int:
        """Tokens per window."""
        return self.grid[0] * self.grid[1]

    def forward(self, x: torch.Tensor, space: Space | None = None) -> Tokens:
        """Tokenize and rebuild windows [b, channels, times] in space.unit; in training the codebook learns."""
        raise NotImplementedError

    def tokenize(self, x: torch.Tensor, space: Space | None = None) -> torch.Tensor:
        """Return codes int [b, n_tokens] or [b, n_tokens, levels]; nothing learns.

        Parameters
        ----------
        x : float tensor [b, channels, times], space.unit
        """
        raise NotImplementedError

    def embed(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the vectors [b, n_tokens, n_features] of codes."""
        raise NotImplementedError

    def rebuild(self, embedded: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return reconstructions from vectors [b, n_tokens, n_features], named and shaped as `targets`."""
        raise NotImplementedError

    def targets(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what `rebuild` should give for windows x: each a float tensor [b, ...]."""
        raise NotImplementedError

    def losses(self, x: torch.Tensor, space: Space | None = None) -> dict[str, torch.Tensor]:
        """Return the terms of the training loss, scalars: mean squared error of each target, and 'quantizer'; the loss is their sum."""
        tokens = self(x, space)
        terms = {name: functional.mse_loss(tokens.rebuilt[name], target) for name, target in self.targets(x).items()}
        return terms | {"quantizer": tokens.loss}
