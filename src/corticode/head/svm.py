"""Support vector machine, penalty and kernel chosen inside the fit rows across people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.base import Head, Inner, check_classes, inner_folds, rows, softmax, spread

KERNELS = ("linear", "rbf")
_SLOPES = np.geomspace(1e-2, 1e2, 41)  # steps of a quarter: the loss is flat near its least


class SVM(Head):
    """Class probabilities from the decision values of scikit-learn's SVC; the class decided for is SVC's own.

        p = softmax(slope * decision values),  the slope fitted on inner held-out rows

    Of more than two classes each pair has a machine of its own, and their votes are counted (ties by the sum of the
    decision values). Where there is no choice to make the inner folds still serve the slope. Kernels are computed once for
    all candidates, and for all folds of one representation.

    Parameters
    ----------
    C : float or None
        Weight of rows on the wrong side, as in scikit-learn. None chooses it from `Cs`.
    Cs : sequence of float
    kernel : str or None
        'linear', or 'rbf' of width 1 / (features * variance of all entries). None chooses it from `kernels`.
    kernels : sequence of str
    class_weight : str or None
        'balanced' counts rare classes' rows as much as frequent ones'.

    C and kernel of the smallest log loss on held-out people (sessions, recordings, trials: see `inner_folds`) are taken,
    the earlier kernel and then the smaller C among equals.

    Attributes
    ----------
    coef_ : float64 array [pairs, d] or None
        Weights of a linear kernel on Z; of two classes one row that speaks for the second, else one row per pair (i, j)
        that speaks for i.
    support_ : float64 array [s, d] or None
        Support vectors of the other kernel, and `dual_` [pairs, s] their weights, `gamma_` the width.
    slope_ : float
    """

    selects = True  # the slope at least

    def __init__(
        self,
        C: float | None = None,
        Cs: Sequence[float] = (0.5, 1.0, 1.5),
        kernel: str | None = None,
        kernels: Sequence[str] = KERNELS,
        class_weight: str | None = None,
    ):
        for name in kernels if kernel is None else (kernel,):
            if name not in KERNELS:
                raise SentenceError(f"SVM kernel {name!r} is unknown: pick one of {', '.join(KERNELS)}")
        self.C, self.Cs = None if C is None else float(C), tuple(sorted(float(value) for value in Cs))
        self.kernel, self.kernels, self.class_weight = kernel, tuple(kernels), class_weight
        self.chosen: dict[str, Any] = {}
        self._forget()

    def _forget(self) -> None:
        self.coef_ = self.support_ = self.dual_ = self.gamma_ = self.intercept_ = self.slope_ = self.pattern_ = self.classes_ = None
        self.n_outputs_: int | None = None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None = None) -> Self:
        """Choose C and kernel, fit the slope on held-out rows, then fit all rows.

        Raises
        ------
        SentenceError, BrokenDataError
            y holds values, or one class only.
        """
        self._forget()
        Z, self.classes_, self.n_outputs_ = rows(Z), check_classes(y, self), int(n_outputs)
        gram = _Gram(Z)
        kernel, C, self.slope_ = self._choose(Z, gram, np.asarray(y), inner or Inner(*inner_folds(meta, y)))
        everyone = np.arange(len(Z))
        self.gamma_ = gram.gamma(everyone)
        found = self._solved(gram.kernel(everyone, everyone, kernel, self.gamma_), y, C)
        dual, self.intercept_ = _pairs(found)
        if kernel == "linear":
            self.coef_ = np.ascontiguousarray(dual @ Z[found.support_])
            self.pattern_ = self._patterns(Z)
        else:
            self.support_, self.dual_ = np.ascontiguousarray(Z[found.support_]), np.ascontiguousarray(dual)
        return self

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        values = votes(self._pairwise(rows(Z)), len(self.classes_))
        return spread(softmax(float(np.squeeze(self.slope_)) * values), self.classes_, self.n_outputs_)

    def notes(self) -> dict[str, Any]:
        """Return C and kernel, and what was kept whole while they were chosen."""
        return dict(self.chosen)

    def pattern(self) -> tuple[np.ndarray, list[int]] | None:
        """Return a linear kernel's patterns [k, d] and the columns of yhat they speak for; None for the other."""
        if self.pattern_ is None:
            return None
        return self.pattern_, [int(label) for label in self.classes_[-len(self.pattern_) :]]

    # -- inside the fit rows --

    def _choose(self, Z: np.ndarray, gram: _Gram, y: np.ndarray, inner: Inner) -> tuple[str, float, float]:
        kernels = self.kernels if self.kernel is None else (self.kernel,)
        Cs = self.Cs if self.C is None else (self.C,)
        if inner.folds:
            cuts = [(gram if inner.Z is None else _Gram(Z), fit, rest) for Z, fit, rest in inner.cuts(Z)]
            held_out = self._held_out(cuts, y, kernels, Cs)
            truth = np.searchsorted(self.classes_, np.concatenate([y[rest] for _, _, rest in cuts]))
            losses = {candidate: np.array([_log_loss(slope * V, truth) for slope in _SLOPES]) for candidate, V in held_out.items()}
            kernel, C = min(losses, key=lambda candidate: round(float(losses[candidate].min()), 9))
            slope = float(_SLOPES[losses[kernel, C].argmin()])
        else:  # a class with a single trial cannot be held out
            kernel, C, slope = kernels[0], Cs[len(Cs) // 2], 1.0
        fixed = len(kernels) == len(Cs) == 1
        reason = "given" if fixed else f"log loss by {inner.by}" if inner.folds else "too few rows: middle of the grid"
        self.chosen = {"C": C, "kernel": kernel, "C_chosen_by": reason}
        return kernel, C, slope

    def _held_out(
        self, cuts: list[tuple[_Gram, np.ndarray, np.ndarray]], y: np.ndarray, kernels: Sequence[str], Cs: Sequence[float]
    ) -> dict[tuple[str, float], np.ndarray]:
        """Return each candidate's decision values [n, classes] of held-out rows, fold behind fold."""
        values: dict[tuple[str, float], list[np.ndarray]] = {(kernel, C): [] for kernel in kernels for C in Cs}
        for gram, fit, rest in cuts:
            for kernel in kernels:
                K, across = (gram.kernel(some, fit, kernel, gram.gamma(fit)) for some in (fit, rest))
                for C in Cs:
                    found = self._solved(K, y[fit], C)
                    dual, intercept = _pairs(found)
                    full = np.full((len(rest), len(self.classes_)), -1.0)  # a class that inner fit rows lack is never decided for
                    pairwise = across[:, found.support_] @ dual.T + intercept
                    full[:, np.isin(self.classes_, found.classes_)] = votes(pairwise, len(found.classes_))
                    values[kernel, C].append(full)
        return {candidate: np.concatenate(parts) for candidate, parts in values.items()}

    def _solved(self, K: np.ndarray, y: np.ndarray, C: float) -> Any:
        from sklearn.svm import SVC

        return SVC(C=C, kernel="precomputed", class_weight=self.class_weight).fit(K, y)

    # -- decision values --

    def _pairwise(self, Z: np.ndarray) -> np.ndarray:
        fitted = self.coef_ if self.coef_ is not None else self.support_
        if Z.shape[1] != fitted.shape[1]:
            raise BrokenDataError(
                f"the representation has {Z.shape[1]} features, this head was fitted on {fitted.shape[1]}: give it the same channels and bands"
            )
        if self.coef_ is not None:
            return Z @ self.coef_.T + self.intercept_
        squared = (Z**2).sum(axis=1)[:, None] + (self.support_**2).sum(axis=1) - 2 * Z @ self.support_.T
        return np.exp(-float(np.squeeze(self.gamma_)) * squared) @ self.dual_.T + self.intercept_

    def _patterns(self, Z: np.ndarray) -> np.ndarray:
        """Return covariance of Z times weights [k, d]; of several classes a class's weights are those of its pairs, added."""
        axes, k = self.coef_, len(self.classes_)
        if k > 2:
            first, second = np.triu_indices(k, 1)
            axes = (np.eye(k)[first] - np.eye(k)[second]).T @ axes
        centred = Z - Z.mean(axis=0)
        return np.ascontiguousarray((centred @ axes.T).T @ centred / len(Z))


class _Gram:
    """Inner products of all fit rows, from which every fold's kernel is cut."""

    def __init__(self, Z: np.ndarray):
        self.inner, self.sums, self.n_features = Z @ Z.T, Z.sum(axis=1), Z.shape[1]
        self.squares = np.diagonal(self.inner)

    def gamma(self, fit: np.ndarray) -> float:
        """Return 1 / (features * variance of all entries of these rows)."""
        count = len(fit) * self.n_features
        variance = self.squares[fit].sum() / count - (self.sums[fit].sum() / count) ** 2
        return float(1 / (self.n_features * variance)) if variance > 0 else 1.0

    def kernel(self, some: np.ndarray, others: np.ndarray, kernel: str, gamma: float) -> np.ndarray:
        """Return kernel values [some, others]."""
        inner = self.inner[np.ix_(some, others)]
        return inner if kernel == "linear" else np.exp(-gamma * (self.squares[some][:, None] + self.squares[others] - 2 * inner))


def _pairs(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of the support vectors [pairs, s] and intercepts [pairs] of a fitted SVC."""
    k = len(found.classes_)
    if k == 2:
        return found.dual_coef_, found.intercept_
    # row j - 1 of libsvm's weights holds, for a vector of class i < j, its part in the pair (i, j); row i for one of class j
    owner = np.repeat(np.arange(k), found.n_support_)
    dual = [
        np.where(owner == i, found.dual_coef_[j - 1], 0.0) + np.where(owner == j, found.dual_coef_[i], 0.0)
        for i in range(k)
        for j in range(i + 1, k)
    ]
    return np.array(dual), found.intercept_


def votes(pairwise: np.ndarray, n_classes: int) -> np.ndarray:
    """Return a value per class [n, n_classes] from values per pair [n, pairs]: won pairs, and less than half a vote of margin."""
    if n_classes == 2:
        return np.hstack([np.zeros_like(pairwise), pairwise])
    first, second = np.triu_indices(n_classes, 1)
    won = (pairwise >= 0).astype(float)
    margin = pairwise @ (np.eye(n_classes)[first] - np.eye(n_classes)[second])
    count = won @ np.eye(n_classes)[first] + (1 - won) @ np.eye(n_classes)[second]
    return count + margin / (3 * (np.abs(margin) + 1))


def _log_loss(values: np.ndarray, truth: np.ndarray) -> float:
    probability = softmax(values)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(probability, np.finfo(float).eps)).mean())
