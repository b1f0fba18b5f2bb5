"""Train encoder and head together by gradients, from scratch or from given weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from corticode.adapt.base import Adapt
from corticode.adapt.temperature import check_temperature, scaled, temperature_of
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.split.inner import inner_validation
from corticode.train import fit, infer
from corticode.train.settings import Hardware, Training


class Full(Adapt):
    """All weights learn.

    `calibrate` goes on training on the target's labelled windows: a fixed number of epochs at a low rate
    (`train.calibrate_epochs`, `train.calibrate_lr`), since a few windows leave none to stop by.

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

    Attributes
    ----------
    temperature_ : float or None
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
    ):
        if objective is None:
            from corticode.objective.supervised import Supervised

            objective = Supervised()
        self.objective, self.training = objective, training or Training()
        self.trainer, self.logger, self.temperature, self.augment = trainer, logger, bool(temperature), augment
        self.temperature_: float | None = None
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
            raise SentenceError(f"adapt=full trains by gradients, and encoder {type(encoder).__name__} has none: use adapt=probe")
        if not head.neural:
            raise SentenceError(
                f"adapt=full trains encoder and head together, and head {type(head).__name__} has no gradients: "
                "use a neural head (corticode.head.linear.Linear), or adapt=probe"
            )
        if self.temperature:
            check_temperature(head)
        if self.augment and self.augment.mixing and encoder.domains_per_batch:
            raise SentenceError(
                f"{type(encoder).__name__} normalises each person or session by itself, and augment.{self.augment.mixing[0]} mixes windows of "
                f"several: use augment.{self.augment.mixing[0]}.probability=0"
            )

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Train on F, stop by rows held back from it; see `train.fit.fit` for the notes.

        Raises
        ------
        SentenceError
            The head does not give n_outputs answers.
        """
        answers = infer.predict(encoder, head, F[:1], space)
        if answers.shape[1:] != (n_outputs,):
            raise SentenceError(
                f"the network gives {answers.shape[1]} answers per window and the task asks for {n_outputs}: build it with n_outputs={n_outputs}"
            )
        length_s = max(length_s, np.shape(F)[-1] / space.sfreq)
        inner = inner_validation(meta, y, self.training.validation, seed, length_s)
        notes = fit.fit(
            encoder, head, self.objective, F, y, meta, space, self.training, seed, Hardware.of(self.trainer), self.logger,
            inner=inner, augment=self.augment,
        )  # fmt: skip
        if not self.temperature:
            return notes
        held = infer.predict(encoder, head, F[inner.validation], space, device=Hardware.of(self.trainer).device)
        self.temperature_ = temperature_of(held, np.asarray(y)[inner.validation])
        return {**notes, "temperature": round(self.temperature_, 4), "temperature_by": inner.held}

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Go on training on all of F; the scale of y stays that of the source."""
        if not self.training.calibrate_epochs or not len(F):
            return {}
        settings, hardware = self.training.for_calibration, Hardware.of(self.trainer)
        return fit.fit(
            encoder, head, self.objective, F, y, meta, space, settings, seed, hardware, self.logger,
            learn_scale=False, augment=self.augment,
        )  # fmt: skip

    def predict(self, encoder, head, F, meta, space):
        """Return answers of the joint network, at the fitted temperature where one was asked for."""
        return scaled(infer.predict(encoder, head, F, space, device=Hardware.of(self.trainer).device), self.temperature_)
