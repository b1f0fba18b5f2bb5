"""Ask a trained network: windows -> answers, batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from corticode.space import Space


def predict(encoder: Any, head: Any, F: np.ndarray, space: Space | None = None, device: str = "cpu") -> np.ndarray:
    """Return answers [n, n_outputs], float64, in evaluation mode, without gradients and in full precision.

    Probabilities are made in 64 bits, so that they sum to 1 for whoever checks.

    Parameters
    ----------
    encoder : NeuralEncoder
    head : NeuralHead
    F : array [n, channels, times], space.unit
    space : Space or None
    device : str
        Name of a torch device; the modules are back where they were afterwards.
    """
    from corticode.encoder.neural import evaluating, tensors

    encoder.check_input(np.shape(F))
    parts = []
    encoder.to(device), head.to(device)
    try:
        with evaluating(encoder, head):
            for x in tensors(F, encoder.batch_size):
                parts.append(head.answer(head(encoder(x.to(device), space)).double()).cpu().numpy())
    finally:
        encoder.cpu(), head.cpu()
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float64)
