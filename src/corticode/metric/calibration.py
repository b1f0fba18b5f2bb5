"""Are probabilities to be believed: log loss, Brier score, expected calibration error."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric, share
from corticode.predictions import Predictions


class LogLoss(Metric):
    """Mean of -log(probability of the true class), natural logarithm. Chance: always answering the class shares."""

    name = "log_loss"
    bounds = (0.0, np.inf)
    lower_is_better = True
    kinds = ("probability",)

    def score(self, predictions: Predictions) -> float:
        """Return the cross entropy, probabilities clipped at the smallest float step."""
        from sklearn.metrics import log_loss

        return float(log_loss(predictions.y, predictions.yhat, labels=np.arange(len(predictions.classes))))

    def chance(self, predictions: Predictions) -> float:
        """Return the entropy of the class shares."""
        p = share(predictions)
        return float(-np.sum(p[p > 0] * np.log(p[p > 0])))


class Brier(Metric):
    """Mean squared distance of probabilities from the truth; halved for two classes, as is the custom."""

    name = "brier"
    bounds = (0.0, 2.0)
    lower_is_better = True
    kinds = ("probability",)

    def score(self, predictions: Predictions) -> float:
        """Return the score."""
        truth = np.eye(len(predictions.classes))[predictions.y.astype(int)]
        return self._half(predictions) * float(np.mean(np.sum((predictions.yhat - truth) ** 2, axis=1)))

    def chance(self, predictions: Predictions) -> float:
        """Return what always answering the class shares scores."""
        return self._half(predictions) * float(1 - np.sum(share(predictions) ** 2))

    @staticmethod
    def _half(predictions: Predictions) -> float:
        return 0.5 if len(predictions.classes) == 2 else 1.0


class ECE(Metric):
    """Expected calibration error: mean |share of right answers - confidence| over 15 bins of the top probability.

    Source
    ------
    Guo et al. 2017, ICML, eq. 5; bins of equal width, open on the left. It has no chance level: answering the class
    shares is perfectly calibrated.
    """

    name = "ece"
    lower_is_better = True
    kinds = ("probability",)
    n_bins = 15

    def score(self, predictions: Predictions) -> float:
        """Return the error, each bin weighted by its windows."""
        confidence = predictions.yhat.max(axis=1)
        right = predictions.decided == predictions.y
        edges = np.linspace(0, 1, self.n_bins + 1)
        where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, self.n_bins - 1)
        # |sum of right - sum of confidence| per bin is already weighted by the bin's size
        gap = np.bincount(where, weights=right - confidence, minlength=self.n_bins)
        return float(np.abs(gap).sum() / len(predictions))
