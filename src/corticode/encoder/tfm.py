"""TFM-Tokenizer's encoder: reads each window as words, one per channel and half second, and relates all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.dropout import Dropout
from corticode.layer.linear_attention import linear_stack, published_names
from corticode.layer.montage import as_space, channel_index
from corticode.layer.position import sinusoid
from corticode.layer.stateful import StatefulModule
from corticode.space import SYNONYMS, Space
from corticode.tokenizer.tfm import CHANNELS, PUBLISHED, RATE_HZ, TFMTokenizer
from corticode.weights import WeightCard

# the same pairs of electrodes by their names of 1958
_ALIASES = {"-".join(SYNONYMS.get(part.lower(), part) for part in name.split("-")): name for name in CHANNELS}


class TFM(NeuralEncoder):
    """Token encoder of TFM-Tokenizer (Pradeepkumar et al. 2026), behind a tokenizer that does not learn.

        x -> tokenizer: words [channels, frames] -> embedding + channel + position -> transformer with a class token in front

    Input: windows at 200 Hz, one second or more, any unit, as `tokenizer.tfm.TFMTokenizer` takes them. Representation: the
    class token, then one token per channel and frame, channel by channel; the paper's classifier is
    `head.linear.Linear(pool="first")`. Parameters: 724,544 for 16 channels, beside the tokenizer's. Trained on: TUEV or
    TUAB (`CARDS`, which fit `reader`), with the tokenizer of the same name (`tokenizer.tfm.CARDS`, which fit `tokenizer`).

    Without weights the tokenizer's networks and words are random and stay so: words then say that windows differ, not how.

    Departures from the paper: none known. Its words start as the tokenizer's codes (`adopt`); here they start at random
    where there is no learned tokenizer.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    space : Space, its dict, or None
        Names of the channels; None takes the first of `vocabulary` in order.
    vocabulary : sequence of str or None
        The channels that have an embedding. None takes `tokenizer.tfm.CHANNELS`, as the published weights do, where it has all names of
        `space`, else the windows' own: the reader then learns from scratch.
    n_codes : int
        Words of the tokenizer.
    emb_dim, n_layers, n_heads : int
    drop_prob : float
        Of each layer's attention.
    token_drop : float
        Of the embedded words.

    Raises
    ------
    SentenceError
        Another rate, windows shorter than a second, a channel without an embedding.

    Source
    ------
    Pradeepkumar et al. 2026, ICLR (arXiv:2502.16060); github.com/Jathurshan0330/TFM-Tokenizer at d716ab9. The published classifiers
    of TUEV and TUAB give the published logits to 1e-5 (tests/encoder/test_tfm.py).
    """

    rate_hz = RATE_HZ

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        vocabulary: Sequence[str] | None = None,
        n_codes: int = 8192,
        emb_dim: int = 64,
        n_layers: int = 4,
        n_heads: int = 8,
        drop_prob: float = 0.2,
        token_drop: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        named = as_space(space)
        self.space = None if named is None else named.to_dict()
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        self.n_codes, self.emb_dim, self.n_layers, self.n_heads = n_codes, emb_dim, n_layers, n_heads
        self.drop_prob, self.token_drop = drop_prob, token_drop
        self.tokenizer = TFMTokenizer(self.n_chans, self.n_times, self.sfreq, n_codes).requires_grad_(False)
        # words of length 1, as learned ones are: else all would be near 0, and few of them in use
        self.tokenizer.quantizer.book.copy_(functional.normalize(self.tokenizer.quantizer.book, dim=-1))
        self.n_features, self.n_tokens = emb_dim, 1 + self.tokenizer.n_tokens
        n_places, places = _places(self.n_chans, named, self.vocabulary)
        self.reader = Reader(n_places, n_codes, emb_dim, n_layers, n_heads, drop_prob, token_drop)
        self.register_buffer("places", torch.tensor(places), persistent=False)

    @property
    def blocks(self) -> nn.Sequential:
        """The transformer's layers."""
        return self.reader.blocks

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, 1 + channels * frames, emb_dim]."""
        return self.read(self.words(x))

    def words(self, x: torch.Tensor) -> torch.Tensor:
        """Return the words of windows, int [b, channels, frames]."""
        return self.tokenizer.tokenize(x).unflatten(1, self.tokenizer.grid)

    def read(self, words: torch.Tensor) -> torch.Tensor:
        """Return tokens [b, 1 + channels * frames, emb_dim] of words int [b, channels, frames]."""
        return self.reader(words, self.places)

    def adopt(self) -> Self:
        """Let the words' embeddings begin as the tokenizer's codes, and the mask as zero, as the paper does before training.

        Raises
        ------
        SentenceError
            The codes have another length than the embeddings.
        """
        book = self.tokenizer.quantizer.book
        if book.shape[1] != self.emb_dim:
            raise SentenceError(
                f"the tokenizer's codes have {book.shape[1]} numbers and the embeddings emb_dim={self.emb_dim}: "
                f"set model.encoder.emb_dim={book.shape[1]}"
            )
        with torch.no_grad():
            self.reader.word.weight.copy_(functional.pad(book, (0, 0, 0, 1)))
        return self

    def train(self, mode: bool = True) -> Self:
        """Switch the reader; the tokenizer never trains."""
        super().train(mode)
        self.tokenizer.eval()
        return self


class Reader(StatefulModule):
    """Words [b, channels, frames] -> tokens [b, 1 + channels * frames, d].

    Parameters
    ----------
    n_places : int
        Channels that have an embedding.
    n_codes : int
        Words; one more stands for a hidden one.
    emb_dim, n_layers, n_heads : int
    drop_prob, token_drop : float
    """

    def __init__(self, n_places: int, n_codes: int, emb_dim: int, n_layers: int, n_heads: int, drop_prob: float, token_drop: float):
        super().__init__()
        self.word, self.channel = nn.Embedding(n_codes + 1, emb_dim), nn.Embedding(n_places, emb_dim)
        self.first = nn.Parameter(torch.randn(1, 1, emb_dim))
        self.dropout = Dropout(token_drop)
        self.blocks = linear_stack(emb_dim, n_heads, n_layers, drop_prob)

    def forward(self, words: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return tokens, the class token first; `places` int [channels] says which embedding is whose."""
        position = sinusoid(words.shape[2], self.word.embedding_dim).to(self.first.device)
        tokens = self.dropout(self.word(words) + self.channel(places)[:, None] + position)
        return self.blocks(torch.cat([self.first.expand(words.shape[0], -1, -1), tokens.flatten(1, 2)], dim=1))


