"""EEG-Conformer: convolutions of a shallow network make tokens, a transformer relates them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer.attention import Block
from corticode.layer.dropout import Dropout

# What the paper gives in samples at 250 Hz: 25, 15 and five times 15.
_KERNEL_S = 0.1
_STRIDE_S = 0.06
_STRIDES_PER_POOL = 5


class Conformer(NeuralEncoder):
    """EEG-Conformer of Song et al. (2023).

        x -> temporal, spatial convolution -> norm, ELU -> average pool -> linear: tokens -> n_layers pre-norm blocks

    Input: EEG, any rate; the paper used 22 channels, 4 s at 250 Hz, band-passed 4-40 Hz, z-scored over the training set.
    Representation: one token of emb_dim values per 0.06 s, each of a stretch of 0.3 s. The paper's classifier is
    `head.mlp.MLP(hidden=(256, 32), drop_prob=(0.5, 0.3))` on all tokens side by side. Parameters: 789,572 with that head at 22
    channels x 1000 samples of 250 Hz x 4 classes. Trained on: nothing, learns from scratch.

    Departures from the paper: none in numbers. Nothing lies between the two convolutions, so they are computed as one,
    [emb_dim, channels, kernel_length]. braindecode 1.8 differs from the paper's code in the scale of attention, see `scale`.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    emb_dim : int
        Filters of the convolutions, the length of a token.
    kernel_length : int or None
        Samples of a temporal filter; None takes 0.1 s (25 at 250 Hz).
    pool_stride : int or None
        Samples from one token to the next; a token averages five times as many. None takes 0.06 s (15 at 250 Hz).
    n_layers, n_heads : int
    drop_prob : float
        Before the blocks.
    attention_drop_prob : float
        In the blocks.
    scale : float or None
        What products of queries and keys are multiplied by. None takes 1 / sqrt(emb_dim), as the paper's code does;
        1 / sqrt(emb_dim / n_heads) is the usual one, and braindecode's.

    Raises
    ------
    SentenceError
        Windows are shorter than one token.

    Source
    ------
    Song et al. 2023, IEEE Trans. Neural Syst. Rehabil. Eng. 31:710; github.com/eeyhsong/EEG-Conformer. Checked against
    braindecode to 1e-5 with its scale (tests/encoder/test_conformer.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        emb_dim: int = 40,
        kernel_length: int | None = None,
        pool_stride: int | None = None,
        n_layers: int = 6,
        n_heads: int = 10,
        drop_prob: float = 0.5,
        attention_drop_prob: float = 0.5,
        scale: float | None = None,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.emb_dim, self.kernel_length, self.pool_stride, self.scale = emb_dim, kernel_length, pool_stride, scale
        self.n_layers, self.n_heads, self.drop_prob, self.attention_drop_prob = n_layers, n_heads, drop_prob, attention_drop_prob
        kernel = kernel_length or max(1, round(_KERNEL_S * self.sfreq))
        self._stride = pool_stride or max(1, round(_STRIDE_S * self.sfreq))
        needed = kernel - 1 + _STRIDES_PER_POOL * self._stride
        if self.n_times < needed:
            raise SentenceError(
                f"Conformer needs windows of {needed} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows"
            )
        self.n_features, self.n_tokens = emb_dim, (self.n_times - needed) // self._stride + 1
        self.temporal = nn.Conv1d(1, emb_dim, kernel)
        self.spatial = nn.Conv1d(emb_dim, emb_dim, self.n_chans)  # its axis of length n_chans is that of channels
        self.norm = nn.BatchNorm1d(emb_dim)
        self.dropout = Dropout(drop_prob)
        self.projection = nn.Linear(emb_dim, emb_dim)
        self.blocks = nn.Sequential(*(Block(emb_dim, n_heads, attention_drop_prob, scale=scale or emb_dim**-0.5) for _ in range(n_layers)))

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_tokens, emb_dim]."""
        kernel = torch.einsum("ofc,fk->ock", self.spatial.weight, self.temporal.weight[:, 0])
        bias = self.spatial.bias + self.spatial.weight.sum(dim=2) @ self.temporal.bias
        x = functional.elu(self.norm(functional.conv1d(x, kernel, bias)), inplace=True)  # [b, emb_dim, times]
        # pooling twice, first without overlap, reads each sample once
        x = functional.avg_pool1d(functional.avg_pool1d(x, self._stride), _STRIDES_PER_POOL, 1)
        return self.blocks(self.projection(self.dropout(x).transpose(1, 2)))

    def cam_layer(self):
        """Return the last block's tokens: [b, emb_dim, 1, n_tokens]."""
        return self.blocks, lambda x: x.transpose(1, 2)[:, :, None]

    def filters(self):
        """Return the temporal filters [emb_dim, kernel]."""
        return self.temporal.weight[:, 0]
