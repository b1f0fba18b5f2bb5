"""Outputs of braindecode's networks with weights by rule, to prove ours equal where braindecode cannot be installed.

`python tests/golden.py NAME CLASS 'JSON of arguments' [n_chans n_times]` writes `tests/encoder/golden/NAME.json`; it needs braindecode
1.8 (its torchaudio fails to load beside a CPU build of torch until the shared libraries in torchaudio/lib are moved away).
The tests read these files alone.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parent / "encoder" / "golden"
N_WINDOWS = 2


def filled(name: str, shape: Iterable[int]) -> torch.Tensor:
    """Return the numbers of one weight: they follow from its published name alone."""
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(shape)).astype("float32") * 0.05
    if name.endswith("running_var"):
        draw = 1 + np.abs(draw)
    elif draw.ndim == 1 and name.endswith("weight"):
        draw = 1 + draw
    return torch.from_numpy(np.asarray(draw))


def windows(n_chans: int, n_times: int) -> torch.Tensor:
    """Return the windows [2, n_chans, n_times] that all networks are asked about."""
    return torch.from_numpy(np.random.default_rng(0).standard_normal((N_WINDOWS, n_chans, n_times)).astype("float32"))


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the float tensors of a network's state."""
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


def read(name: str) -> dict[str, Any]:
    """Return a golden: 'shapes' {published name: shape}, 'arguments', 'input' [n_chans, n_times], 'output' [2, n_outputs], 'n_parameters'."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def weights(name: str) -> dict[str, torch.Tensor]:
    """Return the published weights of a golden, by rule."""
    return {key: filled(key, shape) for key, shape in read(name)["shapes"].items()}


def load(
    network: nn.Module, published: dict[str, torch.Tensor], place: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]
) -> None:
    """Put published weights into ours, where `place` says; every weight of ours must be given."""
    given = place(dict(published))
    mine = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
    assert set(mine) == set(given), f"without a place: {sorted(set(given) - set(mine))}; not given: {sorted(set(mine) - set(given))}"
    with torch.no_grad():
        for key, tensor in mine.items():
            assert tensor.numel() == given[key].numel(), f"{key}: ours {list(tensor.shape)}, given {list(given[key].shape)}"
            tensor.copy_(given[key].reshape(tensor.shape))


def write(name: str, published: str, arguments: dict[str, Any], n_chans: int, n_times: int) -> None:
    """Ask braindecode and keep its answer."""
    import braindecode
    from braindecode import models

    network = getattr(models, published)(n_chans=n_chans, n_times=n_times, **arguments).eval()
    with torch.no_grad():
        for key, tensor in state(network).items():
            tensor.copy_(filled(key, tensor.shape))
        output = network(windows(n_chans, n_times))
    golden = {
        "published": f"braindecode {braindecode.__version__} {published}", "arguments": arguments, "input": [n_chans, n_times],
        "n_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "output": [[float(f"{v:.9g}") for v in row] for row in output.tolist()],
        "shapes": {key: list(tensor.shape) for key, tensor in state(network).items()},
    }  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{name}: {golden['n_parameters']:,} parameters, output {golden['output'][0]}")


if __name__ == "__main__":
    n_chans, n_times = (int(v) for v in sys.argv[4:6]) if len(sys.argv) > 4 else (22, 1000)
    write(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), n_chans, n_times)
