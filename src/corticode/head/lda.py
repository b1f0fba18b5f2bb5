"""Linear discriminant analysis with shrinkage: fast, and hard to overfit."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.head.base import LinearModel, check_classes, rows
from corticode.layer.counts import refuse_few


class LDA(LinearModel):
    """Class probabilities from Gaussians of one covariance (scikit-learn's LinearDiscriminantAnalysis).

    Parameters
    ----------
    shrinkage : str, float or None
        'auto' (Ledoit-Wolf), a number from 0 to 1, or None.
    solver : str
        'lsqr' or 'eigen', or 'svd', which takes no shrinkage.
    """

    def __init__(self, shrinkage: str | float | None = "auto", solver: str = "lsqr"):
        if solver == "svd" and shrinkage is not None:
            raise SentenceError("LDA with solver 'svd' takes no shrinkage: set shrinkage null, or solver lsqr")
        self.shrinkage, self.solver = shrinkage, solver

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, one class only, or no more windows than classes, so that none has a spread.
        """
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        Z, classes = rows(Z), check_classes(y, self)
        if len(Z) <= len(classes):
            refuse_few(y, meta, "LDA", f"the spread within classes, so more windows than its {len(classes)} classes")
        model = LinearDiscriminantAnalysis(solver=self.solver, shrinkage=self.shrinkage).fit(Z, y)
        return self.keep(Z, model.coef_, model.intercept_, n_outputs, classes)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        return self.probabilities(Z)

    def notes(self) -> dict[str, Any]:
        """Return nothing: nothing is chosen by trying."""
        return {}
