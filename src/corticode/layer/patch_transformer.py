"""LaBraM's network: convolutions make a token of each second of each channel, and a transformer relates them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.layer.attention import attend
from corticode.layer.montage import as_space, channel_index
from corticode.space import Space

# The channels that published weights know, in the order of their table; its row 0 is the summary's. The published list of names goes on
# with eight more pairs (FP1-F3 to P4-O2), for which the table has no rows.
CHANNELS = (
    "FP1", "FPZ", "FP2", "AF9", "AF7", "AF5", "AF3", "AF1", "AFZ", "AF2", "AF4", "AF6", "AF8", "AF10", "F9", "F7", "F5", "F3", "F1",
    "FZ", "F2", "F4", "F6", "F8", "F10",
    "FT9", "FT7", "FC5", "FC3", "FC1", "FCZ", "FC2", "FC4", "FC6", "FT8", "FT10", "T9", "T7", "C5", "C3", "C1", "CZ", "C2", "C4", "C6",
    "T8", "T10",
    "TP9", "TP7", "CP5", "CP3", "CP1", "CPZ", "CP2", "CP4", "CP6", "TP8", "TP10", "P9", "P7", "P5", "P3", "P1", "PZ", "P2", "P4", "P6",
    "P8", "P10",
    "PO9", "PO7", "PO5", "PO3", "PO1", "POZ", "PO2", "PO4", "PO6", "PO8", "PO10", "O1", "OZ", "O2", "O9", "CB1", "CB2", "IZ", "O10",
    "T3", "T5", "T4", "T6", "M1", "M2", "A1", "A2",
    "CFC1", "CFC2", "CFC3", "CFC4", "CFC5", "CFC6", "CFC7", "CFC8", "CCP1", "CCP2", "CCP3", "CCP4", "CCP5", "CCP6", "CCP7", "CCP8",
    "T1", "T2", "FTT9h", "TTP7h", "TPP9h", "FTT10h", "TPP8h", "TPP10h",
    "FP1-F7", "F7-T7", "T7-P7", "P7-O1", "FP2-F8", "F8-T8", "T8-P8", "P8-O2",
)  # fmt: skip
STEPS = 16  # seconds that the table of published weights has
PATCH = 200  # samples: one second at the rate of all published weights
_STEPS = 25  # what the convolutions make of a patch
_EPS = 1e-6


class PatchConvolution(nn.Module):
    """Patches [b, n, 200] -> tokens [b, n, n_features], each patch by itself but for the norms, whose statistics are a window's.

    Parameters
    ----------
    n_features : int
        A multiple of 100: 25 steps of n_features / 25 filters, in four groups.

    Raises
    ------
    SentenceError
    """

    def __init__(self, n_features: int):
        super().__init__()
        filters = n_features // _STEPS
        if n_features % (4 * _STEPS):
            raise SentenceError(f"emb_dim={n_features} is no multiple of {4 * _STEPS}: take 200, 400 or 800")
        self.first = nn.Conv2d(1, filters, (1, 15), stride=(1, 8), padding=(0, 7))
        self.second, self.third = (nn.Conv2d(filters, filters, (1, 3), padding=(0, 1)) for _ in range(2))
        self.norms = nn.ModuleList(nn.GroupNorm(4, filters) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens: time outside, filters inside."""
        x = x[:, None]  # [b, 1, n, 200]
        for layer, norm in zip((self.first, self.second, self.third), self.norms, strict=True):
            x = functional.gelu(norm(layer(x)))  # [b, filters, n, 25]
        return x.permute(0, 2, 3, 1).flatten(2)


