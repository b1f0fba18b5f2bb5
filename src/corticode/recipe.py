"""A recipe makes fresh decoders: of a configured model, or of somebody's own estimator or network."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import io
import pickletools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corticode import catalogue, store
from corticode.augment.base import Chain, switched_on
from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.space import Space
from corticode.windows import Windows


@dataclass(frozen=True)
class Recipe:
    """Everything a fresh decoder is made of, as plain values (and the prototype of one's own model).

    Parameters
    ----------
    name : str
        The `model` column.
    model, adapt, align, trainer : dict
        Configurations: `model` has encoder, head, objective, train.
    space, n_times, classes, uses : what the decoder will see
    default_head : dict or None
        The task's own head, for recipes whose head answers another kind of question.
    own : scikit-learn estimator, nn.Module or None
        A prototype: cloned or copied for each decoder, never fitted itself.
    augment : dict or None
        Name -> configuration of each augmentation; those that are off are no part of the recipe.
    """

    name: str
    model: dict[str, Any]
    adapt: dict[str, Any]
    align: dict[str, Any]
    trainer: dict[str, Any]
    space: Space
    n_times: int
    classes: tuple[str, ...]
    uses: tuple[str, ...] = ()
    default_head: dict[str, Any] | None = None
    own: Any = None
    logger: dict[str, Any] | None = None  # where training curves go is no part of the numbers
    augment: dict[str, Any] | None = None

    @property
    def is_own(self) -> bool:
        """True for somebody's own model: its errors are theirs to mend."""
        return self.own is not None or bool(self.model.get("own"))

    @property
    def kind(self) -> str:
        """'probability' for classes, 'value' for a number."""
        return "probability" if self.classes else "value"

    def __call__(self, seed: int) -> Decoder:
        """Return a decoder that has seen nothing; the same seed gives the same initial weights."""
        offers = {
            "n_chans": len(self.space), "n_times": self.n_times, "n_outputs": len(self.classes) or 1, "sfreq": self.space.sfreq,
            "random_state": int(seed), "kind": self.kind, "space": self.space.to_dict(),
        }  # fmt: skip
        adapt = None if self.is_own else self._way(self.adapt)
        with _seeded(seed, self._is_neural()):
            encoder, head = self._own_parts(offers) if adapt is None else self._parts(offers, adapt)
        if adapt is None:  # one's own model says itself how it learns
            adapt = self._way({"_target_": f"corticode.adapt.{'full.Full' if encoder.neural else 'probe.Probe'}"})
        return Decoder(
            encoder, head, adapt, catalogue.make(self.align),
            space=self.space, n_times=self.n_times, classes=self.classes, uses=self.uses, seed=seed,
        )  # fmt: skip

    def describe(self) -> dict[str, Any]:
        """Return plain values that make two recipes the same: configuration, code, and the content of one's own model."""
        # hardware that gives the same numbers is not part of the key
        plain = {
            "model": {k: v for k, v in self.model.items() if k not in ("name", "adapt", "augment")},
            "adapt": self.adapt,
            "align": self.align,
            "hardware": self._hardware(),
            **({"augment": switched_on(self.augment)} if switched_on(self.augment) else {}),
        }
        described = {
            **plain, "space": self.space.to_dict(), "n_times": self.n_times, "classes": list(self.classes), "uses": list(self.uses),
            "default_head": self.default_head, "code": catalogue.code_of(plain),
        }  # fmt: skip
        if self.own is not None:
            described["own"] = _content(self.own)
        return described

    # -- parts ------------------------------------------------------------------------------------------------

    def _way(self, config: dict[str, Any]) -> Any:
        """Return how the decoder learns."""
        return catalogue.make(
            config, objective=catalogue.make(self.model.get("objective"), classes=self.classes), training=catalogue.make(self.model.get("train")),
            trainer=self.trainer, logger=self.logger, augment=self._augmentation(config),
        )  # fmt: skip

    def _parts(self, offers: dict[str, Any], adapt: Any) -> tuple[Any, Any]:
        encoder = catalogue.make(self.model["encoder"], **offers, classes=self.classes)
        head_config = self.model.get("head") or self.default_head
        head_class = catalogue.locate(head_config["_target_"])
        if not head_class.neural and head_class.yhat_kind != self.kind and "kind" not in inspect.signature(head_class).parameters:
            head_config = self.default_head  # a classifier's head cannot answer with a number
        head_config = adapt.head_config(encoder, head_config, self.kind)
        offers |= {"n_features": getattr(encoder, "n_features", None), "n_tokens": getattr(encoder, "n_tokens", None)}
        return encoder, catalogue.make(head_config, **offers)

    def _augmentation(self, adapt: dict[str, Any]) -> Chain | None:
        """Return the augmentations that are switched on, for these classes and windows."""
        wanted = switched_on(self.augment)
        if not wanted:
            return None
        if not catalogue.locate(adapt["_target_"]).trains:
            way = str(adapt["_target_"]).rpartition(".")[2].lower()
            raise SentenceError(
                f"augment.{next(iter(wanted))} changes batches of a training by gradients, and model={self.name} with adapt={way} has none: "
                "use augment=none, or a network with adapt=full"
            )
        chain = Chain(**{name: catalogue.make(config, classes=self.classes) for name, config in wanted.items()})
        chain.check(self.space, self.n_times)
        return chain

    def _own_parts(self, offers: dict[str, Any]) -> tuple[Any, Any]:
        thing = self.own
        if thing is None:
            config = dict(self.model["own"])
            target = catalogue.locate(config["_target_"])
            # the seed of an estimator is given below, where it shows that another seed is another answer
            given = {k: v for k, v in offers.items() if k != "random_state"}
            thing = catalogue.make(config, **given) if inspect.isclass(target) or callable(target) else target
        if is_network(thing):
            from corticode.encoder.own import OwnNetwork
            from corticode.head.identity import Identity

            return OwnNetwork(copy.deepcopy(thing)), Identity(kind=self.kind)
        if not hasattr(thing, "fit"):
            raise SentenceError(f"{type(thing).__name__} is neither a scikit-learn estimator nor an nn.Module: give one of these")
        from sklearn.base import clone

        from corticode.encoder.identity import Identity as Raw
        from corticode.head.estimator import Estimator

        # an estimator that draws random numbers draws the same ones for the same seed
        return Raw(), Estimator(clone(thing), random_state=offers["random_state"])

    def _hardware(self) -> list[Any] | None:
        """Return what the bits of a network depend on here: 'auto' is one thing on a GPU and another on a CPU."""
        if not self._is_neural():
            return None
        from corticode.train.settings import Hardware

        there = Hardware.of(self.trainer).resolved()
        # of networks that are trained together sums are rounded otherwise
        return [there.accelerator, there.devices, there.precision, *(["together"] if there.n_places > 1 else [])]

    def _is_neural(self) -> bool:
        if self.own is not None:
            return is_network(self.own)
        if self.model.get("own"):
            return True
        return bool(getattr(catalogue.locate(self.model["encoder"]["_target_"]), "neural", False))


def is_network(thing: Any) -> bool:
    """Return True for an nn.Module, without importing torch for it."""
    return any(c.__module__ == "torch.nn.modules.module" for c in type(thing).__mro__)


@contextlib.contextmanager
def _seeded(seed: int, neural: bool) -> Iterator[None]:
    """Initialise weights from the seed and leave the caller's random state as it was."""
    if not neural:
        yield
        return
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        yield


def _content(own: Any) -> dict[str, Any]:
    """Return what makes one's own model the same model: its parameters and weights, and all code of one's own behind them.

    Classes of a notebook are in the bytes themselves; those of modules are named there, and the modules' code is hashed.
    Where bytes differ for equal models, they are computed again: never the other way round.
    """
    data = _bytes_of(own)
    named = {text for _, text, _ in pickletools.genops(data) if isinstance(text, str)}
    modules = sorted(name for name in named if name in sys.modules and store.is_written_here(name))
    return {
        "class": f"{type(own).__module__}.{type(own).__qualname__}",
        "bytes": hashlib.sha256(data).hexdigest(),
        "code": {name: store.code_key(name) for name in modules},
    }


def _bytes_of(own: Any) -> bytes:
    """Return the bytes of an object as cloudpickle writes them, with every tensor as the hash of its numbers."""
    import cloudpickle

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, thing: Any) -> Any:
            if any(c.__module__.startswith("torch") and c.__name__ == "Tensor" for c in type(thing).__mro__):
                # the bytes of a tensor hold addresses
                numbers = np.ascontiguousarray(thing.detach().cpu().numpy())
                return str, (f"{numbers.dtype} {numbers.shape} {hashlib.sha256(numbers.tobytes()).hexdigest()}",)
            return super().reducer_override(thing)

    buffer = io.BytesIO()
    Pickler(buffer, protocol=5).dump(own)
    return buffer.getvalue()


