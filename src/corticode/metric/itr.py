"""Information transfer rate: how many bits a minute the decisions carry."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric
from corticode.predictions import Predictions


class ITR(Metric):
    """Bits per minute of a selection among k classes at accuracy P, one decision per window.

        (log2 k + P log2 P + (1 - P) log2((1 - P) / (k - 1))) * 60 / seconds,  0 at chance and below

    Classes are taken as equally likely and all mistakes as alike, so the rate of skewed data is too high. Windows are
    taken to follow each other: pauses between trials are not in it.

    Parameters
    ----------
    seconds : float or None
        Time per decision, s. None takes the windows' length from `Predictions.fold['window_s']`; without one the rate is
        undefined.

    Source
    ------
    Wolpaw et al. 1998, IEEE Trans. Rehabil. Eng. 6(3).
    """

    name = "itr"
    bounds = (0.0, np.inf)

    def __init__(self, seconds: float | None = None):
        self.seconds = None if seconds is None else float(seconds)

    def score(self, predictions: Predictions) -> float | None:
        """Return the rate; None where the time per decision is not known."""
        return self._rate(predictions, np.mean(predictions.decided == predictions.y)).item()

    def many(self, predictions: Predictions, Y: np.ndarray) -> np.ndarray:
        """Score against many truths [p, n] at once."""
        return self._rate(predictions, (predictions.decided == Y).mean(axis=1))

    def _rate(self, predictions: Predictions, accuracy: np.ndarray) -> np.ndarray:
        seconds = self.seconds or predictions.fold.get("window_s")
        if not seconds:
            return np.full(np.shape(accuracy), np.nan)
        return bits(accuracy, len(predictions.classes)) * 60 / float(seconds)


def bits(accuracy: np.ndarray, n_classes: int) -> np.ndarray:
    """Return the bits that one decision among n_classes carries at these accuracies; 0 at chance and below."""
    right = np.clip(np.asarray(accuracy, dtype=float), 1 / n_classes, 1.0)
    wrong = 1 - right
    # p log p is 0 at p = 0
    known = np.log2(n_classes) + right * np.log2(right)
    # rounding must not make a rate below 0
    return np.maximum(known + wrong * np.log2(np.where(wrong > 0, wrong, 1.0) / (n_classes - 1)), 0.0)
