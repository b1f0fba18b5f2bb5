"""Any network of braindecode's, trained and judged like the house's own."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from corticode.catalogue import near
from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.space import Space, same_electrode

# What braindecode's networks want to know of the windows: not for a user to set.
_OURS = ("n_chans", "n_times", "sfreq", "n_outputs", "chs_info", "input_window_seconds")


class Braindecode(NeuralEncoder):
    """Wrap a complete network of `braindecode.models`: its answers are one token, and the head (`head.identity.Identity`) adds nothing.

    Input: windows in space.unit, whatever the network takes. Representation: its answers; where it answers for several stretches of a
    window ([b, n_outputs, stretches]), one token for each, of which the head takes the mean. Parameters: the network's own.
    Trained on: nothing, learns from scratch.

    The network is told what it asks for: channels, samples, rate, classes, and names and places of the channels (`chs_info`), in its
    constructor and in its forward. Places that nobody measured are those of the standard 10-05 montage where it has the name.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_outputs : int
    net : str
        Name of the class: 'EEGNeX'.
    settings : mapping or None
        The network's own keyword arguments; activations by their name in `torch.nn`.
    space : mapping or None
        `Space.to_dict()` of the windows; None leaves names and places out.

    Raises
    ------
    SentenceError
        braindecode is missing or cannot be imported, it has no such network, or the network refuses this size or these settings.
    """

    n_tokens = 1

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_outputs: int,
        net: str = "EEGNeX",
        settings: Mapping[str, Any] | None = None,
        space: Mapping[str, Any] | None = None,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_outputs, self.net = int(n_outputs), str(net)
        self.settings, self.space = dict(settings or {}), None if space is None else dict(space)
        self.n_features = self.n_outputs
        self._facts = self._known_facts()
        self.network = self._built(networks())
        asked = inspect.signature(type(self.network).forward).parameters
        self._said = {name: self._facts[name] for name in ("ch_names", "sfreq") if name in asked and name in self._facts}
        self._try()

    def forward(self, x, space=None, subject=None):
        """Return the network's answers as tokens [b, 1, n_outputs], or one per stretch of a window."""
        answers = self.network(x, **self._said)
        return answers[:, None] if answers.ndim == 2 else answers.transpose(1, 2)

    def _known_facts(self) -> dict[str, Any]:
        facts = {"n_chans": self.n_chans, "n_times": self.n_times, "sfreq": self.sfreq, "n_outputs": self.n_outputs}
        if self.space is not None:
            space = Space.from_dict(self.space)
            facts |= {"ch_names": list(space.names), "chs_info": channels(space)}
        return facts

    def _built(self, known: dict[str, type[nn.Module]]) -> nn.Module:
        if self.net not in known:
            raise SentenceError(
                f"braindecode has no network {self.net!r}{near(self.net, list(known))}: pick one of {', '.join(sorted(known))}"
            )
        asked = inspect.signature(known[self.net]).parameters
        free = [name for name in asked if name not in _OURS]
        odd = [name for name in self.settings if name not in free]
        if odd:
            raise SentenceError(f"{self.net} takes no setting {odd[0]!r}{near(odd[0], free)}: pick from {', '.join(free) or 'none'}")
        settings = {name: _activation(value, asked[name].default) for name, value in self.settings.items()}
        try:
            return known[self.net](**{name: value for name, value in self._facts.items() if name in asked}, **settings)
        except Exception as error:  # whatever it raises is its way to say no
            raise self._refusal(error) from error

    def _try(self) -> None:
        """Ask the network about two silent windows: some find out only then that a window is too short for them."""
        mode = self.network.training
        self.network.eval()
        try:
            with torch.no_grad():
                answers = self.network(torch.zeros(2, self.n_chans, self.n_times), **self._said)
        except Exception as error:
            raise self._refusal(error) from error
        finally:
            self.network.train(mode)
        shape = list(getattr(answers, "shape", ()))
        if len(shape) not in (2, 3) or shape[:2] != [2, self.n_outputs]:
            what = shape or f"a {type(answers).__name__}"
            raise SentenceError(
                f"braindecode's {self.net} turned windows {[2, self.n_chans, self.n_times]} into {what}, wanted [2, {self.n_outputs}]: it is "
                "no network for this task, pick one whose answers are logits or values [b, n_outputs]"
            )
        self.n_tokens = shape[2] if len(shape) == 3 else 1

    def _refusal(self, error: Exception) -> SentenceError:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        return SentenceError(
            f"braindecode's {self.net} refuses windows of {self.n_chans} channels x {self.n_times} samples at {self.sfreq:g} Hz "
            f"({reason}): take longer windows, another rate or other channels, or set model.encoder.settings="
        )


def networks() -> dict[str, type[nn.Module]]:
    """Return name -> class of every network in `braindecode.models`.

    Raises
    ------
    SentenceError
        braindecode is missing, or cannot be imported: says what to install or to remove.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # what it asks of other libraries is not for our users to mend
            from braindecode import models
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "braindecode":
            raise SentenceError(
                "model=braindecode needs braindecode, which is not installed: pip install corticode[braindecode]"
            ) from error
        raise SentenceError(f"braindecode cannot be imported, it needs {error.name}: pip install {error.name}") from error
    except (ImportError, OSError, RuntimeError) as error:
        raise SentenceError(_import_failure(error)) from error
    return {name: thing for name, thing in vars(models).items() if inspect.isclass(thing) and issubclass(thing, nn.Module)}


def _import_failure(error: Exception) -> str:
    said = " ".join(str(error).split())[:200]
    if "torchaudio" not in f"{said} {_files_of(error)}":
        return f"braindecode cannot be imported ({said}): install it again, pip install --force-reinstall corticode[braindecode]"
    release, _, build = torch.__version__.partition("+")
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return (
        f"braindecode imports torchaudio, which is not made for this torch ({torch.__version__}) and fails to load ({said}): install the "
        f"torchaudio of the same release and build (pip install --force-reinstall --no-deps torchaudio=={release}{index}), "
        "or remove it where no network needs it (pip uninstall torchaudio)"
    )


def _files_of(error: Exception) -> str:
    trace, files = error.__traceback__, []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return " ".join(files)


def _activation(value: Any, default: Any) -> Any:
    """Return the class of torch.nn that a word names, where a class is wanted; a file may name no other code."""
    if not (isinstance(value, str) and inspect.isclass(default)):
        return value
    named = getattr(nn, value, None)
    if not (inspect.isclass(named) and issubclass(named, nn.Module)):
        raise SentenceError(f"torch.nn has no {value!r}{near(value, dir(nn))}: set an activation such as ELU")
    return named


def channels(space: Space) -> list[dict[str, Any]]:
    """Return what MNE and braindecode call `chs_info`: a dict per channel of 'ch_name', 'kind' and, where it is known, 'loc' [12], m."""
    standard = None
    infos = []
    for k, name in enumerate(space.names):
        info: dict[str, Any] = {"ch_name": name, "kind": space.channel_types[k]}
        place = None if space.positions is None else space.positions[k]
        if place is None or np.isnan(place).any():
            standard = _standard() if standard is None else standard
            place = standard.get(same_electrode(name))
        if place is not None:
            info["loc"] = np.concatenate([place, np.zeros(9)])
        infos.append(info)
    return infos


def _standard() -> dict[str, np.ndarray]:
    from mne.channels import make_standard_montage

    places = make_standard_montage("standard_1005").get_positions()["ch_pos"]
    return {same_electrode(name): place for name, place in places.items()}
