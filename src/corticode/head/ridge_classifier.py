"""Classes by ridge regression on their indicators: closed form, and as calibrated as least squares can be."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from corticode.head.base import Inner, check_classes, inner_folds, spread
from corticode.head.ridge import Ridge


class RidgeClassifier(Ridge):
    """Class probabilities, linear in the representation: each class's indicator is regressed.

    Least squares on indicators is the Brier score, and alpha is chosen by it; what it gives below 0 is cut off, and the rest made to sum
    to 1. One decomposition serves all strengths: many times as fast as logistic regression on long representations.

    Parameters
    ----------
    alpha, alphas, standardize
        As in `head.ridge.Ridge`.
    """

    yhat_kind = "probability"

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Choose alpha if it is not given, then fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, or one class only.
        """
        classes = check_classes(y, self)
        if inner is None and self.alpha is None:
            inner = Inner(*inner_folds(meta, y))  # by class, which indicators are not
        super().fit(Z, (np.asarray(y)[:, None] == classes).astype(float), meta, n_outputs, inner)
        self.classes_ = classes
        return self

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        share = np.maximum(self.decide(Z), 1e-6)
        return spread(share / share.sum(axis=1, keepdims=True), self.classes_, self.n_outputs_)
