"""A head turns a representation into an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, SentenceError
from corticode.split.rows import RECORDING, TRIAL, Spans, codes, in_time
from corticode.state import Stateful


class Head(Stateful):
    """Representation [n, d] (or [n, c, c]) -> answers [n, k].

    Attributes
    ----------
    yhat_kind : str
        'probability', 'decision' or 'value'.
    neural : bool
        An `nn.Module` that is trained together with its encoder.
    deterministic : bool
        Gives the same answer whatever the seed.
    selects : bool
        Something (C, a slope) is chosen on inner folds: `fit` then takes them as a further argument, `inner`.
    """

    yhat_kind = "probability"
    neural = False
    deterministic = True
    selects = False

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Learn from representation and target.

        Parameters
        ----------
        Z : array [n, d] or [n, c, c]
        y : int array [n] of class indices below n_outputs, or float array [n]
        meta : DataFrame [n]
            Identity of the fit rows, so that inner choices (C, alpha) can be made across people.
        n_outputs : int
            Number of classes the task declares (1 for regression); a class without a fit row gets probability 0.

        A head that `selects` takes `inner`, an `Inner` or None, after these: where its choices are made. None: folds of Z
        and meta, by an encoder that read no labels and of windows that share no samples.
        """
        raise NotImplementedError

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return answers [n, n_outputs]."""
        raise NotImplementedError

    def notes(self) -> dict[str, Any]:
        """Return what was chosen inside the fit rows (C, alpha), for the run's table."""
        return {}

    def pattern(self) -> tuple[np.ndarray, list[int]] | None:
        """Return a linear head's patterns on the representation [k, d] and the columns of yhat they speak for; else None."""
        return None

    def estimators(self) -> dict[str, Any]:
        """Return fitted estimators that are not arrays (by name), to be kept beside `state`; put back by `load_estimators`."""
        return {}

    def load_estimators(self, estimators: dict[str, Any]) -> Self:
        """Take back what `estimators` gave."""
        return self


class LinearModel(Head):
    """Base of heads that answer by Z @ coef_.T + intercept_, in plain arrays: they load to bit-equal predictions.

    Attributes
    ----------
    coef_ : float64 array [k, d]
        Weights on Z as it comes: a standardisation is folded in.
    intercept_ : float64 array [k]
    pattern_ : float64 array [k, d]
        Covariance of the fit rows' Z times the weights: what the answer looks like in Z (Haufe et al. 2014).
    classes_ : int array
        Classes that had fit rows; None for regression. Of two classes only the second has weights.
    n_outputs_ : int
    """

    coef_: np.ndarray
    intercept_: np.ndarray
    pattern_: np.ndarray
    classes_: np.ndarray | None = None
    n_outputs_: int = 1

    def keep(self, Z: np.ndarray, coef: np.ndarray, intercept: np.ndarray, n_outputs: int, classes: np.ndarray | None = None) -> Self:
        """Take weights on Z, and work out their patterns."""
        # one memory layout, so that what was saved and loaded again gives the same last digit
        self.coef_, self.intercept_ = np.ascontiguousarray(coef, dtype=np.float64), np.ascontiguousarray(intercept, dtype=np.float64)
        self.classes_, self.n_outputs_ = classes, int(n_outputs)
        centred = Z - Z.mean(axis=0)
        self.pattern_ = np.ascontiguousarray((centred @ self.coef_.T).T @ centred / len(Z))
        return self

    def decide(self, Z: np.ndarray) -> np.ndarray:
        """Return decision values [n, k]."""
        Z = rows(Z)
        if Z.shape[1] != self.coef_.shape[1]:
            raise BrokenDataError(
                f"the representation has {Z.shape[1]} features, this head was fitted on {self.coef_.shape[1]}: give it the same channels and bands"
            )
        return Z @ self.coef_.T + self.intercept_

    def probabilities(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]: the softmax (of two classes the sigmoid) of the decision values."""
        values = self.decide(Z)
        if values.shape[1] == 1:
            values = np.hstack([np.zeros_like(values), values])
        return spread(softmax(values), self.classes_, self.n_outputs_)

    def pattern(self) -> tuple[np.ndarray, list[int]]:
        """Return patterns [k, d] and the columns of yhat they speak for."""
        if self.classes_ is None:
            return self.pattern_, list(range(len(self.pattern_)))
        return self.pattern_, [int(label) for label in self.classes_[-len(self.pattern_) :]]


def rows(Z: np.ndarray) -> np.ndarray:
    """Return Z [n, ...] as float64 [n, d]."""
    return np.asarray(Z, dtype=np.float64).reshape(len(Z), -1)


def softmax(values: np.ndarray) -> np.ndarray:
    """Return probabilities [n, k] that sum to 1 and grow with the values."""
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def spread(probability: np.ndarray, classes: np.ndarray, n_outputs: int) -> np.ndarray:
    """Put columns of the classes that had fit rows at their places among all classes; the others are 0."""
    full = np.zeros((len(probability), int(np.squeeze(n_outputs))))  # a loaded count is an array
    full[:, np.asarray(classes, dtype=int)] = probability
    return full


def check_classes(y: np.ndarray, head: Head) -> np.ndarray:
    """Return the classes that have fit rows.

    Raises
    ------
    SentenceError
        y holds values, not classes.
    BrokenDataError
        There is one class only.
    """
    name = type(head).__name__
    if not np.issubdtype(np.asarray(y).dtype, np.integer):
        raise SentenceError(f"{name} answers classes, and y holds values to regress: use a head for values (Ridge)")
    classes = np.unique(y)
    if len(classes) < 2:
        raise BrokenDataError(
            f"{name} needs two classes, and all {len(y)} fit rows are of class {classes.tolist()}: choose another split= or more data"
        )
    return classes


# -- choices inside the fit rows ------------------------------------------------------------------------------------

# The coarsest of these that still makes enough groups is what inner folds keep whole.
_GROUPS = {
    "subject": ["dataset", "subject"],
    "session": ["dataset", "subject", "session"],
    "recording": ["dataset", "subject", "session", "run", "recording"],
    "trial": ["dataset", "subject", "session", "run", "recording", "trial"],
}


class Inner(NamedTuple):
    """Fit rows, cut several times into rows to fit and rows to ask.

    Parameters
    ----------
    folds : list of (fit rows, held-out rows)
    by : str
        What was kept whole, see `inner_folds`.
    Z : list of arrays [n, ...], or None
        For each fold the representation of all rows by an encoder that was fitted on that fold's fit rows alone. None: the
        encoder reads no labels, and its one representation serves all folds.
    """

    folds: list[tuple[np.ndarray, np.ndarray]]
    by: str
    Z: list[np.ndarray] | None = None

    def cuts(self, Z: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Give each fold's representation [n, d] (Z where one serves all), fit rows and held-out rows."""
        for k, (fit, held_out) in enumerate(self.folds):
            yield (Z if self.Z is None else rows(self.Z[k])), fit, held_out


