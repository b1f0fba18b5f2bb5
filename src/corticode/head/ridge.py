"""Ridge regression for factors such as age, its strength chosen inside the fit rows across people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.head.base import Inner, LinearModel, inner_folds, rows

GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6)


class Ridge(LinearModel):
    """Values, linear in the representation; L2 penalty.

    Parameters
    ----------
    alpha : float or None
        Strength of the penalty, as in scikit-learn. None chooses it from `alphas`.
    alphas : sequence of float
        Candidates. The one with the smallest squared error on held-out people (sessions, recordings, trials: see
        `inner_folds`) is taken, the strongest among equals.
    standardize : bool
        Bring every feature to mean 0 and variance 1 (of the fit rows).

    Attributes
    ----------
    alpha_ : float
        The one used.
    """

    yhat_kind = "value"

    def __init__(self, alpha: float | None = None, alphas: Sequence[float] = GRID, standardize: bool = True):
        self.alpha = None if alpha is None else float(alpha)
        # the strongest first, so that equals go to it
        self.alphas = tuple(sorted((float(value) for value in alphas), reverse=True))
        self.standardize = bool(standardize)
        self.alpha_: float | None = self.alpha
        self.chosen_by = ""

    @property
    def selects(self) -> bool:
        """True where alpha is not given."""
        return self.alpha is None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Choose alpha if it is not given, then fit all rows; y is [n] or [n, n_outputs]."""
        Z, y = rows(Z), rows(y)
        self.alpha_ = self._choose(Z, y, inner or Inner(*inner_folds(meta, y))) if self.alpha is None else self.alpha
        ((coef, intercept),) = self._path(Z, y, [self.alpha_])
        return self.keep(Z, coef, intercept, n_outputs)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return values [n, n_outputs]."""
        return self.decide(Z)

    def notes(self) -> dict[str, Any]:
        """Return alpha, and what was kept whole while it was chosen."""
        return {"alpha": float(np.squeeze(self.alpha_)), "alpha_chosen_by": "given" if self.alpha is not None else self.chosen_by}

    def _choose(self, Z: np.ndarray, y: np.ndarray, inner: Inner) -> float:
        self.chosen_by = f"squared error by {inner.by}" if inner.folds else "too few rows: middle of the grid"
        if not inner.folds:
            return self.alphas[len(self.alphas) // 2]
        error = np.zeros(len(self.alphas))
        for Z_fold, fit, held_out in inner.cuts(Z):
            for i, (coef, intercept) in enumerate(self._path(Z_fold[fit], y[fit], self.alphas)):
                error[i] += ((Z_fold[held_out] @ coef.T + intercept - y[held_out]) ** 2).sum()
        return self.alphas[int(np.argmin(error))]

    def _path(self, Z: np.ndarray, y: np.ndarray, alphas: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weights [k, d] and intercepts [k] on Z for each alpha: one decomposition serves all."""
        mean, scale = Z.mean(axis=0), np.ones(Z.shape[1])
        if self.standardize:
            scale = Z.std(axis=0)
            scale[scale < 1e-12] = 1.0
        U, s, V = np.linalg.svd((Z - mean) / scale, full_matrices=False)
        rotated = U.T @ (y - y.mean(axis=0))
        found = []
        for alpha in alphas:
            coef = ((s / (s**2 + alpha))[:, None] * rotated).T @ V / scale
            found.append((coef, y.mean(axis=0) - coef @ mean))
        return found
