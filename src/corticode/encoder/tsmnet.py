"""TSMNet: learned filters, a covariance, and batch normalisation of each domain by itself on the SPD manifold."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from corticode.encoder.neural import NeuralEncoder, domain_codes, evaluating, tensors
from corticode.errors import SentenceError
from corticode.layer import spectral
from corticode.layer.bimap import BiMap
from corticode.layer.spd_norm import averages, congruence, geodesic, means


class TSMNet(NeuralEncoder):
    """Tangent space mapping network with domain-specific momentum batch normalisation (SPDDSMBN), Kobler et al. (2022).

        x [b, channels, times] -> temporal and spatial filters -> covariance -> BiMap -> ReEig          (the latent)
          -> centred at the mean, scaled by the dispersion of its domain -> logarithm -> upper triangle

    While it learns, batches hold `domains_per_batch` domains in equal parts, and each is normalised by statistics of its own.
    At test the latent of a domain is normalised by what is known of that domain without labels: `align=spd_batchnorm` keeps these
    statistics, online by default. With another aligner, or none, all are normalised by the source's pooled statistics.

    Input: 4 to 36 Hz in µV; the kernel of 25 samples is meant for 250 Hz. Representation: one token of 210 values.
    Parameters: with `head.linear.Linear` 5,055 at 22 channels x 4 classes. Trained on: nothing, learns from scratch.

    Departures from the paper:

    * biases of the two convolutions are left out, since a covariance does not see them, and both convolutions are applied as
      the one that they make together;
    * a domain's dispersion is measured at the very mean by which it is normalised;
    * statistics for test are not carried along with a momentum (0.85 there) but made from all rows of a domain with the
      final weights; people who are held back to stop by are normalised by their rows of one validation batch;
    * the BiMap moves on the Stiefel manifold by a parametrisation, under AdamW with a cosine in place of Riemannian Adam with a
      constant rate; like there it is not decayed.

    spd_learn's `TSMNet` knows no domains and lets no gradient through a batch's mean: `mean_gradient=False` follows it, to the same
    numbers with the same weights.

    Parameters
    ----------
    n_chans, n_times : int
    sfreq : float, Hz
    n_temporal, n_spatial : int
        Filters over time, and over channels and those.
    kernel_length : int
        Samples of a temporal filter.
    n_filters : int
        Size of the matrices after the BiMap.
    threshold : float, µV²
        Smallest eigenvalue of the latent.
    momentum : float
        How far each batch moves the pooled statistics.
    domain : str
        'session', 'subject' or 'recording': what is normalised by itself while training.
    domains_per_batch : int
    mean_gradient : bool

    Raises
    ------
    SentenceError
        Windows are shorter than the kernel.

    Source
    ------
    Kobler et al. 2022, NeurIPS; github.com/rkobler/TSMNet. Checked against spd_learn 0.2 to 1e-5 (tests/encoder/test_spd_networks.py).
    """

    n_tokens = 1
    has_latent = True

    def __init__(
        self,
        n_chans: int,
        n_times: int,
        sfreq: float,
        n_temporal: int = 4,
        n_spatial: int = 40,
        kernel_length: int = 25,
        n_filters: int = 20,
        threshold: float = 1e-4,
        momentum: float = 0.1,
        domain: str = "session",
        domains_per_batch: int = 5,
        mean_gradient: bool = True,
    ):
        super().__init__(n_chans, n_times, sfreq)
        self.n_temporal, self.n_spatial, self.kernel_length, self.n_filters = n_temporal, n_spatial, kernel_length, n_filters
        self.threshold, self.momentum, self.mean_gradient = float(threshold), float(momentum), mean_gradient
        self.domain, self.domains_per_batch = domain, int(domains_per_batch)
        if self.n_times < kernel_length:
            raise SentenceError(
                f"TSMNet filters with {kernel_length} samples and got windows of {n_times}: take longer windows, or a higher rate, "
                "or set model.encoder.kernel_length="
            )
        self.n_features = n_filters * (n_filters + 1) // 2
        self.temporal = nn.Parameter(torch.empty(n_temporal, kernel_length))
        self.spatial = nn.Parameter(torch.empty(n_spatial, n_temporal, self.n_chans))
        self.bimap = BiMap(n_spatial, n_filters)
        self.norm = DomainNorm(n_filters, self.momentum, mean_gradient)
        for weight in (self.temporal, self.spatial):
            nn.init.kaiming_uniform_(weight, a=math.sqrt(5))

    def filters(self):
        """Return the temporal filters [n_temporal, kernel]."""
        return self.temporal

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, n_filters (n_filters + 1) / 2].

        Parameters
        ----------
        x : float tensor [b, channels, times], µV
        space : not read
        subject : int tensor [b] or None
            The domain of each row, normalised by itself; None: one domain in training, the pooled statistics in evaluation.
        """
        return self._token(self.norm(self._latent(x), subject))

    def _latent(self, x: torch.Tensor) -> torch.Tensor:
        # temporal then spatial filters are one convolution, three times as fast as two
        kernel = torch.einsum("sfc,fk->sck", self.spatial, self.temporal)
        before = (self.kernel_length - 1) // 2
        x = functional.conv1d(functional.pad(x, (before, self.kernel_length - 1 - before), mode="reflect"), kernel)
        return spectral.of(self.bimap(spectral.covariance(x)), spectral.rectified(self.threshold))

    def _token(self, S: torch.Tensor) -> torch.Tensor:
        return spectral.upper(self.norm.gain * S).to(self.temporal.dtype)[:, None]

    # -- what training and alignment ask for --

    def domains(self, meta):
        """Return the number of each row's domain, int [n]."""
        return domain_codes(meta, self.domain)

    def begin_epoch(self, epoch, n_epochs):
        """Let batches speak for themselves at first, and for one domain's share of a batch in the last ten epochs."""
        self.norm.begin_epoch(epoch, max(2, n_epochs - 10), 1 / max(1, self.domains_per_batch))

    def latent(self, features: np.ndarray) -> np.ndarray:
        """Return the matrices that are normalised, float64 [n, n_filters, n_filters], in evaluation mode."""
        self.check_input(np.shape(features))
        with evaluating(self):
            parts = [self._latent(x.to(self.temporal.device)).cpu().numpy() for x in tensors(features, self.batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, self.n_filters, self.n_filters))

    @property
    def rest(self) -> Rest:
        """The network behind the normalisation: it takes normalised matrices [n, n_filters, n_filters]."""
        return Rest(self)


