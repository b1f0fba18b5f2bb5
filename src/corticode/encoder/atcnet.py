"""ATCNet: convolutions, then attention and a temporal convolutional network on each of several overlapping stretches."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import attend
from corticode.layer.dropout import Dropout
from corticode.layer.filter_bank import FilterBank
from corticode.layer.tcn import TCN

# What the paper gives in samples at 250 Hz and stands here in seconds; later steps count samples of the pooled signal.
_KERNEL_S = 64 / 250
_POOL_S = 8 / 250
_SECOND_LENGTH, _SECOND_POOL = 16, 7
_MAX_NORM = 1.0
_ATTENTION_OUT_DROP = 0.3


class ATCNet(NeuralEncoder):
    """ATCNet of Altaheri et al. (2023).

        x -> filter bank -> convolution -> [b, F1 D, stretch of 20] -> n_windows overlapping windows of it, each by itself:
          layer norm -> attention + shortcut -> temporal convolutional network -> its last sample: one token

    Input: EEG, any rate; the paper used 22 channels, 4.5 s at 250 Hz, z-scored per channel over the training set, no band-pass.
    Representation: one token of F1 D values per window of 16 of the 20 stretches, each an answer of its own. The paper's
    classifier is `head.averaged.Averaged(max_norm=0.25)`: one linear layer per window, and the mean of their logits.
    Parameters: 113,732 with that head at 22 channels x 1125 samples of 250 Hz x 4 classes. Trained on: nothing, learns from scratch.

    Departures from the paper's code: batch statistics move by 0.1 per step in place of 0.01; max-norms are applied to the
    weights as they are used; where fewer than n_windows + 4 stretches are there, windows are as many as still hold half of
    them. braindecode 1.8 differs from the paper's code, and so from this: its epsilons of norms, dropout of whole maps,
    dropout of the attention's output in place of its weights, and a max-norm over the wrong axis that also shrinks short weights.

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
    drop_prob : float
        After the convolutions.
    n_windows : int
        Windows at most.
    n_heads, head_dim : int
        Of attention.
    attention_drop_prob : float
    tcn_depth, tcn_kernel_length : int
        Blocks of the temporal convolutional network, and samples of its filters.
    tcn_drop_prob : float

    Raises
    ------
    SentenceError
        Windows are shorter than two stretches.

    Source
    ------
    Altaheri et al. 2023, IEEE Trans. Ind. Inform. 19(2):2249; github.com/Altaheri/EEG-ATCNet. Checked against braindecode to 1e-5
    with its epsilons (tests/encoder/test_atcnet.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        F1: int = 16,
        D: int = 2,
        kernel_length: int | None = None,
        drop_prob: float = 0.3,
        n_windows: int = 5,
        n_heads: int = 2,
        head_dim: int = 8,
        attention_drop_prob: float = 0.5,
        tcn_depth: int = 2,
        tcn_kernel_length: int = 4,
        tcn_drop_prob: float = 0.3,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.F1, self.D, self.kernel_length, self.drop_prob, self.n_windows = F1, D, kernel_length, drop_prob, n_windows
        self.n_heads, self.head_dim, self.attention_drop_prob = n_heads, head_dim, attention_drop_prob
        self.tcn_depth, self.tcn_kernel_length, self.tcn_drop_prob = tcn_depth, tcn_kernel_length, tcn_drop_prob
        pool = max(1, round(_POOL_S * self.sfreq))
        n_stretches = self.n_times // pool // _SECOND_POOL
        if n_stretches < 2:
            needed = 2 * pool * _SECOND_POOL
            raise SentenceError(
                f"ATCNet needs windows of {needed} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows"
            )
        self.n_features = F1 * D
        self.n_tokens = min(n_windows, n_stretches - max(2, -(-n_stretches // 2)) + 1)
        self.window_length = n_stretches - self.n_tokens + 1
        kernel = kernel_length or max(1, round(_KERNEL_S * self.sfreq))
        self.bank = FilterBank(self.n_chans, F1, D, kernel, pool, max_norm=_MAX_NORM)
        self.convolution = nn.Conv1d(self.n_features, self.n_features, _SECOND_LENGTH, padding="same", bias=False)
        nn.init.xavier_uniform_(self.convolution.weight)
        self.norm = nn.BatchNorm1d(self.n_features, eps=1e-3)
        self.dropout = Dropout(drop_prob)
        self.attention = _WindowAttention(self.n_tokens, self.n_features, n_heads, head_dim, attention_drop_prob)
        # the windows' networks have one shape and run as one, in groups that do not see one another
        width = self.n_tokens * self.n_features
        self.tcn = TCN(width, width, tcn_kernel_length, tcn_depth, tcn_drop_prob, groups=self.n_tokens)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_windows, F1 D]."""
        x = self.dropout(self.bank(x))  # [b, F1 D, times / pool]
        x = functional.elu(self.norm(self.convolution(x)))
        x = self.dropout(functional.avg_pool1d(x, _SECOND_POOL))  # [b, F1 D, stretches]
        windows = x.unfold(2, self.window_length, 1).permute(2, 0, 3, 1)  # [windows, b, length, F1 D]
        windows = self.attention(windows)
        x = self.tcn(windows.permute(1, 0, 3, 2).flatten(1, 2))  # [b, windows F1 D, length]
        return x[..., -1].unflatten(1, (self.n_tokens, -1))

    def cam_layer(self):
        """Return the second convolution, normalised: [b, F1 D, 1, times / pool]."""
        return self.norm, lambda x: x[:, :, None]

    def filters(self):
        """Return the temporal filters [F1, kernel]."""
        return self.bank.temporal


class _WindowAttention(nn.Module):
    """Layer norm, attention and a shortcut, with weights of each window's own: [windows, b, n, d] -> the same."""

    def __init__(self, n_windows: int, n_features: int, n_heads: int, head_dim: int, drop_prob: float):
        super().__init__()
        self.n_heads, self.drop_prob, width = n_heads, drop_prob, n_heads * head_dim
        self.norm_weight = nn.Parameter(torch.ones(n_windows, 1, 1, n_features))
        self.norm_bias = nn.Parameter(torch.zeros(n_windows, 1, 1, n_features))
        self.query_key_value = nn.Parameter(torch.empty(n_windows, n_features, 3 * width))
        self.query_key_value_bias = nn.Parameter(torch.zeros(n_windows, 1, 3 * width))
        self.mix = nn.Parameter(torch.empty(n_windows, width, n_features))
        self.mix_bias = nn.Parameter(torch.zeros(n_windows, 1, n_features))
        self.dropout = Dropout(_ATTENTION_OUT_DROP)
        for weight in (self.query_key_value, self.mix):  # Glorot's bound for each window's queries, keys, values and mixtures
            nn.init.uniform_(weight, -math.sqrt(6 / (n_features + width)), math.sqrt(6 / (n_features + width)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return each window's tokens beside what they took from the window's other tokens."""
        w, b, n, d = x.shape
        z = functional.layer_norm(x, (d,), eps=1e-6) * self.norm_weight + self.norm_bias
        z = torch.baddbmm(self.query_key_value_bias, z.reshape(w, b * n, d), self.query_key_value)
        query, key, value = z.view(w * b, n, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        z = attend(query, key, value, self.drop_prob if self.training else 0.0)  # [w b, heads, n, head_dim]
        z = torch.baddbmm(self.mix_bias, z.transpose(1, 2).reshape(w, b * n, -1), self.mix)
        return x + self.dropout(z).view(w, b, n, d)
