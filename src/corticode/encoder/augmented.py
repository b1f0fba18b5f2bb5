"""Augmented covariance: of the signal and its delayed copies, so that a matrix knows about time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from corticode.encoder.base import Encoder
from corticode.encoder.embedding import RULES, Embedding
from corticode.encoder.tangent_space import TangentSpace
from corticode.errors import SentenceError
from corticode.layer import spd
from corticode.space import Space

CHOOSE = ("fixed", "grid", *RULES)


class AugmentedCovariance(Encoder):
    """Windows -> signal and delayed copies, stacked -> covariances.

        X [c, t] -> [X(t); X(t + lag); ...; X(t + (order - 1) lag)] [order c, t - order lag] -> covariance

    The blocks are the covariances at delays of 0, lag, 2 lag ...: those of an autoregressive model of this order.
    Input: windows [n, channels, times] of any kind, band-passed.
    Representation: [n, order c, order c], float64, unit². A window whose delayed copies lack dimensions that the
    signal has (too few samples for so many rows, a lag too short for a slow signal) gets its OAS covariance instead, with a
    warning.
    Parameters: order and lag, where they are chosen.
    Source: Carrara and Papadopoulo 2024, IEEE TBME (arXiv 2302.04508). order=1 is the covariance of the signal itself.

    Parameters
    ----------
    choose : str
        'fixed': order and lag as given. 'grid': of `orders` x `lags` those with the smallest log loss of the whole decoder on
        held-out people of the fit rows. 'mdop', 'afnn': what that rule reads off the fit rows, without labels (`Embedding`).
    order : int
    lag : int, samples
        Where they are chosen, the choice is written into these two, and a saved decoder carries it there.
    orders, lags : sequence of int
        Of the grid.
    max_order, max_lag : int
        Of the rules; max_lag in samples.
    estimator : str
        'scm' as in the paper; or 'oas', 'lwf'.
    """

    spd = True
    window_arguments: tuple[str, ...] = ("order", "lag", "estimator")

    def __init__(
        self,
        choose: str = "grid",
        order: int = 2,
        lag: int = 4,
        orders: Sequence[int] = (1, 2, 3, 4),
        lags: Sequence[int] = (1, 2, 4, 8),
        max_order: int = 10,
        max_lag: int = 30,
        estimator: str = "scm",
    ):
        if choose not in CHOOSE:
            raise SentenceError(f"choose={choose!r} is unknown: pick one of {', '.join(CHOOSE)}")
        if estimator not in spd.ESTIMATORS:
            raise SentenceError(f"covariance estimator {estimator!r} is unknown: pick one of {', '.join(spd.ESTIMATORS)}")
        if min(order, lag, *orders, *lags) < 1:
            raise SentenceError("orders and lags are whole numbers from 1 on")
        self.choose, self.order, self.lag = choose, int(order), int(lag)
        self.orders, self.lags = tuple(int(one) for one in orders), tuple(int(one) for one in lags)
        self.max_order, self.max_lag, self.estimator = int(max_order), int(max_lag), estimator

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return float64 covariances [n, order c, order c].

        Raises
        ------
        SentenceError
            Windows are shorter than the delays.
        """
        size = self.order * X.shape[1]
        C = np.empty((len(X), size, size))
        for first in range(0, len(X), 64):  # the copies take `order` times the memory of the data
            C[first : first + 64] = self._of(X[first : first + 64])
        return C

    def _of(self, X: np.ndarray) -> np.ndarray:
        """Return the covariances of some windows; the decoder sees to channels that depend on each other (`layer/rank.py`)."""
        stacked = delayed(X, self.order, self.lag)
        C = spd.covariances(stacked, self.estimator)
        if self.estimator != "scm" or self.order == 1:
            return C
        # delays may not cost a dimension: order copies of r of them have order * r
        lacking = _rank(C) < self.order * _rank(spd.covariances(X, "scm"))
        if lacking.any():
            rows, times = stacked.shape[1:]
            warnings.warn(
                f"augmented covariances of order {self.order}, lag {self.lag} lack rank ({rows} rows of {times} samples): "
                "where they do the OAS covariance stands in their place",
                RuntimeWarning,
                stacklevel=3,
            )
            C[lacking] = spd.covariances(stacked[lacking], "oas")
        return C

    def settle(self, ask: Callable[[Encoder], np.ndarray], loss: Callable[[Encoder, np.ndarray], float]) -> Self:
        """Choose order and lag on the fit rows."""
        if self.choose in RULES:
            rule = Embedding(self.choose, self.max_lag, self.max_order)
            self.order, self.lag = rule.agreed(ask(rule))
        elif self.choose == "grid":
            losses = {}
            for candidate in self.candidates():
                losses[candidate.order, candidate.lag] = round(loss(candidate, ask(candidate)), 9)
            self.order, self.lag = min(losses, key=losses.get)  # the first, smallest one among equals
        return self

    def candidates(self) -> list[Self]:
        """Return an encoder for each point of the grid; with order 1 the lag plays no part, so it stands there once."""
        grid = [(order, lag) for order in sorted(set(self.orders)) for lag in (sorted(set(self.lags)) if order > 1 else [min(self.lags)])]
        return [type(self)(**{**self.arguments(), "choose": "fixed", "order": order, "lag": lag}) for order, lag in grid]

    def notes(self) -> dict[str, Any]:
        """Return order and lag, and how they were chosen."""
        return {"order": self.order, "lag": self.lag, "embedding_chosen_by": "given" if self.choose == "fixed" else self.choose}


class AugmentedTangentSpace(AugmentedCovariance, TangentSpace):
    """Windows -> augmented covariances -> tangent vectors at the fit rows' mean.

    Representation: [n, k (k + 1) / 2], k = order * channels, no unit. All else as in `AugmentedCovariance`.

    Parameters
    ----------
    choose, order, lag, orders, lags, max_order, max_lag, estimator
        As in `AugmentedCovariance`.
    metric : str
        Which mean is the reference: 'riemann', 'logeuclid' or 'euclid'.
    """

    bands_hz, scale = None, "none"

    def __init__(
        self,
        choose: str = "grid",
        order: int = 2,
        lag: int = 4,
        orders: Sequence[int] = (1, 2, 3, 4),
        lags: Sequence[int] = (1, 2, 4, 8),
        max_order: int = 10,
        max_lag: int = 30,
        estimator: str = "scm",
        metric: str = "riemann",
    ):
        AugmentedCovariance.__init__(self, choose, order, lag, orders, lags, max_order, max_lag, estimator)
        self.metric = metric
        self.reference_: np.ndarray | None = None

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return scalp patterns of order 1; of higher orders a source is a filter in time too, which no map shows."""
        return TangentSpace.patterns(self, head) if self.order == 1 else None


def _rank(C: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvalsh(C)
    return (values > spd.FULL_RANK * values[:, -1:]).sum(axis=1)


def delayed(X: np.ndarray, order: int, lag: int) -> np.ndarray:
    """Return windows [n, channels, times] with their delayed copies below: [n, order * channels, times - order * lag].

    Copy k is X from sample k * lag on. All copies end `lag` samples sooner than they would have to, as in the authors' code.

    Raises
    ------
    SentenceError
        Windows are shorter than the delays.
    """
    if order == 1:
        return X
    times = X.shape[-1] - order * lag
    if times < 2:
        raise SentenceError(f"order {order} and lag {lag} leave nothing of windows of {X.shape[-1]} samples: make them smaller")
    return np.concatenate([X[..., k * lag : k * lag + times] for k in range(order)], axis=1)
