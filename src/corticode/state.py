"""What a part was told (arguments) and what it learned (state), as plain values and arrays, so that no pickle is needed."""

from __future__ import annotations

import inspect
from typing import Any, Self

import numpy as np


class Stateful:
    """Keeps each constructor argument under its own name, and what it learned in attributes that end in '_'."""

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments as they stand."""
        kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        signature = inspect.signature(type(self).__init__)
        return {p.name: getattr(self, p.name) for p in signature.parameters.values() if p.name != "self" and p.kind not in kinds}

    def state(self) -> dict[str, np.ndarray]:
        """Return what was learned: the attributes that end in '_', as arrays."""
        return {n: np.asarray(v) for n, v in vars(self).items() if n.endswith("_") and not n.startswith("_") and v is not None}

    def load_state(self, state: dict[str, np.ndarray]) -> Self:
        """Take back what `state` gave."""
        for name, value in state.items():
            setattr(self, name, value)
        return self
