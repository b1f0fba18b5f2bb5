"""Any estimator of scikit-learn's kind as a head: one's own, a pipeline, pyriemann's, MNE's."""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.head.base import Head, check_classes, spread


class Estimator(Head):
    """Answers of an estimator that has `fit(X, y)` and `predict(X)`.

    Answers are `predict_proba` where the estimator has it, else `decision_function`, else `predict` (one column is 1).
    Regressors answer values. Estimators of scikit-learn itself read [n, channels * times], all others (and pipelines
    that begin with another's) read [n, channels, times].

    Parameters
    ----------
    estimator : object
        Not fitted here: each fit works on a fresh copy.
    random_state : int or None
        Put wherever the estimator's own `random_state` is None; None leaves those as they are.

    Attributes
    ----------
    fitted : object or None
        The fitted copy. It is no array: `estimators` and `load_estimators` carry it, `state` does not.
    """

    def __init__(self, estimator: Any, random_state: int | None = None):
        self.estimator, self.random_state = estimator, random_state
        self.fitted: Any = None
        self.classes_: np.ndarray | None = None
        self.n_outputs_: int | None = None

    @property
    def yhat_kind(self) -> str:
        """'value', 'probability' or 'decision', by what the estimator can do."""
        if self.is_regressor:
            return "value"
        return "probability" if hasattr(self.estimator, "predict_proba") else "decision"

    @property
    def is_regressor(self) -> bool:
        """True for estimators that answer values; a class that scikit-learn knows nothing of says `_estimator_type = "regressor"`."""
        from sklearn.base import is_regressor

        try:
            return is_regressor(self.estimator)
        except AttributeError:  # no tags: not made on scikit-learn's base class
            return getattr(self.estimator, "_estimator_type", "classifier") == "regressor"

    @property
    def deterministic(self) -> bool:
        """False where the estimator draws random numbers that no state of its own holds: another seed is another answer."""
        return not self._unseeded()

    def _unseeded(self) -> list[str]:
        parameters = self.estimator.get_params(deep=True) if hasattr(self.estimator, "get_params") else {}
        return [name for name, value in parameters.items() if name.split("__")[-1] == "random_state" and value is None]

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Fit a copy of the estimator.

        Raises
        ------
        SentenceError, BrokenDataError
            A classifier was given values, or one class only.
        """
        from sklearn.base import clone

        if not self.is_regressor:
            self.classes_ = check_classes(y, self)
        self.n_outputs_ = int(n_outputs)
        self.fitted = clone(self.estimator) if hasattr(self.estimator, "get_params") else copy.deepcopy(self.estimator)
        if self.random_state is not None and (names := self._unseeded()):
            self.fitted.set_params(**dict.fromkeys(names, self.random_state))
        # a pipeline's or grid search's fit gives self, others' may give nothing
        self.fitted.fit(self._shaped(Z), y)
        return self

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return answers [n, n_outputs]."""
        X = self._shaped(Z)
        if self.is_regressor:
            return np.asarray(self.fitted.predict(X), dtype=float).reshape(len(X), -1)
        if hasattr(self.fitted, "predict_proba"):
            p = np.asarray(self.fitted.predict_proba(X))
            if p.dtype != np.float64:  # coarse numbers that sum to nearly one
                p = p.astype(float) / p.sum(axis=1, keepdims=True, dtype=float)
            return spread(p, self.classes_, self.n_outputs_)
        return self._decisions(X)

    def _decisions(self, X: np.ndarray) -> np.ndarray:
        values = np.asarray(self.fitted.decision_function(X), dtype=float) if hasattr(self.fitted, "decision_function") else None
        if values is not None and values.ndim == 1:
            values = np.stack([-values, values], axis=1)
        if values is None or values.shape[1] != len(self.classes_):
            # no decision values, or one per pair of classes: the decided class is all there is to say
            values = (np.asarray(self.fitted.predict(X))[:, None] == self.classes_).astype(float)
        # a class without fit rows is never decided for
        full = np.full((len(X), int(np.squeeze(self.n_outputs_))), values.min(initial=0.0) - 1.0)
        full[:, self.classes_.astype(int)] = values
        return full

    def _shaped(self, Z: np.ndarray) -> np.ndarray:
        return Z.reshape(len(Z), -1) if Z.ndim > 2 and reads_rows(self.estimator) else Z

    def state(self) -> dict[str, np.ndarray]:
        """Return the classes seen; the estimator itself goes by `estimators`."""
        return {} if self.n_outputs_ is None else super().state()

    def estimators(self) -> dict[str, Any]:
        """Return {'estimator': the fitted copy}."""
        return {} if self.fitted is None else {"estimator": self.fitted}

    def load_estimators(self, estimators: dict[str, Any]) -> Self:
        """Take back what `estimators` gave."""
        self.fitted = estimators["estimator"]
        self.estimator = self.fitted if self.estimator is None else self.estimator
        return self

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments: the estimator is none, `load_estimators` brings it."""
        return {"estimator": None, "random_state": self.random_state}


def reads_rows(estimator: Any) -> bool:
    """Return True where the estimator's first step is scikit-learn's own: it reads [n, d] and refuses [n, channels, times]."""
    while True:
        steps = getattr(estimator, "steps", None)
        inner = steps[0][1] if steps else getattr(estimator, "estimator", None)
        # a search or a bagging of pipelines reads what the pipeline reads
        if inner is None or isinstance(inner, str):
            break
        estimator = inner
    module = type(estimator).__module__.split(".")[0]
    if module == "sklearn" and type(estimator).__name__ == "FunctionTransformer":
        return False  # one's own function: it gets the array as it is
    return module == "sklearn"
