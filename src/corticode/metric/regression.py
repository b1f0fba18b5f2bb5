"""How near are values: mean absolute error, share of variance explained, correlation."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric
from corticode.predictions import Predictions


class MAE(Metric):
    """Mean absolute error, in the unit of the target. Chance: always answering the median."""

    name = "mae"
    bounds = (0.0, np.inf)
    lower_is_better = True
    kinds = ("value",)

    def score(self, predictions: Predictions) -> float:
        """Return the error."""
        return float(np.mean(np.abs(predictions.y - predictions.decided)))

    def chance(self, predictions: Predictions) -> float:
        """Return the error of always answering the median."""
        return float(np.mean(np.abs(predictions.y - np.median(predictions.y))))


class R2(Metric):
    """1 - squared error / variance of the truth: 1 is perfect, 0 is what always answering the mean scores, no lower bound."""

    name = "r2"
    bounds = (-np.inf, 1.0)
    kinds = ("value",)
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return the share of variance explained."""
        from sklearn.metrics import r2_score

        return float(r2_score(predictions.y, predictions.decided))

    def chance(self, predictions: Predictions) -> float:
        """Return 0."""
        return 0.0


class Pearson(Metric):
    """Pearson correlation of values and truth; undefined where either is constant, or for fewer than three values."""

    name = "pearson"
    bounds = (-1.0, 1.0)
    kinds = ("value",)
    needs_contrast = True

    def score(self, predictions: Predictions) -> float | None:
        """Return r."""
        from scipy.stats import pearsonr

        if len(predictions) < 3 or np.ptp(predictions.decided) == 0:
            return None
        return float(pearsonr(predictions.y, predictions.decided)[0])

    def chance(self, predictions: Predictions) -> float:
        """Return 0."""
        return 0.0