# -- the recipes of a run -------------------------------------------------------------------------------------------


def recipes_of(cfg: Mapping[str, Any], model: Any, windows: Windows, folder: Path, **question: Any) -> list[Recipe]:
    """Return one recipe per model, for these windows and this question (classes, uses, default_head)."""
    logger = {**cfg["logger"], "folder": str(Path(folder) / cfg["logger"].get("folder", "logs"))} if cfg["logger"].get("kind") else None
    return [
        Recipe(
            name=name, model=config, adapt=config.get("adapt") or cfg["adapt"], align=cfg["align"], trainer=cfg["trainer"],
            space=windows.space, n_times=windows.n_times, own=own, logger=logger, augment=config.get("augment", cfg.get("augment")), **question,
        )
        for name, config, own in models_of(cfg, model)
    ]  # fmt: skip


def replaced_heads(recipes: Sequence[Recipe], decoders: Sequence[Decoder]) -> list[str]:
    """Say it where a recipe's head gave way: to the task's own, since the question asks for a number, or to that of a way of adapting."""
    notes = []
    for recipe, decoder in zip(recipes, decoders, strict=True):
        wanted = str((recipe.model.get("head") or {}).get("_target_", "")).rpartition(".")[2]
        if wanted and wanted != type(decoder.head).__name__:
            network = decoder.encoder.neural  # whose own head answers either question
            why = f"is not what adapt={decoder.adapter.word} fits" if network else "answers classes and the task asks for a number"
            notes.append(f"{recipe.name}: its head {wanted} {why}: {type(decoder.head).__name__} took its place")
    return notes


