"""IFNet: spatial and temporal filters of a low and a high band, added to let the two interact."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.bands import Bands, butterworth
from corticode.layer.depthwise import depthwise
from corticode.layer.filtered_norm import FilteredNorm

BANDS = ((4, 16), (16, 40))
_POOLS = ("mean", "log_power")
_INITIAL_SD = 0.01
# Powers behind a norm are about 1: what is far from it is cut off, as in the paper's code.
_POWERS = (1e-4, 1e6)


class IFNet(NeuralEncoder):
    """IFNet of Wang et al. (2023), and its second version.

        x [b, channels, times] -> 4 to 16 Hz  -> n_filters spatial filters, norm -> a temporal filter each, norm  \\
                                  16 to 40 Hz -> n_filters spatial filters, norm -> a shorter filter each, norm   + -> GELU -> pool

    Input: EEG in µV, 4 to 40 Hz, above 80 Hz of rate; the paper used 0.5 to 3.5 s after the cue at 250 Hz. Representation: one token
    of n_filters values per half second. Parameters: with `head.linear.Linear(pool="flatten", drop_prob=0.5)` 9,858 at 20 channels x
    750 samples of 250 Hz x 2 classes (the paper's 9.9 K), 10,884 at 22 channels x 4 classes.
    Trained on: nothing, learns from scratch. The filters are a fixed part of the network, as in `encoder.fbcnet.FBCNet`.

    Departures from the paper:

    * signals are not divided by 5 µV before the first norm, which undoes it;
    * the head starts from PyTorch's own weights, in place of normal ones of sd 0.01;
    * at other rates than 250 Hz filters and pools keep their duration.

    `pool="log_power"` is the second version, which the repository has beside the paper's, with `max_norm=0.5` in the head.
    braindecode's `IFNet` is that version behind zero-phase FIR filters in place of the causal ones, cuts a window into 8 parts whatever
    its length, and fills the last one with zeros where ours leaves a rest unread; behind the filters the numbers are the same.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_filters : int
        Per band.
    kernel_length : int or None
        Samples of the low band's temporal filters, odd; each further band has half of it. None takes 0.25 s.
    pool_length : int or None
        Samples per token; None takes half a second.
    pool : str
        'mean', or 'log_power': the logarithm of the mean square.
    bands_hz : sequence of (low, high)
        Butterworth of order 5, causal.

    Raises
    ------
    SentenceError
        Windows are shorter than one token, the rate is too low for the bands, or `pool` is unknown.

    Source
    ------
    Wang et al. 2023, IEEE TNSRE 31:1900; github.com/Jiaheng-Wang/IFNet. Checked against braindecode 1.8 to 1e-5
    (tests/encoder/test_ifnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_filters: int = 64,
        kernel_length: int | None = None,
        pool_length: int | None = None,
        pool: str = "mean",
        bands_hz: Sequence[Sequence[float]] = BANDS,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_filters, self.kernel_length, self.pool_length, self.pool = int(n_filters), kernel_length, pool_length, pool
        self.bands_hz = tuple((float(low), float(high)) for low, high in bands_hz)
        if pool not in _POOLS:
            raise SentenceError(f"IFNet pool {pool!r} is unknown: use {' or '.join(_POOLS)}")
        self._length = pool_length or max(1, round(sfreq / 2))
        self.n_tokens, self.n_features = self.n_times // self._length, self.n_filters
        if self.n_tokens < 1:
            raise SentenceError(
                f"IFNet pools {self._length} samples ({self._length / sfreq:g} s) and got windows of {n_times}: take longer windows, or "
                "set model.encoder.pool_length="
            )
        self.bank = Bands(butterworth(self.bands_hz, self.sfreq), self.n_times)
        n_bands = len(self.bands_hz)
        self.spatial = nn.Parameter(torch.empty(n_bands, self.n_filters, self.n_chans))
        self.normed = FilteredNorm(n_bands, self.n_filters)
        longest = kernel_length or 2 * round(0.124 * sfreq) + 1
        # odd lengths: all bands come out as long as they were
        lengths = [(longest >> k) | 1 for k in range(n_bands)]
        self.temporal = nn.ParameterList(nn.Parameter(torch.empty(self.n_filters, 1, length)) for length in lengths)
        self.norms = nn.ModuleList(nn.BatchNorm1d(self.n_filters) for _ in range(n_bands))
        for weight in (self.spatial, *self.temporal):
            nn.init.trunc_normal_(weight, std=_INITIAL_SD)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_times // pool_length, n_filters]."""
        x = self.normed(self.bank(x), self.spatial)  # [b, bands, filters, times]
        parts = []
        for k, (weight, norm) in enumerate(zip(self.temporal, self.norms, strict=True)):
            half = weight.shape[2] // 2
            parts.append(norm(depthwise(functional.pad(x[:, k], (half, half)), weight)))
        x = functional.gelu(sum(parts))[..., : self.n_tokens * self._length]
        x = x.unflatten(2, (self.n_tokens, self._length))
        x = x.mean(dim=3) if self.pool == "mean" else x.square().mean(dim=3).clamp(*_POWERS).log()
        return x.transpose(1, 2)  # [b, tokens, filters]

    def cam_layer(self):
        """Return the spatial filters' signals, normalised: [b, bands n_filters, 1, times]."""
        return self.normed, lambda x: x.flatten(1, 2)[:, :, None]

    def filters(self):
        """Return the temporal filters of all bands behind the bank's: answers to an impulse [bands n_filters, samples]."""
        longest = self.temporal[0].shape[2]
        answers = []
        for h, weight in zip(self.bank.filters(), self.temporal, strict=True):
            taps = functional.pad(weight.flip(2), (longest - weight.shape[2], 0))
            answers.append(functional.conv1d(h[None, None], taps, padding=longest - 1)[0])
        return torch.cat(answers)
