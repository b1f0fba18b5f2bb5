"""FBCNet: spatial filters in each of nine bands, and how their variance goes over a window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.bands import Bands, chebyshev
from corticode.layer.filtered_norm import FilteredNorm

BANDS = tuple((low, low + 4) for low in range(4, 40, 4))
_MAX_NORM = 2.0
# Variances after the norm are about 1: what is far from it is cut off, as in the paper's code.
_VARIANCES = (1e-6, 1e6)


class FBCNet(NeuralEncoder):
    """FBCNet of Mane et al. (2021).

        x [b, channels, times] -> 9 bands (fixed filters) -> m spatial filters per band -> batch norm -> swish
          -> log-variance in each of n_segments stretches of the window

    Input: EEG in µV, 4 to 40 Hz, above 84 Hz of rate. Representation: one token of 9 m values per stretch. Parameters: with
    `head.linear.Linear(pool="flatten", max_norm=0.5)` 11,524 at 22 channels x 4 classes, whatever the rate.
    Trained on: nothing, learns from scratch.

    The filters are a fixed part of the network: what goes in is the signal, so that alignment, augmentation and attribution act on it
    as they do elsewhere, and nine copies of the data are never kept.

    Departures from the paper:

    * biases of the spatial filters are left out (288 numbers), since the norm takes them away;
    * max-norms are applied to the weights as they are used, in place of a projection after each step;
    * samples that are left over when a window is cut into stretches, at its end, are not read.

    braindecode's `FBCNet` filters by a zero-phase FIR with 2 to 10 Hz of transition where the paper's filters are causal, and fills a
    last stretch with zeros; behind the filters the numbers are the same.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    m : int
        Spatial filters per band.
    n_segments : int
        Stretches of a window.
    bands_hz : sequence of (low, high)
        Chebyshev II, causal, 30 dB down from 2 Hz outside.

    Raises
    ------
    SentenceError
        A stretch has fewer than two samples, or the rate is too low for the bands.

    Source
    ------
    Mane et al. 2021, arXiv:2104.01233; github.com/ravikiran-mane/FBCNet. Checked against braindecode 1.8 to 1e-5
    (tests/encoder/test_fbcnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        m: int = 32,
        n_segments: int = 4,
        bands_hz: Sequence[Sequence[float]] = BANDS,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.m, self.n_segments = int(m), int(n_segments)
        self.bands_hz = tuple((float(low), float(high)) for low, high in bands_hz)
        self.n_tokens, self.n_features = self.n_segments, len(self.bands_hz) * self.m
        if self.n_times < 2 * self.n_segments:
            raise SentenceError(
                f"FBCNet takes variances in {n_segments} stretches of a window and got windows of {n_times} samples: take longer windows, or "
                "set model.encoder.n_segments="
            )
        self.bank = Bands(chebyshev(self.bands_hz, self.sfreq), self.n_times)
        self.spatial = nn.Parameter(torch.empty(self.n_features, self.n_chans))
        self.normed = FilteredNorm(len(self.bands_hz), self.m)
        nn.init.kaiming_uniform_(self.spatial, a=math.sqrt(5))

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_segments, bands m]."""
        weight = torch.renorm(self.spatial, 2, 0, _MAX_NORM).view(-1, self.m, self.n_chans)
        x = self.normed(self.bank(x), weight)  # [b, bands, m, times]
        length = self.n_times // self.n_segments
        x = x[..., : self.n_segments * length].unflatten(3, (self.n_segments, length))
        # one band after the other stays in a CPU's cache
        x = torch.cat([_Variance.apply(functional.silu(band)) for band in x.unbind(1)], dim=1)
        return x.clamp(*_VARIANCES).log().transpose(1, 2)  # [b, segments, bands m]

    def cam_layer(self):
        """Return the spatial filters' signals, normalised: [b, bands m, 1, times]."""
        return self.normed, lambda x: x.flatten(1, 2)[:, :, None]

    def filters(self):
        """Return the bank's answers to an impulse [bands, n_times]."""
        return self.bank.filters()


class _Variance(torch.autograd.Function):
    """The variance over the last axis, as `torch.var`; what the way back needs is the signal alone, read twice."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.vector_norm(x - x.mean(dim=-1, keepdim=True), dim=-1).square() / (x.shape[-1] - 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, back: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return (x - x.mean(dim=-1, keepdim=True)) * (2 / (x.shape[-1] - 1) * back)[..., None]
