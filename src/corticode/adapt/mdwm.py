"""Minimum distance to weighted mean: each class's mean moved from the source's towards the target person's own."""

from __future__ import annotations

import copy
import json

import numpy as np

from corticode.adapt.base import Adapt, each_class, persons
from corticode.errors import SentenceError
from corticode.head.mdm import MDM
from corticode.layer import spd


class MDWM(Adapt):
    """Class means M = source_mean #_t target_mean: the point at t of the geodesic, for each person that gave labelled windows.

    `fit` is that of a plain minimum distance to mean. `calibrate` keeps the means of each person by themselves; who gave no
    labelled window is answered by the source's means. All it needs is saved: a loaded decoder can be calibrated.

    Parameters
    ----------
    tradeoff : float
        t. 0: the source's means alone; 1: the target's alone.

    Attributes
    ----------
    means : dict of person -> float64 array [classes, ..., c, c]

    Raises
    ------
    SentenceError
        t is not between 0 and 1; a head other than MDM.
    BrokenDataError
        The labelled windows of a person lack a class.

    Source
    ------
    Kalunga et al. 2018, EUSIPCO; Khazem et al. 2021, IEEE NER. Checked against pyriemann's MDWM to 1e-6.
    """

    def __init__(self, tradeoff: float = 0.5):
        self.tradeoff = float(tradeoff)
        if not 0 <= self.tradeoff <= 1:
            raise SentenceError(f"adapt.tradeoff={tradeoff}: wanted 0 (the source's class means) to 1 (the target's)")
        self.means: dict[str, np.ndarray] = {}

    def check(self, encoder, head):
        """Refuse a head that has no class means to move.

        Raises
        ------
        SentenceError
        """
        if type(head) is not MDM:
            raise SentenceError(
                f"adapt=mdwm moves the class means of minimum distance to mean, and the head is {type(head).__name__}: use model=mdm, or adapt=probe"
            )

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Fit encoder, then head, on the source."""
        self.means = {}
        encoder.fit(F, y, meta)
        head.fit(encoder.encode(F, meta, space), y, meta, n_outputs)
        return head.notes()

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Move each person's class means towards those of their labelled rows; the head itself stays as it was."""
        if not len(F):
            return {}
        Z, y, person = encoder.encode(F, meta, space), np.asarray(y), persons(meta)
        for name in np.unique(person):
            mine = person == name
            target = [spd.mean(Z[mine & (y == label)], head.metric) for label in each_class(y[mine], head.classes_, "adapt=mdwm")]
            self.means[str(name)] = between(head.means_, np.stack(target), self.tradeoff, head.metric)
        return {}

    def predict(self, encoder, head, F, meta, space):
        """Answer each person by their own means, strangers by the source's."""
        Z, person = encoder.encode(F, meta, space), persons(meta)
        yhat = head.predict(Z)
        for name in np.intersect1d(np.unique(person), list(self.means)):
            own = copy.copy(head)
            own.means_ = self.means[str(name)]
            yhat[person == name] = own.predict(Z[person == name])
        return yhat

    def state(self):
        """Return the means of each person, and their names as UTF-8 bytes of JSON."""
        if not self.means:
            return {}
        names = np.frombuffer(json.dumps(list(self.means)).encode(), dtype=np.uint8)
        return {"names": names, "means": np.stack(list(self.means.values()))}

    def load_state(self, state):
        """Take back what `state` gave."""
        names = json.loads(bytes(np.asarray(state["names"]))) if "names" in state else []
        self.means = {name: np.ascontiguousarray(M) for name, M in zip(names, state.get("means", ()), strict=True)}
        return self


def between(A: np.ndarray, B: np.ndarray, t: float, metric: str) -> np.ndarray:
    """Return the point at t of the shortest curve from A to B [..., c, c] in a metric."""
    if metric == "riemann":
        return spd.geodesic(A, B, t)
    if metric == "logeuclid":
        return spd.expm((1 - t) * spd.logm(A) + t * spd.logm(B))
    return (1 - t) * A + t * B
