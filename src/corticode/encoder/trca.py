"""Task-related component analysis: correlation with each class's mean response, where trials agree most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.encoder.flicker import band_weights, banded
from corticode.errors import BrokenDataError
from corticode.layer import spd
from corticode.space import Space


class TRCA(Encoder):
    """Windows -> sources that repeat from trial to trial of a class -> correlation with each class's mean response.

        w maximises  sum over pairs of trials cov(w x_i, w x_j)  over  sum of trials var(w x_i)
        score of class k = sum over bands of weight * corr(W x, W template_k)

    Input: windows [n, channels, times] that begin at the same phase of the stimulus: without phase locking the mean
    response is empty.
    Representation: [n, classes], no unit. The class `rest`, which has no response to repeat, and classes without fit rows
    have score 0: head `Largest` fits the bar that the others must pass. A template holds the fit rows that are scored
    with it, which makes them look better by about 1 / trials per class: `Largest` learns how sure it may be on folds inside
    the fit rows, by templates without the rows that are scored.
    Parameters: a filter and a template per class and band.
    Source: Nakanishi et al. 2018, IEEE TBME 65(1).

    Parameters
    ----------
    bands_hz : sequence of (low, high) or None
        Sub-bands, the m-th with weight m^-1.25 + 0.25: [[8, 88], [16, 88], [24, 88]] in the manner of the paper.
    ensemble : bool
        W holds the filters of all classes, not the class's own alone.
    order : int
        Of the band-pass.
    start_s : float, s
        Left out at each window's begin (the paper: 0.14, the way from eye to cortex).
    rest : str
        Name of the class without a stimulus.
    classes : sequence of str or None
        The task's, given by the recipe.

    Attributes
    ----------
    filters_ : float64 array [bands, k, channels]
        k: the classes with a template.
    templates_ : float64 array [bands, k, channels, times]
    patterns_ : float64 array [bands, k, channels]
    speaks_for_ : int array [k]
        Class of each template.
    n_columns_ : int
    """

    learns_labels = True
    window_arguments: tuple[str, ...] = ("bands_hz", "order", "start_s")

    def __init__(
        self,
        bands_hz: Sequence[Sequence[float]] | None = None,
        ensemble: bool = True,
        order: int = 4,
        start_s: float = 0.0,
        rest: str = "rest",
        classes: Sequence[str] | None = None,
    ):
        self.bands_hz = None if bands_hz is None else tuple((float(low), float(high)) for low, high in bands_hz)
        self.ensemble, self.order, self.start_s, self.rest = bool(ensemble), int(order), float(start_s), str(rest)
        self.classes = None if classes is None else tuple(classes)
        self.filters_: np.ndarray | None = None
        self.templates_: np.ndarray | None = None
        self.patterns_: np.ndarray | None = None
        self.speaks_for_: np.ndarray | None = None
        self.n_columns_: int | None = None

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return the signal of each band, float32 [n, bands, channels, times]."""
        signals = np.empty(
            (len(X), len(self.bands_hz or [0]), X.shape[1], X.shape[2] - round(self.start_s * space.sfreq)), dtype=np.float32
        )
        for first in range(0, len(X), 64):
            signals[first : first + 64] = banded(X[first : first + 64], self.bands_hz, space.sfreq, self.order, self.start_s)
        return signals

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find each class's filter and mean response.

        Raises
        ------
        BrokenDataError
            A class has one trial only, so that nothing can repeat; or no class is left beside rest.
        """
        y = np.asarray(y)
        resting = self.classes.index(self.rest) if self.classes and self.rest in self.classes else -1
        labels, counts = np.unique(y[y != resting], return_counts=True)
        if not len(labels) or counts.min() < 2:
            raise BrokenDataError("TRCA looks for what repeats from trial to trial, and the fit rows hold less than two trials of a class")
        found = [[_component(features[y == label, band]) for label in labels] for band in range(features.shape[1])]
        self.filters_, self.patterns_, self.templates_ = (np.array([[one[k] for one in of_band] for of_band in found]) for k in range(3))
        self.speaks_for_, self.n_columns_ = labels, len(self.classes or ()) or int(y.max()) + 1
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return one score per class [n, classes].

        Raises
        ------
        BrokenDataError
            Windows of another shape than those fitted.
        """
        wanted = (len(self.filters_), *self.templates_.shape[2:])
        if features.shape[1:] != wanted:
            raise BrokenDataError(f"signals are {list(features.shape[1:])} per window, this decoder was fitted on {list(wanted)}")
        scores = np.zeros((len(features), int(np.squeeze(self.n_columns_))))
        for first in range(0, len(features), 64):
            scores[first : first + 64, self.speaks_for_.astype(int)] = self._correlations(
                np.asarray(features[first : first + 64], dtype=np.float64)
            )
        return scores

    def _correlations(self, signals: np.ndarray) -> np.ndarray:
        """Return the weighted sum over bands of the correlations with each template, [n, k]."""
        total = 0.0
        for weight, W, templates, X in zip(
            band_weights(len(self.filters_)), self.filters_, self.templates_, np.moveaxis(signals, 1, 0), strict=True
        ):
            seen, expected = W @ X, W @ templates  # [n, k, times], [k, k, times]
            if self.ensemble:
                seen, expected = _unit(seen.reshape(len(X), -1)), _unit(expected.reshape(len(W), -1))
                total = total + weight * (seen @ expected.T)
            else:
                expected = expected[np.arange(len(W)), np.arange(len(W))]
                total = total + weight * (_unit(seen) * _unit(expected)).sum(axis=-1)
        return total

    def patterns(self, head: Any) -> dict[str, Any]:
        """Return how each class's repeating source reaches the channels."""
        bands, k, channels = self.patterns_.shape
        names = [""] * bands if self.bands_hz is None else [f"{low:g}-{high:g} Hz" for low, high in self.bands_hz]
        return {
            "patterns": self.patterns_.reshape(bands * k, channels),
            "labels": [f"TRCA {name}".strip() for name in names for _ in range(k)],
            "outputs": [int(label) for label in self.speaks_for_] * bands,
            "bands": [0] * (bands * k),  # alignment, where there is one, acted on the signal
        }


def _component(X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return filter [channels], pattern [channels] and mean response [channels, times] of one class's trials X [n, channels, times]."""
    X = np.asarray(X, dtype=np.float64)
    X = X - X.mean(axis=-1, keepdims=True)
    own = np.einsum("nct,ndt->cd", X, X, optimize=True)
    total = X.sum(axis=0)
    # pairs of different trials: the square of the sum without the squares
    shared = total @ total.T - own
    whitener = spd.invsqrtm(own, floor=spd.FULL_RANK)
    w = whitener @ np.linalg.eigh(whitener @ shared @ whitener)[1][:, -1]
    pattern = own @ w
    w = w * np.sign(pattern[np.abs(pattern).argmax()])
    return w / np.linalg.norm(w), np.sign(pattern[np.abs(pattern).argmax()]) * pattern / np.linalg.norm(pattern), total / len(X)


def _unit(signals: np.ndarray) -> np.ndarray:
    """Return signals centred and of length 1 along the last axis; silence stays silence."""
    centred = signals - signals.mean(axis=-1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), np.finfo(float).tiny)
