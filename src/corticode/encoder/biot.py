"""BIOT: spectra of overlapping seconds of every channel as one long sentence, read by linear attention."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer import linear_attention
from corticode.layer.dropout import Dropout
from corticode.layer.montage import as_space, channel_index
from corticode.space import SYNONYMS, Space
from corticode.weights import WeightCard

_RATE_HZ = 200.0
_FRAME, _HOP = 200, 100  # samples
_QUANTILE, _SILENCE = 0.95, 1e-8
_POSITION_BASE = 10_000.0

# The longitudinal bipolar montage, then the two channels of sleep recordings, in the order of the published channel tokens.
CHANNELS = (
    "FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2", "FP1-F3", "F3-C3", "C3-P3", "P3-O1",
    "FP2-F4", "F4-C4", "C4-P4", "P4-O2", "C3-A2", "C4-A1",
)  # fmt: skip
# the same electrodes by their names of 1958, and the mastoids by theirs of 10-10
ALIASES = {"-".join(SYNONYMS.get(part.lower(), part) for part in name.split("-")): name for name in CHANNELS} | {
    "C3-M2": "C3-A2",
    "C4-M1": "C4-A1",
}


class BIOT(NeuralEncoder):
    """Biosignal transformer of Yang, Westover and Sun (2023).

        x / its 95th percentile -> spectrum of each second, every half second: a token
          -> + token of the channel + position of the second -> all channels one after the other -> n_layers x linear attention

    Input: EEG at 200 Hz, one second or more, in any unit: each channel of each window is divided by the 95th percentile of its amplitudes,
    so that the gain, and how strong one channel is beside another, are not seen. Half a second that is begun and not
    ended is not read. Channels are bipolar in the published weights (`CHANNELS`; `prepare.reference.kind=bipolar` makes them).
    Representation: one token per channel and half second, all of the first channel's before the second's; their mean is the paper's
    embedding and `head.activated.Activated` its classifier. Parameters: 3,186,688 with the 18 channels. Trained on (`CARDS`):
    5 million windows of 10 s of resting EEG of Massachusetts General Hospital (PREST); that and SHHS; these and training sets of TUAB, TUEV,
    CHB-MIT and IIIC.

    Departures from the paper: none in the network. Its code normalises windows as it reads them from the disk, here the
    network does.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        200.
    space : Space, its dict, or None
        Names of the channels; None takes the first of `vocabulary` in order.
    vocabulary : sequence of str or None
        The channels that have a token, for weights and for pretraining on several montages. None takes `CHANNELS` where it
        has all names of `space`, else those names: the network then learns from scratch.
    emb_dim : int
        Length of a token, even.
    n_layers, n_heads : int
    drop_prob : float
        Of what attention answers.
    token_drop_prob : float
        Of the sum of spectrum, channel and position.

    Raises
    ------
    SentenceError
        Another rate, windows shorter than a second, channels that are not in the vocabulary.

    Source
    ------
    Yang, Westover, Sun 2023, NeurIPS, arXiv:2305.10351; github.com/ycq091044/BIOT. Checked against its outputs to 1e-5
    (tests/encoder/test_biot.py).
    """

    rate_hz = _RATE_HZ

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        vocabulary: Sequence[str] | None = None,
        emb_dim: int = 256,
        n_layers: int = 4,
        n_heads: int = 8,
        drop_prob: float = 0.2,
        token_drop_prob: float = 0.1,
    ):
        super().__init__(n_chans, n_times, sfreq)
        space = as_space(space)
        self.space = None if space is None else space.to_dict()
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        self.emb_dim, self.n_layers, self.n_heads = emb_dim, n_layers, n_heads
        self.drop_prob, self.token_drop_prob = drop_prob, token_drop_prob
        if self.n_times < _FRAME:
            raise SentenceError(f"BIOT reads whole seconds and got {n_times} samples at {sfreq:g} Hz: take longer windows")
        if emb_dim % 2:
            raise SentenceError(f"BIOT tells positions by pairs of a sine and a cosine and emb_dim={emb_dim} is odd: take an even number")
        self.n_frames = (self.n_times - _FRAME) // _HOP + 1
        self.n_features, self.n_tokens = emb_dim, self.n_chans * self.n_frames
        known, places = _places(self.n_chans, space, self.vocabulary)
        # both are made from the arguments, so not part of the state
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.register_buffer("position", _sinusoids(self.n_frames, emb_dim), persistent=False)
        self.spectrum = nn.Linear(_FRAME // 2 + 1, emb_dim)
        self.channel_token = nn.Embedding(len(known), emb_dim)
        self.dropout = Dropout(token_drop_prob)
        self.blocks = linear_attention.linear_stack(emb_dim, n_heads, n_layers, drop_prob)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, channels * frames, emb_dim]."""
        return self.blocks(self.embed(self.normalised(x)))

    def partial(self, x: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Return tokens of windows of which only some frames are read, for contrastive pretraining.

        Parameters
        ----------
        x : float tensor [b, channels, times]
        kept : int tensor [n]
            Places among the channels * frames tokens: see `draw`.

        Returns
        -------
        tokens : float tensor [b, n, emb_dim]
        """
        return self.blocks(self.embed(self.normalised(x))[:, kept])

    def draw(self, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw which frames `partial` reads: of each channel a number from half of them to all but one, the same for a whole batch.

        Returns
        -------
        kept : int tensor [n]
            In order: attention is blind to it, so the paper's shuffling changes nothing.
        """
        half = self.n_frames // 2
        how_many = torch.randint(half, max(half + 1, self.n_frames), (self.n_chans, 1), generator=generator).clamp(min=1)
        rank = torch.rand(self.n_chans, self.n_frames, generator=generator).argsort(dim=1).argsort(dim=1)
        return (rank < how_many).flatten().nonzero()[:, 0].to(self.places.device)

    def normalised(self, x: torch.Tensor) -> torch.Tensor:
        """Return each channel of each window over the 95th percentile of its amplitudes, [b, channels, times]."""
        place = _QUANTILE * (self.n_times - 1)
        below = math.floor(place)
        # the largest twentieth is enough: all amplitudes need not be sorted
        largest = x.abs().topk(self.n_times - below, dim=-1).values
        percentile = torch.lerp(largest[..., -1:], largest[..., -2:-1], place - below)
        return x / (percentile + _SILENCE)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return what attention reads, [b, channels * frames, emb_dim], of normalised windows [b, channels, times]."""
        with torch.autocast(x.device.type, enabled=False):  # half precision has no spectrum of 200 samples
            magnitude = torch.fft.rfft(x.float().unfold(-1, _FRAME, _HOP)).abs()  # [b, channels, frames, 101]
        z = self.spectrum(magnitude) + (self.channel_token(self.places)[:, None] + self.position)
        return self.dropout(z.flatten(1, 2))

    def cam_layer(self):
        """Return the last block: [b, emb_dim, channels, frames]."""
        if not self.n_layers:
            return None
        return self.blocks[-1], lambda z: z.unflatten(1, (self.n_chans, self.n_frames)).permute(0, 3, 1, 2)


class Prediction(nn.Module):
    """Guess of the mean token of a whole window from that of its part, [b, emb_dim] -> [b, emb_dim]: the head of pretraining.

    The paper contrasts `prediction(encoder.partial(x, kept).mean(1))` with `encoder(x).mean(1)` of all windows of a batch, by cosine over
    a temperature of 0.2.

    Parameters
    ----------
    emb_dim : int
    """

    def __init__(self, emb_dim: int = 256):
        super().__init__()
        self.emb_dim = emb_dim
        self.layers = nn.Sequential(nn.Linear(emb_dim, emb_dim), nn.GELU(), nn.Linear(emb_dim, emb_dim))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the guess."""
        return self.layers(z)


def _places(n_chans: int, space: Space | None, vocabulary: tuple[str, ...] | None) -> tuple[Sequence[str], list[int]]:
    """Return the channels that have a token, and where among them those of the windows stand."""
    if space is None:
        known = vocabulary or CHANNELS
        if n_chans > len(known):
            raise SentenceError(f"BIOT knows {len(known)} channels and got {n_chans} without names: set space=, or a longer vocabulary=")
        return known, list(range(n_chans))
    if vocabulary is not None:
        return vocabulary, channel_index(space.names, vocabulary, ALIASES, "BIOT")
    try:
        return CHANNELS, channel_index(space.names, CHANNELS, ALIASES, "BIOT")
    except SentenceError:
        return space.names, list(range(n_chans))


def _sinusoids(n: int, d: int) -> torch.Tensor:
    """Return positions [n, d]: sine and cosine in turn, slower and slower."""
    rate = torch.exp(torch.arange(0, d, 2) * (-math.log(_POSITION_BASE) / d))
    angle = torch.arange(n)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)


