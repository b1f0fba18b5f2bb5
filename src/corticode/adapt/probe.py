"""Represent, then fit a head in closed form or by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from corticode.adapt.base import Adapt
from corticode.adapt.crossfit import crossfit, fit_both, fit_head
from corticode.adapt.temperature import check_temperature, inner_temperature, scaled
from corticode.errors import SentenceError

_HEADS = ("logistic", "ridge")


class Probe(Adapt):
    """`encoder.fit`, `Z = encoder.encode`, `head.fit(Z)`.

    `calibrate` leaves the encoder as the source made it and fits the head again on source and target together, the
    target's few rows repeated until they make up `weight` of all. The source's representation is kept in memory for that,
    and only there: a decoder that was loaded from disk cannot be calibrated.

    What the head chooses inside the fit rows (C, a slope) it chooses on people held out of them. Where the encoder learns from
    labels (CSP) it is fitted anew for each of these folds, so that its held-out rows look as a stranger's will.

    A network's representation is the mean over its tokens, by its weights as they are. Where its recipe has a head that only gradients
    can train, one with a fit of its own takes its place.

    Parameters
    ----------
    weight : float
        Share of the target's labelled rows when the head is fitted again; repeating never drops a row.
    temperature : bool
        Scale the probabilities by one number, found on inner folds of the fit people: encoder and head are fitted once more
        for each of them.
    head : str or None
        Of a network: 'logistic' (regression), or 'ridge' (in closed form, whatever the task); the strength of both is chosen inside the
        fit rows. None takes logistic regression for classes and ridge for values.

    Attributes
    ----------
    temperature_ : float or None
    """

    def __init__(self, weight: float = 0.2, temperature: bool = False, head: str | None = None):
        if not 0 <= weight < 1:
            raise SentenceError(f"adapt.weight={weight} is the target's share of the rows: 0 or more and below 1")
        if head is not None and head not in _HEADS:
            raise SentenceError(f"adapt.head={head} is unknown: pick {' or '.join(_HEADS)}, or null")
        self.weight, self.temperature, self.head = float(weight), bool(temperature), head
        self.temperature_: float | None = None
        self._source: tuple[np.ndarray, np.ndarray | None, np.ndarray, pd.DataFrame] | None = None

    def head_config(self, encoder, config, kind):
        """Return a head with a fit of its own where a network has none."""
        from corticode.catalogue import locate

        if not encoder.neural or not locate(config["_target_"]).neural:
            return config
        return _head(self.head, kind)

    def check(self, encoder, head):
        """Refuse a head that only gradients can train.

        Raises
        ------
        SentenceError
        """
        if head.neural:
            raise SentenceError(
                f"adapt=probe fits the head on a finished representation, and head {type(head).__name__} is trained by gradients: "
                "use adapt=full, or a head with a fit of its own (model.head._target_=corticode.head.logistic.LogisticRegression)"
            )
        if self.temperature:
            check_temperature(head)

    def fit(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Fit encoder, then head."""
        notes = {}
        if self.temperature:  # first, while both are fresh
            self.temperature_, held = inner_temperature(encoder, head, F, y, meta, space, n_outputs, length_s)
            notes = {"temperature": round(self.temperature_, 4), "temperature_by": held}
        Z = fit_both(encoder, head, F, y, meta, space, n_outputs, length_s)
        # features are kept only for an encoder that has to be fitted anew for inner folds
        self._source = (Z, F if head.selects and encoder.learns_labels else None, np.asarray(y), meta)
        return {**head.notes(), **notes, **_counts(encoder, head)}

    def predict(self, encoder, head, F, meta, space):
        """Return answers, at the fitted temperature where one was asked for."""
        return scaled(super().predict(encoder, head, F, meta, space), self.temperature_)

    def calibrate(self, encoder, head, F, y, meta, space, n_outputs, seed, length_s=0.0):
        """Fit the head again on source and target.

        Raises
        ------
        SentenceError
            The decoder was loaded from disk, without its source.
        """
        if not len(F):
            return {}
        if self._source is None:
            raise SentenceError("adapt=probe calibrates together with the source, which a loaded decoder no longer has: fit it again")
        Z, F_source, y_source, meta_source = self._source
        n_source = len(Z)
        wanted = self.weight / (1 - self.weight) * n_source
        times = max(1, round(wanted / len(F)))
        Z = np.concatenate([Z, *[encoder.encode(F, meta, space)] * times])
        y = np.concatenate([y_source, *[np.asarray(y)] * times])
        meta = pd.concat([meta_source, *[meta] * times], ignore_index=True)
        both = Z if F_source is None else np.concatenate([F_source, *[F] * times])
        fit_head(head, Z, y, meta, n_outputs, crossfit(encoder, head, both, y, meta, space, length_s, n_source))
        return head.notes()


def _head(name: str | None, kind: str) -> dict[str, Any]:
    """Return the configuration of a head for a representation whose features have no common scale."""
    from corticode.head.logistic import LogisticRegression
    from corticode.head.ridge import Ridge
    from corticode.head.ridge_classifier import RidgeClassifier

    if kind == "value" and name == "logistic":
        raise SentenceError("adapt.head=logistic answers classes, and this task asks for a number: use adapt.head=ridge, or null")
    head = Ridge if kind == "value" else RidgeClassifier if name == "ridge" else LogisticRegression
    return {"_target_": f"{head.__module__}.{head.__qualname__}", "standardize": True}


def _counts(encoder: Any, head: Any) -> dict[str, int]:
    """Return how many numbers of a linear head were fitted, and how many of a network were not."""
    fitted = {"n_parameters": head.coef_.size + head.intercept_.size} if hasattr(head, "coef_") else {}
    return {**fitted, "n_frozen": encoder.n_parameters} if encoder.neural else fitted
