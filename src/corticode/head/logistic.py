"""Logistic regression, its strength chosen inside the fit rows across people."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.head.base import Inner, LinearModel, check_classes, inner_folds, rows, softmax

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

    @property
    def selects(self) -> bool:
        """True where C is not given."""
        return self.C is None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Choose C if it is not given, then fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, or one class only.
        """
        Z, classes = rows(Z), check_classes(y, self)
        self.C_ = self._choose(Z, y, inner or Inner(*inner_folds(meta, y))) if self.C is None else self.C
        return self.keep(Z, *self._path(Z, y).at(self.C_), n_outputs, classes)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        return self.probabilities(Z)

    def notes(self) -> dict[str, Any]:
        """Return C, and what was kept whole while it was chosen."""
        return {"C": float(np.squeeze(self.C_)), "C_chosen_by": "given" if self.C is not None else self.chosen_by}

    def _choose(self, Z: np.ndarray, y: np.ndarray, inner: Inner) -> float:
        # a class with a single trial cannot be held out: the middle of the grid is as good as any
        self.chosen_by = f"log loss by {inner.by}" if inner.folds else "too few rows: middle of the grid"
        if not inner.folds:
            return self.Cs[len(self.Cs) // 2]
        weight, losses = self._weights(y), []
        paths = [(self._path(Z[fit], y[fit], quiet=True), np.unique(y[fit]), Z, asked) for Z, fit, asked in inner.cuts(Z)]
        for C in self.Cs:
            losses.append(0.0)
            for path, classes, Z_fold, asked in paths:
                coef, intercept = path.at(C)
                losses[-1] += (weight[asked] * log_loss(Z_fold[asked] @ coef.T + intercept, y[asked], classes)).sum()
            # the loss falls, then rises with C, and the weakest penalties take longest: two rises in a row are enough
            if len(losses) > 2 and losses[-1] > losses[-2] > losses[-3]:
                break
        return self.Cs[int(np.argmin(np.round(np.array(losses) / len(y), 9)))]

    def _weights(self, y: np.ndarray) -> np.ndarray:
        if self.class_weight is None:
            return np.ones(len(y))
        _, number, count = np.unique(y, return_inverse=True, return_counts=True)
        return len(y) / (len(count) * count[number])

    def _path(self, Z: np.ndarray, y: np.ndarray, quiet: bool = False) -> _Path:
        return _Path(Z, y, self.standardize, self.class_weight, self.max_iter, quiet)


class _Path:
    """Solutions for one C after another, each started at the one before."""

    def __init__(self, Z: np.ndarray, y: np.ndarray, standardize: bool, class_weight: str | None, max_iter: int, quiet: bool):
        from sklearn.linear_model import LogisticRegression as Solver

        self.mean, self.scale = np.zeros(Z.shape[1]), np.ones(Z.shape[1])
        if standardize:
            self.mean, self.scale = Z.mean(axis=0), Z.std(axis=0)
            self.scale[self.scale < 1e-12] = 1.0
        self.X, self.basis = compact((Z - self.mean) / self.scale if standardize else Z)
        self.y, self.quiet = y, quiet
        self.solver = Solver(class_weight=class_weight, max_iter=max_iter, warm_start=True)

    def at(self, C: float) -> tuple[np.ndarray, np.ndarray]:
        """Return weights [k, d] and intercepts [k] on Z."""
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():
            if self.quiet:  # a candidate far too weak may not converge, and then loses anyway
                warnings.simplefilter("ignore", ConvergenceWarning)
            self.solver.set_params(C=C).fit(self.X, self.y)
        coef = (self.solver.coef_ if self.basis is None else self.solver.coef_ @ self.basis) / self.scale
        return coef, self.solver.intercept_ - coef @ self.mean


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
