"""EEGDM: what a denoiser of single channels finds in each second, fused by a transformer over a few latent tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.eegdm_backbone import Backbone, published_names
from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Attention, Block, attend
from corticode.layer.dropout import Dropout
from corticode.layer.montage import as_space, channel_index
from corticode.space import Space
from corticode.weights import WeightCard

_UNIT_UV = 100.0
_MU = 255.0
_RATE_HZ = 200.0  # at which a step of the published state spaces is one sample
_POOL_S = 1.0
_N_LATENTS = 16

# The bipolar channels of TUEV. Their order is recalled: the numbering of the corpus's own montage.
_CHAINS = ("FP1 F7 T3 T5 O1", "FP2 F8 T4 T6 O2", "A1 T3 C3 CZ C4 T4 A2", "FP1 F3 C3 P3 O1", "FP2 F4 C4 P4 O2")
TCP = tuple(f"{a}-{b}" for chain in _CHAINS for a, b in zip(chain.split(), chain.split()[1:], strict=False))
_RENAMED = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
_ALIASES = {"-".join(_RENAMED.get(end, end) for end in name.split("-")): name for name in TCP}


class EEGDM(NeuralEncoder):
    """EEGDM of Puah et al. (2025): a diffusion backbone per channel, and a latent fusion transformer.

        x / 100 uV, outliers companded -> backbone, each channel by itself, told its name and that there is little noise
          -> gates of every block -> their spread in each second: tokens [seconds, channels, d] of every block
        16 latents per second -> for each block: attention among them, to its channels, linear layers
          -> + position -> n_fusion_layers pre-norm blocks over all latents

    Input: EEG in uV, whole seconds (what is left of the last is not read). The published backbone knows 5 s at 200 Hz of 22 bipolar
    channels, 0.1-75 Hz; at another rate the steps of its state spaces are stretched, as the paper did for 190 and 180 Hz, with some
    loss. Representation: 16 tokens of d per second; the paper's classifier is `head.linear.Linear(pool="mean")`. Parameters at defaults:
    12,482,944 for 5 s of 22 channels, 5,584,768 of them the backbone's. Trained on: nothing here; `weights=eegdm_tuev` brings the
    backbone, which the paper then keeps frozen.

    Departures from the paper: none known in the network, but only the backbone could be checked by numbers, and the fusion transformer
    starts from the initial weights of linear layers. Own choices: what becomes of channels that TUEV does not have (`montage=None`), and
    of rests of seconds.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    space : Space, its dict, or None
        Names of the channels, for `montage`.
    montage : str or None
        Whose channels the backbone's table knows: 'tcp', the 22 bipolar ones of TUEV, for its published weights; None: those of these
        windows, in their order.
    n_layers : int
        Blocks of the backbone.
    emb_dim : int
        d.
    n_states : int
        Complex numbers that a state space remembers.
    n_fusion_layers, n_heads : int
        Of the fusion transformer.
    step : int
        Of the diffusion, whose noise the backbone is told to expect.
    drop_prob : float
        In the fusion transformer.
    frozen : bool
        The backbone does not learn: as the paper has it, once its weights are loaded.

    Raises
    ------
    SentenceError
        Windows are shorter than a second, or their channels are none of the montage's.

    Source
    ------
    Puah et al. 2025, arXiv:2508.14086v2. The backbone equals the published one to 1e-5 (tests/encoder/test_eegdm.py).
    """

    batch_size = 8  # each block holds 256 signals per channel

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        space: Space | Mapping[str, Any] | None = None,
        montage: str | None = None,
        n_layers: int = 20,
        emb_dim: int = 128,
        n_states: int = 64,
        n_fusion_layers: int = 8,
        n_heads: int = 8,
        step: int = 1,
        drop_prob: float = 0.0,
        frozen: bool = False,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.space, self.montage, self.n_layers, self.emb_dim, self.n_states = space, montage, n_layers, emb_dim, n_states
        self.n_fusion_layers, self.n_heads, self.step, self.drop_prob, self.frozen = n_fusion_layers, n_heads, step, drop_prob, frozen
        rows, n_known = _rows(self.n_chans, as_space(space), montage)
        self._pool = max(1, round(_POOL_S * self.sfreq))
        self._n_pools = self.n_times // self._pool
        if self._n_pools < 1:
            raise SentenceError(
                f"EEGDM reads whole seconds and got {n_times / sfreq:.3g} s ({n_times} samples at {sfreq:g} Hz): take longer windows"
            )
        self.n_features, self.n_tokens = emb_dim, self._n_pools * _N_LATENTS
        self.register_buffer("rows", torch.tensor(rows), persistent=False)
        self.backbone = Backbone(n_known, n_layers, emb_dim, n_states, rate=_RATE_HZ / self.sfreq).requires_grad_(not frozen)
        self.latents = nn.Parameter(torch.rand(self._n_pools, _N_LATENTS, emb_dim))
        self.position = nn.Parameter(torch.rand(self._n_pools, _N_LATENTS, emb_dim))
        self.readers = nn.ModuleList(Reader(emb_dim, n_heads, drop_prob) for _ in range(n_layers))
        self.blocks = nn.Sequential(*(Block(emb_dim, n_heads, drop_prob) for _ in range(n_fusion_layers)))

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, seconds 16, d]."""
        z = self.latents.expand(x.shape[0], -1, -1, -1).flatten(0, 1)  # [b seconds, 16, d]
        condition = self.backbone.condition(torch.full_like(self.rows, self.step), self.rows)  # [channels, 4 d]
        x = self.backbone(companded(x / _UNIT_UV))  # [b, channels, times, d]
        for block, reader in zip(self.backbone.blocks, self.readers, strict=True):
            x, gate, _ = block(x, condition)
            z = reader(z, self.spread(gate).flatten(0, 1))
        z = z.unflatten(0, (-1, self._n_pools)) + self.position
        return self.blocks(z.flatten(1, 2))

    def spread(self, gate: torch.Tensor) -> torch.Tensor:
        """Return the standard deviation in each second [b, seconds, channels, d] of gates [b, channels, times, d]."""
        whole = gate[:, :, : self._n_pools * self._pool]
        return whole.unflatten(2, (self._n_pools, self._pool)).std(dim=3).transpose(1, 2)


