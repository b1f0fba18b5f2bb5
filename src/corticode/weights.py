"""Pretrained weights: a card of facts beside the encoder, a file that is verified, arrays that are never unpickled.

WeightCard --find--> file in paths.weights (downloaded where there is a network, its sha256 checked) --load--> {name: array} --into--> network
network --save--> file that says what it is and whom it saw --about--> the same again
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.errors import BrokenDataError, MissingDataError
from corticode.space import Space


@dataclass(frozen=True)
class Saw:
    """Whom weights have seen before.

    Parameters
    ----------
    datasets : frozenset of str or None
        As `plain_name` writes them; None: unknown.
    people : frozenset of (data set, subject), or None
        None: anybody of these data sets.
    recordings : frozenset of str
        Content hashes, which know a recording under another name.
    """

    datasets: frozenset[str] | None
    people: frozenset[tuple[str, str]] | None = None
    recordings: frozenset[str] = frozenset()

    def known(self, meta: pd.DataFrame, digests: Mapping[str, str]) -> np.ndarray:
        """Return which rows are of people, or of recordings, that were seen before, bool [n].

        Parameters
        ----------
        meta : DataFrame [n]
            Columns dataset, subject, recording.
        digests : mapping of 'data set/recording' -> content hash
        """
        dataset = meta["dataset"].map(plain_name)
        if self.people is None:
            seen = dataset.isin(self.datasets or ())
        else:
            seen = pd.Series([who in self.people for who in zip(dataset, meta["subject"].astype(str), strict=True)], index=meta.index)
        content = (meta["dataset"].astype(str) + "/" + meta["recording"].astype(str)).map(digests)
        return (seen | content.isin(self.recordings)).to_numpy(dtype=bool)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, sorted."""
        return {
            "datasets": None if self.datasets is None else sorted(self.datasets),
            "people": None if self.people is None else [list(who) for who in sorted(self.people)],
            "recordings": sorted(self.recordings),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Saw:
        """Read what `to_dict` wrote."""
        datasets, people = plain["datasets"], plain["people"]
        return cls(
            None if datasets is None else frozenset(datasets),
            None if people is None else frozenset((dataset, subject) for dataset, subject in people),
            frozenset(plain["recordings"]),
        )


def plain_name(dataset: str) -> str:
    """Return a data set's name without capitals and punctuation: PhysioNet-MI and physionet_mi are one."""
    return "".join(c for c in str(dataset).lower() if c.isalnum())


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
    needs : mapping
        Constructor arguments that make a network of the file's shape.
    """

    name: str
    url: str
    licence: str
    expects: Space
    n_times: int | None = None
    sha256: str | None = None
    pretrained_on: tuple[str, ...] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def saw(self) -> Saw:
        """What pretraining saw, as far as it was published."""
        return Saw(None if self.pretrained_on is None else frozenset(map(plain_name, self.pretrained_on)))

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


# -- files made here ----------------------------------------------------------------------------------------------------

_MARK = "corticode"


def save(file: Path, state: Mapping[str, np.ndarray], about: Mapping[str, Any], saw: Saw) -> None:
    """Write weights that say what they are and whom they saw; whole or not at all.

    Parameters
    ----------
    file : Path
        *.safetensors
    state : mapping of name -> array
    about : mapping
        Plain values: how the network was configured, its Space, the windows' length.
    saw : Saw
    """
    import json

    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(value) for name, value in state.items()}
    with store.writing(Path(file)) as tmp:
        save_file(whole, str(tmp), {_MARK: json.dumps({**about, "saw": saw.to_dict()}, sort_keys=True)})


def about(file: Path) -> dict[str, Any]:
    """Return what `save` wrote beside the weights, 'saw' as a Saw; empty for weights of others.

    Raises
    ------
    BrokenDataError
        Not a whole safetensors file, or what it says of itself cannot be read.
    """
    import json

    from safetensors import safe_open

    try:
        with safe_open(str(file), "np") as opened:
            said = (opened.metadata() or {}).get(_MARK)
        plain = json.loads(said) if said else {}
        return {**plain, "saw": Saw.from_dict(plain["saw"])} if plain else {}
    except Exception as error:  # the reader has error types of its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BrokenDataError(f"{file} cannot be read as weights ({reason}): it is cut short, or no safetensors file") from error
