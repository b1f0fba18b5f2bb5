"""Low-rank changes of the directions of frozen weights, and a learned length for each row."""

from __future__ import annotations

from corticode.adapt.lora import LoRA


class DoRA(LoRA):
    """m (W + (alpha / rank) B A) / |W + (alpha / rank) B A|, lengths by output feature; m starts at |W|. Layers with rows of zeros stay as they are.

    Parameters
    ----------
    objective, training, trainer, logger, temperature, augment, rank, alpha, drop_prob
        As in `adapt.lora.LoRA`.

    Source
    ------
    Liu et al. 2024, arXiv:2402.09353, by the library peft.
    """

    options = {"use_dora": True}

    def serves(self, layer):
        """Return whether a layer is one that `lora` serves, each of its rows with a direction: one of zeros has none."""
        return super().serves(layer) and bool(layer.weight.flatten(1).any(dim=1).all())
