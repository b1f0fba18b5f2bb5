"""Learn the labels of a window and of three views of it, and that views and branches of one window look alike (MVCNet)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from corticode.augment.base import Augment
from corticode.augment.frequency_shift import FrequencyShift
from corticode.augment.hemisphere_swap import HemisphereSwap, swapped_classes
from corticode.augment.sign_flip import SignFlip
from corticode.errors import SentenceError
from corticode.objective.supervised import Supervised

_VIEWS = ("time", "frequency", "space")


class MultiView(Supervised):
    """Losses of MVCNet, for an encoder of two branches (`encoder.mvcnet.MVCNet`).

        loss = sum over the window and its views of the supervised loss of the first branch
             + cross_view * mean over views of nt_xent(both branches of the window, both branches of the view)
             + cross_model * nt_xent(one branch of window and views, the other branch of window and views)

    Views: 'time' turns the signal upside down, 'frequency' moves its spectrum by `shift_hz`, 'space' swaps left and right half of the
    head. Each view goes through the network by itself, so that batch norm sees one kind of signal at a time. Held-back rows
    are judged by the supervised loss of the window alone, as the encoder answers.

    Parameters
    ----------
    label_smoothing : float
    loss : str
        See `Supervised`.
    views : sequence of str
        Of 'time', 'frequency', 'space'.
    shift_hz : float
    labels : str
        What the view of space does with them: 'swap' (left_hand <-> right_hand), 'keep', or 'auto': 'swap' where every class that names a
        side has its counterpart, else 'keep', as the paper does for right hand against feet.
    cross_view, cross_model : float
        Weights of the two contrasts.
    temperature : float
    classes : sequence of str or None
        Names of the classes that y counts.

    Raises
    ------
    SentenceError
        An unknown view; channels without a partner on the other half of the head; an encoder with one branch.

    Source
    ------
    Wang et al. 2025, Knowledge-Based Systems 328:114205; github.com/wzwvv/MVCNet. The contrast: Chen et al. 2020, arXiv:2002.05709.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        loss: str = "auto",
        views: Sequence[str] = _VIEWS,
        shift_hz: float = 0.1,
        labels: str = "auto",
        cross_view: float = 0.1,
        cross_model: float = 0.1,
        temperature: float = 0.2,
        classes: Sequence[str] | None = None,
    ):
        super().__init__(label_smoothing, loss)
        self.views, self.shift_hz, self.labels = tuple(views), float(shift_hz), labels
        self.cross_view, self.cross_model, self.temperature = float(cross_view), float(cross_model), float(temperature)
        self.classes = None if classes is None else tuple(classes)
        unknown = [view for view in self.views if view not in _VIEWS]
        if unknown or not self.views:
            raise SentenceError(f"objective views={list(self.views)} are not all known: pick one or more of {', '.join(_VIEWS)}")
        if not self.temperature > 0:
            raise SentenceError(f"objective temperature={temperature} divides similarities: use a number above 0")
        self._changes = [self._change(view) for view in self.views]

    def __call__(
        self, encoder: Any, head: Any, x: torch.Tensor, y: torch.Tensor, space: Any = None, subject: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Return 'loss', 'accuracy' of the windows themselves, and while learning 'cross_view' and 'cross_model', unweighted.

        Raises
        ------
        SentenceError
            The encoder has one branch; channels have no partner; classes are not named.
        """
        if not encoder.training:
            return super().__call__(encoder, head, x, y, space, subject)
        self._check(encoder, head)
        windows = [(x, y), *(self._viewed(change, x, y, space) for change in self._changes)]
        branches = [encoder.both(x) for x, _ in windows]
        losses = [self.compare(head, head(first), y) for (first, _), (_, y) in zip(branches, windows, strict=True)]
        flat = [tuple(branch.flatten(1) for branch in pair) for pair in branches]
        original, *views = (torch.cat(pair) for pair in flat)  # [2 b, values]: first branch, second branch
        cross_view = torch.stack([nt_xent(original, view, self.temperature) for view in views]).mean()
        cross_model = nt_xent(*(torch.cat(branch) for branch in zip(*flat, strict=True)), self.temperature)
        loss = sum(part["loss"] for part in losses) + self.cross_view * cross_view + self.cross_model * cross_model
        return {**losses[0], "loss": loss, "cross_view": cross_view, "cross_model": cross_model}

    def _change(self, view: str) -> Augment:
        if view == "time":
            return SignFlip(probability=1.0)
        if view == "frequency":
            return FrequencyShift(self.shift_hz, self.shift_hz, probability=1.0)
        labels = self.labels
        if labels == "auto":
            labels = "swap" if _closed(self.classes or ()) else "keep"
        try:
            return HemisphereSwap(labels, probability=1.0, classes=self.classes)
        except SentenceError as error:
            raise _in_our_words(error) from error

    def _viewed(self, change: Augment, x: torch.Tensor, y: torch.Tensor, space: Any) -> tuple[torch.Tensor, torch.Tensor]:
        try:
            return change(x, y, space)
        except SentenceError as error:
            raise _in_our_words(error) from error

    def _check(self, encoder: Any, head: Any) -> None:
        if not hasattr(encoder, "both"):
            raise SentenceError(
                f"objective MultiView contrasts two branches, and encoder {type(encoder).__name__} has one: use model=mvcnet, or "
                "corticode.objective.supervised.Supervised"
            )
        if "space" in self.views and self.labels != "keep" and self.classes is None and head.kind == "probability":
            raise SentenceError(
                "objective MultiView swaps left and right in labels too, by the names of the classes: give classes=, or labels='keep'"
            )


def nt_xent(a: torch.Tensor, b: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return how badly each row finds its partner among all rows of both, by cosine: the normalised temperature-scaled cross-entropy.

    Parameters
    ----------
    a, b : float tensors [n, values]
        Row i of one and row i of the other are partners.
    temperature : float

    Returns
    -------
    loss : scalar tensor
        Mean over the 2 n rows; log(2 n - 1) where all rows are alike.
    """
    rows, n = functional.normalize(torch.cat((a, b)).float(), dim=1), len(a)
    similar = (rows @ rows.T) / temperature
    itself = torch.eye(2 * n, dtype=torch.bool, device=rows.device)
    partner = torch.arange(2 * n, device=rows.device).roll(n)
    return functional.cross_entropy(similar.masked_fill(itself, float("-inf")), partner)


def _closed(classes: Sequence[str]) -> bool:
    """Tell whether every class that names a side has its counterpart among the classes."""
    try:
        swapped_classes(classes)
    except SentenceError:
        return False
    return True


def _in_our_words(error: SentenceError) -> SentenceError:
    return SentenceError(f"{error} (here: model.objective.labels=keep, or model.objective.views=[time,frequency])")