# -- published weights ----------------------------------------------------------------------------------------------


def published_names(n_layers: int = 4) -> dict[str, str]:
    """Return published name -> name in `BIOT`; '' for what is made from the arguments here."""
    linear = {f"patch_embedding.projection.{n}": f"spectrum.{n}" for n in ("weight", "bias")}
    made = {"index": "", "positional_encoding.pe": ""}
    stack = linear_attention.published_names("transformer.layers.layers", "blocks", n_layers)
    return {**linear, "channel_tokens.weight": "channel_token.weight", **made, **stack}


# Heads of the published classifier and of published pretraining; no file with them is known.
CLASSIFIER_NAMES = {f"classifier.clshead.1.{n}": f"layer.{n}" for n in ("weight", "bias")}
PREDICTION_NAMES = {f"prediction.{i}.{n}": f"layers.{i}.{n}" for i in (0, 2) for n in ("weight", "bias")}

_FILES = "https://raw.githubusercontent.com/ycq091044/BIOT/d138e32634e52ae9fa6ec98ac9c4087b14ca869a/pretrained-models/"


def _card(name: str, file: str, channels: Sequence[str], n_times: int | None, sha256: str, pretrained_on: tuple[str, ...]) -> WeightCard:
    return WeightCard(
        name=name,
        url=_FILES + file,
        licence="MIT",
        expects=Space("eeg", tuple(channels), "uV", _RATE_HZ),
        n_times=n_times,
        sha256=sha256,
        pretrained_on=pretrained_on,
        names=published_names(),
    )


# Hashes as other public projects note them. Files of 16 channels want `vocabulary=CHANNELS[:16]`.
CARDS = (
    _card(
        "biot_prest",
        "EEG-PREST-16-channels.ckpt",
        CHANNELS[:16],
        2000,
        "40f55f5d23e83796495616c8145c8336fcff2b901c42e8ba5115223081c2ad70",
        ("prest",),
    ),
    _card(
        "biot_shhs_prest",
        "EEG-SHHS%2BPREST-18-channels.ckpt",
        CHANNELS,
        None,  # 2000 of PREST, 6000 of SHHS
        "391b53f77d5060e43746f3ffd5aae8107785f4fd122bf2f87221a1b5b2854a84",
        ("shhs", "prest"),
    ),
    _card(
        "biot_six_datasets",
        "EEG-six-datasets-18-channels.ckpt",
        CHANNELS,
        None,
        "78ff15a1782f194286a97b1abe68b2bf100a39803325e2917337d0a77a228542",
        ("shhs", "prest", "tuab", "tuev", "chb_mit", "iiic"),
    ),
)
