"""What Du-IN's tokenizer, pretraining and classifier have in common: a layer per person, segments, and a transformer over them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.errors import SentenceError
from corticode.layer.attention import attend
from corticode.layer.dropout import Dropout
from corticode.layer.position import sinusoid
from corticode.layer.stateful import StatefulModule

SEGMENT = 100  # samples that become one token
_STRIDE = 10
_HIDDEN = 128  # filters inside the convolutions
_POSITIONS = 40  # rows of the published table of positions, for windows of 4 s
_HEAD_DIM = 64


class PersonLayer(nn.Module):
    """Linear map over channels, one for each person: y = W[person] x + b[person].

    Parameters
    ----------
    n_in, n_out : int
        Channels before and after.
    n_persons : int
    """

    def __init__(self, n_in: int, n_out: int, n_persons: int = 1):
        super().__init__()
        self.n_in, self.n_out, self.n_persons = n_in, n_out, n_persons
        self.weight = nn.Parameter(torch.empty(n_in * n_out, n_persons))
        self.bias = nn.Parameter(torch.zeros(n_out, n_persons))
        nn.init.trunc_normal_(self.weight, std=n_in**-0.5)

    def forward(self, x: torch.Tensor, person: torch.Tensor | None = None) -> torch.Tensor:
        """Mix channels.

        Parameters
        ----------
        x : float tensor [b, n_in, times]
        person : int tensor [b] or None
            None: the mean of all persons' layers, which for one person is that person's.

        Returns
        -------
        y : float tensor [b, n_out, times]
        """
        if person is None:
            weight, bias = self.weight.mean(dim=1), self.bias.mean(dim=1)
        else:
            weight, bias = self.weight.T[person], self.bias.T[person]  # [b, n_in n_out], [b, n_out]
        return weight.unflatten(-1, (self.n_in, self.n_out)).mT @ x + bias[..., None]


class Segments(nn.Module):
    """Convolutions inside each segment of 100 samples, which become one token: [b, n_in, times] -> [b, times / 100, emb_dim].

    Parameters
    ----------
    n_in : int
        Channels.
    emb_dim : int
        Length of a token: 10 steps of emb_dim / 10 filters, step by step.
    """

    def __init__(self, n_in: int, emb_dim: int):
        super().__init__()
        if emb_dim % (SEGMENT // _STRIDE):
            raise SentenceError(f"emb_dim={emb_dim} holds {SEGMENT // _STRIDE} steps of a segment: take a multiple of {SEGMENT // _STRIDE}")
        n_out = emb_dim // (SEGMENT // _STRIDE)
        # without an activation in between, as published
        self.layers = nn.Sequential(
            nn.Conv1d(n_in, _HIDDEN, 19, stride=_STRIDE, padding=9),
            nn.BatchNorm1d(_HIDDEN),
            nn.Conv1d(_HIDDEN, _HIDDEN, 3, padding=1),
            nn.BatchNorm1d(_HIDDEN),
            nn.Conv1d(_HIDDEN, n_out, 3, padding=1),
            nn.BatchNorm1d(n_out),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return tokens; a segment sees nothing of its neighbours."""
        b, n_in, times = x.shape
        n = times // SEGMENT
        pieces = x.view(b, n_in, n, SEGMENT).transpose(1, 2).reshape(b * n, n_in, SEGMENT)
        return self.layers(pieces).transpose(1, 2).reshape(b, n, -1)


