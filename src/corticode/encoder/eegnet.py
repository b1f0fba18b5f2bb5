"""EEGNet: a compact convolutional network of temporal, spatial and separable filters."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.depthwise import depthwise, padded
from corticode.layer.dropout import Dropout
from corticode.layer.filter_bank import FilterBank

_POOLS = (4, 8)
_SEPARABLE_LENGTH = 16
_MAX_NORM = 1.0


class EEGNet(NeuralEncoder):
    """EEGNet-8,2 of Lawhern et al. (2018).

    Input: EEG in µV, any rate; the paper used 128 Hz. Representation: one token of F2 values per 32 samples.
    Parameters: with the dense layer (`head.linear.Linear(pool="flatten", max_norm=0.25)`) 2,484 at 22 channels x 512
    samples x 4 classes with a kernel of 64; 3,932 at 22 x 1000 samples of 250 Hz x 4 (kernel 125; 3,444 with a kernel of 64).
    Trained on: nothing, learns from scratch. Departures from the paper: the max-norm of the spatial filters is
    applied to the weights as they are used, with gradients through it, in place of a projection after each step; batch
    statistics move by 0.1 per step in place of 0.01, since small data sets give few steps.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    F1 : int
        Temporal filters.
    D : int
        Spatial filters per temporal filter.
    F2 : int
        Separable filters, the length of a token.
    kernel_length : int or None
        Samples of a temporal filter; None takes half a second.
    drop_prob : float
        0.5 within a person, 0.25 across people in the paper.

    Raises
    ------
    SentenceError
        Windows are shorter than one token.

    Source
    ------
    Lawhern et al. 2018, J. Neural Eng. 15:056013; github.com/vlawhern/arl-eegmodels. Checked against braindecode to 1e-5, but for its padding of
    filters of even length (tests/encoder/test_eegnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        F1: int = 8,
        D: int = 2,
        F2: int = 16,
        kernel_length: int | None = None,
        drop_prob: float = 0.5,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.F1, self.D, self.F2, self.kernel_length, self.drop_prob = F1, D, F2, kernel_length, drop_prob
        self.n_features, self.n_tokens = F2, self.n_times // _POOLS[0] // _POOLS[1]
        if self.n_tokens < 1:
            needed = _POOLS[0] * _POOLS[1]
            raise SentenceError(
                f"EEGNet needs windows of {needed} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows, or a higher rate"
            )
        kernel = kernel_length or max(1, round(sfreq / 2))
        self.bank = FilterBank(self.n_chans, F1, D, kernel, _POOLS[0], max_norm=_MAX_NORM)
        self.depthwise = nn.Parameter(torch.empty(F1 * D, 1, _SEPARABLE_LENGTH))
        self.pointwise = nn.Conv1d(F1 * D, F2, 1, bias=False)
        self.separable_norm = nn.BatchNorm1d(F2, eps=1e-3)
        self.dropout = Dropout(drop_prob)
        for weight in (self.depthwise, self.pointwise.weight):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_times // 32, F2]."""
        x = self.dropout(self.bank(x))  # [b, F1 D, times / 4]
        x = depthwise(padded(x, self.depthwise.shape[2]), self.depthwise)
        x = self.separable_norm(self.pointwise(x))
        x = self.dropout(functional.avg_pool1d(functional.elu(x), _POOLS[1]))
        return x.transpose(1, 2)  # [b, times / 32, F2]

    def cam_layer(self):
        """Return the separable filters, normalised: [b, F2, 1, n_times // 4]."""
        return self.separable_norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [F1, kernel]."""
        return self.bank.temporal