class Reader(nn.Module):
    """Latents that read what one block of the backbone found: pre-norm attention among them and to channels, then linear layers."""

    def __init__(self, emb_dim: int, n_heads: int, drop_prob: float = 0.0):
        super().__init__()
        self.n_heads, self.drop_prob = n_heads, drop_prob
        self.attention_norm, self.query_norm, self.feedforward_norm = (nn.LayerNorm(emb_dim) for _ in range(3))
        self.attention = Attention(emb_dim, n_heads, drop_prob)
        self.query, self.key_value, self.mix = (nn.Linear(emb_dim, n * emb_dim) for n in (1, 2, 1))
        self.widen, self.narrow = nn.Linear(emb_dim, 4 * emb_dim), nn.Linear(4 * emb_dim, emb_dim)
        self.dropout = Dropout(drop_prob)

    def forward(self, z: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Return latents [b, n, d] that know more, from latents [b, n, d] and tokens [b, channels, d]."""
        z = z + self.dropout(self.attention(self.attention_norm(z)))
        z = z + self.dropout(self._read(self.query_norm(z), found))
        hidden = functional.gelu(self.widen(self.feedforward_norm(z)))
        return z + self.dropout(self.narrow(self.dropout(hidden)))

    def _read(self, z: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        heads = (self.n_heads, z.shape[-1] // self.n_heads)
        query = self.query(z).unflatten(-1, heads).transpose(1, 2)  # [b, heads, n, d / heads]
        key, value = self.key_value(found).unflatten(-1, (2, *heads)).permute(2, 0, 3, 1, 4)  # [b, heads, channels, d / heads]
        mixed = attend(query, key, value, self.drop_prob if self.training else 0.0)
        return self.mix(mixed.transpose(1, 2).flatten(2))


def companded(x: torch.Tensor) -> torch.Tensor:
    """Return x with what lies beyond 1 drawn in by the mu-law: sign(x) log(1 + 255 |x|) / log 256, the rest as it is."""
    size = x.abs()
    # clamped, so that the logarithm's gradient at small x is that of a constant
    return torch.where(size > 1, x.sign() * torch.log1p(_MU * size.clamp(min=1)) / torch.log1p(torch.tensor(_MU)), x)


def _rows(n_chans: int, space: Space | None, montage: str | None) -> tuple[list[int], int]:
    """Return each channel's row in the backbone's table, and how many rows it has."""
    if montage is None:
        return list(range(n_chans)), n_chans
    if montage != "tcp":
        raise SentenceError(f"model.encoder.montage={montage} is unknown: take tcp, or null for a row per channel")
    if space is None:
        raise SentenceError("model.encoder.montage=tcp looks channels up by name: give the space of these windows")
    return channel_index(space.names, TCP, _ALIASES, "EEGDM"), len(TCP)


# The backbone alone: the fusion transformer is trained with each task. The file was not seen. Its name stands in the authors' instructions;
# their training keeps the moving average of the weights under "ema.ema_model." in a checkpoint of Lightning, so what the map expects are the
# names behind that. Its hash and its licence are unknown (the code has no licence either).
CARDS = (
    WeightCard(
        name="eegdm_tuev",
        url="https://huggingface.co/jhpuah/eegdm/resolve/main/backbone.ckpt",
        licence="unknown: none is published",
        expects=Space("eeg", TCP, "uV", _RATE_HZ),
        n_times=1000,
        sha256=None,
        pretrained_on=("tuev",),
        names=published_names(),
    ),
)
