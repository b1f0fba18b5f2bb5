"""RLEEGNet: one-versus-rest CSP in CSP space, then a small convolutional and recurrent Q-network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd

_POOL = 2
# Windows that are looked at together while statistics are learned.
_ROWS = 256


class RLEEGNet(NeuralEncoder):
    """Q-network of Nallani and Ramachandran (2024), whose classifier is learned by reward (`adapt=q_learning`).

        x [b, channels, times] -> CSP filters of each class against the rest -> z-score       (learned once, in `fit`)
          -> 2 x (convolution, ReLU, max-pool by 2) -> LSTM, its last state -> dense, ReLU

    The filters keep the time axis ("CSP space"); two classes have one contrast and not two equal ones. Filters and z-score
    are learned from the labelled rows of `fit` alone, before the first gradient, and are saved with the weights.

    Input: band-passed EEG in µV, any rate. Proposed: 8 to 30 Hz, 0.5 to 2.5 s after the cue. Representation: one token of
    `n_hidden` values; `head.linear.Linear` on it gives one Q-value per class. Parameters: with that head 100,356 for 4 classes,
    whatever the channels (4 or more). Trained on: nothing, learns from scratch.

    Known of the paper (abstract and summaries; the full text was not at hand): one-versus-rest CSP in CSP space, an online
    Q-network of 1-D convolutions and an LSTM, two data sets. Unknown, and so our own choice (this is "RLEEGNet-style"):
    every size here, the number of CSP filters and their shrinkage, band and window, rewards, gamma, epsilon, replay, optimiser,
    number of episodes. The power spectra and "other statistical features" that a summary mentions are left out.

    What the published figures rest on (up to 100 %, mean 96.7 % on BCI IV 2a and 100 % on the data of Cho et al. 2017): they are
    "reward-based accuracy" within a session; the share and way of the split, and whether CSP was fitted before it, are unknown.
    Reward is collected on trials that the agent meets again in every episode, and filters that have seen a trial's label give
    it away. Simulated people whose labels were shuffled, where nothing can be decoded, earn 97 % in training and are answered with 43 % on
    trials that took part in nothing (`benchmarks/rleegnet.py`; 85 % with their own labels). Only the latter is a result.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_outputs : int
        Classes: as many contrasts, or one for two classes.
    n_components : int
        Filters of a contrast, from both ends of its spectrum in turn; no more than there are channels.
    estimator : str
        Covariance of a window: 'lwf', 'oas' or 'scm'.
    n_filters, n_mixed : int
        Filters of the first and of the second convolution.
    kernel_length : int
        Samples of both.
    n_hidden : int
        Size of the LSTM's state, and of the dense layer.

    Raises
    ------
    SentenceError
        Fewer than two classes, or windows too short for both convolutions.

    Source
    ------
    Nallani and Ramachandran 2024, arXiv 2402.09465. The filters are checked against mne.decoding.CSP (tests/encoder/test_rleegnet.py).
    """

    n_tokens = 1
    learns_labels = True

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_outputs: int,
        n_components: int = 4,
        estimator: str = "lwf",
        n_filters: int = 64,
        n_mixed: int = 128,
        kernel_length: int = 5,
        n_hidden: int = 64,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_outputs, self.n_components, self.estimator = int(n_outputs), int(n_components), estimator
        self.n_filters, self.n_mixed, self.kernel_length, self.n_hidden = n_filters, n_mixed, kernel_length, n_hidden
        self.n_features = n_hidden
        if self.n_outputs < 2:
            raise SentenceError(
                f"RLEEGNet contrasts classes, and the task has {n_outputs} answer: use a task of classes, or another model="
            )
        spd.known_estimator(estimator)
        needed = (1 * _POOL + kernel_length - 1) * _POOL + kernel_length - 1
        if self.n_times < needed:
            raise SentenceError(
                f"RLEEGNet needs windows of {needed} samples or more and got {n_times} ({n_times / sfreq:g} s at {sfreq:g} Hz): "
                "take longer windows, or a higher rate"
            )
        n_contrasts = 1 if self.n_outputs == 2 else self.n_outputs
        n_sources = n_contrasts * min(self.n_components, self.n_chans)
        self.register_buffer("spatial", nn.init.orthogonal_(torch.empty(n_sources, self.n_chans)))
        self.register_buffer("mean", torch.zeros(n_sources))
        self.register_buffer("sd", torch.ones(n_sources))
        self.first = nn.Conv1d(n_sources, n_filters, kernel_length)
        self.second = nn.Conv1d(n_filters, n_mixed, kernel_length)
        self.recurrent = nn.LSTM(n_mixed, n_hidden, batch_first=True)
        self.dense = nn.Linear(n_hidden, n_hidden)

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, n_hidden]."""
        x = (torch.einsum("sc,bct->bst", self.spatial, x) - self.mean[:, None]) / self.sd[:, None]  # [b, sources, times]
        for convolution in (self.first, self.second):
            # the largest of two is positive where one of them is: pooled first, the ReLU has half the work
            x = functional.relu(functional.max_pool1d(convolution(x), _POOL))
        _, (last, _) = self.recurrent(x.transpose(1, 2))
        return functional.relu(self.dense(last[-1]))[:, None]

    def cam_layer(self):
        """Return the second convolution: [b, n_mixed, 1, times / 2 or a little less]."""
        return self.second, lambda x: x[:, :, None]

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame | None = None) -> Self:
        """Learn filters and z-score from labelled rows [n, channels, times], and nothing by gradients.

        Raises
        ------
        BrokenDataError
            A class has no rows.
        """
        self.check_input(np.shape(features))
        y = np.asarray(y)
        counts = np.bincount(y, minlength=self.n_outputs)
        if (counts == 0).any():
            raise BrokenDataError(
                f"RLEEGNet contrasts each class with the rest, and the fit rows hold none of class {', '.join(map(str, np.flatnonzero(counts == 0)))}: "
                "give windows of each class"
            )
        sums = np.zeros((self.n_outputs, self.n_chans, self.n_chans))
        for rows, X in _blocks(features):
            np.add.at(sums, y[rows], spd.covariances(X, self.estimator))
        n = 1 if self.n_outputs == 2 else self.n_outputs
        found = [contrast(sums[k] / counts[k], (sums.sum(axis=0) - sums[k]) / (len(y) - counts[k]), self.n_components) for k in range(n)]
        spatial = np.concatenate(found)
        mean, sd = _moments(features, spatial)
        for name, value in (("spatial", spatial), ("mean", mean), ("sd", sd)):
            buffer = getattr(self, name)
            buffer.copy_(torch.as_tensor(value, dtype=buffer.dtype))
        return self


