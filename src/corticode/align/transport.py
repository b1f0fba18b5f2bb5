"""Optimal transport: each person's covariances carried to where the source's lie, at the least cost."""

from __future__ import annotations

import json

import numpy as np
from scipy.spatial.distance import cdist

from corticode.align.base import Known
from corticode.align.riemannian import Riemannian, are_matrices
from corticode.errors import SentenceError
from corticode.layer import spd


class Transport(Riemannian):
    """Re-centre, then carry each tangent vector to the mean of the source's vectors that the transport plan gives it.

    The plan moves the observed rows of one person, all of one weight, to the source's rows at the least cost, the squared
    distance of their tangent vectors at the identity, softened by entropy (Sinkhorn). A row that was observed goes to
    the barycentre of its share. Out of sample, the plan's prices of the source's rows stand, and a new row takes its share
    of them by its own distances: the same formula, so that a row seen before goes where it went. The plan makes the two
    clouds cover each other: it takes for granted that both hold the classes in equal shares.

    Needs rows of the person before the first is answered, so access is 'calibration' or 'all'. Rows of the source stay as
    re-centred. Needs the package POT: pip install 'corticode[transport]'.

    Source: Courty et al. 2017, IEEE TPAMI 39(9); on covariances Yair et al. 2019, arXiv 1906.00616, whose Riemannian cost is
    taken here at the common centre (log-Euclidean). Out of sample: the entropic map of Pooladian and Niles-Weed 2021, arXiv 2109.12004. Checked
    against POT's SinkhornTransport to 1e-6.

    Parameters
    ----------
    by, n_align, prior
        As in `Recentre`.
    access : str
        'calibration' or 'all'.
    entropy : float
        Strength of the softening, in medians of the cost. Towards 0 each row goes to few rows of the source; large ones
        carry every row to the source's centre.
    n_source : int
        Rows of the source that are kept as goals, evenly chosen among all: a decoder carries them along.

    Raises
    ------
    SentenceError
        access=online, an entropy not above 0, an encoder without covariances, or no POT.
    """

    def __init__(
        self,
        by: str = "subject",
        access: str = "calibration",
        n_align: int = 20,
        prior: float = 0.0,
        entropy: float = 0.05,
        n_source: int = 2000,
    ):
        super().__init__(by, access, n_align, prior)
        self.entropy, self.n_source = float(entropy), int(n_source)
        if access == "online":
            raise SentenceError(
                "align=transport plans with many windows of a person at once and cannot follow a stream: "
                "use align.access=calibration (or all, which is transductive), or align=riemannian"
            )
        if not self.entropy > 0 or self.n_source < 1:
            raise SentenceError(f"align.entropy={entropy}, align.n_source={n_source}: wanted an entropy above 0 and 1 row or more")
        self.goals: np.ndarray | None = None
        self.seen: dict[str, np.ndarray] = {}  # domain -> matrices observed [m, ..., c, c]

    def matrices(self, F: np.ndarray) -> np.ndarray:
        """Return the covariance of each row.

        Raises
        ------
        SentenceError
            There are no covariances.
        """
        if not are_matrices(F):
            raise SentenceError(
                "align=transport carries covariance matrices, and this model takes the signal itself: use align=riemannian or align=euclidean, "
                "or a model that begins with covariances (mdm, tangent_space)"
            )
        return super().matrices(F)

    def fit_source(self, F, meta):
        """Re-centre the source and keep it as the goals."""
        aligned = super().fit_source(F, meta)
        rows = np.unique(np.linspace(0, len(F) - 1, min(len(F), self.n_source)).round().astype(int))
        self.goals = _vectors(aligned[rows])
        return aligned

    def take(self, domain: str, C: np.ndarray) -> Known:
        """Take in matrices of one domain, and plan with all of its matrices that were seen.

        Raises
        ------
        SentenceError
            There is no POT.
        """
        self.seen[domain] = np.concatenate([self.seen[domain], C]) if domain in self.seen else np.array(C)
        known = super().take(domain, C)
        if self.goals is not None:
            self._plan(known, _vectors(self.whiten(self.seen[domain], known.reference)))
        return known

    def _plan(self, known: Known, V: np.ndarray) -> None:
        """Find the prices of the goals, in units of the softening, for rows [m, d] of one domain."""
        ot = _pot()
        cost = cdist(V, self.goals, "sqeuclidean")
        softening = self.entropy * np.median(cost)
        _, log = ot.sinkhorn(
            np.full(len(V), 1 / len(V)), np.full(len(self.goals), 1 / len(self.goals)), cost, softening,
            method="sinkhorn_log", numItermax=5000, stopThr=1e-9, log=True,
        )  # fmt: skip
        known.more |= {"prices": log["log_v"], "softening": np.array(softening)}

    def act(self, F: np.ndarray, known: Known) -> np.ndarray:
        """Return rows re-centred and carried to the source.

        Raises
        ------
        SentenceError
            Rows of this domain stood in the source, and none was observed since.
        """
        centred = super().act(F, known)
        if self.goals is None:
            return centred
        if "prices" not in known.more:
            raise SentenceError(
                "align=transport has seen no window of this person but the source's own: observe some first (Decoder.align)"
            )
        worth = known.more["prices"] - cdist(_vectors(centred), self.goals, "sqeuclidean") / known.more["softening"]
        share = np.exp(worth - worth.max(axis=1, keepdims=True))
        carried = share @ self.goals / share.sum(axis=1, keepdims=True)
        channels = F.shape[-1]
        return spd.expm(spd.symmetric(carried.reshape(*F.shape[:-2], channels * (channels + 1) // 2)))

    def forget(self):
        """Drop what is known of targets."""
        self.seen = {}
        return super().forget()

    def state(self):
        """Return references, goals, and the rows observed."""
        state = super().state() | ({} if self.goals is None else {"goals": self.goals})
        if self.seen:
            state["seen_names"] = np.frombuffer(json.dumps(list(self.seen)).encode(), dtype=np.uint8)
            state |= {f"seen_{i}": C for i, C in enumerate(self.seen.values())}
        return state

    def load_state(self, state):
        """Take back what `state` gave."""
        names = json.loads(bytes(np.asarray(state["seen_names"]))) if "seen_names" in state else []
        self.goals, self.seen = state.get("goals"), {name: state[f"seen_{i}"] for i, name in enumerate(names)}
        return super().load_state(state)


def _vectors(C: np.ndarray) -> np.ndarray:
    """Return tangent vectors [n, d] at the identity, those of all bands behind each other."""
    # one memory layout, so that what was saved and loaded gives the same last digit
    return np.ascontiguousarray(spd.upper(spd.logm(C)).reshape(len(C), -1))


def _pot():
    try:
        import ot
    except ImportError as error:
        raise SentenceError("align=transport needs the package POT: pip install 'corticode[transport]'") from error
    return ot
