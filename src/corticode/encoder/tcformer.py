"""TCFormer: filters of three lengths, attention of grouped queries, a grouped temporal convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.filter_bank import FilterBank
from corticode.layer.tcn import TCN

# The paper's samples at its rate of 250 Hz, as seconds.
_KERNELS_S = (0.080, 0.128, 0.256)
_POOL_S = 0.032
_SECOND_POOL = 7
_SECOND_KERNEL = 16
_SQUEEZE = 4
_EXPANSION = 2
_TCN_KERNEL, _TCN_DEPTH = 4, 2


class TCFormer(NeuralEncoder):
    """Temporal convolutional transformer of Altaheri et al. (2025).

        x -> filters of three lengths, a group of features each -> pooled, reduced, gated by group       c [b, groups d, steps]
        c -> attention over steps -> reduced to one more group -> beside c -> grouped TCN -> its last step      [b, groups + 1, d]

    Input: EEG in µV, any rate; the paper has 22 channels x 1000 samples at 250 Hz, each channel standardised. Representation: one
    token of d values for each group of features. Parameters: with the grouped classifier (`head.averaged.Averaged(max_norm=0.25)`) 77,820
    at 22 channels x 4 classes, whatever the length. Trained on: nothing, learns from scratch. Departures from the paper: kernels
    and the first pooling keep their durations at other rates (`kernel_lengths`, `pool_length`); the max-norm of the classifier is applied
    to the weights as they are used. As in the released code, the angles of the rotary positions are laid out for features in two halves
    and turn features in pairs.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    F1 : int
        Temporal filters of each length.
    kernel_lengths : sequence of int or None
        Samples of the temporal filters, one length per group of features; None takes 80, 128 and 256 ms.
    D : int
        Spatial filters per temporal filter.
    pool_length : int or None
        Samples averaged by the first pooling; None takes 32 ms. The second averages seven of its steps.
    group_dim : int
        d, features of a group.
    depth : int
        Blocks of attention.
    n_heads, n_kv_heads : int
        Heads of queries, and of the keys and values that they share.
    conv_drop_prob, attention_drop_prob, tcn_drop_prob : float
    drop_path : float
        Share of windows that pass the last block of attention by, while learning; earlier blocks have less.

    Raises
    ------
    SentenceError
        Windows are shorter than one step; heads do not divide the features.

    Source
    ------
    Altaheri, Karray, Karimi 2025, Scientific Reports 15:32959; github.com/Altaheri/TCFormer. Outputs equal braindecode 1.8's
    (tests/encoder/golden/tcformer.json).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        F1: int = 32,
        kernel_lengths: Sequence[int] | None = None,
        D: int = 2,
        pool_length: int | None = None,
        group_dim: int = 16,
        depth: int = 2,
        n_heads: int = 4,
        n_kv_heads: int = 2,
        conv_drop_prob: float = 0.4,
        attention_drop_prob: float = 0.4,
        tcn_drop_prob: float = 0.3,
        drop_path: float = 0.25,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.F1, self.kernel_lengths, self.D, self.pool_length, self.group_dim = F1, kernel_lengths, D, pool_length, group_dim
        self.depth, self.n_heads, self.n_kv_heads = depth, n_heads, n_kv_heads
        self.conv_drop_prob, self.attention_drop_prob = conv_drop_prob, attention_drop_prob
        self.tcn_drop_prob, self.drop_path = tcn_drop_prob, drop_path
        kernels = tuple(kernel_lengths or (max(1, round(s * self.sfreq)) for s in _KERNELS_S))
        groups, d = len(kernels), group_dim * len(kernels)
        self.n_features, self.n_tokens = group_dim, groups + 1
        self._pool = pool_length or max(1, round(_POOL_S * self.sfreq))
        self._check(d)

        self.banks = nn.ModuleList(FilterBank(self.n_chans, F1, D, kernel, self._pool, eps=1e-5) for kernel in kernels)
        self.reduce = nn.Conv1d(groups * F1 * D, d, 1, groups=groups, bias=False)
        self.reduce_norm = nn.BatchNorm1d(d)
        self.second = nn.Conv1d(d, d, _SECOND_KERNEL, groups=groups, bias=False)
        self.second_norm = nn.BatchNorm1d(d)
        self.gate = GroupGate(d, groups)
        self.mix = nn.Conv1d(d, d, 1, bias=False)
        self.mix_norm = nn.BatchNorm1d(d)
        drop_paths = (torch.linspace(0, 1, depth) ** 2 * drop_path).tolist()
        self.blocks = nn.ModuleList(Block(d, n_heads, n_kv_heads, attention_drop_prob, share) for share in drop_paths)
        self.narrow = nn.Conv1d(d, group_dim, 1, bias=False)
        self.narrow_norm = nn.BatchNorm1d(group_dim)
        self.tcn = TCN(d + group_dim, d + group_dim, _TCN_KERNEL, _TCN_DEPTH, tcn_drop_prob, groups=groups + 1, eps=1e-5)
        self.dropout = nn.Dropout(conv_drop_prob)
        steps = self.n_times // self._pool // _SECOND_POOL
        self.register_buffer("rotary", _rotary(steps, d // n_heads), persistent=False)
        self.apply(_initialise)

    def _check(self, d: int) -> None:
        needed = self._pool * _SECOND_POOL
        if self.n_times < needed:
            raise SentenceError(
                f"TCFormer needs windows of {needed} samples or more and got {self.n_times} ({self.n_times / self.sfreq:g} s at "
                f"{self.sfreq:g} Hz): take longer windows, or set model.encoder.pool_length to fewer samples than {self._pool}"
            )
        if d % self.n_heads or (d // self.n_heads) % 2 or self.n_heads % self.n_kv_heads:
            raise SentenceError(
                f"TCFormer turns pairs of features: {self.n_heads} heads must divide the {d} features of a step into even parts, and "
                f"n_kv_heads={self.n_kv_heads} must divide the heads: set model.encoder.n_heads and n_kv_heads so"
            )

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, groups + 1, group_dim]."""
        c = self._convolved(x)  # [b, d, steps]
        z = functional.silu(self.mix_norm(self.mix(c))).transpose(1, 2)  # [b, steps, d]
        for block in self.blocks:
            z = block(z, self.rotary)
        z = functional.silu(self.narrow_norm(self.narrow(z.transpose(1, 2))))  # [b, group_dim, steps]
        last = self.tcn(torch.cat((c, z), dim=1))[..., -1]
        return last.view(-1, self.n_tokens, self.n_features)

    def _convolved(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(torch.cat([bank(x) for bank in self.banks], dim=1))  # [b, groups F1 D, times / pool]
        x = self.reduce_norm(self.reduce(x))
        # an odd sample of padding comes last
        x = self.second(functional.pad(x, ((_SECOND_KERNEL - 1) // 2, _SECOND_KERNEL // 2)))
        x = self.gate(functional.elu(self.second_norm(x)))
        return self.dropout(functional.avg_pool1d(x, _SECOND_POOL))

    def cam_layer(self):
        """Return the steps as the last convolution leaves them, normalised: [b, group_dim, 1, steps]."""
        return self.narrow_norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [groups F1, samples of the longest], shorter ones with zeros around."""
        longest = max(bank.temporal.shape[1] for bank in self.banks)
        spare = [longest - bank.temporal.shape[1] for bank in self.banks]
        return torch.cat([functional.pad(bank.temporal, (n // 2, n - n // 2)) for bank, n in zip(self.banks, spare, strict=True)])


class GroupGate(nn.Module):
    """Weigh each group of features by how strong its features are in this window: x (1 + gate), one gate per group."""

    def __init__(self, n_features: int, groups: int):
        super().__init__()
        self.groups = groups
        self.squeeze = nn.Conv1d(n_features, n_features // _SQUEEZE, 1, groups=groups, bias=False)
        self.excite = nn.Conv1d(n_features // _SQUEEZE, groups, 1, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, features, steps] from the same."""
        if self.groups == 1:
            return x
        gate = torch.sigmoid(self.excite(functional.relu(self.squeeze(x.mean(dim=2, keepdim=True)))))  # [b, groups, 1]
        return x * (1 + gate).repeat_interleave(x.shape[1] // self.groups, dim=1)


class Block(nn.Module):
    """Normalise, attend, add; normalise, two linear layers, add. Some windows pass each of them by while learning."""

    def __init__(self, d: int, n_heads: int, n_kv_heads: int, drop_prob: float, drop_path: float):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.drop_prob, self.drop_path = n_heads, n_kv_heads, drop_prob, drop_path
        self.attention_norm = nn.LayerNorm(d)
        self.query = nn.Linear(d, d, bias=False)
        self.key_value = nn.Linear(d, 2 * n_kv_heads * (d // n_heads), bias=False)
        self.out = nn.Linear(d, d, bias=False)
        self.forward_norm = nn.LayerNorm(d)
        self.widen, self.narrow = nn.Linear(d, _EXPANSION * d), nn.Linear(_EXPANSION * d, d)
        self.dropout = nn.Dropout(drop_prob)

    def forward(self, x: torch.Tensor, rotary: torch.Tensor) -> torch.Tensor:
        """Return [b, steps, d] from the same; `rotary` [2, steps, d / heads] are cosines and sines of the positions."""
        x = x + self._passing(self._attended(self.attention_norm(x), rotary))
        return x + self._passing(self.dropout(self.narrow(functional.gelu(self.widen(self.forward_norm(x))))))

    def _attended(self, x: torch.Tensor, rotary: torch.Tensor) -> torch.Tensor:
        query = self.query(x).unflatten(2, (self.n_heads, -1)).transpose(1, 2)  # [b, heads, steps, d / heads]
        key, value = self.key_value(x).unflatten(2, (self.n_kv_heads, 2, -1)).permute(3, 0, 2, 1, 4)
        shared = self.n_heads // self.n_kv_heads
        z = functional.scaled_dot_product_attention(
            _turned(query, rotary),
            _turned(key, rotary).repeat_interleave(shared, dim=1),
            value.repeat_interleave(shared, dim=1),
            dropout_p=self.drop_prob if self.training else 0.0,
        )
        return self.out(z.transpose(1, 2).flatten(2))

    def _passing(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not self.drop_path:
            return x
        kept = torch.rand(len(x), 1, 1, device=x.device) >= self.drop_path
        return x * (kept / (1 - self.drop_path)).to(x.dtype)


def _rotary(steps: int, n: int) -> torch.Tensor:
    """Return cosines and sines [2, steps, n] of step / 10000^(2 i / n), i = 0 ... n / 2 twice in a row."""
    angle = torch.outer(torch.arange(steps).float(), 10000.0 ** (-torch.arange(0, n, 2).float() / n)).repeat(1, 2)
    return torch.stack((angle.cos(), angle.sin()))


def _turned(x: torch.Tensor, rotary: torch.Tensor) -> torch.Tensor:
    """Turn pairs of features by the angle of their step, [b, heads, steps, n]."""
    cos, sin = rotary.to(x.dtype)
    across = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * cos + across * sin


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
