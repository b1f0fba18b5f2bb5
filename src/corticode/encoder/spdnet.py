"""SPDNet: a network whose layers keep covariances symmetric positive definite, then its logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from corticode.encoder.neural import NeuralEncoder
from corticode.errors import SentenceError
from corticode.layer import spectral
from corticode.layer.bimap import BiMap


class SPDNet(NeuralEncoder):
    """SPDNet of Huang and Van Gool (2017) on the covariance of each window.

        x [b, channels, times] -> covariance -> (BiMap -> ReEig) for each of `dims` -> LogEig -> upper triangle

    Input: band-passed windows in µV, with more samples than channels. Representation: one token of d (d + 1) / 2 values, d the
    last of `dims`. Parameters: with `head.linear.Linear` 1,247 at 22 channels x 4 classes (231 angles of the 22 x 22 BiMap and
    1,016 of the head); a weight counts the degrees of freedom that it has on its manifold. Trained on: nothing, learns from scratch.

    Departures from the paper: BiMap weights move on the Stiefel manifold by a parametrisation, under any optimiser, in place of
    Riemannian gradient descent; the paper's sizes are for images of faces and actions, so by default one BiMap keeps the
    channels, as in spd_learn, whose `SPDNet` gives the same numbers with the same weights.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    dims : sequence of int or None
        Filters of each BiMap; None: one that keeps the channels.
    threshold : float, µV²
        Smallest eigenvalue after each BiMap (ReEig).

    Raises
    ------
    SentenceError
        Windows have no more samples than channels.

    Source
    ------
    Huang and Van Gool 2017, AAAI. Checked against spd_learn 0.2 to 1e-5 (tests/encoder/test_spd_networks.py).
    """

    n_tokens = 1

    def __init__(self, n_chans: int, n_times: int, sfreq: float, dims: Sequence[int] | None = None, threshold: float = 1e-4):
        super().__init__(n_chans, n_times, sfreq)
        self.dims, self.threshold = None if dims is None else [int(d) for d in dims], float(threshold)
        if self.n_times <= self.n_chans:
            raise SentenceError(
                f"SPDNet reads the covariance of {n_chans} channels, and {n_times} samples give none of full rank: take longer windows, "
                "or fewer channels"
            )
        sizes = [self.n_chans, *(self.dims or [self.n_chans])]
        self.bimaps = nn.ModuleList([BiMap(n_in, n_out) for n_in, n_out in pairwise(sizes)])
        self.n_features = sizes[-1] * (sizes[-1] + 1) // 2

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, d (d + 1) / 2]: the logarithm of the last layer's matrix."""
        C = spectral.covariance(x)
        for bimap in self.bimaps[:-1]:
            C = spectral.of(bimap(C), spectral.rectified(self.threshold))
        # the last rectification and the logarithm share one eigendecomposition
        S = spectral.of(self.bimaps[-1](C), spectral.rectified_log(self.threshold))
        return spectral.upper(S).to(x.dtype)[:, None]
