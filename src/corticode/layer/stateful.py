"""A module whose learned state is plain arrays, so that networks are saved like everything else: without pickle."""

from __future__ import annotations

from typing import Self

import numpy as np
import torch
from torch import nn

from corticode.errors import BrokenDataError


class StatefulModule(nn.Module):
    """An `nn.Module` with `state` and `load_state`, as every other part of a decoder has them."""

    def state(self) -> dict[str, np.ndarray]:
        """Return a copy of all parameters and buffers."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def load_state(self, state: dict[str, np.ndarray]) -> Self:
        """Take back what `state` gave.

        Raises
        ------
        BrokenDataError
            The arrays are not those of this network: names the first difference.
        """
        own = self.state_dict()
        for name in sorted(own.keys() ^ state.keys()):
            raise BrokenDataError(
                f"{type(self).__name__} and the saved state differ in {name!r}: it was saved from another network or version"
            )
        for name, tensor in own.items():
            if tuple(tensor.shape) != np.shape(state[name]):
                raise BrokenDataError(
                    f"{type(self).__name__}: {name} is {list(np.shape(state[name]))} in the saved state, wanted {list(tensor.shape)}: "
                    "the network was built for other channels, samples or classes"
                )
        self.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})
        return self

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