def inner_folds(
    meta: pd.DataFrame, y: np.ndarray, n_splits: int = 5, length_s: float = 0.0
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Split fit rows for an inner choice (C, alpha), by person where that is possible: deterministic.

    Groups are people if there are three or more (of each class), else sessions, recordings or at last trials, so that the
    inner question is as near to the outer one as the rows allow. Classes are balanced over the folds. Where trials share
    samples, stretches of time are held out in their place, and the rows that reach into one serve neither side.

    Parameters
    ----------
    meta : DataFrame [n]
    y : int array [n] of classes, or float array [n, ...]
    n_splits : int
        Folds at most.
    length_s : float, s
        Of what a window is made of; 0: windows share no samples.

    Returns
    -------
    folds : list of (fit rows, held-out rows)
        Empty if some class has one trial only.
    by : str
        What was kept whole: 'subject', 'session', 'recording', 'trial' or 'stretch'; '' without folds.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    y = np.asarray(y)
    classes = np.issubdtype(y.dtype, np.integer)
    for by, columns in _GROUPS.items():
        number = meta.groupby(columns, sort=False, dropna=False).ngroup().to_numpy()
        groups = min(len(np.unique(number[y == label])) for label in np.unique(y)) if classes else number.max() + 1
        if groups >= (2 if by == "trial" else 3):
            splitter = (StratifiedGroupKFold if classes else GroupKFold)(min(n_splits, groups))
            folds = list(splitter.split(np.zeros(len(y)), y, number))
            if length_s and by == "trial":  # windows of two recordings never share samples
                spans = Spans.of(meta, (0.0, length_s))
                if any(spans.touching(held_out, fit).any() for fit, held_out in folds):
                    return _stretches(meta, y if classes else None, n_splits, spans)
            return folds, by
    return [], ""


def _stretches(meta: pd.DataFrame, y: np.ndarray | None, n_splits: int, spans: Spans) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Hold out the first fifth of each recording, then the second, ...; a fold that would cost the fit rows a class is left out."""
    recording, trial, stretch = codes(meta, RECORDING), codes(meta, TRIAL), np.empty(len(meta), dtype=int)
    for name in np.unique(recording):
        mine = in_time(meta, np.flatnonzero(recording == name))
        place = pd.factorize(trial[mine])[0]
        stretch[mine] = place * n_splits // (place.max() + 1)
    folds = []
    for k in np.unique(stretch):
        held_out, rest = np.flatnonzero(stretch == k), np.flatnonzero(stretch != k)
        fit = rest[~spans.touching(rest, held_out)]
        if len(fit) and (y is None or len(np.unique(y[fit])) == len(np.unique(y))):
            folds.append((fit, held_out))
    return folds, "stretch" if folds else ""
