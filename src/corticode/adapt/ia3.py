"""Learned gains on keys, values and hidden neurons of a frozen encoder."""

from __future__ import annotations

import torch
from torch import nn

from corticode.adapt.frozen import Added, Frozen, along, put
from corticode.adapt.places import Place, blocks, demand, hidden_layers, linear_layers

# How attention names what makes its keys and values, one by one or in one product with the queries.
_ONE_BY_ONE = ("key", "value", "k", "v", "k_proj", "v_proj", "to_k", "to_v", "wk", "wv")
_QUERIES_TOO = ("query_key_value", "qkv", "in_proj", "to_qkv")
_BOTH = ("key_value", "kv", "to_kv")


class IA3(Frozen):
    """l_k * K and l_v * V in attention, l_f * h on the hidden neurons behind it; all gains start at 1.

    In a network without such blocks the features of each linear layer and convolution have gains. The library peft has this method for
    layers that make keys or values alone; where one product makes queries too, as here, it would change those as well.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.

    Source
    ------
    Liu et al. 2022, arXiv:2205.05638.
    """

    def add(self, encoder, shape, space):
        """Put gains behind keys and values and before what reads hidden neurons."""
        layers = linear_layers(encoder, shape, space)
        inside = blocks(encoder, shape, space)
        if not inside:
            for place in demand(layers, self.word, "gives gains to linear layers and convolutions", encoder):
                put(encoder, place.name, _Gains(place.n_out, 0, place.axis))
            return
        for place in layers:
            first = _first_scaled(place)
            if first is not None and any(place.name.startswith(f"{block.name}.") for block in inside):
                put(encoder, place.name, _Gains(place.n_out - first, first, place.axis))
        for place in hidden_layers(encoder, shape, space):
            put(encoder, place.name, _Gains(place.n_in, 0, place.axis), before=True)


def _first_scaled(place: Place) -> int | None:
    """Return from which of its outputs on a layer makes keys and values; None where it makes none."""
    name = place.name.rpartition(".")[2].lower()
    if name in _ONE_BY_ONE or name in _BOTH:
        return 0
    return place.n_out // 3 if name in _QUERIES_TOO and place.n_out % 3 == 0 else None


class _Gains(Added):
    """Multiplies the last n features from `first` on."""

    def __init__(self, n: int, first: int, axis: int):
        super().__init__()
        self.first, self.axis = first, axis
        self.gain = nn.Parameter(torch.ones(n))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return z with its features scaled."""
        gain = self.gain if not self.first else torch.cat([self.gain.new_ones(self.first), self.gain])
        return z * along(gain.to(z.dtype), z, self.axis)
