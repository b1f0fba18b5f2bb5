"""BaRISTA: short pieces of each intracranial contact, told where in the brain it lies, and a transformer over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import attend
from corticode.layer.dropout import Dropout
from corticode.layer.montage import as_space
from corticode.space import Space
from corticode.weights import WeightCard

# What a place is at each scale: how many numbers, and how many of each there are.
SCALES = {"channel": (3, 200), "parcel": (1, 121), "lobe": (1, 21)}
_UNKNOWN = 0
_WIDTHS = (1, 5, 5, 5, 5, 1)  # channels before, between and behind the blocks of the tokenizer
_BASE = 10_000.0  # of the angles that code time
_MLP_RATIO = 4
_EPS = 1e-8
_SILENCE = 1e-5  # a channel that varies by less than this share of its size is flat: what is left of it is rounding


class BaRISTA(NeuralEncoder):
    """BaRISTA of Oganesian et al. (2025), for any number of intracranial contacts.

        x, each channel z-scored -> pieces of 250 ms -> dilated convolutions -> linear: a token + a vector for the contact's place
          -> n_layers pre-norm blocks over the tokens of all channels and times, which know when a token was but not in what order
             channels come

    Input: iEEG of any unit, since each channel of a window is z-scored here; what is left of the last piece is not read. The published
    weights know 3 s at 2048 Hz, notches at the multiples of 60 Hz up to 360, and contacts referred to the mean of their neighbours on
    the shaft. Representation: a token of emb_dim per piece and channel, all channels of the first 250 ms before those of the next; the
    paper's classifier is `head.weighted.Weighted()`. Parameters at defaults: 869,800 at the scale of channels, 839,144 of parcels,
    832,744 of lobes. Trained on: nothing here; `weights=barista_chans`, `barista_parcels` and `barista_lobes` know Brain Treebank.

    Departures from the paper: none in the network. The paper counts places from tables of its data: here `places` says where a contact
    lies, in the paper's numbers, and a contact that it does not name lies in row 0, which stands for unknown parcels and lobes there.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    space : Space, its dict, or None
        Names of the channels, for `places`.
    scale : str
        What a place is: 'channel', three whole numbers from 0 to 199 (mm to the left, downwards and backwards: L, I, P); 'parcel', one
        from 0 to 120 (Destrieux); 'lobe', one from 0 to 20.
    places : mapping of channel name -> int or sequence of int, or None
        Capitals do not matter, and channels that are not there are passed over. Positions of a Space are not read: from where the
        published L, I, P are counted is not said.
    patch_s : float, s
        Length of a piece.
    emb_dim, n_layers, n_heads : int
        emb_dim / n_heads is even.
    drop_prob : float
        Of what attention adds.
    frozen : bool
        The tokenizer's convolutions do not learn: as the paper has it, once their weights are loaded.

    Raises
    ------
    SentenceError
        Windows are shorter than a piece; an unknown scale; a place that is none.

    Source
    ------
    Oganesian et al. 2025, NeurIPS, arXiv:2512.12135. With the published weights of all three scales it equals the published network to
    1e-5 (tests/encoder/test_barista.py).
    """

    batch_size = 64

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        scale: str = "channel",
        places: Mapping[str, int | Sequence[int]] | None = None,
        patch_s: float = 0.25,
        emb_dim: int = 64,
        n_layers: int = 12,
        n_heads: int = 4,
        drop_prob: float = 0.1,
        frozen: bool = False,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.space, self.scale, self.places, self.patch_s = space, scale, places, patch_s
        self.emb_dim, self.n_layers, self.n_heads, self.drop_prob, self.frozen = emb_dim, n_layers, n_heads, drop_prob, frozen
        self._patch = max(1, round(patch_s * self.sfreq))
        self._n_patches = self.n_times // self._patch
        if self._n_patches < 1:
            raise SentenceError(
                f"BaRISTA reads pieces of {patch_s:g} s and got {n_times / sfreq:.3g} s ({n_times} samples at {sfreq:g} Hz): "
                "take longer windows"
            )
        if emb_dim % (2 * n_heads):
            raise SentenceError(f"emb_dim={emb_dim} is turned by pairs in n_heads={n_heads} heads: take a multiple of {2 * n_heads}")
        self.n_features, self.n_tokens = emb_dim, self._n_patches * self.n_chans
        rows, self._n_placed = _rows(self.n_chans, as_space(space), scale, places)
        self.register_buffer("rows", rows, persistent=False)  # [channels, 1 or 3]
        self.register_buffer("turns", _turns(self._n_patches, self.n_chans, emb_dim // n_heads), persistent=False)
        dilations = [2**i for i in range(len(_WIDTHS) - 1)]
        self.convolutions = nn.Sequential(*(Dilated(*w) for w in zip(_WIDTHS, _WIDTHS[1:], dilations, strict=False)))
        self.convolutions.requires_grad_(not frozen)
        self.embed = nn.Linear(self._patch, emb_dim, bias=False)
        # row 0 stands for unknown parcels and lobes, and never learns; coordinates have no such row
        padding = None if scale == "channel" else _UNKNOWN
        n_tables, n_rows = SCALES[scale]
        self.tables = nn.ModuleList(nn.Embedding(n_rows, emb_dim, padding_idx=padding) for _ in range(n_tables))
        self.blocks = nn.ModuleList(Block(emb_dim, n_heads, drop_prob) for _ in range(n_layers))
        self.norm = nn.RMSNorm(emb_dim, eps=_EPS)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, pieces channels, emb_dim]."""
        return self.relate(self.placed(self.pieces(standard(x))))

    def notes(self):
        """Return how many channels have no place, since they are all alike to the network."""
        return {"n_unplaced": self.n_chans - self._n_placed}

    def pieces(self, x: torch.Tensor) -> torch.Tensor:
        """Return each piece's token [b, pieces, channels, emb_dim], not yet told its place, from z-scored x [b, channels, times]."""
        x = x[..., : self._n_patches * self._patch].unflatten(-1, (self._n_patches, self._patch)).transpose(1, 2)
        found = self.convolutions(x.flatten(0, 2)[:, None, None])  # [b pieces channels, 1, 1, samples]
        return self.embed(found[:, 0, 0]).unflatten(0, (-1, self._n_patches, self.n_chans))

    def placed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens [b, pieces channels, emb_dim] that know their place, from tokens [b, pieces, channels, emb_dim]."""
        return (tokens + sum(table(self.rows[:, i]) for i, table in enumerate(self.tables))).flatten(1, 2)

    def relate(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what the transformer makes of tokens [b, pieces channels, emb_dim], same shape."""
        for block in self.blocks:
            tokens = block(tokens, self.turns)
        return self.norm(tokens)


