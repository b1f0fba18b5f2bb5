"""Are probabilities to be believed: log loss, Brier score, expected calibration error, reliability, and a temperature to mend them."""

from __future__ import annotations

import numpy as np

from corticode.metric.base import Metric, share
from corticode.predictions import Predictions


class LogLoss(Metric):
    """Mean of -log(probability of the true class), natural logarithm. Chance: always answering the class shares."""

    name = "log_loss"
    bounds = (0.0, np.inf)
    lower_is_better = True
    kinds = ("probability",)

    def score(self, predictions: Predictions) -> float:
        """Return the cross entropy, probabilities clipped at the smallest float step."""
        from sklearn.metrics import log_loss

        return float(log_loss(predictions.y, predictions.yhat, labels=np.arange(len(predictions.classes))))

    def chance(self, predictions: Predictions) -> float:
        """Return the entropy of the class shares."""
        p = share(predictions)
        return float(-np.sum(p[p > 0] * np.log(p[p > 0])))


class Brier(Metric):
    """Mean squared distance of probabilities from the truth; halved for two classes, as is the custom."""

    name = "brier"
    bounds = (0.0, 2.0)
    lower_is_better = True
    kinds = ("probability",)

    def score(self, predictions: Predictions) -> float:
        """Return the score."""
        truth = np.eye(len(predictions.classes))[predictions.y.astype(int)]
        return self._half(predictions) * float(np.mean(np.sum((predictions.yhat - truth) ** 2, axis=1)))

    def chance(self, predictions: Predictions) -> float:
        """Return what always answering the class shares scores."""
        return self._half(predictions) * float(1 - np.sum(share(predictions) ** 2))

    @staticmethod
    def _half(predictions: Predictions) -> float:
        return 0.5 if len(predictions.classes) == 2 else 1.0


class ECE(Metric):
    """Expected calibration error: mean |share of right answers - confidence| over 15 bins of the top probability.

    Source
    ------
    Guo et al. 2017, ICML, eq. 5; bins of equal width, open on the left. It has no chance level: answering the class
    shares is perfectly calibrated.
    """

    name = "ece"
    lower_is_better = True
    kinds = ("probability",)
    n_bins = 15

    def score(self, predictions: Predictions) -> float:
        """Return the error, each bin weighted by its windows."""
        bins = reliability(predictions.yhat, predictions.y, self.n_bins)
        full = bins["n"] > 0
        return float(np.sum(bins["n"][full] * np.abs(bins["accuracy"][full] - bins["confidence"][full])) / len(predictions))


# -- reliability ----------------------------------------------------------------------------------------------------


def reliability(yhat: np.ndarray, y: np.ndarray, n_bins: int = 15) -> dict[str, np.ndarray]:
    """Sort answers into bins of their top probability and count how many of each are right.

    Parameters
    ----------
    yhat : float array [n, k]
        Probabilities.
    y : int array [n]
        Class index.
    n_bins : int
        Of equal width, open on the left.

    Returns
    -------
    bins : dict of arrays [n_bins]
        low, high (edges), n (answers), confidence (mean top probability), accuracy (share of right answers; both NaN in
        an empty bin).
    """
    yhat, y = np.asarray(yhat, dtype=float), np.asarray(y)
    confidence, right = yhat.max(axis=1), yhat.argmax(axis=1) == y
    edges = np.linspace(0, 1, n_bins + 1)
    where = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    n = np.bincount(where, minlength=n_bins)
    sums = (np.bincount(where, weights=values, minlength=n_bins) for values in (confidence, right))
    means = [np.divide(total, n, out=np.full(n_bins, np.nan), where=n > 0) for total in sums]
    return {"low": edges[:-1], "high": edges[1:], "n": n, "confidence": means[0], "accuracy": means[1]}


# -- temperature ----------------------------------------------------------------------------------------------------


def fit_temperature(log_p: np.ndarray, y: np.ndarray) -> float:
    """Return T for which softmax(log_p / T) has the smallest log loss: above 1 for answers that are too sure of themselves.

    Parameters
    ----------
    log_p : float array [n, k]
        Logits or log-probabilities, of rows that the decoder did not learn from.
    y : int array [n]
        Class index.

    Returns
    -------
    T : float
        Between 1/50 and 50; no answer changes its place among the classes.

    Source
    ------
    Guo et al. 2017, ICML, section 4.2.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    log_p, y = _finite(log_p), np.asarray(y).astype(int)

    def loss(log_t: float) -> float:
        z = log_p / np.exp(log_t)
        return float(np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y]))

    edge = np.log(50.0)
    return float(np.exp(minimize_scalar(loss, bounds=(-edge, edge), method="bounded", options={"xatol": 1e-8}).x))


def at_temperature(yhat: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities [n, k] made less sure (temperature above 1) or surer; a probability of 0 stays 0."""
    from scipy.special import softmax

    yhat = np.asarray(yhat, dtype=float)
    log_p = np.log(yhat, out=np.full(yhat.shape, -np.inf), where=yhat > 0)
    return softmax(log_p / temperature, axis=1)


def _finite(log_p: np.ndarray) -> np.ndarray:
    # a class without a fit row has probability 0
    return np.maximum(np.asarray(log_p, dtype=float), np.log(1e-300))
