"""EEGDM's backbone: blocks of state space layers that were taught to take noise out of single channels."""

from __future__ import annotations

import math

import torch
from torch import nn

from corticode.layer.state_space import StateSpace

_PERIOD = 10_000.0  # of the slowest wave that codes a diffusion step
_CONDITION_RATIO = 4


class Backbone(nn.Module):
    """Single channels and what is known of them -> what each block found ("SSMDP" without its last layers).

        x [..., times] -> linear, each sample by itself -> n_layers blocks, each told the diffusion step and the channel

    Parameters
    ----------
    n_known : int
        Channels in the table.
    n_layers : int
    emb_dim : int
        d, even.
    n_states : int
        Of each state space layer.
    rate : float
        See `StateSpace`.
    """

    def __init__(self, n_known: int = 22, n_layers: int = 20, emb_dim: int = 128, n_states: int = 64, rate: float = 1.0):
        super().__init__()
        self.n_layers, self.emb_dim = n_layers, emb_dim
        n_condition = _CONDITION_RATIO * emb_dim
        self.enter = nn.Linear(1, emb_dim)
        self.step = _two_layers(emb_dim, n_condition)
        self.table = nn.Embedding(n_known, emb_dim)
        self.channel = _two_layers(emb_dim, n_condition)
        self.blocks = nn.ModuleList(
            Block(emb_dim, n_condition, n_states, rate, is_last=i == n_layers - 1) for i in range(n_layers)
        )  # fmt: skip

    def condition(self, step: torch.Tensor, channel: torch.Tensor) -> torch.Tensor:
        """Return what blocks are told, [..., 4 d].

        Parameters
        ----------
        step : int tensor [...]
            Of the diffusion, from 0.
        channel : int tensor [...]
            Row of the table.
        """
        half = self.emb_dim // 2
        frequency = torch.exp(-math.log(_PERIOD) / (half - 1) * torch.arange(half, device=step.device))
        phase = step[..., None] * frequency
        return self.step(torch.cat([phase.sin(), phase.cos()], dim=-1)) + self.channel(self.table(channel))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each sample's first embedding [..., times, d] from x [..., times] in 100 uV, its outliers companded."""
        return torch.relu(self.enter(x[..., None]))


class Block(nn.Module):
    """One gated state space block.

        h = norm(x) + linear(condition) -> widen -> state space -> (gate, signal) -> y = sigmoid(gate) tanh(signal) -> x + linear(y)

    The last block of a backbone has no successor and no linear layer for it.
    """

    def __init__(self, emb_dim: int, n_condition: int, n_states: int, rate: float, is_last: bool):
        super().__init__()
        self.norm = nn.LayerNorm(emb_dim)
        self.condition = _zeroed(nn.Linear(n_condition, emb_dim))
        self.widen = nn.Linear(emb_dim, 2 * emb_dim)
        self.filter = StateSpace(2 * emb_dim, n_states, rate)
        self.next = None if is_last else nn.Linear(emb_dim, emb_dim)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Filter every channel.

        Parameters
        ----------
        x : tensor [..., channels, times, d]
        condition : tensor [..., channels, 4 d]
            Or fewer leading axes, where all rows share it.

        Returns
        -------
        x : tensor [..., channels, times, d]
            For the next block.
        gate, y : tensor [..., channels, times, d]
            The gate, between 0 and 1, and what it lets through.
        """
        h = self.norm(x) + self.condition(condition)[..., None, :]
        gate, signal = self.filter(self.widen(h)).chunk(2, dim=-1)
        gate = gate.sigmoid()
        y = gate * signal.tanh()
        return (x if self.next is None else x + self.next(y)), gate, y


class Denoiser(nn.Module):
    """The backbone and the layers that are there for pretraining alone: noisy single channels -> what the noise did.

    Parameters
    ----------
    backbone : Backbone
        Trained in place.
    """

    def __init__(self, backbone: Backbone):
        super().__init__()
        d = backbone.emb_dim
        self.backbone = backbone
        self.skips = nn.ModuleList(nn.Linear(d, d) for _ in range(backbone.n_layers))
        self.mix, self.leave = nn.Linear(d, d), _zeroed(nn.Linear(d, 1))

    def forward(self, x: torch.Tensor, step: torch.Tensor, channel: torch.Tensor) -> torch.Tensor:
        """Return the prediction for each sample, [b, times].

        Parameters
        ----------
        x : tensor [b, times], 100 uV
            With noise; outliers of the clean signal companded before.
        step, channel : int tensor [b]
        """
        condition = self.backbone.condition(step, channel)
        x, found = self.backbone(x), 0.0
        for block, skip in zip(self.backbone.blocks, self.skips, strict=True):
            x, _, y = block(x, condition)
            found = found + skip(y)
        return self.leave(torch.relu(self.mix(found)))[..., 0]


def _two_layers(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.SiLU(), nn.Linear(n_out, n_out), nn.SiLU())


def _zeroed(layer: nn.Linear) -> nn.Linear:
    """Start as if the layer were not there."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def published_names(n_layers: int = 20, denoiser: bool = False) -> dict[str, str]:
    """Return published name -> name in a network whose `backbone` this is; with `denoiser` also those of `Denoiser`, else '' for them.

    Source
    ------
    github.com/jhpuah/EEGDM, commit 976a5f4: names of the module that was pretrained.
    """
    both = ("weight", "bias")
    layers = {"in_layer.0": "enter", "t_embed_in.0": "step.0", "t_embed_in.2": "step.2", "label_embed_in.0": "channel.0"}
    layers |= {"label_embed_in.2": "channel.2"}
    names = {f"{theirs}.{n}": f"backbone.{ours}.{n}" for theirs, ours in layers.items() for n in both}
    names["label_embed.weight"] = "backbone.table.weight"
    last = {"out_layer.0": "mix", "out_layer.2": "leave"} | {f"layers.{i}.linear_skip": f"skips.{i}" for i in range(n_layers)}
    names |= {f"{theirs}.{n}": f"{ours}.{n}" if denoiser else "" for theirs, ours in last.items() for n in both}
    in_block = {"cond_linear": "condition", "prenorm1": "norm", "pre_layer": "widen", "linear_next": "next"}
    in_filter = {"D": "D", "kernel.inv_dt": "log_step", "kernel.C": "C", "kernel.B": "B", "kernel.A_real": "log_decay"}
    in_filter |= {"kernel.A_imag": "frequency"}
    for i in range(n_layers):
        ours, theirs = f"backbone.blocks.{i}", f"layers.{i}"
        names |= {
            f"{theirs}.{t}.{n}": f"{ours}.{o}.{n}" for t, o in in_block.items() for n in both if (t, i) != ("linear_next", n_layers - 1)
        }
        names |= {f"{theirs}.layer.{t}": f"{ours}.filter.{o}" for t, o in in_filter.items()}
    return names
