"""Logistic regression with an elastic-net penalty: most weights are exactly zero."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.head.base import Inner, LinearModel, check_classes, inner_folds, rows, softmax

RATIOS = (0.2, 0.3, 0.45, 0.65, 0.75)


class ElasticNet(LinearModel):
    """Class probabilities, linear in the log odds; multinomial for more than two classes.

        C * sum(log loss) + l1_ratio * |w|_1 + (1 - l1_ratio) / 2 * |w|_2^2,  the intercept is free

    Solved by accelerated proximal gradients with restarts: the problem is that of scikit-learn's LogisticRegression with
    solver 'saga' (checked against it to 1e-4), but no order of rows is drawn, so there is no seed, and it is solved to the
    end in a fraction of the time. (saga does not read MOABB's intercept_scaling=1000.)

    Parameters
    ----------
    C : float or None
        Inverse strength of the penalty. None chooses it from `Cs`.
    Cs : sequence of float
    l1_ratio : float or None
        Share of the absolute penalty, 0 to 1. None chooses it from `l1_ratios`.
    l1_ratios : sequence of float
    standardize : bool
        Bring every feature to mean 0 and variance 1 (of the fit rows).
    class_weight : str or None
        'balanced' counts rare classes' rows as much as frequent ones'.
    max_iter : int
        Of the solver.
    tol : float
        How far the slope of any weight may be from what the end wants it to be, where the penalty's own is about 1.

    C and ratio of the smallest log loss on held-out people (sessions, recordings, trials: see `inner_folds`) are taken,
    the smaller C and then the larger ratio among equals.

    Attributes
    ----------
    C_, l1_ratio_ : float
        Those used.

    Source
    ------
    O'Donoghue and Candes 2015, Found. Comput. Math. 15 (restarts). Settings: MOABB's TS+EL (C=1, ratio chosen inside).
    """

    def __init__(
        self,
        C: float | None = 1.0,
        Cs: Sequence[float] = (0.01, 0.03, 0.1, 0.3, 1.0),
        l1_ratio: float | None = None,
        l1_ratios: Sequence[float] = RATIOS,
        standardize: bool = False,
        class_weight: str | None = None,
        max_iter: int = 5000,
        tol: float = 0.01,
    ):
        self.C, self.Cs = None if C is None else float(C), tuple(sorted(float(value) for value in Cs))
        self.l1_ratio = None if l1_ratio is None else float(l1_ratio)
        self.l1_ratios = tuple(sorted((float(value) for value in l1_ratios), reverse=True))
        self.standardize, self.class_weight = bool(standardize), class_weight
        self.max_iter, self.tol = int(max_iter), float(tol)
        self.C_: float | None = None
        self.l1_ratio_: float | None = None
        self.chosen_by = ""

    @property
    def selects(self) -> bool:
        """True where there is more than one candidate."""
        return len(self._grid()) > 1

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Choose what is not given, then fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, or one class only.
        """
        Z, classes = rows(Z), check_classes(y, self)
        self.C_, self.l1_ratio_ = self._choose(Z, y, meta, inner)
        coef, intercept, good = self._problem(Z, y).solve(self.C_, self.l1_ratio_)
        if not good:
            warnings.warn(
                f"ElasticNet is not at its end after {self.max_iter} steps: raise max_iter, or standardize", RuntimeWarning, stacklevel=2
            )
        return self.keep(Z, coef, intercept, n_outputs, classes)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        return self.probabilities(Z)

    def notes(self) -> dict[str, Any]:
        """Return C and ratio, what was kept whole while they were chosen, and how many features have a weight."""
        used = int((self.coef_ != 0).any(axis=0).sum())
        return {
            "C": float(np.squeeze(self.C_)),
            "l1_ratio": float(np.squeeze(self.l1_ratio_)),
            "C_chosen_by": self.chosen_by,
            "n_features_used": used,
        }

    def _grid(self) -> list[tuple[float, float]]:
        Cs = self.Cs if self.C is None else (self.C,)
        ratios = self.l1_ratios if self.l1_ratio is None else (self.l1_ratio,)
        return [(C, ratio) for C in Cs for ratio in ratios]

    def _choose(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, inner: Inner | None) -> tuple[float, float]:
        grid = self._grid()
        if len(grid) == 1:
            self.chosen_by = "given"
            return grid[0]
        inner = inner or Inner(*inner_folds(meta, y))
        self.chosen_by = f"log loss by {inner.by}" if inner.folds else "too few rows: middle of the grid"
        if not inner.folds:
            return grid[len(grid) // 2]
        losses = np.zeros(len(grid))
        for Z_fold, fit, held_out in inner.cuts(Z):
            problem = self._problem(Z_fold[fit], y[fit])
            for i, candidate in enumerate(grid):  # each starts at the solution of the one before
                coef, intercept, _ = problem.solve(*candidate)
                losses[i] += problem.log_loss(Z_fold[held_out] @ coef.T + intercept, y[held_out])
        return grid[int(np.argmin(np.round(losses / len(y), 9)))]

    def _problem(self, Z: np.ndarray, y: np.ndarray) -> _Problem:
        return _Problem(Z, y, self.standardize, self.class_weight, self.max_iter, self.tol)


class _Problem:
    """One set of fit rows: solutions for one penalty after another, each started at the one before."""

    def __init__(self, Z: np.ndarray, y: np.ndarray, standardize: bool, class_weight: str | None, max_iter: int, tol: float):
        self.mean, self.scale = Z.mean(axis=0), np.ones(Z.shape[1])
        if standardize:
            self.scale = Z.std(axis=0)
            self.scale[self.scale < 1e-12] = 1.0
        X = (Z - self.mean) / self.scale  # the intercept is free, so centring moves nothing but the intercept
        self.classes, number, count = np.unique(y, return_inverse=True, return_counts=True)
        k = len(self.classes)
        self.truth = number[:, None] == (np.array([1]) if k == 2 else np.arange(k))
        self.weight = (len(y) / (k * count[number]) if class_weight == "balanced" else np.ones(len(y)))[:, None]
        self.max_iter, self.tol = max_iter, tol
        # the last column is the intercept's, as long as the longest direction of the data so that it moves as fast
        longest = np.linalg.norm(X * np.sqrt(self.weight), 2)
        self.unit = longest / np.sqrt(self.weight.sum()) if longest > 0 else 1.0
        self.X = np.hstack([X, np.full((len(X), 1), self.unit)])
        self.curvature = (0.25 if k == 2 else 0.5) * np.linalg.norm(self.X * np.sqrt(self.weight), 2) ** 2
        self.start = np.zeros((self.truth.shape[1], self.X.shape[1]))

    def solve(self, C: float, ratio: float) -> tuple[np.ndarray, np.ndarray, bool]:
        """Return weights [k, d] and intercepts [k] on Z, and whether the end was reached."""
        smooth = np.append(np.full(self.X.shape[1] - 1, 1 - ratio), 0.0)
        step = 1 / (C * self.curvature + 1 - ratio)
        threshold = np.append(np.full(self.X.shape[1] - 1, ratio * step), 0.0)
        W, V, t, good = self.start, self.start, 1.0, False
        for _ in range(self.max_iter):
            moved = V - step * (C * self._slope(V) + smooth * V)
            new = np.sign(moved) * np.maximum(np.abs(moved) - threshold, 0.0)
            good = bool(np.abs(new - V).max() <= self.tol * step)
            if good:
                W = new
                break
            if ((V - new) * (new - W)).sum() > 0:  # momentum points uphill: begin again from here
                t = 1.0
            following = (1 + np.sqrt(1 + 4 * t * t)) / 2
            V, W, t = new + (t - 1) / following * (new - W), new, following
        self.start = W
        coef = W[:, :-1] / self.scale
        return coef, W[:, -1] * self.unit - coef @ self.mean, good

    def _slope(self, W: np.ndarray) -> np.ndarray:
        values = self.X @ W.T
        probability = 1 / (1 + np.exp(-values)) if values.shape[1] == 1 else softmax(values)
        return (self.weight * (probability - self.truth)).T @ self.X

    def log_loss(self, values: np.ndarray, y: np.ndarray) -> float:
        """Return the summed -log probability of the true class from decision values [n, k]; a class that is not there costs 36."""
        if values.shape[1] == 1:
            values = np.hstack([np.zeros_like(values), values])
        probability = np.where(y[:, None] == self.classes, softmax(values), 0.0).sum(axis=1)
        return float(-np.log(np.maximum(probability, np.finfo(float).eps)).sum())
