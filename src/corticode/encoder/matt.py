"""MAtt: attention between stretches of a window, each seen as a covariance on its manifold."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer import spectral
from corticode.layer.bimap import BiMap

_RIDGE = 1e-5
_VARIANTS = ("paper", "spd_learn")
# spd_learn's own floor of eigenvalues, 10,000 times what float32 resolves
_SPD_LEARN_FLOOR = 1e4 * torch.finfo(torch.float32).eps


class MAtt(NeuralEncoder):
    """Manifold attention network of Pan et al. (2022).

        x [b, channels, times] -> spatial and temporal filters -> n_segments covariances
          -> query, key, value by BiMap -> softmax(1 / (1 + log(1 + |log Q - log K|^2)))
          -> weighted log-Euclidean mean of the values -> ReEig -> logarithm

    Input: band-passed EEG in µV; the paper used 4 to 38 Hz at 250 Hz. Representation: one token per segment, the upper triangle
    of its matrix, 171 values; a head that keeps them apart is `head.linear.Linear(pool="flatten")`.
    Parameters: with that head 8,513 at 22 channels x 4 classes. Trained on: nothing, learns from scratch.

    Departures from the paper: convolutions stand in one dimension and come to the same numbers; BiMap weights move on the
    Stiefel manifold by a parametrisation under AdamW, in place of projected gradients. Where spd_learn's `MAtt` differs,
    `variant="spd_learn"` follows it, to the same numbers with the same weights (its query is the paper's key, and the reverse):

    * segments of one length, the rest of the window dropped;
    * covariances divided by their mean variance in place of their trace, without the 1e-5 on the diagonal;
    * the distance itself in place of its square;
    * a floor of 1.2e-3 for eigenvalues in place of 1e-4, and sqrt(2) on what is off the diagonal of the logarithm.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_segments : int
        3 in the paper for motor imagery and error potentials, 7 for SSVEP.
    n_spatial, n_temporal : int
        Filters over channels, and over time.
    kernel_length : int
        Samples of a temporal filter.
    n_attention : int
        Size of the matrices that attend to each other.
    variant : str
        'paper' or 'spd_learn'.

    Raises
    ------
    SentenceError
        An unknown variant, or segments with no more samples than filters.

    Source
    ------
    Pan et al. 2022, NeurIPS; github.com/CECNL/MAtt. Checked against spd_learn 0.2 to 1e-5 (tests/encoder/test_spd_networks.py).
    """

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_segments: int = 3,
        n_spatial: int = 22,
        n_temporal: int = 20,
        kernel_length: int = 12,
        n_attention: int = 18,
        variant: str = "paper",
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_segments, self.n_spatial, self.n_temporal = n_segments, n_spatial, n_temporal
        self.kernel_length, self.n_attention, self.variant = kernel_length, n_attention, variant
        if variant not in _VARIANTS:
            raise SentenceError(f"MAtt variant {variant!r} is unknown: pick one of {', '.join(_VARIANTS)}")
        padding = kernel_length // 2
        length = (self.n_times + 2 * padding - kernel_length + 1) // n_segments
        if length <= n_temporal:
            raise SentenceError(
                f"MAtt reads a covariance of {n_temporal} filters in each of {n_segments} segments, and {n_times} samples leave "
                f"{max(0, length)} for each: take longer windows, or set model.encoder.n_segments= lower"
            )
        self.n_tokens, self.n_features = n_segments, n_attention * (n_attention + 1) // 2
        self.spatial = nn.Conv1d(self.n_chans, n_spatial, 1)
        self.spatial_norm = nn.BatchNorm1d(n_spatial)
        self.temporal = nn.Conv1d(n_spatial, n_temporal, kernel_length, padding=padding)
        self.temporal_norm = nn.BatchNorm1d(n_temporal)
        # query, key and value: three maps of every segment
        self.bimap = BiMap(n_temporal, n_attention, n_maps=3)

    def forward(self, x, space=None, subject=None):
        """Return tokens [b, n_segments, n_attention (n_attention + 1) / 2]."""
        x = self.spatial_norm(self.spatial(x))
        C = self._covariances(self.temporal_norm(self.temporal(x)))  # [b, segments, c, c]
        logarithms = spectral.of(self.bimap(C[:, :, None]), self._log)  # [b, segments, 3, d, d]
        query, key, value = logarithms.unbind(dim=2)
        energy = (query[:, :, None] - key[:, None]).square().sum(dim=(-2, -1))  # [b, queries, keys]
        if self.variant == "spd_learn":
            energy = _distance(energy)
        share = functional.softmax(1 / (1 + torch.log1p(energy)), dim=-1)
        mixed = torch.einsum("bqk,bkij->bqij", share, value)
        # ReEig and LogEig of exp(mixed) raise the eigenvalues of `mixed` itself
        rectified = spectral.of(mixed, spectral.rectified(self._log_floor))
        return spectral.upper(rectified, weighted=self.variant == "spd_learn").to(x.dtype)

    def _covariances(self, x: torch.Tensor) -> torch.Tensor:
        one = torch.eye(x.shape[1], dtype=torch.float64, device=x.device)
        if self.variant == "spd_learn":
            length = x.shape[-1] // self.n_segments
            segments = x[..., : length * self.n_segments].unflatten(-1, (self.n_segments, length)).transpose(1, 2)
            C = spectral.covariance(segments, correction=1)
            return C / _trace(C) * C.shape[-1]
        C = torch.stack([spectral.covariance(part, correction=1) for part in x.tensor_split(self.n_segments, dim=-1)], dim=1)
        return C / _trace(C) + _RIDGE * one

    @property
    def _log(self) -> spectral.Function:
        # far below the ridge, so only rounding is caught
        return spectral.rectified_log(1e-12)

    @property
    def _log_floor(self) -> float:
        floor = torch.tensor(_SPD_LEARN_FLOOR if self.variant == "spd_learn" else 1e-4, dtype=torch.float64)
        return float(floor.log())


def _trace(C: torch.Tensor) -> torch.Tensor:
    return C.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]


def _distance(square: torch.Tensor) -> torch.Tensor:
    # a root has no slope at 0
    return torch.where(square > 0, torch.where(square > 0, square, 1.0).sqrt(), 0.0)
