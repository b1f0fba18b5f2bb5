"""A training on disk: one that was interrupted goes on, and ends with the numbers of one that was not."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from corticode import store
from corticode.errors import StoreError


@dataclass(frozen=True)
class Checkpoint:
    """Where a training is kept while it runs: one file, tensors as safetensors and all else as JSON in its header.

    Parameters
    ----------
    path : Path
        The file.
    every_s : float, s
        It is written at the end of the first epoch after so long; 0 writes after each epoch.
    """

    path: Path
    every_s: float = 60.0

    def write(self, key: str, state: dict[str, Any]) -> None:
        """Keep a state (nested dicts and lists of plain values and tensors); a disk that is full stops no training."""
        from safetensors.torch import save_file

        tensors: dict[str, torch.Tensor] = {}
        plain = json.dumps({"key": key, "state": _taken_out(state, tensors)})
        with contextlib.suppress(StoreError), store.writing(self.path) as tmp:
            save_file(tensors, str(tmp), metadata={"plain": plain})

    def read(self, key: str) -> dict[str, Any] | None:
        """Return what was kept under the same key; None where there is nothing, or it is damaged."""
        from safetensors import safe_open

        try:
            with safe_open(str(self.path), framework="pt") as file:
                plain = json.loads(file.metadata()["plain"])
                return _put_in(plain["state"], file) if plain["key"] == key else None
        except Exception:  # safetensors raises its own error type; without the file a training starts anew
            return None


def _taken_out(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value with every tensor replaced by its number; keys that are no text are kept as pairs."""
    if isinstance(value, torch.Tensor):
        number = str(len(tensors))
        tensors[number] = value.detach().cpu().contiguous().clone()
        return {"tensor": number}
    if isinstance(value, dict):
        return {"pairs": [[key, _taken_out(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        return [_taken_out(inner, tensors) for inner in value]
    return value


def _put_in(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return file.get_tensor(value["tensor"])
        return {key: _put_in(inner, file) for key, inner in value["pairs"]}
    return [_put_in(inner, file) for inner in value] if isinstance(value, list) else value
