"""Shares of right answers: accuracy, and balanced accuracy, in which each class weighs the same."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric, share
from corticode.predictions import Predictions


class Accuracy(Metric):
    """Share of right answers. Chance: the share of the most frequent class."""

    name = "accuracy"

    def score(self, predictions: Predictions) -> float:
        """Return the share of windows whose highest answer is the truth."""
        return float(np.mean(predictions.decided == predictions.y))

    def chance(self, predictions: Predictions) -> float:
        """Return what saying the most frequent class would score."""
        return float(share(predictions).max())

    def many(self, predictions: Predictions, Y: np.ndarray) -> np.ndarray:
        """Score against many truths [p, n] at once."""
        return (predictions.decided == Y).mean(axis=1)


class BalancedAccuracy(Metric):
    """Mean over the classes present in the truth of the share of their windows that was recognised (recall).

    Undefined for one class: a decoder that always says that class would be perfect.
    """

    name = "balanced_accuracy"
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return the mean recall."""
        return float(self.many(predictions, predictions.y[None])[0])

    def chance(self, predictions: Predictions) -> float:
        """Return 1 / number of classes, which every constant answer scores."""
        return 1 / len(predictions.classes)

    def many(self, predictions: Predictions, Y: np.ndarray) -> np.ndarray:
        """Score against many truths [p, n] at once."""
        decided = predictions.decided
        recalls = np.full((len(predictions.classes), len(Y)), np.nan)
        for k in range(len(predictions.classes)):
            true = k == Y
            counts = true.sum(axis=1)
            hits = true[:, decided == k].sum(axis=1)
            np.divide(hits, counts, out=recalls[k], where=counts > 0)
        present = np.isfinite(recalls).sum(axis=0)
        return np.where(present > 1, np.nansum(recalls, axis=0) / np.maximum(present, 1), np.nan)