class PatchBlock(nn.Module):
    """One pre-norm transformer layer [b, n, d] -> [b, n, d] with the options of BEiT.

    Parameters
    ----------
    n_features, n_heads : int
    bias : bool
        Queries and values have one; keys never.
    norm_heads : bool
        Layer norm on the queries and keys of each head.
    scale : float or None
        What each shortcut's partner is multiplied by at first, feature by feature; None: by 1 and not learned.
    drop_path : float
        How often, in training, a row leaves out what stands beside a shortcut.

    Source
    ------
    Bao et al. 2022, arXiv:2106.08254; Jiang, Zhao, Lu 2024, arXiv:2405.18765.
    """

    def __init__(self, n_features: int, n_heads: int, bias: bool, norm_heads: bool, scale: float | None, drop_path: float = 0.0):
        super().__init__()
        if n_features % n_heads:
            raise SentenceError(f"tokens of {n_features} numbers cannot be shared among n_heads={n_heads}: take a number that divides them")
        d, self.n_heads, self.drop_path = n_features, n_heads, drop_path
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(d, eps=_EPS), nn.LayerNorm(d, eps=_EPS)
        self.query_key_value, self.mix = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d)
        self.widen, self.narrow = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.query_bias, self.value_bias = (nn.Parameter(torch.zeros(d)) if bias else None for _ in range(2))
        self.query_norm, self.key_norm = (nn.LayerNorm(d // n_heads, eps=_EPS) if norm_heads else nn.Identity() for _ in range(2))
        self.attention_scale, self.feedforward_scale = (None if scale is None else nn.Parameter(torch.full((d,), scale)) for _ in range(2))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        z = z + self._partner(self._attention(self.attention_norm(z)), self.attention_scale)
        return z + self._partner(self.narrow(functional.gelu(self.widen(self.feedforward_norm(z)))), self.feedforward_scale)

    def _attention(self, z: torch.Tensor) -> torch.Tensor:
        b, n, d = z.shape
        mapped = self.query_key_value(z)
        if self.query_bias is not None:
            mapped = mapped + torch.cat([self.query_bias, torch.zeros_like(self.query_bias), self.value_bias])
        query, key, value = mapped.view(b, n, 3, self.n_heads, d // self.n_heads).permute(2, 0, 3, 1, 4)
        mixed = attend(self.query_norm(query), self.key_norm(key), value)
        return self.mix(mixed.transpose(1, 2).reshape(b, n, d))

    def _partner(self, z: torch.Tensor, scale: torch.Tensor | None) -> torch.Tensor:
        z = z if scale is None else scale * z
        if not self.training or not self.drop_path:
            return z
        kept = torch.rand(z.shape[0], 1, 1, device=z.device) >= self.drop_path
        return z * (kept / (1 - self.drop_path)).to(z.dtype)


class PatchTransformer(nn.Module):
    """Tokens of channels and seconds -> transformer -> tokens, with a learned vector per channel, per second, and a summary token.

    Parameters
    ----------
    n_features, n_layers, n_heads : int
    bias, norm_heads, scale : see `PatchBlock`
    """

    def __init__(self, n_features: int, n_layers: int, n_heads: int, bias: bool, norm_heads: bool, scale: float | None):
        super().__init__()
        self.summary, self.channel_table, self.step_table = tables(n_features)
        self.blocks = stack(n_layers, n_features, n_heads, bias, norm_heads, scale)

    def forward(self, z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return tokens [b, channels steps, n_features], from as many and the rows as `placed` has them."""
        z = placed(z, rows, self.summary, self.channel_table, self.step_table)
        for block in self.blocks:
            z = block(z)
        return z[:, 1:]


def tables(n_features: int) -> tuple[nn.Parameter, nn.Parameter, nn.Parameter]:
    """Return the summary token [1, 1, d], and the vectors of channels [1, 129, d] and seconds [1, 16, d]."""
    summary, channel_table, step_table = (
        nn.Parameter(nn.init.trunc_normal_(torch.empty(1, n, n_features), std=0.02)) for n in (1, 1 + len(CHANNELS), STEPS)
    )
    return summary, channel_table, step_table


def stack(
    n_layers: int, n_features: int, n_heads: int, bias: bool, norm_heads: bool, scale: float | None, drop_path: float = 0.0
) -> nn.ModuleList:
    """Return the blocks of a transformer; `drop_path` is the last one's, and rises evenly from 0 at the first."""
    share = [drop_path * i / max(1, n_layers - 1) for i in range(n_layers)]
    return nn.ModuleList(PatchBlock(n_features, n_heads, bias, norm_heads, scale, p) for p in share).apply(_small)


def placed(
    z: torch.Tensor, rows: torch.Tensor, summary: torch.Tensor, channel_table: torch.Tensor, step_table: torch.Tensor
) -> torch.Tensor:
    """Return the summary and the tokens, each with the vectors of its channel and second.

    Parameters
    ----------
    z : float tensor [b, channels steps, d]
        Channels outside, seconds inside.
    rows : int tensor [1 + channels]
        The row of the table of channels for the summary, then for each channel.
    summary, channel_table, step_table : float tensors
        See `tables`.

    Returns
    -------
    tokens : float tensor [b, 1 + channels steps, d]
    """
    n_steps = z.shape[1] // (rows.shape[0] - 1)
    channels = channel_table[0, rows]
    places = (channels[1:, None] + step_table[0, :n_steps]).flatten(0, 1)  # [channels steps, d]
    return torch.cat([(summary + channels[0]).expand(z.shape[0], -1, -1), z + places], dim=1)


def _small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def patched(x: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Return windows [b, channels, times] as patches [b, channels n_steps, 200]; samples that fill no patch at the end are left out."""
    return x[..., : n_steps * PATCH].unflatten(-1, (n_steps, PATCH)).flatten(1, 2)


def steps(n_times: int, sfreq: float, who: str) -> int:
    """Return the whole seconds of a window.

    Raises
    ------
    SentenceError
        None, or more than the table of seconds has.
    """
    n_steps = n_times // PATCH
    if not 1 <= n_steps <= STEPS:
        cure = "longer" if n_steps < 1 else "shorter"
        raise SentenceError(
            f"{who} reads 1 to {STEPS} whole seconds of {PATCH} samples and got {n_times} samples at {sfreq:g} Hz: take {cure} windows"
        )
    return n_steps


def rows(space: Space | dict | None, n_chans: int, who: str) -> torch.Tensor:
    """Return the rows of the table of channels for a window's summary and channels, int [1 + n_chans].

    Raises
    ------
    SentenceError
        No names, another number of them, or some that the table does not have.
    """
    space = as_space(space)
    if space is None or len(space) != n_chans:
        got = "no names" if space is None else f"{len(space)} names"
        raise SentenceError(f"{who} knows channels by name and got {got} for {n_chans} channels: use space= with a name for each")
    return torch.tensor([0, *(1 + place for place in channel_index(space.names, CHANNELS, who=who))])


def published_convolution() -> dict[str, str]:
    """Return names of published weights -> names here, of `PatchConvolution`."""
    parts = {f"conv{i + 1}": name for i, name in enumerate(("first", "second", "third"))} | {f"norm{i + 1}": f"norms.{i}" for i in range(3)}
    return {f"{theirs}.{n}": f"{ours}.{n}" for theirs, ours in parts.items() for n in ("weight", "bias")}


def published_transformer(n_layers: int, bias: bool, norm_heads: bool, scale: bool) -> dict[str, str]:
    """Return names of published weights -> names here, of a `PatchTransformer` with these options."""
    parts = {"norm1": "attention_norm", "attn.proj": "mix", "norm2": "feedforward_norm", "mlp.fc1": "widen", "mlp.fc2": "narrow"}
    if norm_heads:
        parts |= {"attn.q_norm": "query_norm", "attn.k_norm": "key_norm"}
    block = {f"{theirs}.{n}": f"{ours}.{n}" for theirs, ours in parts.items() for n in ("weight", "bias")}
    block["attn.qkv.weight"] = "query_key_value.weight"
    if bias:
        block |= {"attn.q_bias": "query_bias", "attn.v_bias": "value_bias"}
    if scale:
        block |= {"gamma_1": "attention_scale", "gamma_2": "feedforward_scale"}
    tables = {"cls_token": "summary", "pos_embed": "channel_table", "time_embed": "step_table"}
    return tables | {f"blocks.{i}.{theirs}": f"blocks.{i}.{ours}" for i in range(n_layers) for theirs, ours in block.items()}
