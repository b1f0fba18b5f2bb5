"""Riemannian Procrustes analysis: a person's covariances re-centred, stretched, and turned onto the source's class means."""

from __future__ import annotations

import json

import numpy as np

from corticode.adapt.base import Adapt, each_class
from corticode.adapt.crossfit import fit_both
from corticode.align.rescale import Rescale
from corticode.errors import SentenceError
from corticode.layer import spd

METRICS = ("euclid", "riemann")


class Procrustes(Adapt):
    """C <- Q (W C W)^s Q', Q orthogonal with the least sum over classes of d(source_mean, Q target_mean Q')² + stay ||Q - I||².

    In `fit` each person of the source is re-centred by all of its rows (W = M^-1/2) and stretched to the mean dispersion (s),
    and encoder and head learn from that. `calibrate` finds W, s and Q of a person from the labelled rows and leaves encoder
    and head as they are: the target is turned to the source, so all that is needed is a few matrices, and a decoder that was
    loaded from disk can be calibrated. A person who gave no labelled windows, and was not in the source, is refused.

    Bands are turned each by itself. The search for Q starts at the identity and at each class's own answer (eigenvectors on
    eigenvectors, signs as suit the other classes, or as turn least), goes downhill from it and from the
    best three of the others, on both sides of the orthogonal group, and keeps the lowest end; of equal ones the one that turns least. Two classes re-centred at their common mean have nearly the
    same eigenvectors, so that signs are free: electrodes keep their meaning from person to person, hence the least turn.

    Re-centring is part of it: take align=none (after align=riemannian, little of that step is left).

    Parameters
    ----------
    metric : str
        d: 'euclid' or 'riemann'.
    stay : float
        How much a turn costs. 0 is the paper's: a few noisy class means then turn a person at will (imagined fists, 10
        labelled windows of each class, 16 people: balanced accuracy 0.58 with 0, 0.67 with 0.1, chosen on these people).
    by : str
        What is a domain: 'subject', 'session' or 'recording'.

    Attributes
    ----------
    means : float64 array [classes, ..., c, c]
        Class means of the source.
    turns : dict of domain -> float64 array [..., c, c]
        Q.

    Raises
    ------
    SentenceError
        Another metric, a negative cost, an encoder without covariances, a person without labelled windows.
    BrokenDataError
        The labelled windows of a person lack a class.

    Source
    ------
    Rodrigues et al. 2019, IEEE TBME 66(8). Several people in the source: each is re-centred and stretched by itself, and their
    common class means are the goal. Checked against pyriemann's TLCenter, TLScale and TLRotate, which turn the source
    to the target instead: Q is the transpose.
    """

    def __init__(self, metric: str = "euclid", stay: float = 0.1, by: str = "subject"):
        if metric not in METRICS:
            raise SentenceError(f"adapt.metric={metric} is unknown: pick one of {', '.join(METRICS)}")
        self.metric, self.stay, self.by = metric, float(stay), by
        if not 0 <= self.stay < float("inf"):
            raise SentenceError(f"adapt.stay={stay}: wanted 0 or more, the cost of a turn")
        self.centre = Rescale(by=by, access="all", hold=0.0)
        self.means: np.ndarray | None = None
        self.classes: np.ndarray | None = None
        self.turns: dict[str, np.ndarray] = {}

    def check(self, encoder, head):
        """Refuse encoders without covariances, and heads that only gradients can train.

        Raises
        ------
        SentenceError
        """
        if not encoder.spd or encoder.neural or head.neural:
            raise SentenceError(
                f"adapt=procrustes turns covariance matrices, and encoder {type(encoder).__name__} has none to turn: "
                "use model=mdm or model=tangent_space, or adapt=probe"
            )

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Make the source's people alike, then fit encoder and head."""
        y = np.asarray(y)
        self.turns, self.classes = {}, np.unique(y)
        F = self.centre.fit_source(F, meta)
        self.means = np.stack([spd.mean(F[y == label]) for label in self.classes])
        fit_both(encoder, head, F, y, meta, space, n_outputs, length_s)
        return head.notes()

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Find how each person of the labelled rows is re-centred, stretched and turned."""
        y, domain = np.asarray(y), self.centre.domains(meta)
        for name in np.unique(domain):
            mine = domain == name
            self.centre.target.pop(str(name), None)  # calibrating twice starts anew
            stretched = self.centre.observe(F[mine], meta[mine]).transform(F[mine], meta[mine])
            labels = each_class(y[mine], self.classes, "adapt=procrustes")
            target = np.stack([spd.mean(stretched[y[mine] == label]) for label in labels])
            self.turns[str(name)] = self._turn(target)
        return {}

    def _turn(self, target: np.ndarray) -> np.ndarray:
        """Return Q [..., c, c] for a person's class means [classes, ..., c, c]."""
        channels = target.shape[-1]
        per_band = [np.moveaxis(M.reshape(len(M), -1, channels, channels), 1, 0) for M in (self.means, target)]
        return np.stack([rotation(X, Y, self.metric, self.stay) for X, Y in zip(*per_band, strict=True)]).reshape(target.shape[1:])

    def predict(self, encoder, head, F, meta, space):
        """Answer for rows of people who are known: turned as their labelled rows said, or as their part in the source was.

        Raises
        ------
        SentenceError
        """
        domain = self.centre.domains(meta)
        for name in np.unique(domain):
            if name not in self.centre.target and name not in self.centre.source:
                raise SentenceError(
                    f"adapt=procrustes needs some labelled windows of each {self.by}, and has none of {name.replace(chr(31), ' ').strip()}: "
                    "use split.shots=5 (Decoder.calibrate), or align=rescale, which needs no label"
                )
        F = self.centre.transform(F, meta)
        for name in np.intersect1d(np.unique(domain), list(self.turns)):
            Q = self.turns[name]
            F[domain == name] = Q @ F[domain == name] @ Q.swapaxes(-1, -2)
        return head.predict(encoder.encode(F, meta, space))

    def state(self):
        """Return class means, how each domain is re-centred and stretched, and Q of those that were calibrated."""
        state = {f"centre_{name}": value for name, value in self.centre.state().items()}
        if self.means is not None:
            state |= {"means": self.means, "classes": self.classes}
        if self.turns:
            state["names"] = np.frombuffer(json.dumps(list(self.turns)).encode(), dtype=np.uint8)
            state["turns"] = np.stack(list(self.turns.values()))
        return state

    def load_state(self, state):
        """Take back what `state` gave."""
        self.centre.load_state({name.removeprefix("centre_"): v for name, v in state.items() if name.startswith("centre_")})
        self.means, self.classes = state.get("means"), state.get("classes")
        names = json.loads(bytes(np.asarray(state["names"]))) if "names" in state else []
        self.turns = {name: np.ascontiguousarray(Q) for name, Q in zip(names, state.get("turns", ()), strict=True)}
        return self


