"""Logistic regression, its strength chosen inside the fit rows across people."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.head.base import LinearModel, check_classes, inner_folds, rows, softmax

GRID = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class LogisticRegression(LinearModel):
    """Class probabilities, linear in the log odds; L2 penalty, multinomial for more than two classes.

    Parameters
    ----------
    C : float or None
        Inverse strength of the penalty, as in scikit-learn. None chooses it from `Cs`.
    Cs : sequence of float
        Candidates. The one with the smallest log loss on held-out people (sessions, recordings, trials: see `inner_folds`)
        is taken, the strongest penalty among equals. Log loss and not accuracy, because it uses every row's margin, where
        accuracy moves in steps of one row, and because what is reported is a probability.
    standardize : bool
        Bring every feature to mean 0 and variance 1 (of the fit rows).
    class_weight : str or None
        'balanced' counts rare classes' rows as much as frequent ones'.
    max_iter : int
        Of the solver (L-BFGS).

    Attributes
    ----------
    C_ : float
        The one used.
    """

    def __init__(
        self,
        C: float | None = None,
        Cs: Sequence[float] = GRID,
        standardize: bool = False,
        class_weight: str | None = None,
        max_iter: int = 1000,
    ):
        self.C = None if C is None else float(C)
        self.Cs = tuple(sorted(float(value) for value in Cs))
        self.standardize, self.class_weight, self.max_iter = bool(standardize), class_weight, int(max_iter)
        self.C_: float | None = self.C
        self.chosen_by = ""

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Choose C if it is not given, then fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, or one class only.
        """
        Z, classes = rows(Z), check_classes(y, self)
        self.C_ = self._choose(Z, y, meta) if self.C is None else self.C
        ((coef, intercept),) = self._path(Z, y, [self.C_])
        return self.keep(Z, coef, intercept, n_outputs, classes)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        return self.probabilities(Z)

    def notes(self) -> dict[str, Any]:
        """Return C, and what was kept whole while it was chosen."""
        return {"C": float(self.C_), "C_chosen_by": self.chosen_by or "given"}

    def _choose(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> float:
        folds, by = inner_folds(meta, y)
        # a class with a single trial cannot be held out: the middle of the grid is as good as any
        self.chosen_by = f"log loss by {by}" if folds else "too few rows: middle of the grid"
        if not folds:
            return self.Cs[len(self.Cs) // 2]
        loss = np.zeros(len(self.Cs))
        for fit, held_out in folds:
            weight = self._weights(y)[held_out]
            classes = np.unique(y[fit])
            for i, (coef, intercept) in enumerate(self._path(Z[fit], y[fit], self.Cs)):
                loss[i] += (weight * log_loss(Z[held_out] @ coef.T + intercept, y[held_out], classes)).sum()
        return self.Cs[int(np.argmin(np.round(loss / len(y), 12)))]

    def _weights(self, y: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return np.ones(len(y))
        _, number, count = np.unique(y, return_inverse=True, return_counts=True)
        return len(y) / (len(count) * count[number])

    def _path(self, Z: np.ndarray, y: np.ndarray, Cs: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights [k, d] and intercepts [k] on Z for each C, each solution started at the one before."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression as Solver

        mean, scale = np.zeros(Z.shape[1]), np.ones(Z.shape[1])
        if self.standardize:
            mean, scale = Z.mean(axis=0), Z.std(axis=0)
            scale[scale < 1e-12] = 1.0
        X, basis = compact((Z - mean) / scale)
        solver = Solver(class_weight=self.class_weight, max_iter=self.max_iter, warm_start=True)
        found = []
        for C in Cs:
            with warnings.catch_warnings():
                if len(Cs) > 1:  # a candidate far too weak may not converge, and then loses anyway
                    warnings.simplefilter("ignore", ConvergenceWarning)
                solver.set_params(C=C).fit(X, y)
            coef = (solver.coef_ if basis is None else solver.coef_ @ basis) / scale
            found.append((coef, solver.intercept_ - coef @ mean))
        return found


def compact(X: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return X [n, d] in as few columns as it has rows, and the orthonormal basis [n, d] of those columns.

    An L2 penalty does not see rotations, and its solution lies in the span of the rows: with fewer rows than features
    the small problem has the same solution.
    """
    if X.shape[1] <= X.shape[0]:
        return X, None
    U, s, basis = np.linalg.svd(X, full_matrices=False)
    return U * s, basis


def log_loss(values: np.ndarray, y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return -log probability of the true class [n] from decision values [n, k]; a class that is not there costs 36."""
    if values.shape[1] == 1:
        values = np.hstack([np.zeros_like(values), values])
    true = y[:, None] == classes
    probability = np.where(true, softmax(values), 0.0).sum(axis=1)
    return -np.log(np.maximum(probability, np.finfo(float).eps))