def contrast(one: np.ndarray, rest: np.ndarray, n_components: int) -> np.ndarray:
    """Return the filters [n_components, c] whose variance differs most between two covariances [c, c].

    From the filter with the largest share of its variance in `one` to that with the smallest, taken from both ends in turn.
    """
    from scipy.linalg import eigh

    share, vectors = eigh(one, one + rest)  # shares in ascending order
    n = len(share)
    ends = [i for pair in zip(range(n - 1, -1, -1), range(n), strict=True) for i in pair]
    return vectors.T[list(dict.fromkeys(ends))[:n_components]]


def _blocks(features: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for first in range(0, len(features), _ROWS):
        rows = slice(first, first + _ROWS)
        yield rows, np.asarray(features[rows], dtype=np.float64)


def _moments(features: np.ndarray, spatial: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sd of each source [sources] over all rows and samples."""
    total = square = 0.0
    for _, X in _blocks(features):
        sources = spatial @ X  # [b, sources, times]
        total, square = total + sources.sum(axis=(0, 2)), square + (sources**2).sum(axis=(0, 2))
    n = len(features) * np.shape(features)[-1]
    mean = total / n
    sd = np.sqrt(np.maximum(square / n - mean**2, 0.0))
    return mean, np.where(sd > 0, sd, 1.0)