class Rest(NeuralEncoder):
    """What a TSMNet does after its normalisation, with that network's own weights."""

    n_tokens = 1

    def __init__(self, whole: TSMNet):
        super().__init__(whole.n_filters, whole.n_filters, whole.sfreq)
        self.whole, self.n_features = whole, whole.n_features

    def forward(self, x, space=None, subject=None):
        """Return one token [b, 1, d] of normalised matrices [b, n_filters, n_filters]."""
        return self.whole._token(spectral.of(x.double(), spectral.LOG))


class DomainNorm(nn.Module):
    """Centre SPD matrices at the mean of their domain, scale them to dispersion 1, and take the logarithm.

        S = log(M^-1/2 C M^-1/2) / sqrt(v + eps),   v = mean |log(M^-1/2 C M^-1/2)|^2 over the domain

    A power of a matrix is a factor of its logarithm, so centring, scaling and the logarithm that follows need one
    eigendecomposition. `gain`, one learned number for all domains, is left to whoever reads S.

    In training M and v of a domain move by `rate` towards those of its rows in the batch, and normalise the batch. Pooled
    statistics over all domains move by `momentum` and stand in where no domain is named. What is kept of single domains lasts
    for one fit. In evaluation, rows whose domain is named are normalised by themselves: that is for held-back rows of a fit.

    Parameters
    ----------
    n : int
    momentum : float
    mean_gradient : bool
        Let gradients go through the mean of the batch.
    eps : float
    """

    # beside weights and buffers, what a fit that goes on has to find again
    remembers = ("_known",)

    def __init__(self, n: int, momentum: float, mean_gradient: bool, eps: float = 1e-5):
        super().__init__()
        self.momentum, self.mean_gradient, self.eps = momentum, mean_gradient, eps
        self.gain = nn.Parameter(torch.ones(()))
        self.register_buffer("running_mean", torch.eye(n, dtype=torch.float64))
        self.register_buffer("running_dispersion", torch.ones((), dtype=torch.float64))
        self.rate, self._known = 1.0, {}

    def begin_epoch(self, epoch: int, n_epochs: int, share: float) -> None:
        """Set the rate: 1 in the first epoch, falling to `share` in epoch n_epochs, where it stays (Yong et al. 2020, ECCV)."""
        if epoch == 1:
            self._known = {}
        left = max(n_epochs - epoch, 0) / (n_epochs - 1)
        self.rate = 1 - (share**left - share)

    def forward(self, C: torch.Tensor, domain: torch.Tensor | None = None) -> torch.Tensor:
        """Return S [b, n, n] of C [b, n, n]; domain: int tensor [b] or None."""
        if domain is None and not self.training:
            whitener = spectral.of(self.running_mean, spectral.INVERSE_SQRT)
            return spectral.of(congruence(C, whitener), spectral.LOG) / (self.running_dispersion + self.eps).sqrt()
        if domain is None:
            domain = torch.zeros(len(C), dtype=torch.long, device=C.device)
        names, group = torch.unique(domain, return_inverse=True)
        batch_mean = means(C if self.mean_gradient else C.detach(), group, len(names))
        known = [self._known.get(int(name)) for name in names] if self.training else [None] * len(names)
        mean = self._moved(batch_mean, known)
        S = spectral.of(congruence(C, spectral.of(mean, spectral.INVERSE_SQRT)[group]), spectral.LOG)
        batch_dispersion = averages(S.square().sum(dim=(-2, -1)), group, len(names))
        before = torch.stack([now if old is None else old[1] for old, now in zip(known, batch_dispersion.detach(), strict=True)])
        dispersion = before + self.rate * (batch_dispersion - before) if self.training else batch_dispersion
        if self.training:
            self._remember(names, mean.detach(), dispersion.detach(), batch_mean.detach(), batch_dispersion.detach())
        return S / (dispersion[group] + self.eps).sqrt()[:, None, None]

    def _moved(self, batch_mean: torch.Tensor, known: list) -> torch.Tensor:
        if self.rate == 1 or all(old is None for old in known):
            return batch_mean
        before = torch.stack([now.detach() if old is None else old[0] for old, now in zip(known, batch_mean, strict=True)])
        return geodesic(before, batch_mean, self.rate)

    @torch.no_grad()
    def _remember(self, names, mean, dispersion, batch_mean, batch_dispersion) -> None:
        for k, name in enumerate(names.tolist()):
            self._known[name] = (mean[k], dispersion[k])
        middle = means(batch_mean, torch.zeros_like(names), 1)[0] if len(names) > 1 else batch_mean[0]
        self.running_mean.copy_(geodesic(self.running_mean, middle, self.momentum))
        self.running_dispersion.lerp_(batch_dispersion.mean(), self.momentum)