class Dilated(nn.Module):
    """Two dilated convolutions of pieces [n, channels, 1, samples], each standardised over the piece, beside a shortcut."""

    def __init__(self, n_in: int, n_out: int, dilation: int):
        super().__init__()
        same = {"padding": (0, dilation), "dilation": (1, dilation)}
        self.first, self.second = nn.Conv2d(n_in, n_out, (1, 3), **same), nn.Conv2d(n_out, n_out, (1, 3), **same)
        self.shortcut = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [n, channels, 1, samples]."""
        z = x
        for convolution in (self.first, self.second):
            z = convolution(z)
            z = functional.gelu(functional.layer_norm(z, z.shape[-1:]))
        return z + self.shortcut(x)


class Block(nn.Module):
    """Pre-norm transformer layer [b, n, d] -> [b, n, d] with attention that knows when, and a gated hidden layer."""

    def __init__(self, emb_dim: int, n_heads: int, drop_prob: float):
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm, self.feedforward_norm = nn.RMSNorm(emb_dim, eps=_EPS), nn.RMSNorm(emb_dim, eps=_EPS)
        self.query_key_value, self.mix = nn.Linear(emb_dim, 3 * emb_dim), nn.Linear(emb_dim, emb_dim)
        self.gate, self.widen = nn.Linear(emb_dim, _MLP_RATIO * emb_dim), nn.Linear(emb_dim, _MLP_RATIO * emb_dim)
        self.narrow = nn.Linear(_MLP_RATIO * emb_dim, emb_dim)
        self.dropout = Dropout(drop_prob)

    def forward(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        """Return the layer's output; `turns` [2, n, d / heads / 2] are cosine and sine of each token's time."""
        x = x + self.dropout(self._attend(self.attention_norm(x), turns))
        h = self.feedforward_norm(x)
        return x + self.narrow(functional.gelu(self.gate(h)) * self.widen(h))

    def _attend(self, x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        b, n, d = x.shape
        query, key, value = self.query_key_value(x).view(b, n, 3, self.n_heads, d // self.n_heads).permute(2, 0, 3, 1, 4)
        return self.mix(attend(turned(query, turns), turned(key, turns), value).transpose(1, 2).reshape(b, n, d))


def turned(x: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Return x [..., n, d] with number i and number i + d/2 of each row turned as a pair by angles whose `turns` are [2, n, d/2]."""
    (cos, sin), (a, b) = turns, x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def standard(x: torch.Tensor) -> torch.Tensor:
    """Return each channel of a window with mean 0 and standard deviation 1; a flat one is nearly 0."""
    least = _SILENCE * x.abs().amax(dim=-1, keepdim=True) + torch.finfo(x.dtype).tiny
    x = x - x.mean(dim=-1, keepdim=True)
    return x / torch.maximum(x.square().mean(dim=-1, keepdim=True).sqrt(), least)


