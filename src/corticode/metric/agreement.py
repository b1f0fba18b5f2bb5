"""Agreement beyond chance and between precision and recall: Cohen's kappa, macro F1."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric
from corticode.predictions import Predictions


class Kappa(Metric):
    """Cohen's kappa: accuracy rescaled so that 0 is chance by the margins and 1 is perfect."""

    name = "kappa"
    bounds = (-1.0, 1.0)
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return kappa over the classes of the task."""
        from sklearn.metrics import cohen_kappa_score

        return float(cohen_kappa_score(predictions.y, predictions.decided, labels=np.arange(len(predictions.classes))))

    def chance(self, predictions: Predictions) -> float:
        """Return 0."""
        return 0.0


class F1Macro(Metric):
    """Mean over classes of F1; a class that is neither there nor ever answered does not count.

    Chance: 1 / number of classes, the score of guessing in proportion to the class shares.
    """

    name = "f1_macro"
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return the macro F1."""
        from sklearn.metrics import f1_score

        labels = np.arange(len(predictions.classes))
        return float(f1_score(predictions.y, predictions.decided, labels=labels, average="macro", zero_division=np.nan))

    def chance(self, predictions: Predictions) -> float:
        """Return 1 / number of classes."""
        return 1 / len(predictions.classes)
