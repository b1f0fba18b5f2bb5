"""Train the networks of several folds at once: what is bound by the start of operations on a GPU takes little longer for k folds than for one.

each fold: its rows, its batches, its augmentations, its dropout, its schedule, its best epoch, its end
all folds: one forward and one backward pass per step (stack)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from corticode.augment.base import Chain, chance
from corticode.encoder.base import Encoder
from corticode.encoder.neural import NeuralEncoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.objective.base import Objective
from corticode.rows import Rows
from corticode.space import Space
from corticode.split.inner import Inner, inner_validation
from corticode.train.average import put
from corticode.train.diverged import sentence, where
from corticode.train.fit import selection
from corticode.train.heap import kept_heap
from corticode.train.loader import Batches
from corticode.train.optimizer import rate_of
from corticode.train.settings import Hardware, Training
from corticode.train.stack import Net, Stack

# Of a GPU's free memory, what windows may take; batches and activations need the rest.
_WINDOWS_SHARE = 0.4


def why_alone(encoder: Any, training: Training, hardware: Hardware, logger: dict[str, Any] | None = None) -> str:
    """Return why networks of this kind are trained one by one; '' where several can be trained at once."""
    name = type(encoder).__name__
    reasons = {
        "train.ema_decay= averages step by step": training.ema_decay is not None,
        "train.average_from= takes batch statistics anew": training.average_from is not None,
        "train.second_stage_epochs= trains twice": bool(training.second_stage_epochs),
        f"{name} draws its batches by person": bool(encoder.domains_per_batch),
        f"{name} changes from epoch to epoch": type(encoder).begin_epoch is not NeuralEncoder.begin_epoch,
        f"{name} has filters that are not learned by gradients": type(encoder).fit is not Encoder.fit,
        f"trainer.devices={hardware.devices} shares one training": hardware.devices != 1,
        f"trainer.precision={hardware.precision} scales the loss": hardware.precision not in ("32-true", "bf16-mixed"),
        "logger= follows one training": bool((logger or {}).get("kind")),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


@dataclass
class Course:
    """One of several trainings, and how far it has come; see `train.fit.fit` for what it is given.

    Attributes
    ----------
    history : list of dict
        One per epoch.
    best_epoch : int or None
    broken : dict or None
        Where a loss was no longer a number: 'epoch', 'batch', 'reason'.
    """

    encoder: Any
    head: Any
    objective: Objective
    F: np.ndarray
    y: np.ndarray
    meta: pd.DataFrame
    seed: int
    inner: Inner | None = None
    augment: Chain | None = None
    history: list[dict[str, float]] = field(init=False)
    best_epoch: int | None = field(init=False)
    broken: dict[str, Any] | None = field(init=False)
    average: None = field(init=False, default=None)

    def begin(self, training: Training, space: Space) -> None:
        """Cut the rows, and make batches of those to learn from."""
        self.encoder.check_input(np.shape(self.F))
        self.y = np.asarray(self.y)
        if self.inner is None:
            self.inner = inner_validation(self.meta, self.y, training.validation, self.seed, np.shape(self.F)[-1] / space.sfreq)
        self.head.learn_scale(self.y[self.inner.fit])
        self.batches = Batches(self.F, self.y, self.inner.fit, training.batch_size, self.seed)
        self.held = Batches(self.F, self.y, self.inner.validation, training.batch_size) if len(self.inner.validation) else None
        self.training, self.space, self.net = training, space, Net(self.encoder, self.head, self.objective, space)
        self.history, self.best_epoch, self.broken = [], None, None
        self._best: float | None = None
        self._state: dict[str, torch.Tensor] | None = None
        self._kept: dict[str, list[tuple[int, dict[str, float]]]] = {"train": [], "val": []}

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        return self.training.lr * rate_of(self.training, step, self.training.max_epochs * len(self.batches))

    def keep(self, part: str, n: int, losses: dict[str, float]) -> None:
        """Remember the losses of one batch."""
        self._kept[part].append((n, losses))

    def give_up(self, value: float, batch: int | None) -> None:
        """Stop here, since a loss is no longer a number."""
        self.broken = {"epoch": len(self.history) + 1, "batch": batch, "reason": f"the loss is {value}"}

    def close(self, stack: Stack, k: int) -> bool:
        """Close an epoch; return True where it was the last."""
        own, means = self.training, self._means()
        for name in ("train_loss", "val_loss"):
            if not self.broken and not np.isfinite(means.get(name, 0.0)):
                self.give_up(means[name], self._first_wrong if name == "train_loss" else None)
        if self.broken:
            return True
        epoch = len(self.history) + 1
        self.history.append({"epoch": epoch, "lr": self.rate(epoch * len(self.batches)), **means})
        return self._has_enough(stack, k) or epoch == own.max_epochs

    def _has_enough(self, stack: Stack, k: int) -> bool:
        """Keep weights that are the best so far; return True where none have been for `patience` epochs."""
        own, line = self.training, self.history[-1]
        if self.held is None:
            return False
        if own.monitor not in line:
            known = ", ".join(name for name in line if name.startswith("val_"))
            raise SentenceError(f"train.monitor={own.monitor} is not measured here: pick one of {known}")
        if own.is_better(line[own.monitor], self._best):
            self._best, self.best_epoch, self._state = line[own.monitor], line["epoch"], stack.state(k)
            return False
        return line["epoch"] - (self.best_epoch or 0) >= own.patience and line["epoch"] >= own.min_epochs

    def state(self, stack: Stack, k: int) -> dict[str, torch.Tensor]:
        """Return the weights that count, those of the best epoch or the last."""
        return stack.state(k) if self._state is None else self._state

    def notes(self, hardware: Hardware) -> dict[str, Any]:
        """Return what `train.fit.fit` returns.

        Raises
        ------
        BrokenDataError
            A loss is no longer a number, and no weights are known to be good.
        """
        if self.broken and self.best_epoch is None:
            raise BrokenDataError(sentence(self.broken, self.batches, self.F, self.meta, self.space, self.training.lr))
        notes = {
            "selection": selection(self.inner, self.training, self),
            "history": self.history,
            "best_epoch": self.best_epoch or len(self.history),
            "n_parameters": self.encoder.n_parameters + self.head.n_parameters,
            "precision": hardware.precision,
        }
        if self.broken:
            said = where(self.broken, len(self.batches))
            notes["diverged"] = f"{said}: training stopped there, and the weights of epoch {self.best_epoch} stay"
        return notes

    def _means(self) -> dict[str, float]:
        means: dict[str, float] = {}
        for part, steps in self._kept.items():
            n = np.array([n for n, _ in steps], dtype=float)
            for name in steps[0][1] if steps else ():
                values = np.array([losses[name] for _, losses in steps], dtype=float)
                means[f"{part}_{name}"] = float((values * n).sum() / n.sum())
                if (part, name) == ("train", "loss"):
                    wrong = np.flatnonzero(~np.isfinite(values))
                    self._first_wrong = int(wrong[0]) + 1 if len(wrong) else None
        self._kept = {"train": [], "val": []}
        return means


def fit_together(
    courses: Sequence[Course], training: Training, space: Space, hardware: Hardware, n_places: int
) -> Iterator[tuple[int, dict[str, Any] | BrokenDataError]]:
    """Train several networks of one shape in place; give (number, notes) of each as soon as it ends.

    Each ends with the weights that `train.fit.fit` would have given it by itself, to rounding; on a CPU that holds with dropout
    and augmentations, which draw the same numbers. Rows of one have no part in any number of another, not even in when it is
    computed with how many others.

    Parameters
    ----------
    courses : sequence of Course
    training : Training
    space : Space
    hardware : Hardware
        See `why_alone` for what it, the training and the networks must be.
    n_places : int
        How many learn at once; where one ends, the next begins. Halved where that does not fit the memory of a GPU.

    Yields
    ------
    number, notes : int, dict
        In place of the notes, the error that `train.fit.fit` would raise where a training diverged.

    Raises
    ------
    SentenceError
        Batches differ in size, or a network does what several cannot do at once.
    """
    hardware = hardware.resolved()
    for course in courses:
        course.begin(training, space)
        if course.encoder.domains(course.meta) is not None:
            raise SentenceError(f"{type(course.encoder).__name__} knows whose a window is: folds with different people are trained alone")
    if len({course.batches.batch_size for course in courses}) > 1:
        raise SentenceError("one fold has fewer rows to learn from than a batch: it is trained alone")
    left = dict(enumerate(courses))
    while left:
        loop = _Loop(left, training, space, hardware, min(n_places, len(left)))
        try:
            with kept_heap():
                for number, notes in loop.run():
                    del left[number]
                    yield number, notes
        except torch.cuda.OutOfMemoryError:
            if len(loop.places) == 1:
                raise
            n_places = len(loop.places) // 2
        # only here, where the error no longer holds on to tensors
        del loop
        if left:
            torch.cuda.empty_cache()
            for course in left.values():
                course.begin(training, space)


class _Loop:
    """The loop over epochs and batches."""

    def __init__(self, courses: dict[int, Course], training: Training, space: Space, hardware: Hardware, n_places: int):
        self.waiting, self.hardware, self.space = list(courses.items()), hardware, space
        self.places: list[tuple[int, Course] | None] = [self.waiting.pop(0) for _ in range(n_places)]
        self.device = torch.device("cuda" if hardware.accelerator == "gpu" else hardware.accelerator)
        first = [course for _, course in self.places]
        self.stack = Stack(
            [course.net for course in first], [course.seed for course in first], training, self.device, hardware.precision == "bf16-mixed"
        )
        self.signals = Signals([course.F for course in courses.values()], self.device)

    @property
    def there(self) -> dict[int, Course]:
        """Courses by their place; those that are broken wait for the end of their epoch."""
        return {k: place[1] for k, place in enumerate(self.places) if place is not None and not place[1].broken}

    def run(self) -> Iterator[tuple[int, Any]]:
        """Train all to their ends; in each round every place goes through an epoch of its own."""
        while any(self.places):
            self._learn()
            self._judge()
            for k, place in enumerate(self.places):
                if place is not None and place[1].close(self.stack, k):
                    yield self._end(k, *place)

    def _learn(self) -> None:
        orders = {k: list(course.batches.order(len(course.history))) for k, course in self.there.items()}
        kept = []
        for index in range(max(map(len, orders.values()))):
            # a fold with fewer batches waits for the end of the round
            courses = {k: course for k, course in self.there.items() if index < len(orders[k])}
            if not courses:
                break
            losses = self.stack.learn(list(courses), *self._batch(courses, {k: orders[k][index] for k in courses}, index))
            kept.append((losses, {k: len(orders[k][index]) for k in courses}))
            if self.device.type == "cpu":  # a GPU would have to be waited for: there it is looked at when the epoch ends
                for k, loss in zip(courses, losses["loss"][list(courses)].tolist(), strict=True):
                    if not np.isfinite(loss):
                        courses[k].give_up(loss, index + 1)
            able = [k for k in courses if not courses[k].broken]
            if able:
                self.stack.step(able, [courses[k].rate(len(courses[k].history) * len(orders[k]) + index) for k in able])
        self._keep("train", kept)

    def _judge(self) -> None:
        orders = {k: list(course.held.order(0)) for k, course in self.there.items() if course.held is not None}
        kept = []
        for index in range(max(map(len, orders.values()), default=0)):
            chunks = {k: order[index] for k, order in orders.items() if index < len(order)}
            for n in dict.fromkeys(map(len, chunks.values())):  # the last chunks differ in size
                rows = {k: chunk for k, chunk in chunks.items() if len(chunk) == n}
                kept.append((self.stack.judge(*self._batch({k: self.there[k] for k in rows}, rows)), dict.fromkeys(rows, n)))
        self._keep("val", kept)

    def _keep(self, part: str, kept: list[tuple[dict[str, torch.Tensor], dict[int, int]]]) -> None:
        """Tell courses their losses, by one look at the device."""
        names = list(kept[0][0]) if kept else []
        values = torch.stack([torch.stack([losses[name].double() for name in names]) for losses, _ in kept]).tolist() if kept else []
        for of_batch, (_, sizes) in zip(values, kept, strict=True):
            for k, n in sizes.items():
                self.places[k][1].keep(part, n, {name: of_all[k] for name, of_all in zip(names, of_batch, strict=True)})

    def _batch(self, courses: dict[int, Course], rows: dict[int, np.ndarray], step: int | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return windows and labels of the batch of each place, changed by its augmentations in a step; whoever has none is given another's."""
        x = self.signals([course.F for course in courses.values()], list(rows.values()))
        y = torch.from_numpy(np.stack([course.batches.y[rows[k]] for k, course in courses.items()])).to(self.device)
        first = next(iter(courses.values()))
        if step is not None and first.augment:
            changed = [
                c.augment(*one, self.space, chance(c.seed, len(c.history), step)) for c, *one in zip(courses.values(), x, y, strict=True)
            ]
            x, y = (torch.stack(part) for part in zip(*changed, strict=True))
        if len(courses) == len(self.places):
            return x, y
        at = {k: i for i, k in enumerate(courses)}
        filled = torch.tensor([at.get(k, 0) for k in range(len(self.places))], device=self.device)
        return x[filled], y[filled]

    def _end(self, k: int, number: int, course: Course) -> tuple[int, Any]:
        """Give a network its weights, and its place to the next."""
        put(course.net, course.state(self.stack, k))
        course.encoder.eval(), course.head.eval()
        self.places[k] = self.waiting.pop(0) if self.waiting else None
        if self.places[k] is not None:
            self.stack.replace(k, self.places[k][1].net, self.places[k][1].seed)
        try:
            return number, course.notes(self.hardware)
        except BrokenDataError as error:
            return number, error


