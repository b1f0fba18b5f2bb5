"""BENDR: convolutions sum up 0.4 s at a time, and a transformer guesses from its context what was hidden of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Attention
from corticode.layer.dropout import Dropout
from corticode.layer.montage import as_space, channel_index
from corticode.space import Space, same_electrode
from corticode.weights import WeightCard

_RATE_HZ = 256.0
_STRIDES = (3, 2, 2, 2, 2, 2)
_POSITION_KERNEL, _POSITION_GROUPS = 25, 16
_START = -5.0  # each number of the token before the first
_SPAN_SHARE = 0.1  # of the positions, and of the features, that one stretch hides while labels are learned

# The electrodes that are read, in the order of the published weights (recalled from DN3, which prepared the data); then the amplitude.
CHANNELS = ("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2")


class BENDR(NeuralEncoder):
    """BENDR (Kostas et al. 2021): convolutional encoder and contextualizer.

        x [b, channels, times] -> 19 electrodes scaled to [-1, 1], amplitude -> 6 convolutions: encodings [b, positions, emb_dim]
          -> + position convolution -> norm -> linear -> start token, n_layers blocks without norms -> linear: context

    Input: EEG at 256 Hz in uV of any length from 96 samples on; it was trained on 60 s. Electrodes of the 10-20 system are found by name,
    others are not read, absent ones stay 0. A window is scaled by its own minimum and maximum over the electrodes that are read; the
    20th channel tells its range relative to `range_uv`. Representation: a token for the start, then one for every 96 samples (begun
    ones too); the paper's classifier is `head.linear.Linear(pool="last")` (its text speaks of the start token, its code reads the last).
    Parameters: 3,972,096 before the context, 153,165,881 for it. Trained on: TUEG v1.1 and v1.2 (`CARDS`), by contrast: `masked`
    gives what it takes.

    Departures from the paper: the norm that its state holds and never uses is left out. That the amplitude is
    2 min(range / range_uv, 1) - 1 and 0 where range_uv is not known is recalled from DN3; that the scale is taken over the electrodes
    that are read, and not over other EEG channels too, is proposed.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
        256.
    space : Space, its plain form, or None
        Names the channels; None: they are `CHANNELS`.
    range_uv : float or None, uV
        Highest minus lowest value of the whole data set.
    emb_dim : int
        Length of an encoding and of a token.
    hidden_dim, feedforward_dim : int
        Inside the transformer.
    n_layers, n_heads : int
    drop_prob : float
        In the transformer and before it.
    layer_drop : float
        Probability of each layer to be left out of a training step; 0.01 in pretraining.
    hide_time, hide_features : float
        Probability of each position, and of each feature, to begin a stretch that is hidden while labels are learned.

    Raises
    ------
    SentenceError
        Another rate, windows shorter than 96 samples, or none of the electrodes.

    Source
    ------
    Kostas, Aroca-Ouellette and Rudzicz 2021, Front. Hum. Neurosci. 15:653659; github.com/SPOClab-ca/BENDR. Equals its outputs to 1e-5
    (tests/encoder/test_bendr.py).
    """

    rate_hz = _RATE_HZ
    batch_size = 64

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        range_uv: float | None = None,
        emb_dim: int = 512,
        hidden_dim: int = 1536,
        feedforward_dim: int = 3076,
        n_layers: int = 8,
        n_heads: int = 8,
        drop_prob: float = 0.15,
        layer_drop: float = 0.0,
        hide_time: float = 0.01,
        hide_features: float = 0.005,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.space = space.to_dict() if isinstance(space, Space) else space
        self.range_uv, self.emb_dim, self.hidden_dim, self.feedforward_dim = range_uv, emb_dim, hidden_dim, feedforward_dim
        self.n_layers, self.n_heads, self.drop_prob, self.layer_drop = n_layers, n_heads, drop_prob, layer_drop
        self.hide_time, self.hide_features = hide_time, hide_features
        self.n_positions = self._positions()
        self.n_features, self.n_tokens = emb_dim, 1 + self.n_positions
        # made from the arguments, so not part of the state: which channels are read, and where they stand among the 19
        picked, places = self._channels()
        self.register_buffer("picked", picked, persistent=False)
        self.register_buffer("places", places, persistent=False)
        lengths = [len(CHANNELS) + 1, *[emb_dim] * (len(_STRIDES) - 1)]
        self.stages = nn.Sequential(*(Stage(length, emb_dim, stride) for length, stride in zip(lengths, _STRIDES, strict=True)))
        self.mask_token = nn.Parameter(emb_dim**-0.5 * torch.randn(emb_dim))
        self.position = PositionConvolution(emb_dim, hidden_dim)
        self.norm, self.dropout = nn.LayerNorm(emb_dim), Dropout(drop_prob)
        self.widen, self.narrow = Pointwise(emb_dim, hidden_dim, 1), Pointwise(hidden_dim, emb_dim, 1)
        self.blocks = nn.ModuleList([Block(hidden_dim, feedforward_dim, n_heads, drop_prob) for _ in range(n_layers)])
        self._start()

    def forward(self, x, space=None, subject=None):
        """Return the context [b, 1 + positions, emb_dim]; in training stretches of time and of features are hidden from it."""
        z = self.encodings(x)
        if self.training:
            hidden = stretches(z.shape[0], self.n_positions, self.hide_time, max(1, int(_SPAN_SHARE * self.n_positions)), device=z.device)
            z = self.hide(z, hidden)
            hidden = stretches(z.shape[0], self.emb_dim, self.hide_features, max(1, int(_SPAN_SHARE * self.emb_dim)), device=z.device)
            z = z.masked_fill(hidden[:, None], 0.0)
        return self.contextualize(z)

    def masked(self, x: torch.Tensor, mask: torch.Tensor, space: Space | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return what a contrast needs.

        Parameters
        ----------
        x : float tensor [b, channels, times], uV
        mask : bool tensor [b, positions]
            What is hidden: see `stretches` and `even_stretches`.

        Returns
        -------
        z : float tensor [b, positions, emb_dim]
            Encodings: what shall be found again.
        hidden : float tensor [b, positions, emb_dim]
            Encodings with the mask token where they are hidden: the paper draws its 20 negatives from these, of the same window.
        context : float tensor [b, 1 + positions, emb_dim]
            Of the start token and of each position; `context[:, 1:]` stands beside z.
        """
        z = self.encodings(x)
        hidden = self.hide(z, mask)
        return z, hidden, self.contextualize(hidden)

    def encodings(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the convolutions make of windows x [b, channels, times] in uV: [b, positions, emb_dim]."""
        return self.stages(self.scaled(x)).mT

    def hide(self, z: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return encodings [b, positions, emb_dim] with the mask token where the mask [b, positions] is true."""
        return torch.where(mask[..., None], self.mask_token.to(z.dtype), z)

    def contextualize(self, z: torch.Tensor) -> torch.Tensor:
        """Return the context [b, 1 + positions, emb_dim] of encodings [b, positions, emb_dim]."""
        z = z.mT  # [b, emb_dim, positions]
        z = (z + functional.gelu(self.position(z))).mT
        z = self.widen(self.dropout(self.norm(z)))  # [b, positions, hidden_dim]
        z = functional.pad(z, (0, 0, 1, 0), value=_START)
        for block in self.blocks:
            after = block(z)
            if self.training and self.layer_drop:  # chosen, not skipped: all processes and compiled graphs do the same work
                after = torch.where(torch.rand((), device=z.device) < self.layer_drop, z, after)
            z = after
        return self.narrow(z)

    def scaled(self, x: torch.Tensor) -> torch.Tensor:
        """Return the 20 channels that are read, [b, 20, times], of windows x [b, channels, times] in uV."""
        x = x[:, self.picked]
        low, high = x.amin(dim=(1, 2), keepdim=True), x.amax(dim=(1, 2), keepdim=True)
        # a flat window stays 0
        x = (x - (low + high) / 2) / ((high - low) / 2).clamp_min(torch.finfo(x.dtype).tiny)
        electrodes = x.new_zeros(x.shape[0], len(CHANNELS), x.shape[-1]).index_copy(1, self.places, x)
        amplitude = torch.zeros_like(low) if self.range_uv is None else 2 * ((high - low) / self.range_uv).clamp_max(1.0) - 1
        return torch.cat((electrodes, amplitude.expand(-1, -1, x.shape[-1])), dim=1)

    def cam_layer(self):
        """Return the last convolution: [b, emb_dim, 1, positions]."""
        return self.stages[-1], lambda z: z[:, :, None]

    def _channels(self) -> tuple[torch.Tensor, torch.Tensor]:
        names = CHANNELS if self.space is None else as_space(self.space).names
        if len(names) != self.n_chans:
            raise SentenceError(f"BENDR got {self.n_chans} channels and {len(names)} names: give their space=")
        known = {same_electrode(name) for name in CHANNELS}
        picked = [i for i, name in enumerate(names) if same_electrode(name) in known]
        if not picked:
            raise SentenceError(
                f"BENDR reads the {len(CHANNELS)} electrodes of the 10-20 system and none of the {len(names)} channels "
                f"({', '.join(names[:5])} ...) is one of them: pick or rename channels, or take a network that does not read names"
            )
        return torch.tensor(picked), torch.tensor(channel_index([names[i] for i in picked], CHANNELS, who="BENDR"))

    def _positions(self) -> int:
        n, together = self.n_times, 1
        for stride in _STRIDES:
            n, together = -(-n // stride), together * stride
        if self.n_times < together:
            raise SentenceError(
                f"BENDR sums up {together} samples at a time and got windows of {self.n_times} ({self.n_times / self.sfreq:.3g} s): "
                "take longer windows"
            )
        return n

    def _start(self) -> None:
        """Start layers small, the deeper the network the smaller, since no norms hold them: after T-Fixup."""
        for block in self.blocks:
            nn.init.xavier_uniform_(block.attention.query_key_value.weight)  # not made smaller: recalled
            nn.init.zeros_(block.attention.query_key_value.bias)
            for layer in (block.attention.mix, block.widen, block.narrow):
                nn.init.xavier_uniform_(layer.weight, gain=0.67 * self.n_layers**-0.25)
                nn.init.zeros_(layer.bias)


class Stage(nn.Module):
    """One strided convolution with group norm: [b, n_in, times] -> [b, n_out, times / stride]."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.convolution = nn.Conv1d(n_in, n_out, 3, stride, padding=1)
        self.norm = nn.GroupNorm(n_out // 2, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the stage's output."""
        return functional.gelu(self.norm(self.convolution(x)))


class PositionConvolution(nn.Module):
    """A long convolution [b, d, n] -> [b, d, n] that tells positions apart, each step of its kernel with a norm of its own.

    Parameters
    ----------
    emb_dim : int
        d, a multiple of 16.
    hidden_dim : int
        Of the transformer; sets the spread of initial weights, 2 / hidden_dim.
    """

    def __init__(self, emb_dim: int, hidden_dim: int):
        super().__init__()
        self.direction = nn.Parameter(2 / hidden_dim * torch.randn(emb_dim, emb_dim // _POSITION_GROUPS, _POSITION_KERNEL))
        self.gain = nn.Parameter(self.direction.detach().norm(dim=(0, 1), keepdim=True))
        self.bias = nn.Parameter(torch.zeros(emb_dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution's output."""
        weight = self.direction * (self.gain / self.direction.norm(dim=(0, 1), keepdim=True))
        return functional.conv1d(x, weight, self.bias, padding=_POSITION_KERNEL // 2, groups=_POSITION_GROUPS)


class Pointwise(nn.Conv1d):
    """A convolution of one step over [b, n, d]: a linear layer whose weight has the published shape [n_out, n_in, 1].

    As a convolution of transposed tokens it is slower, and torch 2.13 compiles it behind a layer norm and a group norm to wrong gradients.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution's output, [b, n, n_out]."""
        return functional.linear(x, self.weight[..., 0], self.bias)


class Block(nn.Module):
    """One transformer layer without norms, [b, n, d] -> [b, n, d]."""

    def __init__(self, hidden_dim: int, feedforward_dim: int, n_heads: int, drop_prob: float):
        super().__init__()
        self.attention = Attention(hidden_dim, n_heads, drop_prob)
        self.widen, self.narrow = nn.Linear(hidden_dim, feedforward_dim), nn.Linear(feedforward_dim, hidden_dim)
        self.dropout = Dropout(drop_prob)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        x = x + self.dropout(self.attention(x))
        return x + self.dropout(self.narrow(self.dropout(functional.gelu(self.widen(x)))))


def stretches(
    n_rows: int,
    n_positions: int,
    begin: float = 0.065,
    span: int = 10,
    generator: torch.Generator | None = None,
    device: torch.device | str | None = None,
) -> torch.Tensor:
    """Draw stretches of positions to hide, in each row at least one.

    Parameters
    ----------
    n_rows, n_positions : int
    begin : float
        Probability of each position to begin a stretch; 0 hides nothing.
    span : int
        Positions of a stretch; stretches overlap, and end with the row.
    generator : torch.Generator or None
    device : torch.device or None

    Returns
    -------
    mask : bool tensor [n_rows, n_positions]
    """
    begins = torch.rand(n_rows, n_positions, generator=generator, device=device) < begin
    if begin:
        spare = torch.randint(n_positions, (n_rows, 1), generator=generator, device=device)
        begins = begins | (~begins.any(dim=1, keepdim=True) & (torch.arange(n_positions, device=device) == spare))
    return _covered(begins, span)


def even_stretches(n_positions: int, begin: float = 0.065, span: int = 10) -> torch.Tensor:
    """Return evenly spaced stretches, half as many as `stretches` draws on average: a bool mask [n_positions], for validation."""
    n = max(1, int(begin * n_positions / 2))
    begins = torch.zeros(1, n_positions, dtype=torch.bool)
    begins[0, torch.arange(n) * n_positions // n] = True
    return _covered(begins, span)[0]


def _covered(begins: torch.Tensor, span: int) -> torch.Tensor:
    """Return what stretches cover that begin where `begins` [rows, positions] is true."""
    n_begun = begins.cumsum(dim=1)
    n_ended = functional.pad(n_begun, (span, 0))[:, : begins.shape[1]]
    return n_begun > n_ended


def _pairs(parts: Mapping[str, str]) -> dict[str, str]:
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in parts.items() for kind in ("weight", "bias")}


def _block_names(i: int) -> dict[str, str]:
    theirs, ours = f"transformer_layers.{i}", f"blocks.{i}"
    return {
        f"{theirs}.self_attn.in_proj_weight": f"{ours}.attention.query_key_value.weight",
        f"{theirs}.self_attn.in_proj_bias": f"{ours}.attention.query_key_value.bias",
        **_pairs({f"{theirs}.self_attn.out_proj": f"{ours}.attention.mix"}),
        **_pairs({f"{theirs}.linear1": f"{ours}.widen", f"{theirs}.linear2": f"{ours}.narrow"}),
    }


_FACTS = {
    "licence": "unknown: the repository has no licence file",
    "expects": Space("eeg", CHANNELS, "uV", _RATE_HZ),
    "pretrained_on": ("tueg",),  # versions 1.1 and 1.2
}
_RELEASE = "https://github.com/SPOClab-ca/BENDR/releases/download/v0.1-alpha"

# One network in two files; no hash is known of either.
CARDS = (
    WeightCard(
        name="bendr_encoder",
        url=f"{_RELEASE}/encoder.pt",
        names=_pairs(
            {
                f"encoder.Encoder_{i}.{theirs}": f"stages.{i}.{ours}"
                for i in range(len(_STRIDES))
                for theirs, ours in ((0, "convolution"), (2, "norm"))
            }
        ),
        **_FACTS,
    ),
    WeightCard(
        name="bendr_contextualizer",
        url=f"{_RELEASE}/contextualizer.pt",
        names={
            "mask_replacement": "mask_token",
            "relative_position.0.weight_v": "position.direction",
            "relative_position.0.weight_g": "position.gain",
            "relative_position.0.bias": "position.bias",
            **_pairs({"input_conditioning.1": "norm", "input_conditioning.4": "widen", "output_layer": "narrow"}),
            **{theirs: ours for i in range(8) for theirs, ours in _block_names(i).items()},
            # held and never used
            "norm.weight": "",
            "norm.bias": "",
        },
        **_FACTS,
    ),
)