class Block(nn.Module):
    """One post-norm transformer layer [b, n, d] -> [b, n, d], with queries and keys normalised in each head.

    Parameters
    ----------
    n_features : int
    n_heads : int
        Of 64 numbers each, whatever n_features.
    drop_prob : float
        Of the attention weights and of the hidden layer.
    """

    def __init__(self, n_features: int, n_heads: int, drop_prob: float = 0.2):
        super().__init__()
        self.n_heads, self.drop_prob = n_heads, drop_prob
        self.query, self.key, self.value = (nn.Linear(n_features, n_heads * _HEAD_DIM) for _ in range(3))
        self.query_norm, self.key_norm = nn.LayerNorm(_HEAD_DIM), nn.LayerNorm(_HEAD_DIM)
        self.register_buffer("scale", torch.tensor(_HEAD_DIM**-0.5))  # stands in the published files, is not trained
        self.mix = nn.Linear(n_heads * _HEAD_DIM, n_features)
        self.attention_norm, self.feedforward_norm = nn.LayerNorm(n_features), nn.LayerNorm(n_features)
        self.widen, self.narrow = nn.Linear(n_features, 2 * n_features), nn.Linear(2 * n_features, n_features)
        self.dropout = Dropout(drop_prob)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output."""
        x = self.attention_norm(x + self._attention(x))
        return self.feedforward_norm(x + self.narrow(self.dropout(torch.relu(self.widen(x)))))

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])  # one product for all three
        bias = torch.cat([self.query.bias, self.key.bias, self.value.bias])
        query, key, value = functional.linear(x, weight, bias).unflatten(-1, (3, self.n_heads, _HEAD_DIM)).permute(2, 0, 3, 1, 4)
        drop_prob = self.drop_prob if self.training else 0.0
        mixed = attend(self.query_norm(query) * self.scale, self.key_norm(key), value, drop_prob, scale=1.0)
        return self.mix(mixed.transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Positions and post-norm blocks: tokens [b, n, d] -> [b, n, d].

    Parameters
    ----------
    n_features, n_heads, depth : int
    drop_prob : float
    """

    def __init__(self, n_features: int, n_heads: int, depth: int, drop_prob: float = 0.2):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(n_features, n_heads, drop_prob) for _ in range(depth)))

    def forward(self, tokens: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        """Return the tokens after all blocks; `position` [n or more, d] is added before them."""
        return self.blocks(tokens + position[: tokens.shape[1]])


class Backbone(StatefulModule):
    """A layer per person, segments, positions and a transformer: x [b, channels, times] -> [b, times / 100, emb_dim].

    Parameters
    ----------
    n_chans, n_times : int
        Samples after the last whole segment are not read.
    n_persons : int
        Persons with a first layer of their own.
    n_mixed : int
        Channels behind the persons' layers.
    emb_dim, depth, n_heads : int
    drop_prob : float
    standardise : bool
        Bring each channel of a window to mean 0 and deviation 1 first; a flat channel becomes 0.

    Raises
    ------
    SentenceError
        The windows are shorter than a segment.
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        n_persons: int = 1,
        n_mixed: int = 16,
        emb_dim: int = 160,
        depth: int = 8,
        n_heads: int = 8,
        drop_prob: float = 0.2,
        standardise: bool = True,
    ):
        super().__init__()
        self.n_tokens, self.standardise = int(n_times) // SEGMENT, standardise
        if self.n_tokens < 1:
            raise SentenceError(f"Du-IN reads segments of {SEGMENT} samples and got windows of {n_times}: take longer windows")
        self.person = PersonLayer(int(n_chans), n_mixed, n_persons)
        self.segments = Segments(n_mixed, emb_dim)
        # no weight, but published files hold it
        self.register_buffer("position", sinusoid(max(_POSITIONS, self.n_tokens), emb_dim))
        self.transformer = Transformer(emb_dim, n_heads, depth, drop_prob)

    def signal(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is read of windows [b, channels, times]: whole segments, standardised where that is asked for."""
        x = x[..., : self.n_tokens * SEGMENT]
        if not self.standardise:
            return x
        x = x - x.mean(dim=-1, keepdim=True)
        return x / (x.square().mean(dim=-1, keepdim=True).sqrt() + 1e-6)

    def tokens(self, x: torch.Tensor, person: torch.Tensor | None = None) -> torch.Tensor:
        """Return the tokens of a `signal` before the transformer, [b, n_tokens, emb_dim]."""
        return self.segments(self.person(x, person))

    def forward(self, x: torch.Tensor, person: torch.Tensor | None = None) -> torch.Tensor:
        """Return the tokens of windows after the transformer, [b, n_tokens, emb_dim]."""
        return self.transformer(self.tokens(self.signal(x), person), self.position)


def blocks_names(theirs: str, ours: str, depth: int) -> dict[str, str]:
    """Return published name -> name here of a transformer's blocks ('encoder.1.xfmr_blocks' -> 'backbone.transformer.blocks')."""
    parts = {
        "mha.W_q.W": "query", "mha.W_k.W": "key", "mha.W_v.W": "value", "mha.norm_q": "query_norm", "mha.norm_k": "key_norm",
        "mha.proj.0": "mix", "norm_mha": "attention_norm", "ffn.fc1.0": "widen", "ffn.fc2.0": "narrow", "norm_ffn": "feedforward_norm",
    }  # fmt: skip
    names = {f"{theirs}.{i}.{a}.{n}": f"{ours}.{i}.{b}.{n}" for i in range(depth) for a, b in parts.items() for n in ("weight", "bias")}
    return names | {f"{theirs}.{i}.mha.attention.scale": f"{ours}.{i}.scale" for i in range(depth)}


def backbone_names(ours: str = "backbone", depth: int = 8) -> dict[str, str]:
    """Return published name -> name here of all that a `Backbone` holds."""
    names = {
        "subj_block.subj_layer.W.weight": f"{ours}.person.weight",
        "subj_block.subj_layer.B.weight": f"{ours}.person.bias",
        "emb_time.time_encodings": f"{ours}.position",
    }
    for i in range(3):
        names |= {f"tokenizer.conv_blocks.{i}.0.1.{n}": f"{ours}.segments.layers.{2 * i}.{n}" for n in ("weight", "bias")}
        kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        names |= {f"tokenizer.conv_blocks.{i}.1.1.{n}": f"{ours}.segments.layers.{2 * i + 1}.{n}" for n in kept}
    return names | blocks_names("encoder.1.xfmr_blocks", f"{ours}.transformer.blocks", depth)
