"""Sanity controls: a decoder of the same make that knows nothing, and how far its maps look like those of the real one."""

from __future__ import annotations

import copy

import numpy as np

from corticode.decoder import Decoder
from corticode.windows import PERSON, Windows

_BATCH = 64


def ignorant(decoder: Decoder, windows: Windows, seed: int) -> tuple[Decoder, str]:
    """Return a decoder that knows nothing, and how it was made: 'shuffled weights' or 'shuffled labels'.

    A network keeps its layers and the size of its weights: the numbers of each weight change places, and batch norms measure these
    windows again. A classical decoder is fitted anew on these windows, labels shuffled within each person.

    Source
    ------
    Adebayo et al. 2018, NeurIPS (randomisation of the model, and of the data).
    """
    other, rng = copy.deepcopy(decoder), np.random.default_rng(seed)
    if decoder.encoder.neural:
        _shuffle_weights(other, rng)
        _measure_again(other, windows, seed)
        return other, "shuffled weights"
    y = np.array(windows.y)
    for rows in windows.meta.groupby(list(PERSON), sort=False).indices.values():
        y[rows] = y[rng.permutation(rows)]
    return other.fit(windows.with_y(y)), "shuffled labels"


def _shuffle_weights(decoder: Decoder, rng: np.random.Generator) -> None:
    import torch

    with torch.no_grad():
        for module in (decoder.encoder, decoder.head):
            if isinstance(module, torch.nn.Module):
                for weight in _learned(module):
                    order = torch.from_numpy(rng.permutation(weight.numel()))
                    weight.copy_(weight.flatten()[order].view_as(weight))


def _learned(module) -> list:
    """Return what training changed: parameters, and matrices in buffers where a network has learned from labels without gradients."""
    found = list(module.parameters())
    if getattr(module, "learns_labels", False):
        found += [buffer for buffer in module.buffers() if buffer.is_floating_point() and buffer.ndim > 1]
    return found


def _measure_again(decoder: Decoder, windows: Windows, seed: int) -> None:
    """Let batch norms learn mean and variance of these windows, as they did in training: else all that follows them is saturated."""
    import torch

    encoder = decoder.encoder
    norms = [m for m in encoder.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not norms or decoder.aligner.acts_on == "latent":
        return
    F = np.asarray(decoder.read(windows.blind(decoder.uses)), dtype=np.float32)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)  # of dropout
        encoder.train()
        for k, first in enumerate(range(0, len(F) - len(F) % _BATCH or len(F), _BATCH)):
            for norm in norms:
                norm.momentum = 1 / (k + 1)  # a plain mean over batches
            encoder(torch.from_numpy(F[first : first + _BATCH]), decoder.space)
    encoder.eval()
