"""Ask a trained network: windows -> answers, batch by batch."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from corticode.space import Space


def predict(encoder: Any, head: Any, F: np.ndarray, space: Space | None = None, device: str = "cpu") -> np.ndarray:
    """Return answers [n, n_outputs], float64, in evaluation mode, without gradients and in full precision.

    Probabilities are made in 64 bits, so that they sum to 1 for whoever checks. What does not fit the memory of a GPU at once is
    asked in parts.

    Parameters
    ----------
    encoder : NeuralEncoder
    head : NeuralHead
    F : array [n, channels, times], space.unit
    space : Space or None
    device : str
        Name of a torch device; the modules are back where they were afterwards.

    Raises
    ------
    SentenceError
        The windows are not those the network was built for, or a GPU does not hold one of them.
    """
    from corticode.encoder.neural import evaluating, tensors
    from corticode.train.memory import Parts, cut

    encoder.check_input(np.shape(F))
    answers, parts = [], Parts()

    def ask(x: Any, n_parts: int) -> list[np.ndarray]:
        return [head.answer(head(encoder(part.to(device), space)).double()).cpu().numpy() for (part,) in cut([x], n_parts)]

    encoder.to(device), head.to(device)
    try:
        with evaluating(encoder, head):
            for x in tensors(F, encoder.batch_size):
                answers += parts(functools.partial(ask, x), x.shape)
    finally:
        encoder.cpu(), head.cpu()
    return np.concatenate(answers) if answers else np.empty((0, 0), dtype=np.float64)