class Signals:
    """Where batches are drawn from: on a GPU the windows of all folds, each array once, if they fit; else where they are.

    Parameters
    ----------
    arrays : sequence of array [n, channels, times]
        `rows.Rows` of one array share it.
    device : torch.device
    """

    def __init__(self, arrays: Sequence[np.ndarray], device: torch.device):
        self.device = device
        self._there: dict[int, torch.Tensor] = {}
        if device.type != "cuda":
            return
        wholes = {id(_whole(array)): _whole(array) for array in arrays}
        free, _ = torch.cuda.mem_get_info(device)
        if 4 * sum(array.size for array in wholes.values()) < _WINDOWS_SHARE * free:
            self._there = {key: torch.from_numpy(np.array(array, dtype=np.float32)).to(device) for key, array in wholes.items()}

    def __call__(self, arrays: Sequence[np.ndarray], rows: Sequence[np.ndarray]) -> torch.Tensor:
        """Return the windows of each array's rows [m, b], float32 [m, b, channels, times]."""
        if self._there:
            chosen = [torch.from_numpy(_rows(array, own)).to(self.device) for array, own in zip(arrays, rows, strict=True)]
            return torch.stack([self._there[id(_whole(array))][own] for array, own in zip(arrays, chosen, strict=True)])
        x = np.empty((len(rows), len(rows[0]), *np.shape(arrays[0])[1:]), dtype=np.float32)
        for one, array, own in zip(x, arrays, rows, strict=True):
            one[:] = array[own]
        return torch.from_numpy(x).to(self.device)


def _whole(array: Any) -> np.ndarray:
    return array.array if isinstance(array, Rows) else array


def _rows(array: Any, rows: np.ndarray) -> np.ndarray:
    return array.rows[rows] if isinstance(array, Rows) else np.asarray(rows)
