"""Re-centring and re-scaling: each person's covariances around the identity, as widely scattered as the source's."""

from __future__ import annotations

import numpy as np

from corticode.align.base import Known
from corticode.align.riemannian import Riemannian, are_matrices
from corticode.errors import SentenceError
from corticode.layer import spd


class Rescale(Riemannian):
    """C <- (W C W)^s, W = M^-1/2, s = sqrt(d / d_domain): re-centred, then stretched to the source's dispersion d.

    A domain's dispersion is the mean squared Riemannian distance of its matrices from their mean M, for each band by
    itself. d is the mean over all source rows, each measured in its own domain; source domains are stretched to it too.

    Online both follow the past: a row at squared distance q from the mean of n rows makes the sum of squares n d_domain
    grow by q n / (n + 1), which is Welford's rule for variances and exact where the space is flat. A few rows tell little
    about scatter, so a new domain begins with `hold` rows' worth of the source's dispersion.

    Acts on covariance features only: a power of a covariance is no linear change of the signal.

    Source: Rodrigues et al. 2019, IEEE TBME 66(8), the second step of Riemannian Procrustes analysis, which needs no
    label. Checked against pyriemann's TLCenter and TLScale to 1e-6.

    Parameters
    ----------
    by, access, n_align, prior
        As in `Recentre`.
    hold : float
        Weight of the source's dispersion in that of a target domain, in rows. 0: the target's own alone.

    Raises
    ------
    SentenceError
        A negative hold; or, when it is used, an encoder without covariances.
    """

    def __init__(self, by: str = "subject", access: str = "online", n_align: int = 20, prior: float = 0.0, hold: float = 10.0):
        super().__init__(by, access, n_align, prior)
        self.hold = float(hold)
        if not 0 <= self.hold < float("inf"):
            raise SentenceError(f"align.hold={hold}: wanted 0 or more windows' worth of the source's dispersion")
        self.source_spread: np.ndarray | None = None

    def matrices(self, F: np.ndarray) -> np.ndarray:
        """Return the covariance of each row.

        Raises
        ------
        SentenceError
            There are no covariances.
        """
        if not are_matrices(F):
            word = type(self).__name__.lower()
            raise SentenceError(
                f"align={word} changes covariance matrices, and this model takes the signal itself: use align=riemannian or align=euclidean, "
                "or a model that begins with covariances (mdm, tangent_space)"
            )
        return super().matrices(F)

    def fit_source(self, F, meta):
        """Re-centre and stretch each source domain by all of its own rows."""
        centred, domains = super().fit_source(F, meta), self.domains(meta)
        for domain, known in self.source.items():
            known.more["spread"] = dispersion(centred[domains == domain])
        counts = np.array([known.count for known in self.source.values()])
        spreads = np.stack([known.more["spread"] for known in self.source.values()])
        self.source_spread = np.average(spreads, axis=0, weights=counts)
        aligned = np.empty_like(centred)
        for domain, known in self.source.items():
            rows = domains == domain
            aligned[rows] = stretch(centred[rows], self.source_spread, known.more["spread"])
        return aligned

    def take(self, domain: str, C: np.ndarray) -> Known:
        """Take in matrices of one domain: its mean, and its dispersion about it."""
        before = self._before(domain)
        known = super().take(domain, C)
        n, m = known.count - len(C), len(C)
        spread = np.zeros(C.shape[1:-2])
        if m > 1:
            spread = dispersion(self.whiten(C, self.mean(C)))
        if before is not None:
            between = spd.distance(self.mean(C) if m > 1 else C[0], before.reference) ** 2
            spread = (n * before.more["spread"] + m * spread) / (n + m) + n * m / (n + m) ** 2 * between
        known.more["spread"] = spread
        return known

    def _before(self, domain: str) -> Known | None:
        known = super()._before(domain)
        if known is not None and not known.more:
            known.more["spread"] = self.source_spread
        return known

    def act(self, F: np.ndarray, known: Known) -> np.ndarray:
        """Return rows re-centred, and stretched to the source's dispersion."""
        centred = super().act(F, known)
        if self.source_spread is None:
            return centred
        mine, held = known.more["spread"], self.hold
        return stretch(centred, self.source_spread, (known.count * mine + held * self.source_spread) / (known.count + held))

    def state(self):
        """Return references, and dispersions beside them."""
        return super().state() | ({} if self.source_spread is None else {"source_spread": self.source_spread})

    def load_state(self, state):
        """Take back what `state` gave."""
        self.source_spread = state.get("source_spread")
        return super().load_state(state)


def dispersion(C: np.ndarray) -> np.ndarray:
    """Return the mean squared Riemannian distance of re-centred matrices [n, ..., c, c] from the identity, [...]."""
    return (np.log(np.linalg.eigvalsh(C)) ** 2).sum(axis=-1).mean(axis=0)


def stretch(C: np.ndarray, wanted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return powers of re-centred matrices [n, ..., c, c] that bring a dispersion [...] to the wanted one.

    Where there is no scatter at all (a domain's first row, which is the identity) nothing changes.
    """
    power = np.sqrt(np.divide(wanted, there, out=np.ones_like(np.asarray(there, dtype=float)), where=np.asarray(there) > 0))
    values, vectors = np.linalg.eigh(C)
    return (vectors * (values ** power[..., None])[..., None, :]) @ vectors.swapaxes(-1, -2)
