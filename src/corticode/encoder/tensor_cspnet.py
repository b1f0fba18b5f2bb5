"""Tensor-CSPNet: covariances of nine bands and several stretches of a window, each through a network of its own."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer import spectral
from corticode.layer.bands import Bands, chebyshev
from corticode.layer.bimap import BiMap
from corticode.layer.spd_norm import SPDCentre

# The paper's filter bank, of FBCNet's filters.
_BANDS_HZ = tuple((low, low + 4) for low in range(4, 40, 4))
# Windows that are filtered at a time: nine bands of them stand in memory.
_ROWS = 32


class TensorCSPNet(NeuralEncoder):
    """Tensor-CSPNet of Ju and Guan (2022).

        x [b, channels, times] -> 9 bands x n_segments -> covariances                  (once per window: `per_window`)
          -> BiMap to n_hidden -> ReEig -> BiMap to n_filters, weights of its own for each of the 9 n_segments
          -> Riemannian batch norm of all -> ReEig -> LogEig
          -> one convolution over all of them -> n_mixed values

    Input: EEG in µV, 4 to 40 Hz, 88 Hz or more; the covariances that `per_window` gives are taken as well. Representation: one token of
    `n_mixed` values. Parameters: with `head.linear.Linear` 160,771 at 22 channels x 4 classes.
    Trained on: nothing, learns from scratch.

    Departures from the paper: each window is filtered by itself, so the filters' onset lies inside it; BiMap weights move on the
    Stiefel manifold by a parametrisation, which the paper asks for and its code leaves out (`stiefel=False` trains them freely,
    as that code and spd_learn do). Where channels are no more than n_hidden, an orthonormal square BiMap and the identity that
    it pads with change no eigenvalue of the covariance: its ReEig is then made once per window, and both BiMaps are one product.
    With `stiefel=False`, `segment_share=1 / n_segments` and equal weights the numbers are those of spd_learn's `TensorCSPNet`,
    whose input comes filtered and whose smallest eigenvalue is 1.2e-3 in float32.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_segments : int
        Stretches of a window, evenly spaced: 2 for BCI IV 2a, 3 for Lee2019 in the paper.
    segment_share : float
        Length of a stretch, as a share of the window: 0.625 (2.5 of 4 s), and 0.6 for Lee2019.
    n_hidden, n_filters : int
        Sizes after the first and second BiMap.
    n_mixed : int
        Values after the convolution: 16, and 48 for Lee2019.
    mlp : bool
        Two more layers of n_mixed values with ReLU before the head.
    threshold : float, µV²
        Smallest eigenvalue (ReEig).
    momentum : float
        Of the running mean.
    stiefel : bool

    Raises
    ------
    SentenceError
        A stretch has no more samples than there are channels, or the rate is too low for the bands.

    Source
    ------
    Ju and Guan 2022, IEEE TNNLS; github.com/GeometricBCI. Checked against spd_learn 0.2 to 1e-5 (tests/encoder/test_spd_networks.py).
    """

    n_tokens = 1

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_segments: int = 2,
        segment_share: float = 0.625,
        n_hidden: int = 36,
        n_filters: int = 22,
        n_mixed: int = 16,
        mlp: bool = False,
        threshold: float = 1e-4,
        momentum: float = 0.1,
        stiefel: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_segments, self.segment_share, self.n_hidden, self.n_filters = n_segments, float(segment_share), n_hidden, n_filters
        self.n_mixed, self.mlp, self.threshold, self.momentum, self.stiefel = n_mixed, mlp, float(threshold), float(momentum), stiefel
        self.n_features = n_mixed
        self._length = round(segment_share * self.n_times)
        if not 0 < segment_share <= 1 or n_segments < 1:
            raise SentenceError(
                f"n_segments={n_segments} stretches of segment_share={segment_share} of a window: wanted 1 or more, and a share above 0, "
                "up to 1"
            )
        if self._length <= self.n_chans:
            raise SentenceError(
                f"TensorCSPNet reads covariances of {n_chans} channels from {self._length} samples, which have no full rank: "
                "take longer windows, or fewer channels"
            )
        self.bank = Bands(chebyshev(_BANDS_HZ, self.sfreq), self.n_times)
        n_maps = len(_BANDS_HZ) * n_segments
        self.first = BiMap(self.n_chans, n_hidden, n_maps, stiefel)
        self.second = BiMap(n_hidden, n_filters, n_maps, stiefel)
        self.norm = SPDCentre(n_filters, self.momentum)
        layers = [nn.Linear(n_maps * n_filters**2, n_mixed)]
        for _ in range(2 if mlp else 0):
            layers += [nn.Linear(n_mixed, n_mixed), nn.ReLU()]
        self.mix = nn.Sequential(*layers)

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, n_mixed] of windows [b, channels, times], or of what `per_window` made of them."""
        if x.ndim == 3:
            x = self.covariances(x)
        C = x.double().flatten(1, 2)  # [b, bands segments, c, c]
        if self._early:
            weight = self.first.weight @ self.second.weight
            kept, added = weight[:, : self.n_chans], weight[:, self.n_chans :]
            C = kept.mT @ C @ kept + added.mT @ added
        else:
            C = self.second(spectral.of(self.first(C), spectral.rectified(self.threshold)))
        S = spectral.of(self.norm(C.flatten(0, 1)), spectral.rectified_log(self.threshold))
        return self.mix(S.to(self.mix[0].weight.dtype).view(x.shape[0], -1))[:, None]

    @property
    def _early(self) -> bool:
        """True where the first ReEig can be made on the covariances themselves."""
        return self.stiefel and self.n_chans <= self.n_hidden and self.threshold <= 1

    def covariances(self, x: torch.Tensor) -> torch.Tensor:
        """Return covariances, float64 [b, bands, n_segments, c, c], of windows [b, channels, times]."""
        bands = self.bank(x - x.mean(dim=-1, keepdim=True))  # [b, bands, channels, times]
        last = self.n_times - self._length
        starts = [round(k * last / max(1, self.n_segments - 1)) for k in range(self.n_segments)]
        C = torch.stack([spectral.covariance(bands[..., s : s + self._length]) for s in starts], dim=2)
        return spectral.of(C, spectral.rectified(self.threshold)) if self._early else C

    def per_window(self, X, space):
        """Return covariances of bands and stretches, float64 [n, 9, n_segments, c, c]."""
        self.check_input(np.shape(X))
        C = np.empty((len(X), len(_BANDS_HZ), self.n_segments, self.n_chans, self.n_chans))
        with torch.no_grad():
            for first in range(0, len(X), _ROWS):
                x = torch.from_numpy(np.array(X[first : first + _ROWS], dtype=np.float32)).to(self.bank.response.device)
                C[first : first + _ROWS] = self.covariances(x).cpu().numpy()
        return C

    def check_input(self, shape):
        """Refuse what is neither windows of this size nor what `per_window` makes of them.

        Raises
        ------
        SentenceError
        """
        if len(shape) != 5 or tuple(shape[1:]) != (len(_BANDS_HZ), self.n_segments, self.n_chans, self.n_chans):
            super().check_input(shape)
