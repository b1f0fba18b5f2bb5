"""Low-rank changes of frozen weights whose ranks go where they matter: a budget is shared among layers while they learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from corticode.adapt.frozen import Frozen, Still
from corticode.adapt.injected import NAME, inject
from corticode.adapt.places import demand, linear_layers
from corticode.augment.base import Chain
from corticode.errors import SentenceError
from corticode.objective.base import Objective
from corticode.train.settings import Hardware, Training


class AdaLoRA(Frozen):
    """W + (alpha / r) P diag(e) Q: singular values e of little importance are set to zero until target_rank per layer is left.

    The budget stays at initial_rank for `warmup` of the steps of `train.max_epochs`, falls on a cubic, and stays at target_rank for
    the last `settled` of them. The note 'ranks' tells what is left where. A training that stops earlier has more left.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment
        As in `adapt.full.Full`.
    initial_rank, target_rank : int
        Per layer at the start, and on average over layers at the end.
    alpha : float
    drop_prob : float
        Of what goes into Q.
    warmup, settled : float
        Shares of all steps.
    every : int
        Steps from one sharing out to the next.
    orthogonality : float
        Weight of |P'P - 1| + |QQ' - 1|, a mean over layers, in the loss.

    Source
    ------
    Zhang et al. 2023, arXiv:2303.10512, by the library peft. Ranks 12 and 4, alpha 16 are those of OpenEEGBench.
    """

    def __init__(
        self,
        objective: Objective | None = None,
        training: Training | None = None,
        trainer: dict[str, Any] | Hardware | None = None,
        logger: dict[str, Any] | None = None,
        temperature: bool = False,
        augment: Chain | None = None,
        initial_rank: int = 12,
        target_rank: int = 4,
        alpha: float = 16.0,
        drop_prob: float = 0.0,
        warmup: float = 0.1,
        settled: float = 0.3,
        every: int = 10,
        orthogonality: float = 0.5,
    ):
        super().__init__(objective, training, trainer, logger, temperature, augment)
        self.initial_rank, self.target_rank, self.alpha, self.drop_prob = (
            int(initial_rank),
            int(target_rank),
            float(alpha),
            float(drop_prob),
        )
        self.warmup, self.settled, self.every, self.orthogonality = float(warmup), float(settled), int(every), float(orthogonality)
        if not 1 <= self.target_rank <= self.initial_rank:
            raise SentenceError(f"adapt.target_rank={target_rank} is what is left of adapt.initial_rank={initial_rank}: from 1 to that")
        if self.warmup < 0 or self.settled < 0 or self.warmup + self.settled >= 1 or self.every < 1:
            raise SentenceError(
                f"adapt.warmup={warmup} and adapt.settled={settled} are shares of the steps that leave some between them, and adapt.every={every} "
                "counts steps from 1 on"
            )

    def add(self, encoder, shape, space):
        """Give each layer P, e and Q, and the encoder the budget."""
        places = [p for p in linear_layers(encoder, shape, space) if isinstance(p.module, nn.Linear | nn.Conv2d)]
        places = [place for place in places if getattr(place.module, "groups", 1) == 1]
        demand(places, self.word, "changes linear layers and two-dimensional convolutions", encoder)
        config = inject(
            encoder, "AdaLoraConfig", [place.name for place in places], self.word,
            init_r=self.initial_rank, target_r=self.target_rank, lora_alpha=self.alpha, lora_dropout=self.drop_prob, deltaT=self.every,
            tinit=0, tfinal=0, total_step=1, orth_reg_weight=self.orthogonality,
        )  # fmt: skip
        encoder.added = nn.ModuleDict({"budget": _Budget(encoder, config)})

    def report(self, encoder, F, space):
        """Return the ranks that are left, by layer."""
        return {"ranks": {name: int((e != 0).sum()) for name, e in _singular_values(encoder).items()}}

    def tuning(self, verb):
        """Return the sharing out; in `calibrate` what is left stays."""
        return Sharing(self.warmup, self.settled, self.orthogonality, done=verb != "fit")


class Sharing(Still):
    """Shares the budget out after each step, and asks for orthogonal factors.

    Parameters
    ----------
    warmup, settled, orthogonality : float
    done : bool
        What is zero stays zero, and nothing else changes.
    """

    def __init__(self, warmup: float, settled: float, orthogonality: float, done: bool = False):
        super().__init__()
        self.warmup, self.settled, self.orthogonality, self.done = warmup, settled, orthogonality, done
        self._left: dict[str, torch.Tensor] = {}

    def begin(self, encoder, head):
        """Remember what is left."""
        self._left = {name: e.detach() != 0 for name, e in _singular_values(encoder).items()} if self.done else {}

    def penalty(self, encoder):
        """Return how far the factors are from orthogonal."""
        if not self.orthogonality:
            return None
        found = [(p, "lora_A" in name) for name, p in encoder.named_parameters() if f"lora_A.{NAME}" in name or f"lora_B.{NAME}" in name]
        gaps = [_gap(p @ p.T if in_rows else p.T @ p) for p, in_rows in found]
        return self.orthogonality * torch.stack(gaps).mean()

    @torch.no_grad()
    def after_step(self, encoder, head, step, n_steps):
        """Take from the unimportant."""
        if not self.done:
            encoder.added["budget"].share_out(encoder, step, n_steps, self.warmup, self.settled)
            return
        for name, e in _singular_values(encoder).items():
            e.mul_(self._left[name])

    def key(self):
        """Return what makes two of them alike."""
        return [*super().key(), self.warmup, self.settled, self.orthogonality, self.done]


class _Budget(nn.Module):
    """peft's allocator of ranks, which a training that is resumed finds as it was."""

    remembers = ("importance", "pattern")

    def __init__(self, encoder: nn.Module, config: Any):
        super().__init__()
        from peft.tuners.adalora.layer import RankAllocator

        self.config, self.allocator = config, RankAllocator(encoder, config, NAME)
        self.pattern: dict[str, Any] | None = None

    @property
    def importance(self) -> list[dict[str, torch.Tensor]]:
        """Sensitivities of this step, their averages, and those of their uncertainty, by parameter."""
        return [self.allocator.ipt, self.allocator.exp_avg_ipt, self.allocator.exp_avg_unc]

    @importance.setter
    def importance(self, value: list[dict[str, torch.Tensor]]) -> None:
        self.allocator.ipt, self.allocator.exp_avg_ipt, self.allocator.exp_avg_unc = value

    def share_out(self, encoder: nn.Module, step: int, n_steps: int, warmup: float, settled: float) -> None:
        """Take the gradients of this step into account, and set what is over the budget to zero."""
        own = self.config
        own.tinit, own.tfinal, own.total_step = int(warmup * n_steps), int(settled * n_steps), n_steps
        last = n_steps - own.tfinal
        if step == last:  # which the allocator leaves to whoever asks it
            self.allocator.update_ipt(encoder)
        if step <= last:
            _, pattern = self.allocator.update_and_allocate(encoder, step, force_mask=step == last)
            self.pattern = pattern or self.pattern
        elif self.pattern:
            self.allocator.mask_using_rank_pattern(encoder, self.pattern)


def _gap(product: torch.Tensor) -> torch.Tensor:
    return torch.linalg.matrix_norm(product - torch.eye(len(product), device=product.device, dtype=product.dtype))


def _singular_values(encoder: nn.Module) -> dict[str, torch.Tensor]:
    """Return e of each layer, by its name."""
    end = f".lora_E.{NAME}"
    return {name.removesuffix(end): e for name, e in encoder.named_parameters() if name.endswith(end)}
