"""EEG-TCNet: EEGNet's filters, then a temporal convolutional network that reads what they give in order."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.depthwise import depthwise, padded
from corticode.layer.dropout import Dropout
from corticode.layer.filter_bank import FilterBank
from corticode.layer.tcn import TCN

_KERNEL_S, _POOL_S = 0.128, 0.032
_SEPARABLE_LENGTH, _SECOND_POOL = 16, 8
_MAX_NORM = 1.0


class EEGTCNet(NeuralEncoder):
    """EEG-TCNet of Ingolfsson et al. (2020), with one setting for all people ("fixed").

        x [b, channels, times] -> filters in time and over channels -> pool -> separable filters -> pool
          -> blocks of dilated causal convolutions -> their last step

    Input: EEG in µV, any rate; the paper used 250 Hz. Representation: one token of F_T values.
    Parameters: with the dense layer (`head.linear.Linear(pool="flatten", max_norm=0.25)`) 4,096 at 22 channels x 4 classes of 250 Hz;
    the paper's 4,272 count 176 running statistics too. Trained on: nothing, learns from scratch.
    Departures from the paper: at other rates than the paper's, the first filters and the first pool are as long in seconds as there, so
    that all behind them sees 31 samples per second; the max-norm of the spatial filters is applied to the weights as they are used, with
    gradients through it, in place of a projection after each step; batch statistics move by 0.1 per step in place of 0.01, since small
    data sets give few steps. As there, biases before a batch norm are of no effect.

    braindecode's `EEGTCNet` bends the signal by ELU between the first norm and the spatial filters, pads filters of even length on both
    sides alike (one sample more), leaves those biases out and the spatial filters without a limit; the paper's code does not.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    F1 : int
        Temporal filters.
    D : int
        Spatial filters per temporal filter; there are F1 D separable filters.
    K_E : int or None
        Samples of a temporal filter; None takes 0.128 s, 32 samples at 250 Hz.
    p_e : float
        Dropout before the temporal convolutional network.
    L : int
        Its blocks, of dilation 1, 2, 4 ...
    K_T : int
        Samples of its filters.
    F_T : int
        Its filters, the length of the token.
    p_t : float
        Dropout in it.

    Raises
    ------
    SentenceError
        Windows are shorter than one step of the temporal convolutional network.

    Source
    ------
    Ingolfsson et al. 2020, IEEE SMC, arXiv:2006.00622; github.com/iis-eth-zurich/eeg-tcnet. Checked against braindecode to 1e-5 where
    the two agree (tests/encoder/test_eeg_tcnet.py).
    """

    n_tokens = 1

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        F1: int = 8,
        D: int = 2,
        K_E: int | None = None,
        p_e: float = 0.2,
        L: int = 2,
        K_T: int = 4,
        F_T: int = 12,
        p_t: float = 0.3,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.F1, self.D, self.K_E, self.p_e = F1, D, K_E, p_e
        self.L, self.K_T, self.F_T, self.p_t = L, K_T, F_T, p_t
        kernel, pool = K_E or max(1, round(_KERNEL_S * self.sfreq)), max(1, round(_POOL_S * self.sfreq))
        if self.n_times // pool < _SECOND_POOL:
            raise SentenceError(
                f"EEGTCNet needs windows of {pool * _SECOND_POOL} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows"
            )
        self.n_features, n_filters = F_T, F1 * D
        self.front = FilterBank(self.n_chans, F1, D, kernel, pool, max_norm=_MAX_NORM)
        self.depthwise = nn.Parameter(torch.empty(n_filters, 1, _SEPARABLE_LENGTH))
        self.pointwise = nn.Conv1d(n_filters, n_filters, 1, bias=False)
        self.norm = nn.BatchNorm1d(n_filters, eps=1e-3)
        self.dropout = Dropout(p_e)
        self.tcn = TCN(n_filters, F_T, K_T, L, p_t)
        for weight in (self.depthwise, self.pointwise.weight):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, F_T]: the last step, which has seen those before it."""
        x = self.dropout(self.front(x))  # [b, F1 D, times / pool]
        x = depthwise(padded(x, self.depthwise.shape[2]), self.depthwise)
        x = functional.elu(self.norm(self.pointwise(x)))
        x = self.dropout(functional.avg_pool1d(x, _SECOND_POOL))
        return self.tcn(x)[..., -1:].transpose(1, 2)

    def cam_layer(self):
        """Return the separable filters, normalised: [b, F1 D, 1, times / pool]."""
        return self.norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [F1, K_E]."""
        return self.front.temporal
