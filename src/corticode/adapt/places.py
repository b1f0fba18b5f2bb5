"""Where in a network something can be added: the layers that a window really passes, found by sending one through."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from corticode.encoder.neural import evaluating
from corticode.errors import SentenceError
from corticode.space import Space

# Their fused kernels read the weights of what is inside and never call it.
_CLOSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_DRAWN_UV = 10.0


class Place(NamedTuple):
    """A module that is called once per window, with one tensor, and gives one.

    Parameters
    ----------
    name : str
        Its path in the encoder.
    module : nn.Module
    n_in, n_out : int
        Features of what it takes and gives.
    axis : int
        The axis of the features.
    """

    name: str
    module: nn.Module
    n_in: int
    n_out: int
    axis: int


class _Call(NamedTuple):
    name: str
    module: nn.Module
    inputs: tuple[Any, ...]
    named: dict[str, Any]
    output: Any


def linear_layers(encoder: nn.Module, shape: Sequence[int], space: Space | None) -> list[Place]:
    """Return the linear layers and convolutions in the order of their calls.

    Layers whose weights are read but which are not called (two convolutions computed as one, fused attention) are not among them, nor
    are subclasses, which may do more than their name says.

    Parameters
    ----------
    encoder : NeuralEncoder
    shape : sequence of int
        Of a window, [channels, times].
    space : Space or None
    """
    return [_leaf(call) for call in _calls(encoder, shape, space) if type(call.module) in (nn.Linear, *_CONVOLUTIONS)]


def blocks(encoder: nn.Module, shape: Sequence[int], space: Space | None) -> list[Place]:
    """Return the members of stacks of blocks that turn tokens [b, n, d] into as many of as many features; see `linear_layers`."""
    found = []
    for call in _calls(encoder, shape, space):
        x = call.inputs[0] if call.inputs else None
        stacked = isinstance(_parent(encoder, call.name), nn.ModuleList | nn.Sequential) and any(True for _ in call.module.children())
        if (
            stacked
            and _is_tokens(x)
            and _is_tokens(call.output)
            and x.shape == call.output.shape
            and _reads_features(call.module, x.shape[2])
        ):
            found.append(Place(call.name, call.module, x.shape[2], x.shape[2], 2))
    return found


def open_blocks(encoder: nn.Module, shape: Sequence[int], space: Space | None) -> list[Place]:
    """Return blocks whose tokens are a set that is mixed, as attention without places does: there further tokens may stand."""
    calls = {call.name: call for call in _calls(encoder, shape, space)}
    return [place for place in blocks(encoder, shape, space) if _mixes_a_set(encoder, calls[place.name])]


def hidden_layers(encoder: nn.Module, shape: Sequence[int], space: Space | None) -> list[Place]:
    """Return the layers that read hidden neurons: in blocks those that bring a wider layer back, else all but the first.

    `n_in` and `axis` are then those of the neurons.
    """
    inside = blocks(encoder, shape, space)
    every = linear_layers(encoder, shape, space)
    back = [p for p in every for b in inside if p.name.startswith(f"{b.name}.") and p.n_in > p.n_out == b.n_out]
    if back:
        return back
    n_chans = shape[0]
    return [place for k, place in enumerate(every) if k or place.n_in != n_chans]


def demand(places: list[Place], word: str, what: str, encoder: nn.Module) -> list[Place]:
    """Return places, if there are any.

    Raises
    ------
    SentenceError
        Says what the network does not have.
    """
    if not places:
        raise SentenceError(
            f"adapt={word} {what}, and {type(encoder).__name__} has none that it calls: use adapt=full or adapt=attentive_probe"
        )
    return places


def _leaf(call: _Call) -> Place:
    module = call.module
    if isinstance(module, nn.Linear):
        return Place(call.name, module, module.in_features, module.out_features, call.output.ndim - 1)
    return Place(call.name, module, module.in_channels, module.out_channels, 1)


def _is_tokens(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.ndim == 3


def _reads_features(block: nn.Module, d: int) -> bool:
    """Return whether the last axis is that of features, and not of time: a norm or linear layer inside says so."""
    return any(
        (isinstance(part, nn.LayerNorm) and tuple(part.normalized_shape) == (d,)) or (isinstance(part, nn.Linear) and part.in_features == d)
        for part in block.modules()
    )


def _parent(encoder: nn.Module, name: str) -> nn.Module:
    return encoder.get_submodule(name.rpartition(".")[0])


def _calls(encoder: nn.Module, shape: Sequence[int], space: Space | None) -> list[_Call]:
    """Send a window of noise through, and return the calls of all modules that are called once and can be changed."""
    closed = {id(part) for module in encoder.modules() if isinstance(module, _CLOSED) for part in module.modules() if part is not module}
    calls: list[_Call] = []

    def listen(name: str) -> Callable[..., None]:
        return lambda module, inputs, named, output: calls.append(_Call(name, module, inputs, named, output))

    hooks = [m.register_forward_hook(listen(name), with_kwargs=True) for name, m in encoder.named_modules() if name and id(m) not in closed]
    device = next((p.device for p in encoder.parameters()), torch.device("cpu"))
    try:
        with _frozen(encoder):
            encoder(_noise((1, *shape)).to(device), space)
    finally:
        for hook in hooks:
            hook.remove()
    names = [call.name for call in calls]
    return [call for call in calls if names.count(call.name) == 1]


def _mixes_a_set(encoder: nn.Module, call: _Call) -> bool:
    if len(call.inputs) != 1 or call.named:  # a mask or places of the tokens come with them
        return False
    n, d = call.inputs[0].shape[1:]
    x = _noise((1, n + 1, d), 1.0).to(call.output.device)
    turned, other = x.roll(1, dims=1), torch.cat([x[:, :-1], 1 - x[:, -1:]], dim=1)
    block = copy.deepcopy(call.module)
    with evaluating(block):
        for parameter in block.parameters():  # a fresh block may begin as the identity
            if not parameter.any():
                parameter.copy_(_noise(parameter.shape, 0.1))
        try:
            y, y_turned, y_other = (block(each) for each in (x, turned, other))
        except RuntimeError:  # made for n tokens and no more
            return False
    return torch.allclose(y.roll(1, dims=1), y_turned, atol=1e-4) and not torch.equal(y[:, 0], y_other[:, 0])


@contextmanager
def _frozen(encoder: nn.Module) -> Iterator[None]:
    """As `evaluating`, each part back in the mode it was in."""
    modes = {part: part.training for part in encoder.modules()}
    with evaluating(encoder):
        yield
    for part, mode in modes.items():
        part.training = mode


def _noise(shape: Sequence[int], sd: float = _DRAWN_UV) -> torch.Tensor:
    return sd * torch.randn(*shape, generator=torch.Generator().manual_seed(0))
