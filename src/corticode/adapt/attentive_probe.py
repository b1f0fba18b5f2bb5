"""The encoder stays as it is; a learned query picks from its tokens what the answer needs."""

from __future__ import annotations

from typing import Any

from corticode.adapt.frozen import Frozen
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class AttentiveProbe(Frozen):
    """A head that attends, on a frozen encoder: what tokens hold that their mean does not show.

    The encoder gives the same tokens in training as when it answers: no dropout, no batch statistics.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    n_queries, n_heads, drop_prob
        As in `head.attentive.Attentive`, which stands in place of the recipe's head.

    Source
    ------
    Bardes et al. 2024, arXiv:2404.08471 (attentive probing of frozen video encoders).
    """

    own_dropout = False

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        n_queries: int = 1,
        n_heads: int = 1,
        drop_prob: float = 0.0,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.n_queries, self.n_heads, self.drop_prob = int(n_queries), int(n_heads), float(drop_prob)

    def head_config(self, encoder, config, kind):
        """Return the attentive head; an encoder without tokens keeps its own, and is refused."""
        from corticode.head.attentive import Attentive

        if not encoder.neural:
            return config
        target = f"{Attentive.__module__}.{Attentive.__qualname__}"
        return {"_target_": target, "n_queries": self.n_queries, "n_heads": self.n_heads, "drop_prob": self.drop_prob}

    def check(self, encoder, head):
        """Refuse what `full` refuses, and a network that gives answers and no tokens.

        Raises
        ------
        SentenceError
        """
        super().check(encoder, head)
        if getattr(encoder, "own", None):
            raise SentenceError(f"adapt=attentive_probe reads tokens, and {encoder.own} gives answers: use adapt=full, or adapt=lora")
