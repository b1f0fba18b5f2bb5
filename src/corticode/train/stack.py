"""Networks of one shape as one: their weights stand in one array [k, weights], and a step of all is one forward and one backward pass."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from corticode.space import Space
from corticode.train.average import tensors_of
from corticode.train.rules import Rules
from corticode.train.settings import Training

_EPS = 1e-8  # of Adam


class Net(nn.Module):
    """Encoder, head and objective of one training: x, y -> losses."""

    def __init__(self, encoder: nn.Module, head: nn.Module, objective: Any, space: Space):
        super().__init__()
        self.encoder, self.head, self.objective, self.space = encoder, head, objective, space

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the losses of a batch."""
        return self.objective(self.encoder, self.head, x, y, self.space)


class Stack:
    """k networks that learn side by side, and no number of one depends on another.

    Each has batches of its own, is cut down (`gradient_clip`) by its own gradient, has its own rate, its own count of steps, its own
    dropout; what is one is the sequence of operations, k times as large. There are always k: a place whose network waits, or has
    ended, goes through the motions, since the kernels of a library may round otherwise when there is less to do.

    Parameters
    ----------
    nets : sequence of Net [k]
        Of one shape; they stay as they are.
    seeds : sequence of int [k]
        Of dropout.
    training : Training
    device : torch.device
    autocast : bool
        Forward passes in bfloat16 where that is safe.
    """

    def __init__(self, nets: Sequence[Net], seeds: Sequence[int], training: Training, device: torch.device, autocast: bool = False):
        self.training, self.device, self.autocast = training, device, autocast
        self.skeleton = copy.deepcopy(nets[0]).to(device)
        trained = {name: p for name, p in nets[0].named_parameters() if p.requires_grad}
        self._shapes = {name: p.shape for name, p in trained.items()}
        self._sizes = [p.numel() for p in trained.values()]
        self.weights = torch.stack([self._flat(net) for net in nets]).to(device).requires_grad_()
        self.fixed = {  # all that no gradient changes: batch statistics, positions, frozen weights
            name: torch.stack([tensors_of(net)[name].detach() for net in nets]).to(device)
            for name in tensors_of(nets[0]) if name not in trained
        }  # fmt: skip
        decayed = torch.cat([torch.full((p.numel(),), float(p.ndim > 1)) for p in trained.values()])
        self._decay = training.weight_decay * decayed.to(device)
        self._mean, self._square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self._steps = [0] * len(nets)
        self._generators = [self._generator(seed) for seed in seeds]
        self._idle = self._generator(0)
        self._places = torch.arange(len(nets), device=device)
        self._gradient: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.weights)

    # -- one step ---------------------------------------------------------------------------------------------

    def learn(self, here: Sequence[int], x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return all losses [k], and keep the gradients for `step`.

        Parameters
        ----------
        here : sequence of int
            Places whose batch is one: the losses of others mean nothing, and nothing of theirs moves.
        x : float tensor [k, b, channels, times]
        y : tensor [k, b, ...]
        """
        self.skeleton.train()
        away = self._index([k for k in range(len(self)) if k not in set(here)])
        before = {name: value[away] for name, value in self.fixed.items()} if len(away) else {}
        losses = self._losses(x, y, Rules([own if k in set(here) else self._idle for k, own in enumerate(self._generators)]))
        (self._gradient,) = torch.autograd.grad(losses["loss"].sum(), [self.weights])
        for name, value in before.items():
            self.fixed[name][away] = value
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def step(self, here: Sequence[int], rates: Sequence[float]) -> None:
        """Move the networks of these places along the gradients of `learn`, at these rates."""
        own, rows = self.training, slice(None) if len(here) == len(self) else self._index(here)
        w, mean, square, grad = (part[rows] for part in (self.weights.detach(), self._mean, self._square, self._gradient))
        for k in here:
            self._steps[k] += 1
        if own.gradient_clip is not None:
            norm = torch.linalg.vector_norm(grad, dim=1, keepdim=True)
            grad = grad * (own.gradient_clip / (norm + 1e-6)).clamp(max=1.0)
        first = [1 - own.beta1 ** self._steps[k] for k in here]
        second = [(1 - own.beta2 ** self._steps[k]) ** 0.5 for k in here]
        rate, first, second = torch.tensor([rates, first, second], dtype=torch.float32, device=self.device)[..., None]
        if own.weight_decay and own.optimizer == "adamw":
            w.mul_(1 - rate * self._decay)
        elif own.weight_decay:
            grad = grad + self._decay * w
        mean.lerp_(grad, 1 - own.beta1)
        square.mul_(own.beta2).addcmul_(grad, grad, value=1 - own.beta2)
        w.sub_(rate / first * mean / (square.sqrt() / second + _EPS))
        if len(here) < len(self):  # copies, until now
            for whole, part in ((self.weights, w), (self._mean, mean), (self._square, square)):
                whole[rows] = part

    @torch.no_grad()
    def judge(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return all losses [k] for held-back rows [k, b, ...]; nothing is learned."""
        self.skeleton.eval()
        return self._losses(x, y, Rules([]))

    def _losses(self, x: torch.Tensor, y: torch.Tensor, rules: Rules) -> dict[str, torch.Tensor]:
        def one(values: dict[str, torch.Tensor], fixed: dict[str, torch.Tensor], x: Any, y: Any, which: torch.Tensor) -> Any:
            rules.which = which
            return functional_call(self.skeleton, (values, fixed), (x, y))

        parts = self.weights.split(self._sizes, dim=1)
        values = {name: part.view(-1, *shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        mixed = torch.autocast(self.device.type, torch.bfloat16) if self.autocast else contextlib.nullcontext()
        with mixed, rules, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "There is a performance drop")  # done network by network: slow, and right
            return vmap(one, randomness="same")(values, self.fixed, x, y, self._places)

    # -- who is in it -----------------------------------------------------------------------------------------

    def state(self, k: int) -> dict[str, torch.Tensor]:
        """Return a copy of all parameters and buffers of the network in place k."""
        parts = self.weights.detach()[k].split(self._sizes)
        trained = {name: part.view(shape).clone() for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        return {**trained, **{name: value[k].clone() for name, value in self.fixed.items()}}

    @torch.no_grad()
    def replace(self, k: int, net: Net, seed: int) -> None:
        """Let another network begin in place k."""
        self.weights[k], self._mean[k], self._square[k], self._steps[k] = self._flat(net).to(self.device), 0.0, 0.0, 0
        for name, value in self.fixed.items():
            value[k] = tensors_of(net)[name]
        self._generators[k] = self._generator(seed)

    def _flat(self, net: Net) -> torch.Tensor:
        own = dict(net.named_parameters())
        return torch.cat([own[name].detach().reshape(-1) for name in self._shapes])

    def _generator(self, seed: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed(int(seed))

    def _index(self, places: Sequence[int]) -> torch.Tensor:
        return torch.tensor(list(places), dtype=torch.int64, device=self.device)
