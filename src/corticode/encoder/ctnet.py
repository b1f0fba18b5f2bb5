"""CTNet: EEGNet's convolutions make tokens, a small transformer relates them, and both are added."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Block
from corticode.layer.dropout import Dropout
from corticode.layer.filter_bank import FilterBank

# What the paper gives in samples at 250 Hz and stands here in seconds; later steps count samples of the pooled signal.
_KERNEL_S = 64 / 250
_POOL_S = 8 / 250
_SECOND_LENGTH, _SECOND_POOL = 16, 8
_POSITIONS = 100  # as many as the paper's code keeps, whatever the number of tokens
_POSITION_DROP = 0.1


class CTNet(NeuralEncoder):
    """CTNet of Zhao et al. (2024), as its authors trained it within a person.

        x -> filter bank -> convolution: tokens z -> z sqrt(d) + position -> n_layers post-norm blocks -> added to their input

    Input: EEG, any rate; the paper used 22 channels, 4 s at 250 Hz, no band-pass, z-scored over the training set.
    Representation: one token of F1 D values per 0.256 s; the paper's classifier is `head.linear.Linear(pool="flatten",
    drop_prob=0.5)`. Parameters: 27,284 with that head at 22 channels x 1000 samples of 250 Hz x 4 classes. Trained on:
    nothing, learns from scratch.

    Departures from the paper: none. braindecode 1.8 has other defaults (F1 20, 4 heads), another scale of attention (see
    `scale`), and no dropout before the classifier.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    F1 : int
        Temporal filters.
    D : int
        Spatial filters per temporal filter.
    kernel_length : int or None
        Samples of a temporal filter; None takes 0.256 s (64 at 250 Hz).
    n_layers, n_heads : int
        Of the transformer.
    drop_prob : float
        After the convolutions: 0.5 within a person, 0.25 across people in the paper.
    attention_drop_prob : float
        In the transformer.
    scale : float or None
        What products of queries and keys are multiplied by. None takes 1 / sqrt(F1 D), as the paper's code does;
        1 / sqrt(F1 D / n_heads) is the usual one, and braindecode's.

    Raises
    ------
    SentenceError
        Windows are shorter than one token.

    Source
    ------
    Zhao et al. 2024, Scientific Reports 14:20237; github.com/snailpt/CTNet. Checked against braindecode to 1e-5 with its scale
    (tests/encoder/test_ctnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        F1: int = 8,
        D: int = 2,
        kernel_length: int | None = None,
        n_layers: int = 6,
        n_heads: int = 2,
        drop_prob: float = 0.5,
        attention_drop_prob: float = 0.5,
        scale: float | None = None,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.F1, self.D, self.kernel_length, self.n_layers, self.n_heads = F1, D, kernel_length, n_layers, n_heads
        self.drop_prob, self.attention_drop_prob, self.scale = drop_prob, attention_drop_prob, scale
        pool = max(1, round(_POOL_S * self.sfreq))
        self.n_features, self.n_tokens = F1 * D, self.n_times // pool // _SECOND_POOL
        if self.n_tokens < 1:
            needed = pool * _SECOND_POOL
            raise SentenceError(
                f"CTNet needs windows of {needed} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows"
            )
        d = self.n_features
        self.bank = FilterBank(self.n_chans, F1, D, kernel_length or max(1, round(_KERNEL_S * self.sfreq)), pool, eps=1e-5)
        self.convolution = nn.Conv1d(d, d, _SECOND_LENGTH, padding="same", bias=False)
        self.norm = nn.BatchNorm1d(d)
        self.dropout, self.position_dropout = Dropout(drop_prob), Dropout(_POSITION_DROP)
        self.position = nn.Parameter(torch.randn(max(_POSITIONS, self.n_tokens), d))
        self.blocks = nn.Sequential(
            *(Block(d, n_heads, attention_drop_prob, norm_first=False, scale=scale or d**-0.5) for _ in range(n_layers))
        )

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, F1 D]."""
        x = self.dropout(self.bank(x))  # [b, F1 D, times / pool]
        x = functional.elu(self.norm(self.convolution(x)))
        x = self.dropout(functional.avg_pool1d(x, _SECOND_POOL)).transpose(1, 2)  # [b, tokens, F1 D]
        x = self.position_dropout(x * math.sqrt(self.n_features) + self.position[: self.n_tokens])
        return x + self.blocks(x)

    def cam_layer(self):
        """Return the second convolution, normalised: [b, F1 D, 1, times / pool]."""
        return self.norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [F1, kernel]."""
        return self.bank.temporal