def _turns(n_patches: int, n_chans: int, d: int) -> torch.Tensor:
    """Return cosine and sine [2, pieces channels, d / 2] of the angles that stand for each token's time."""
    frequency = _BASE ** -(torch.arange(0, d, 2) / d)
    angle = torch.arange(n_patches).repeat_interleave(n_chans)[:, None] * frequency
    return torch.stack([angle.cos(), angle.sin()])


def _rows(n_chans: int, space: Space | None, scale: str, places: Mapping[str, int | Sequence[int]] | None) -> tuple[torch.Tensor, int]:
    """Return each channel's rows in the tables, int [channels, 1 or 3], and how many channels were named."""
    if scale not in SCALES:
        raise SentenceError(f"model.encoder.scale={scale} is unknown: pick one of {', '.join(SCALES)}")
    n_numbers, n_rows = SCALES[scale]
    if places and space is None:
        raise SentenceError("model.encoder.places= looks channels up by name: give the space of these windows")
    known = {str(name): [place] if isinstance(place, int) else list(place) for name, place in (places or {}).items()}
    for name, place in known.items():
        if len(place) != n_numbers or any(isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < n_rows for i in place):
            raise SentenceError(
                f"model.encoder.places has {name}: {place}, and with scale={scale} a place is "
                f"{n_numbers} whole number{'s' * (n_numbers > 1)} from 0 to {n_rows - 1}: set places or scale to match"
            )
    known = {name.lower(): place for name, place in known.items()}
    names = [name.lower() for name in space.names] if space else [""] * n_chans
    rows = torch.tensor([known.get(name, [_UNKNOWN] * n_numbers) for name in names])
    return rows, sum(name in known for name in names)


# -- published weights ------------------------------------------------------------------------------------------------


def _published_names(n_tables: int, n_layers: int = 12) -> dict[str, str]:
    """Return published name -> name here; angles are made from arguments here."""
    both = ("weight", "bias")
    names = {"tokenizer.temporal_pooler.final_layer.weight": "embed.weight", "backbone.norm.weight": "norm.weight"}
    last = len(_WIDTHS) - 2
    for i in range(last + 1):
        theirs, parts = f"tokenizer.temporal_encoder.feature_extractor.net.{i}", {"conv1.conv": "first", "conv2.conv": "second"}
        parts |= {"projector": "shortcut"} if i in (0, last) else {}
        names |= {f"{theirs}.{part}.{n}": f"convolutions.{i}.{ours}.{n}" for part, ours in parts.items() for n in both}
    names |= {f"tokenizer.spatial_encoder.subcomponent_embeddings.{i}.weight": f"tables.{i}.weight" for i in range(n_tables)}
    parts = {"attention.qkv_proj": "query_key_value", "attention.o_proj": "mix"}
    parts |= {"mlp.gate_proj": "gate", "mlp.up_proj": "widen", "mlp.down_proj": "narrow"}
    for i in range(n_layers):
        theirs, ours = f"backbone.layers.{i}", f"blocks.{i}"
        names |= {f"{theirs}.{part}.{n}": f"{ours}.{here}.{n}" for part, here in parts.items() for n in both}
        names |= {f"{theirs}.norm1.weight": f"{ours}.attention_norm.weight", f"{theirs}.norm2.weight": f"{ours}.feedforward_norm.weight"}
        names[f"{theirs}.attention.rotary_emb.inv_freq"] = ""
    return names


_FILES = "https://raw.githubusercontent.com/ShanechiLab/BaRISTA/83b27375eba60e9eba9da4e7dd8fb283baace376/pretrained_models"
_SHA256 = {
    "channel": ("barista_chans", "chans_chans.ckpt", "400eeacc0697004cb81c9ecf754859da184ffeea40afc8ee7b5930c3b997e1d0"),
    "parcel": ("barista_parcels", "parcels_chans.ckpt", "6c234517d286a8e710b09716dc88c713618670df523cfffb89e4c9073f2657c1"),
    "lobe": ("barista_lobes", "lobes_chans.ckpt", "d810338a4929df0fb2421f342b3ee859f9fef269e35fb4f2fd9c55347a63324a"),
}

# One for each scale at which places were told; whole channels were masked in all three. Any number of contacts.
CARDS = tuple(
    WeightCard(
        name=name,
        url=f"{_FILES}/{file}",
        licence="University of Southern California: educational, research and non-profit purposes only",
        expects=Space("ieeg", (), "uV", 2048),
        n_times=6144,
        sha256=sha256,
        pretrained_on=("brain_treebank",),
        names=_published_names(SCALES[scale][0]),
    )
    for scale, (name, file, sha256) in _SHA256.items()
)
