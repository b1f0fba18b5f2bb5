"""The head learns first, on the encoder as it is; then all learn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from corticode.adapt.depth import Depth
from corticode.adapt.full import Full
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class TwoStage(Full):
    """A new head sends large and meaningless gradients: it is given time before the encoder listens.

    Training does not stop for want of patience before the encoder has had as many epochs as `train.patience` says.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    head_epochs : int
        Epochs of the head alone; the encoder's weights and running statistics stay. 10 as in OpenEEGBench.
    layer_decay : float
        See `adapt.full.Full`.

    Source
    ------
    Kumar et al. 2022, arXiv:2202.10054.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        head_epochs: int = 10,
        layer_decay: float = 1.0,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment, layer_decay=layer_decay)
        self.head_epochs = int(head_epochs)
        if self.head_epochs < 1:
            raise SentenceError(f"adapt.head_epochs={head_epochs} leaves no first stage: 1 or more, or adapt=full")

    def check(self, encoder, head):
        """Refuse what `full` refuses, and a first stage that leaves no second.

        Raises
        ------
        SentenceError
        """
        super().check(encoder, head)
        if self.head_epochs >= self.training.max_epochs:
            raise SentenceError(
                f"adapt.head_epochs={self.head_epochs} leaves none of train.max_epochs={self.training.max_epochs} to the encoder: "
                "give more epochs, or a shorter first stage"
            )

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Train the head, then all; see `adapt.full.Full.fit`."""
        asked = self.training
        least = min(asked.max_epochs, self.head_epochs + asked.patience)
        self.training = replace(asked, min_epochs=max(asked.min_epochs, least))
        try:
            return super().fit(encoder, head, F, y, meta, space, n_outputs, seed, length_s)
        finally:
            self.training = asked

    def tuning(self, verb):
        """Return which layers learn when: in `calibrate` all of them from the start."""
        return Depth(self.layer_decay, self.head_epochs if verb == "fit" else 0)
