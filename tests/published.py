"""Weights by rule under their published names, to prove that a name map leads every published number to its place.

`shared/goldens/rand_NAME.shapes.json` lists names and shapes of an original network, `rand_NAME.npz` its inputs and outputs
with weights that follow from their names alone.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np


def filled(goldens: Path, name: str, scale: float = 0.05) -> dict[str, np.ndarray]:
    """Return the numbers of every floating parameter, by its published name."""
    listed = json.loads((goldens / f"rand_{name}.shapes.json").read_text())
    return {one: number(one, shape, scale) for one, shape, kind in listed["tensors"] if kind == "param"}


def number(name: str, shape: list[int], scale: float = 0.05) -> np.ndarray:
    """Return the numbers of one parameter: they follow from its published name."""
    drawn = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(shape)).astype("float32") * np.float32(scale)
    return 1 + drawn if drawn.ndim == 1 and name.endswith("weight") else drawn
