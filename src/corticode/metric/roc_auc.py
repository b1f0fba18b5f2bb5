"""Area under the ROC curve: does a window of a class get a higher answer for it than a window of another?"""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric
from corticode.predictions import Predictions


class ROCAUC(Metric):
    """Two classes: by the answer for class 1. More: mean over classes, each against the rest.

    Undefined where a class of the task is absent from the truth.
    """

    name = "roc_auc"
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return the area, ties counted half."""
        return float(self.many(predictions, predictions.y[None])[0])

    def chance(self, predictions: Predictions) -> float:
        """Return one half."""
        return 0.5

    def many(self, predictions: Predictions, Y: np.ndarray) -> np.ndarray:
        """Score against many truths [p, n] at once, by the rank sum (Mann-Whitney) form of the area."""
        from scipy.stats import rankdata

        yhat, k = predictions.yhat, len(predictions.classes)
        if k == 2:
            answers = {1: yhat[:, 1] if predictions.yhat_kind == "probability" else yhat[:, 1] - yhat[:, 0]}
        else:
            answers = {c: yhat[:, c] for c in range(k)}
        areas = []
        for c, answer in answers.items():
            ranks = rankdata(answer)
            true = c == Y
            ones = true.sum(axis=1)
            pairs = ones * (Y.shape[1] - ones)
            above = np.where(true, ranks, 0.0).sum(axis=1) - ones * (ones + 1) / 2
            areas.append(np.divide(above, pairs, out=np.full(len(Y), np.nan), where=pairs > 0))
        return np.mean(areas, axis=0)