def models_of(cfg: Mapping[str, Any], model: Any) -> list[tuple[str, dict[str, Any], Any]]:
    """Return (name, configuration, own prototype) of each model to run; `cfg.models`, which an experiment may hold, before `cfg.model`."""
    if model is None and cfg.get("models"):
        model = {name: {"name": name, "objective": None, "train": None, **config} for name, config in cfg["models"].items()}
    if model is None or isinstance(model, str):
        return [(cfg["model"]["name"], dict(cfg["model"]), None)]
    if isinstance(model, Mapping):
        odd = [name for name in model if not re.fullmatch(r"[\w .+-]*\w[\w .+-]*", str(name)) or str(name).startswith(".")]
        if odd:
            raise SentenceError(f"the model name {odd[0]!r} becomes a folder: use letters, digits, spaces, and . + - inside")
        return [entry for name, thing in model.items() for entry in _named(cfg, str(name), thing)]
    return _named(cfg, type(model).__name__, model)


def _named(cfg: Mapping[str, Any], name: str, thing: Any) -> list[tuple[str, dict[str, Any], Any]]:
    if isinstance(thing, dict):  # a configuration, composed from a name
        return [(name, thing, None)]
    training = {k: cfg["model"][k] for k in ("objective", "train")} if is_network(thing) else {}
    return [(name, {"name": name, **training}, thing)]
