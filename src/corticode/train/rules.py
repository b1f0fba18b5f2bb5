"""How several networks at once do what `torch.vmap` has no good rule for: each draws from a generator of its own, as it would alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from corticode.errors import SentenceError

_MAKERS = (torch.rand, torch.randn, torch.randint, torch.randperm)
_DROPOUTS = (functional.dropout, torch.dropout)
_NARROW = (torch.conv1d, torch.conv2d, functional.conv1d, functional.conv2d, functional.linear)
_WIDE = (functional.batch_norm, functional.cross_entropy, functional.mse_loss, functional.huber_loss)
# What else draws: all networks would be given the same numbers.
_FOREIGN = {
    "alpha_dropout", "bernoulli", "bernoulli_", "cauchy_", "dropout1d", "dropout2d", "dropout3d", "exponential_", "feature_alpha_dropout",
    "feature_dropout", "fractional_max_pool2d", "fractional_max_pool3d", "geometric_", "gru", "gumbel_softmax", "log_normal_", "lstm",
    "multi_head_attention_forward", "multinomial", "normal", "normal_", "poisson", "rand_like", "randint_like", "randn_like", "random_",
    "rnn_relu", "rnn_tanh", "rrelu", "uniform_",
}  # fmt: skip


class Rules(TorchFunctionMode):
    """While it is entered, draws inside a `torch.vmap(randomness="same")` are those of k lone networks, and some slow operations are fast.

    Parameters
    ----------
    generators : sequence of torch.Generator [k]
        One per network, on the device on which it computes. They move on as the lone network's would: on a CPU the numbers are those
        that it draws from torch's own generator under the same seed.

    Attributes
    ----------
    which : int tensor
        Number of the network, which the mapped function sets: the only way in for what differs between networks.
    """

    def __init__(self, generators: Sequence[torch.Generator]):
        super().__init__()
        self.generators = list(generators)
        self.which: torch.Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Do it for every network, or pass the call on.

        Raises
        ------
        SentenceError
            The call draws in a way that is not known here.
        """
        kwargs = kwargs or {}
        if func in _MAKERS:
            return self._each(lambda generator: func(*args, **{**kwargs, "generator": generator}))
        if func in _DROPOUTS:
            return self._dropout(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if func in _BATCHED:
            return _BATCHED[func](*args, **kwargs)
        if func in (*_NARROW, *_WIDE) and torch.is_autocast_enabled(args[0].device.type):
            return _mixed(func, args, kwargs)
        if getattr(func, "__name__", "") in _FOREIGN:
            raise SentenceError(
                f"the network calls torch's {func.__name__}, and several networks cannot be given numbers of their own there: use trainer.together=1"
            )
        return func(*args, **kwargs)

    def _each(self, draw: Callable[[torch.Generator], torch.Tensor]) -> torch.Tensor:
        return torch.stack([draw(generator) for generator in self.generators])[self.which]

    def _dropout(self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        if not training or not p:
            return x
        kept = 1 - p
        noise = self._each(lambda generator: torch.empty(x.shape, dtype=x.dtype, device=x.device).bernoulli_(kept, generator=generator))
        return x * (noise / kept if kept else noise)

    def _attention(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None, dropout_p: float = 0.0,
        **more: Any,
    ) -> torch.Tensor:  # fmt: skip
        if not dropout_p:
            return functional.scaled_dot_product_attention(query, key, value, attn_mask, **more)
        if attn_mask is not None or more.get("is_causal"):
            raise SentenceError("the network drops attention weights under a mask, which several cannot do at once: use trainer.together=1")
        scale = query.shape[-1] ** -0.5 if more.get("scale") is None else more["scale"]
        return self._dropout((query @ key.mT * scale).softmax(dim=-1), dropout_p) @ value


# -- what vmap would do network by network ------------------------------------------------------------------------------


def _renorm(weight: torch.Tensor, p: float, dim: int, maxnorm: float) -> torch.Tensor:
    others = [d for d in range(weight.ndim) if d != dim % weight.ndim]
    norm = torch.linalg.vector_norm(weight, p, others, keepdim=True)
    return torch.where(norm > maxnorm, weight * (maxnorm / (norm + 1e-7)), weight)  # torch's own 1e-7


def _lerp_(start: torch.Tensor, end: torch.Tensor, weight: float) -> torch.Tensor:
    return start.add_(end - start, alpha=weight) if isinstance(weight, int | float) else torch.Tensor.lerp_(start, end, weight)


def _mixed(func: Any, args: tuple, kwargs: dict[str, Any]) -> torch.Tensor:
    """Do what autocast does, of which vmap's own rules for these know nothing."""
    dtype = torch.get_autocast_dtype(args[0].device.type)
    if func in _WIDE:
        found = func(args[0].float(), *args[1:], **kwargs)
        return found.to(args[0].dtype) if func is functional.batch_norm else found
    args, values = tuple(_cast(arg, dtype) for arg in args), {name: _cast(value, dtype) for name, value in kwargs.items()}
    return func(*args, **values)


def _cast(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, torch.Tensor) and value.is_floating_point() else value


_BATCHED = {torch.renorm: _renorm, torch.Tensor.renorm: _renorm, torch.Tensor.lerp_: _lerp_}
