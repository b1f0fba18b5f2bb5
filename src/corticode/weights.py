"""Pretrained weights: a card of facts beside the encoder, a file that is verified, arrays that are never unpickled.

WeightCard --find--> file in paths.weights (downloaded where there is a network, its sha256 checked) --load--> {name: array}
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from corticode import store
from corticode.errors import BrokenDataError, MissingDataError
from corticode.space import Space


@dataclass(frozen=True)
class WeightCard:
    """Facts about one published file of weights.

    Parameters
    ----------
    name : str
        The word in `weights=`, and the file's name in `paths.weights` (with the ending of `url`).
    url : str
        Where it is published.
    licence : str
        Its terms. Non-commercial ones are shown once, before the first use.
    expects : Space
        Rate, unit and channels that it was trained on.
    n_times : int or None
        Samples per window it was trained on; None: any.
    sha256 : str or None
        Of the file; None where it is unknown: then it is noted at the first download, and must stay the same.
    pretrained_on : tuple of str or None
        Data sets whose people it has seen; None: unknown, which score tables say.
    names : mapping of published name -> name here
        Names that are not listed stay as they are; a name mapped to '' is left out.
    """

    name: str
    url: str
    licence: str
    expects: Space
    n_times: int | None = None
    sha256: str | None = None
    pretrained_on: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the file in `paths.weights`."""
        return self.name + Path(self.url.partition("?")[0]).suffix


def find(card: WeightCard, folder: Path) -> Path:
    """Return the verified file of a card, downloaded with a progress bar when it is not there.

    Parameters
    ----------
    card : WeightCard
    folder : Path
        `paths.weights`.

    Raises
    ------
    MissingDataError
        Not there, and no network: says which file to put where.
    BrokenDataError
        The file is not the one that was published.
    """
    file = Path(folder) / card.file_name
    if not file.is_file():
        import pooch
        from requests import RequestException

        try:
            pooch.get_logger().setLevel("ERROR")
            pooch.retrieve(card.url, known_hash=card.sha256, fname=file.name, path=file.parent, progressbar=sys.stderr.isatty())
        except (RequestException, ValueError) as error:
            file.unlink(missing_ok=True)
            raise MissingDataError(
                f"weights={card.name} could not be downloaded ({type(error).__name__}): put {card.url} as {file}"
            ) from error
        except OSError as error:
            raise store.explained(error, file) from error
    verify(file, card.sha256)
    return file


def verify(file: Path, sha256: str | None) -> None:
    """Check a file against its published hash, or against the one noted when it was first seen.

    Raises
    ------
    BrokenDataError
    """
    found = store.file_digest(file)
    note = file.with_name(file.name + ".sha256")
    wanted = sha256 or (note.read_text().split()[0] if note.is_file() else None)
    if wanted is None:
        with store.writing(note) as tmp:
            tmp.write_text(f"{found}  {file.name}\n")
    elif found != wanted:
        raise BrokenDataError(f"{file} has sha256 {found}, wanted {wanted}: it is damaged, or another file; delete it and run again")


def load(file: Path, names: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """Read weights as arrays: safetensors, or a PyTorch checkpoint whose pickle may hold tensors only.

    Parameters
    ----------
    file : Path
        *.safetensors, or *.pt, *.pth, *.ckpt, *.bin (a state dict, or one under 'state_dict' or 'model').
    names : mapping of published name -> name here
        See `WeightCard.names`.

    Raises
    ------
    BrokenDataError
        Not weights, damaged, or a pickle that would run code.
    """
    file = Path(file)
    try:
        if file.suffix == ".safetensors":
            from safetensors.numpy import load_file

            state = load_file(str(file))
        else:
            state = _checkpoint(file)
    except Exception as error:  # each reader has error types of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BrokenDataError(
            f"{file} cannot be read as weights without running code from it ({reason}): convert it to safetensors"
        ) from error
    names = names or {}
    unknown = sorted(set(names) - set(state))
    if unknown:
        raise BrokenDataError(f"{file} has no weights named {', '.join(unknown[:5])}: it is not the file that the card describes")
    return {names.get(name, name): value for name, value in state.items() if names.get(name, name)}


def _checkpoint(file: Path) -> dict[str, np.ndarray]:
    import torch

    state = torch.load(file, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    return {
        name: value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy()
        for name, value in state.items()
        if torch.is_tensor(value)
    }


def into(module: Any, state: Mapping[str, np.ndarray]) -> None:
    """Put weights into a network: every one has its place and every place gets one.

    Parameters
    ----------
    module : torch.nn.Module
    state : mapping of name here -> array

    Raises
    ------
    BrokenDataError
        Names that are missing or too many, or arrays of another shape, all of them listed; the network is left as it was.
    """
    import torch

    own = module.state_dict()
    wrong = {
        "missing": [name for name in own if name not in state],
        "unknown": [name for name in state if name not in own],
        "of another shape": [
            f"{name} {list(np.shape(state[name]))}, wanted {list(own[name].shape)}"
            for name in own
            if name in state and tuple(np.shape(state[name])) != tuple(own[name].shape)
        ],
    }
    said = "; ".join(f"{what}: {', '.join(names)}" for what, names in wrong.items() if names)
    if said:
        raise BrokenDataError(f"these weights do not fit {type(module).__name__}: {said}")
    module.load_state_dict({name: torch.as_tensor(np.asarray(value), dtype=own[name].dtype) for name, value in state.items()})
