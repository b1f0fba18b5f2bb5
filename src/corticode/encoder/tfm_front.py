"""TFM-Tokenizer in front of another encoder, which reads the words' vectors where it would read the signal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from corticode import catalogue
from corticode.encoder.neural import NeuralEncoder
from corticode.layer.montage import as_space
from corticode.space import Space
from corticode.tokenizer.tfm import RATE_HZ, TFMTokenizer

# Words become signals of about this size, since encoders expect amplitudes of EEG.
_SIZE_UV = 20.0


class TFMFront(NeuralEncoder):
    """TFM-Tokenizer as a plug-in: words [channels, frames] -> `width` samples each -> another encoder.

        x -> tokenizer, which does not learn: words -> their codes -> linear -> signal [channels, frames * width] -> net

    Input: windows at 200 Hz, one second or more, any unit, as `tokenizer.tfm.TFMTokenizer` takes them; channels that `net` knows.
    Representation: that of `net`, whose patches of `width` samples are words. Parameters: those of `net`, and 65 width.
    Trained on: the tokenizer's cards fit `tokenizer`; net and the layer between learn.

    Departures from the paper: it says that the tokenizer improves BIOT and LaBraM and not, in what was at hand, how they are wired; this
    way is our own, and takes any encoder. Without weights the tokenizer's words are random and stay so.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    space : Space, its dict, or None
        Names of the channels, for `net`.
    net : str
        Class of the other encoder.
    settings : mapping or None
        Its own arguments.
    n_codes : int
        Words of the tokenizer.
    width : int
        Samples that stand for a word: the patch of `net`.

    Raises
    ------
    SentenceError
        Another rate, windows shorter than a second, or what `net` refuses.

    Source
    ------
    Pradeepkumar et al. 2026, ICLR (arXiv:2502.16060).
    """

    rate_hz = RATE_HZ

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        net: str = "corticode.encoder.labram.LaBraM",
        settings: Mapping[str, Any] | None = None,
        n_codes: int = 8192,
        width: int = 200,
    ):
        super().__init__(n_chans, n_times, sfreq)
        named = as_space(space)
        self.space = None if named is None else named.to_dict()
        self.net, self.settings, self.n_codes, self.width = str(net), dict(settings or {}), n_codes, int(width)
        self.tokenizer = TFMTokenizer(self.n_chans, self.n_times, self.sfreq, n_codes).requires_grad_(False)
        # words of length 1, as learned ones are
        self.tokenizer.quantizer.book.copy_(functional.normalize(self.tokenizer.quantizer.book, dim=-1))
        self.spread = nn.Linear(self.tokenizer.n_features, self.width)
        nn.init.normal_(self.spread.weight, std=_SIZE_UV)
        offers = {"n_chans": self.n_chans, "n_times": self.tokenizer.grid[1] * self.width, "sfreq": self.sfreq, "space": self.space}
        self.network = catalogue.make({"_target_": self.net, **self.settings}, **offers)
        self.n_features, self.n_tokens = self.network.n_features, self.network.n_tokens

    def forward(self, x, space=None, subject=None):
        """Return the tokens of `net` [b, n_tokens, n_features]."""
        return self.network(self.signal(x))

    def signal(self, x: torch.Tensor) -> torch.Tensor:
        """Return windows as `net` sees them: [b, channels, frames * width], uV by size."""
        codes = self.tokenizer.embed(self.tokenizer.tokenize(x))
        return self.spread(codes).view(x.shape[0], self.n_chans, -1)

    @property
    def blocks(self) -> nn.Module:
        """The layers of `net`."""
        return self.network.blocks

    def train(self, mode: bool = True) -> Self:
        """Switch net and the layer between; the tokenizer never trains."""
        super().train(mode)
        self.tokenizer.eval()
        return self