# -- the search for Q -----------------------------------------------------------------------------------------------


def rotation(X: np.ndarray, Y: np.ndarray, metric: str = "euclid", stay: float = 0.0, tol: float = 1e-9, max_iter: int = 500) -> np.ndarray:
    """Return the orthogonal Q with the smallest sum of d(X_k, Q Y_k Q')² plus stay ||Q - I||², near I where several are equal.

    Parameters
    ----------
    X, Y : float array [k, c, c]
        Positive definite, pairs that belong together.
    metric : str
        'euclid' or 'riemann'.
    tol : float
        Step length (Frobenius norm) at which to stop.
    """
    # the identity, and the most promising of the others
    first, *others = _starts(X, Y)
    others.sort(key=lambda Q: _loss(Q, X, Y, metric, stay))
    ends = [_downhill(Q, X, Y, metric, stay, tol, max_iter) for Q in (first, *others[:3])]
    lowest = min(loss for loss, _ in ends)
    good = [Q for loss, Q in ends if loss <= lowest + 1e-6 * (np.abs(lowest) + 1e-12)]
    return max(good, key=np.trace)


def _starts(X: np.ndarray, Y: np.ndarray) -> list[np.ndarray]:
    """Return the identity, each pair's own answer with two choices of signs, and the likeliest on the other side of the group."""
    logs, found = (spd.logm(X), spd.logm(Y)), [np.eye(X.shape[-1])]
    for A, B in zip(np.linalg.eigh(X)[1], np.linalg.eigh(Y)[1], strict=True):
        # eigenvectors on eigenvectors answers one pair, whatever their signs s; the other pairs are served the more, the larger s' G s
        G = ((A.T @ logs[0] @ A) * (B.T @ logs[1] @ B)).sum(axis=0)
        np.fill_diagonal(G, 0.0)
        for signs in ((A * B).sum(axis=0), np.linalg.eigh(G)[1][:, -1]):
            found.append((A * np.where(signs < 0, -1.0, 1.0)) @ B.T)
    # a mirror along the eigenvector that is least stretched costs least
    values, vectors = np.linalg.eigh(logs[1][0])
    mirror = vectors[:, [np.abs(values).argmin()]]
    flip = np.eye(len(mirror)) - 2 * mirror @ mirror.T
    return [*found, *(Q @ flip for Q in found)]


def _downhill(Q: np.ndarray, X: np.ndarray, Y: np.ndarray, metric: str, stay: float, tol: float, max_iter: int) -> tuple[float, np.ndarray]:
    """Go down from Q along geodesics of the orthogonal group, halving steps that do not help."""
    loss, step = _loss(Q, X, Y, metric, stay), 1.0 / (1e-12 + 4 * np.abs(X).max() * np.abs(Y).max() * len(X))
    for _ in range(max_iter):
        slope = _slope(Q, X, Y, metric, stay)
        size = (slope**2).sum()
        while step * np.sqrt(size) > tol:
            there = _turned(-step * slope) @ Q
            lower = _loss(there, X, Y, metric, stay)
            if lower <= loss - 0.25 * step * size:
                break
            step /= 2
        else:
            break
        Q, loss, step = there, lower, 2 * step
    return float(loss), Q


def _turned(S: np.ndarray) -> np.ndarray:
    """Return a rotation near exp(S), S skew-symmetric: Cayley's."""
    eye = np.eye(len(S))
    return np.linalg.solve(eye - S / 2, eye + S / 2)


def _loss(Q: np.ndarray, X: np.ndarray, Y: np.ndarray, metric: str, stay: float) -> float:
    return float((spd.distance(X, Q @ Y @ Q.T, metric) ** 2).sum() + stay * ((Q - np.eye(len(Q))) ** 2).sum())


def _slope(Q: np.ndarray, X: np.ndarray, Y: np.ndarray, metric: str, stay: float) -> np.ndarray:
    """Return the skew-symmetric S along which exp(t S) Q raises the loss most: its change is t ||S||²."""
    Z, home = Q @ Y @ Q.T, stay * (Q - Q.T)
    if metric == "euclid":
        # d/dt ||X - Z||² along S is 2 <S, Z X - X Z>
        return home + 2 * (Z @ X - X @ Z).sum(axis=0)
    # d/dt ||log(X^-1/2 Z X^-1/2)||² along S is 2 <S, L' - L>, L = log(Z X^-1)
    root, inverse = spd.sqrtm(X), spd.invsqrtm(X)
    L = root @ spd.logm(inverse @ Z @ inverse) @ inverse
    return home + 2 * (L.swapaxes(-1, -2) - L).sum(axis=0)