class MaskedTFM(StatefulModule):
    """An encoder in masked pretraining: from the words that are left it guesses each hidden one.

    The paper hides each word with a probability of a half, then those that were left (`symmetric`), and begins from the codes
    of the tokenizer (`TFM.adopt`).

    Parameters
    ----------
    encoder : TFM
        Its reader learns.
    """

    def __init__(self, encoder: TFM):
        super().__init__()
        self.encoder, self.n_codes = encoder, encoder.n_codes
        self.predict = nn.Linear(encoder.n_features, encoder.n_codes)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return a guess for each hidden word.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        mask : bool tensor [b, channels * frames]
            True where a word is hidden.

        Returns
        -------
        logits : float tensor [hidden words, n_codes]
            In the order of words[mask], where words are those of `encoder.tokenizer.tokenize(x)`.
        """
        return self._guess(self.encoder.words(x), mask)

    def symmetric(self, x: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return guesses for what the mask hides and, from what it hides, for the rest: those of words[mask] and of words[~mask]."""
        words = self.encoder.words(x)  # the same for both
        logits = self._guess(torch.cat([words, words]), torch.cat([mask, ~mask]))
        hidden = int(mask.sum())
        return logits[:hidden], logits[hidden:]

    def _guess(self, words: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = words.masked_fill(mask.view_as(words), self.n_codes)
        return self.predict(self.encoder.read(hidden)[:, 1:][mask])  # only what is asked for: the book is large


def _places(n_chans: int, space: Space | None, vocabulary: tuple[str, ...] | None) -> tuple[int, list[int]]:
    """Return how many channels have an embedding, and which one is each channel's."""
    if space is None:
        return len(vocabulary or range(n_chans)), list(range(n_chans))
    if vocabulary is None:
        try:
            return len(CHANNELS), channel_index(space.names, CHANNELS, _ALIASES)
        except SentenceError:
            return n_chans, list(range(n_chans))
    return len(vocabulary), channel_index(space.names, vocabulary, _ALIASES, "TFM")


# published name -> name here, in a `Reader`; what can be computed is left out, and the classifier is HEAD's
NAMES = {
    "cls_token": "first",
    "eeg_token_embedding.weight": "word.weight",
    "channel_embed.weight": "channel.weight",
    "temporal_pos_embed.pe": "",
    "index": "",
    "classification_head.weight": "",
    "classification_head.bias": "",
    **published_names("LAT.layers.layers", "blocks", 4),
}
# of the same files, in `head.linear.Linear(pool="first")`
HEAD = {name: "" for name in NAMES} | {f"classification_head.{n}": f"layer.{n}" for n in ("weight", "bias")}

# What the published classifiers answer, in the order of their logits; one logit speaks for the class named.
CLASSES = {
    "tfm_tuev": ("spsw", "gped", "pled", "eyem", "artf", "bckg"),  # recalled: the order of TUEV's own labels, 1 to 6
    "tfm_tuab": ("abnormal",),
}


def _card(name: str, folder: str, n_times: int, sha256: str, pretrained_on: tuple[str, ...]) -> WeightCard:
    return WeightCard(
        name=name,
        url=f"{PUBLISHED}/{folder}/tfm_encoder_best_model.pth",
        licence="MIT",
        expects=Space("eeg", CHANNELS, "uV", RATE_HZ),
        n_times=n_times,
        sha256=sha256,
        pretrained_on=pretrained_on,
        names=NAMES,
        needs={"vocabulary": CHANNELS},
    )


# These fit `TFM.reader`, behind the tokenizer of the same data set (`tokenizer.tfm.CARDS`: another one's words mean other things).
CARDS = (
    _card(
        "tfm_tuev",
        "single_dataset_settings/TUEV_tfm_tokenizer_2x2x8",
        1000,
        "4e25cdb5a11a130c2490ba09bdc4734a6d4ce790a31aa8a3186b53704bb88a79",
        ("tuev",),
    ),
    _card(
        "tfm_tuab",
        "single_dataset_settings/TUAB_tfm_tokenizer_2x2x8",
        2000,  # recalled: windows of 10 s
        "f0edf7fee04cd27989da330fa06d0356ad8f5aa4d84b490352ec09e48ede150a",
        ("tuab",),
    ),
)
