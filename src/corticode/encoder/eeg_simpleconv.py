"""EEG-SimpleConv: a plain stack of wide convolutions over time, on a signal of low rate."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError

# Each block is wider than the one before: half of the samples, sqrt(2) of the width in both of its convolutions.
_WIDER = 1.414
# The resampling filter: a sinc of so many zero crossings on each side under a Hann window, cut off a little below half the rate.
_ZERO_CROSSINGS, _ROLL_OFF = 6, 0.99


class EEGSimpleConv(NeuralEncoder):
    """EEG-SimpleConv of El Ouahidi et al. (2023).

        x [b, channels, times] -> resampling -> convolution, norm, ReLU
          -> n_convs blocks of (convolution, norm, max-pool 2, ReLU, convolution, norm, ReLU), each 1.414 times as wide as the last

    Input: EEG in µV, any rate; resampled in the network. Representation: one token of 1.414^(n_convs - 1) feature_maps values per
    2^n_convs samples of the low rate, for `head.linear.Linear(pool="mean")`. Parameters: with that head 730,404 at 22 channels x 4
    classes; the paper's choice for BCI IV 2a was 245,654 within a person (85 feature maps, 1 block, 95 Hz, kernel 15) and 2,462,246
    across people (109, 4, 70 Hz, 8). Trained on: nothing, learns from scratch.

    Departures from the paper:

    * signals are not standardised by mean and sd of the training set, which the first norm does for each of its filters;
    * batch norm at test takes the statistics of training. The published figures across people (71.4 % on BCI IV 2a) take those of all
      windows of the person under test, and Euclidean alignment by the same windows: both are transductive;
    * the second loss, which names the person, is left out.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    feature_maps : int
        Filters of the first convolution.
    n_convs : int
        Blocks. The paper finds 1 best within a person, 2 to 4 across people.
    resampling_freq : float, Hz
        50 to 80 across people, 70 to 100 within one.
    kernel_size : int
        Samples at that rate: 5 to 8 across people, 12 to 17 within one.

    Raises
    ------
    SentenceError
        Windows are shorter than a kernel, or too short for so many blocks.

    Source
    ------
    El Ouahidi et al. 2023, arXiv:2309.07159; github.com/elouayas/EEGSimpleConv. Checked against braindecode 1.8, and its resampling
    against torchaudio, to 1e-5 (tests/encoder/test_eeg_simpleconv.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        feature_maps: int = 128,
        n_convs: int = 2,
        resampling_freq: float = 80,
        kernel_size: int = 8,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.feature_maps, self.n_convs = int(feature_maps), int(n_convs)
        self.resampling_freq, self.kernel_size = resampling_freq, int(kernel_size)
        self.resample = Resample(self.sfreq, float(resampling_freq))
        self.n_tokens = self._length(self.resample.length(self.n_times))
        widths = [self.feature_maps]
        for k in range(self.n_convs):
            widths.append(widths[-1] if k == 0 else int(_WIDER * widths[-1]))
        self.n_features = widths[-1]
        self.first = self._convolved(self.n_chans, widths[0])
        self.blocks = nn.ModuleList(
            nn.ModuleList([self._convolved(before, width), self._convolved(width, width)]) for before, width in pairwise(widths)
        )

    def _convolved(self, n_in: int, n_out: int) -> nn.Sequential:
        convolution = nn.Conv1d(n_in, n_out, self.kernel_size, padding=self.kernel_size // 2, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm1d(n_out))

    def _length(self, length: int) -> int:
        """Return how many samples of `length` at the low rate are left at the end."""
        if self.n_convs < 1:
            raise SentenceError(f"EEGSimpleConv has n_convs={self.n_convs} blocks: set 1 or more")
        start, grown = length, 1 - self.kernel_size % 2  # an even kernel adds a sample
        length += grown
        for _ in range(self.n_convs):
            length = (length + grown) // 2 + grown
        if start < self.kernel_size or length < 1 + grown:
            raise SentenceError(
                f"EEGSimpleConv got windows of {self.n_times / self.sfreq:g} s, {start} samples at {self.resampling_freq:g} Hz, for kernels "
                f"of {self.kernel_size} and {self.n_convs} halvings: take longer windows, or set model.encoder.kernel_size= and n_convs="
            )
        return length

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, n_features]."""
        x = functional.relu(self.first(self.resample(x)), inplace=True)
        for before, after in self.blocks:
            # the maximum first: ReLU keeps the order, and has half the samples then
            x = functional.relu(functional.max_pool1d(before(x), 2), inplace=True)
            x = functional.relu(after(x), inplace=True)
        return x.transpose(1, 2)  # [b, tokens, features]

    def cam_layer(self):
        """Return the last convolution, normalised: [b, n_features, 1, n_tokens]."""
        return self.blocks[-1][1], lambda x: x[:, :, None]


class Resample(nn.Module):
    """Change the rate of signals by a windowed sinc, with zeros before and behind a window.

        y(j) = sum_i x(i) h(j / new - i / old),   h(s) = f / old  sinc(f s) cos^2(pi f s / 12) for |f s| <= 6,   f = 0.99 min(old, new)

    Rates in whole ratio repeat the same few filters: `new` of them, moved on by `old` samples (after the greatest common divisor). To the
    numbers of `torchaudio.transforms.Resample`, for fractions of Hz too.

    Parameters
    ----------
    old, new : float, Hz
    """

    def __init__(self, old: float, new: float):
        super().__init__()
        ratio = Fraction(new / old).limit_denominator(1000)
        self.new, self.old = ratio.numerator, ratio.denominator
        cutoff = _ROLL_OFF * min(self.old, self.new)
        self.reach = math.ceil(_ZERO_CROSSINGS * self.old / cutoff)
        i = torch.arange(-self.reach, self.reach + self.old, dtype=torch.float64) / self.old
        j = torch.arange(self.new, dtype=torch.float64)[:, None] / self.new
        s = (cutoff * (i - j)).clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
        kernel = cutoff / self.old * torch.sinc(s) * torch.cos(math.pi * s / (2 * _ZERO_CROSSINGS)).square()
        self.register_buffer("kernel", kernel[:, None].float(), persistent=False)

    def length(self, n_times: int) -> int:
        """Return how many samples come of `n_times`."""
        return -(-n_times * self.new // self.old)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [b, channels, length(times)] of x [b, channels, times]."""
        if self.new == self.old:
            return x
        b, c, times = x.shape
        x = functional.pad(x.reshape(b * c, 1, times), (self.reach, self.reach + self.old))
        x = functional.conv1d(x, self.kernel, stride=self.old)  # [b channels, new, times / old]
        return x.transpose(1, 2).reshape(b, c, -1)[..., : self.length(times)]
