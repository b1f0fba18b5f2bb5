"""Train encoder and head together by gradients, from scratch or from given weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from corticode.adapt.base import Adapt, Lesson
from corticode.adapt.depth import Depth
from corticode.adapt.temperature import check_temperature, scaled, temperature_of
from corticode.augment.base import Chain
from corticode.errors import BrokenDataError, SentenceError
from corticode.objective.base import Objective
from corticode.split.inner import Inner, inner_validation
from corticode.train import fit, infer
from corticode.train.checkpoint import Checkpoint
from corticode.train.settings import Hardware, Training
from corticode.train.together import Course, fit_together, why_alone
from corticode.train.tuning import Tuning


class Full(Adapt):
    """All weights learn.

    `calibrate` goes on training on the target's labelled windows: a fixed number of epochs at a low rate
    (`train.calibrate_epochs`, `train.calibrate_lr`), since a few windows leave none to stop by.

    With several members the network is built and trained so many times, each from its own initial weights and in its own order
    but judged by the same held-back rows, and their answers are averaged. The given encoder and head are the first member: they
    alone are what a decoder explains and represents windows by.

    Parameters
    ----------
    objective : Objective or None
        None takes `objective.supervised.Supervised()`.
    training : Training or None
    trainer : dict, Hardware or None
        accelerator, devices, strategy, precision.
    logger : dict or None
        kind ('csv', 'tensorboard' or None) and folder.
    temperature : bool
        Scale the probabilities by one number, found on the rows that were held back to choose when to stop.
    augment : Chain or None
        Changes the batches that are learned from, in `calibrate` too.
    n_members : int
    layer_decay : float
        Learning rate of each layer of the encoder over that of the layer behind it; the head has `train.lr`. 0.65 to 0.9 keeps what
        early layers of a pretrained encoder know (see `adapt.depth.layers` for what is a layer).
    unfreeze_every : int
        Gradual unfreezing: the head learns alone for so many epochs, then with the last layer, then with the last two ... 0: all
        learn from the start.

    Attributes
    ----------
    temperature_ : float or None

    Source
    ------
    Layer-wise decay as in Bao et al. 2022 (BEiT), arXiv:2106.08254; gradual unfreezing as in Howard and Ruder 2018, arXiv:1801.06146.
    """

    deterministic = False
    trains = True

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        n_members: int = 1,
        layer_decay: float = 1.0,
        unfreeze_every: int = 0,
    ):
        if objective is None:
            from corticode.objective.supervised import Supervised

            objective = Supervised()
        self.objective, self.training = objective, training or Training()
        self.trainer, self.logger, self.temperature, self.augment = trainer, logger, bool(temperature), augment
        self.n_members = int(n_members)
        self.layer_decay, self.unfreeze_every = float(layer_decay), int(unfreeze_every)
        self.temperature_: float | None = None
        self._others: list[tuple[Any, Any]] = []  # members beside the first
        self._states: list[dict[str, np.ndarray]] = []  # theirs, until it is known what to build
        if self.n_members < 1:
            raise SentenceError(f"adapt.n_members={self.n_members} is too small: 1 or more")
        if not 0 < self.layer_decay <= 1:
            raise SentenceError(f"adapt.layer_decay={layer_decay} is what rates are multiplied by from layer to layer: above 0, at most 1")
        if self.unfreeze_every < 0:
            raise SentenceError(f"adapt.unfreeze_every={unfreeze_every} is a number of epochs: 0 or more")
        Hardware.of(trainer)

    def arguments(self):
        """Return plain arguments without the place of the curves, which is no part of a decoder."""
        return {**super().arguments(), "logger": None}

    def check(self, encoder, head):
        """Refuse parts without gradients.

        Raises
        ------
        SentenceError
        """
        if not encoder.neural:
            raise SentenceError(f"adapt={self.word} trains by gradients, and encoder {type(encoder).__name__} has none: use adapt=probe")
        if not head.neural:
            raise SentenceError(
                f"adapt={self.word} trains encoder and head together, and head {type(head).__name__} has no gradients: "
                "use a neural head (corticode.head.linear.Linear), or adapt=probe"
            )
        if self.temperature:
            check_temperature(head)
        if self.temperature and self.training.second_stage_epochs:
            raise SentenceError(
                "adapt.temperature=true is found on rows that were held back, and train.second_stage_epochs= learns from them in the end: "
                "set one of them to false or 0"
            )
        if self.n_members > 1:
            self._check_members(encoder)
        if self.augment and self.augment.mixing and encoder.domains_per_batch:
            raise SentenceError(
                f"{type(encoder).__name__} normalises each person or session by itself, and augment.{self.augment.mixing[0]} mixes windows of "
                f"several: use augment.{self.augment.mixing[0]}.probability=0"
            )

    def _check_members(self, encoder: Any) -> None:
        name = type(encoder).__name__
        if getattr(encoder, "own", None):
            raise SentenceError(
                f"adapt.n_members={self.n_members} builds the network anew, and {encoder.own} came as one object: use n_members=1"
            )
        if getattr(encoder, "has_latent", False):
            raise SentenceError(
                f"{name} lets an alignment act on its inside, and there is one for each of {self.n_members} members: use adapt.n_members=1"
            )

    # -- learning ---------------------------------------------------------------------------------------------

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Train on F, stop by rows held back from it; see `train.fit.fit` for the notes.

        Raises
        ------
        SentenceError
            The head does not give n_outputs answers.
        """
        inner = self._begin(Lesson(encoder, head, F, y, meta, space, n_outputs, seed, length_s))
        self._others = [_twin(encoder, head, _seed(seed, k)) for k in range(1, self.n_members)]
        self._states = []
        notes = self._each(encoder, head, "fit", F, y, meta, space, self.training, seed, inner=inner)
        return self._end(encoder, head, F, y, space, inner, notes)

    def _begin(self, lesson: Lesson) -> Inner:
        """Check the network against the task, and cut the rows."""
        encoder, head, F, y, meta, space, n_outputs, seed, length_s = lesson
        answers = infer.predict(encoder, head, F[:1], space)
        if answers.shape[1:] != (n_outputs,):
            raise SentenceError(
                f"the network gives {answers.shape[1]} answers per window and the task asks for {n_outputs}: build it with n_outputs={n_outputs}"
            )
        length_s = max(length_s, np.shape(F)[-1] / space.sfreq)
        return inner_validation(meta, y, self.training.validation, seed, length_s)

    def _end(
        self, encoder: Any, head: Any, F: np.ndarray, y: np.ndarray, space: Any, inner: Inner, notes: dict[str, Any]
    ) -> dict[str, Any]:
        """Find the temperature, where one was asked for."""
        if not self.temperature:
            return notes
        held = self._answers(encoder, head, F[inner.validation], space)
        self.temperature_ = temperature_of(held, np.asarray(y)[inner.validation])
        return {**notes, "temperature": round(self.temperature_, 4), "temperature_by": inner.held}

    def n_together(self, encoder):
        """Return `trainer.together`; 1 where this kind of training, or of network, is not for several at once."""
        hardware = Hardware.of(self.trainer)
        if (
            hardware.n_places == 1
            or self.n_members > 1
            or self.tuning("fit")
            or why_alone(encoder, self.training, hardware.resolved(), self.logger)
        ):
            return 1
        return hardware.n_places

    @staticmethod
    def fit_together(adapters, lessons):
        """Train them at once; see `train.together.fit_together`.

        Raises
        ------
        SentenceError
            Their networks or rows are not for that.
        """
        first = adapters[0]
        inners = [adapter._begin(lesson) for adapter, lesson in zip(adapters, lessons, strict=True)]
        courses = [
            Course(one.encoder, one.head, adapter.objective, one.F, one.y, one.meta, one.seed, inner, adapter.augment)
            for adapter, one, inner in zip(adapters, lessons, inners, strict=True)
        ]
        hardware = Hardware.of(first.trainer)
        for number, notes in fit_together(courses, first.training, lessons[0].space, hardware, hardware.n_places):
            if not isinstance(notes, Exception):
                one = lessons[number]
                notes = adapters[number]._end(one.encoder, one.head, one.F, one.y, one.space, inners[number], notes)
            yield number, notes

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Go on training on all of F; the scale of y stays that of the source."""
        if not self.training.calibrate_epochs or not len(F):
            return {}
        return self._each(encoder, head, "calibrate", F, y, meta, space, self.training.for_calibration, seed, learn_scale=False)

    def predict(self, encoder, head, F, meta, space):
        """Return answers of the joint network, the mean over members, at the fitted temperature where one was asked for."""
        return scaled(self._answers(encoder, head, F, space), self.temperature_)

    def tuning(self, verb: str) -> Tuning | None:
        """Return what 'fit' or 'calibrate' asks of a training beside its settings; None for nothing."""
        every = self.unfreeze_every if verb == "fit" else 0  # what was fitted need not be spared
        return Depth(self.layer_decay, every, every) if self.layer_decay != 1 or every else None

    def _each(self, encoder, head, verb, F, y, meta, space, training, seed, **more) -> dict[str, Any]:
        """Train every member, and say of all what was said of each."""
        notes, tuning = [], self.tuning(verb)
        for k, member in enumerate(self._members(encoder, head)):
            checkpoint = Checkpoint(self.unfinished / f"{verb}_{k}.safetensors") if self.unfinished is not None else None
            notes.append(
                fit.fit(
                    *member, self.objective, F, y, meta, space, training, _seed(seed, k), Hardware.of(self.trainer), self.logger,
                    augment=self.augment, checkpoint=checkpoint, tuning=tuning, **more,
                )
            )  # fmt: skip
            if tuning is not None:
                tuning.end()
                notes[-1]["n_parameters"] = sum(part.n_parameters for part in member)
            n_frozen = sum(p.numel() for part in member for p in part.parameters() if not p.requires_grad)
            notes[-1] |= {"n_frozen": n_frozen} if n_frozen else {}
        return notes[0] if len(notes) == 1 else _joined(notes)

    # -- members ----------------------------------------------------------------------------------------------

    def _members(self, encoder: Any, head: Any) -> list[tuple[Any, Any]]:
        """Return all members; those that were loaded are built now that it is known what they are."""
        if self._states:
            self._others = [_twin(encoder, head, 0) for _ in self._states]
            for member, state in zip(self._others, self._states, strict=True):
                for part, name in zip(member, _PARTS, strict=True):
                    part.load_state({k.partition(".")[2]: v for k, v in state.items() if k.startswith(name + ".")})
                    part.eval()
            self._states = []
        return [(encoder, head), *self._others]

    def _answers(self, encoder: Any, head: Any, F: np.ndarray, space: Any) -> np.ndarray:
        device = Hardware.of(self.trainer).device
        return np.mean([infer.predict(*member, F, space, device=device) for member in self._members(encoder, head)], axis=0)

    def state(self):
        """Return what was learned beside encoder and head: the temperature, and the other members' weights."""
        states = self._states or [
            {f"{name}.{k}": v for part, name in zip(member, _PARTS, strict=True) for k, v in part.state().items()}
            for member in self._others
        ]
        return {**super().state(), **{f"member_{k}.{name}": v for k, state in enumerate(states, 1) for name, v in state.items()}}

    def load_state(self, state):
        """Take back what `state` gave.

        Raises
        ------
        BrokenDataError
            Members are missing.
        """
        prefixes = [f"member_{k}." for k in range(1, self.n_members)]
        self._others = []
        self._states = [{k.removeprefix(p): v for k, v in state.items() if k.startswith(p)} for p in prefixes]
        if not all(self._states):
            raise BrokenDataError(f"the saved decoder lacks weights of its {self.n_members} members: it was saved by another version")
        return super().load_state({k: v for k, v in state.items() if not k.startswith("member_")})


_PARTS = ("encoder", "head")


def _seed(seed: int, k: int) -> int:
    """Return the seed of member k; the first has the decoder's own."""
    return int(seed) if k == 0 else int(np.random.SeedSequence([int(seed), k]).generate_state(1)[0])


def _twin(encoder: Any, head: Any, seed: int) -> tuple[Any, Any]:
    """Return the same network with initial weights of its own."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(encoder)(**encoder.arguments()), type(head)(**head.arguments())


def _joined(notes: list[dict[str, Any]]) -> dict[str, Any]:
    said = {
        name: "; ".join(f"member {k}: {note[name]}" for k, note in enumerate(notes, 1) if name in note) for name in ("diverged", "memory")
    }
    return {
        "selection": f"mean of {len(notes)} members: " + "; ".join(f"({k}) {note['selection']}" for k, note in enumerate(notes, 1)),
        "history": [{"member": k, **line} for k, note in enumerate(notes, 1) for line in note["history"]],
        "best_epoch": [note["best_epoch"] for note in notes],
        "n_parameters": sum(note["n_parameters"] for note in notes),
        "precision": notes[0]["precision"],
        **{name: text for name, text in said.items() if text},
    }
