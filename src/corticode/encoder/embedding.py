"""How far to delay a signal and how often: two rules that read it off each window, without labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError, SentenceError
from corticode.space import Space

RULES = ("afnn", "mdop")
_N_REFERENCE = 128  # points whose neighbours are looked for; all points may be neighbours
_LEAST = 20  # points below which neighbours say nothing
_TINY = np.finfo(float).tiny


class Embedding(Encoder):
    """Windows -> what a rule for the delay embedding reads off each of them; `agreed` makes one order and lag of it.

    'afnn': the lag is the first minimum of the mutual information between signal and delayed signal, averaged over channels
    and windows; the order is the first maximum of Cao's averaged-false-neighbours ratio E1, averaged likewise, each channel
    delayed by its own first minimum.
    'mdop': in each window delayed channels are added one by one, always the one in which nearest neighbours come apart
    fastest (maximal derivative on projection), until fewer than 5 % of the neighbours are false (distance more than
    doubled) or they become more; order = how many, lag = their mean delay, both averaged over windows and rounded.

    Input: windows [n, channels, times].
    Representation: 'afnn' [n, max_lag + max_order + 1], 'mdop' [n, 3]; the last column is the window's length.
    Parameters: none is learned.
    Departures: mutual information is counted in cells of equal shares of the samples; neighbours are sought for 128 points
    of a window, spread evenly.
    Source: Cao 1997, Physica D 110; Nichkawde 2013, Phys. Rev. E 87:022905; their use here: Carrara and Papadopoulo 2024,
    IEEE TBME.

    Parameters
    ----------
    rule : str
        'afnn' or 'mdop'.
    max_lag : int, samples
        Also the largest delay of 'mdop'. Neighbours part the further the longer one waits, so in noise the lag it finds grows
        with this bound.
    max_order : int
    """

    window_arguments: tuple[str, ...] = ("rule", "max_lag", "max_order")

    def __init__(self, rule: str = "mdop", max_lag: int = 30, max_order: int = 10):
        if rule not in RULES:
            raise SentenceError(f"embedding rule {rule!r} is unknown: pick one of {', '.join(RULES)}")
        self.rule, self.max_lag, self.max_order = rule, int(max_lag), int(max_order)

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Return what the rule reads off each window.

        Raises
        ------
        BrokenDataError
            Windows are too short for delays of `max_lag`.
        """
        times = X.shape[-1]
        if times < self.max_lag + _LEAST:
            raise BrokenDataError(
                f"windows of {times} samples are too short for delays up to {self.max_lag}: make them longer, or max_lag smaller"
            )
        read = self._afnn if self.rule == "afnn" else self._mdop
        return np.array([[*read(_standard(window)), float(times)] for window in X])

    def agreed(self, features: np.ndarray) -> tuple[int, int]:
        """Return (order, lag) of windows together; the order is lowered where the delays would take more than half a window."""
        if self.rule == "afnn":
            mean = np.asarray(features)[:, :-1].mean(axis=0)
            lag = first_minimum(mean[: self.max_lag]) + 1
            order = first_minimum(-mean[self.max_lag :]) + 1
        else:
            order, lag = (max(1, round(float(value))) for value in np.asarray(features)[:, :2].mean(axis=0))
        return max(1, min(order, self.max_order, int(features[0, -1]) // (2 * lag))), lag

    def _afnn(self, x: np.ndarray) -> np.ndarray:
        information = mutual_information(x, self.max_lag)
        lags = [first_minimum(curve) + 1 for curve in information]
        ratios = [false_neighbours(series, lag, self.max_order) for series, lag in zip(x, lags, strict=True)]
        return np.concatenate([information.mean(axis=0), np.mean(ratios, axis=0)])

    def _mdop(self, x: np.ndarray) -> tuple[float, float]:
        theiler = max(first_minimum(curve) + 1 for curve in mutual_information(x, self.max_lag))
        delays = maximal_derivatives(x, self.max_lag, self.max_order, theiler)
        return float(len(delays)), float(np.mean(delays))


def _standard(window: np.ndarray) -> np.ndarray:
    x = np.asarray(window, dtype=np.float64)
    x = x - x.mean(axis=1, keepdims=True)
    return x / np.maximum(x.std(axis=1, keepdims=True), _TINY)


def first_minimum(curve: np.ndarray) -> int:
    """Return the index of the first value that is no larger than its neighbours (its right one must be there); else of the smallest."""
    curve = np.asarray(curve)
    down = np.append(True, curve[1:] < curve[:-1])
    up = np.append(curve[1:] >= curve[:-1], False)
    found = np.flatnonzero(down & up)
    return int(found[0]) if len(found) else int(curve.argmin())


def mutual_information(x: np.ndarray, max_lag: int) -> np.ndarray:
    """Return the mutual information between each channel and itself delayed by 1 .. max_lag samples, nats.

    Parameters
    ----------
    x : float array [channels, times]

    Returns
    -------
    information : float array [channels, max_lag]
    """
    channels, times = x.shape
    bins = max(2, int(np.sqrt(times / 5)))  # five samples per cell, were they independent
    cell = x.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable") * bins // times
    own = np.arange(channels)[:, None] * bins**2
    information = np.empty((channels, max_lag))
    for lag in range(1, max_lag + 1):
        index = own + cell[:, :-lag] * bins + cell[:, lag:]
        joint = np.bincount(index.ravel(), minlength=channels * bins**2).reshape(channels, bins, bins) / (times - lag)
        apart = joint.sum(axis=2)[:, :, None] * joint.sum(axis=1)[:, None]
        information[:, lag - 1] = np.where(joint > 0, joint * np.log(np.maximum(joint, _TINY) / np.maximum(apart, _TINY)), 0.0).sum(
            axis=(1, 2)
        )
    return information


def false_neighbours(series: np.ndarray, lag: int, max_order: int) -> np.ndarray:
    """Return Cao's E1 of orders 1 .. max_order: how neighbours part with one more delay, order d + 1 over order d.

    E(d) = mean of |R_(d+1)(i) - R_(d+1)(nn)| / |R_d(i) - R_d(nn)|,  E1(d) = E(d + 1) / E(d)

    Where the series is too short for the higher orders their value is that of the last order it is long enough for.
    """
    E = []
    for d in range(1, max_order + 2):
        n = len(series) - d * lag
        if n < _LEAST:
            break
        some = _spread(n)
        squared = sum((series[some + k * lag][:, None] - series[k * lag : k * lag + n]) ** 2 for k in range(d))
        squared[np.arange(len(some)), some] = np.inf
        nearest = squared.argmin(axis=1)
        before = squared[np.arange(len(some)), nearest]
        after = before + (series[some + d * lag] - series[nearest + d * lag]) ** 2
        apart = before > 0
        E.append(float(np.sqrt(after[apart] / before[apart]).mean()) if apart.any() else 1.0)
    ratio = [second / first for first, second in pairwise(E)] or [1.0]
    return np.array(ratio + [ratio[-1]] * (max_order - len(ratio)))


def maximal_derivatives(x: np.ndarray, max_lag: int, max_order: int, theiler: int, r: float = 2.0, enough: float = 0.05) -> list[int]:
    """Return the delays of the channels that build up an embedding, in samples; the first one is 0.

    Parameters
    ----------
    x : float array [channels, times]
        Of one variance each.
    max_lag, max_order : int
        Largest delay, and most delayed channels.
    theiler : int
        Points nearer in time than this are no neighbours.
    r : float
        A neighbour whose distance grows more than this with one more component was false.
    enough : float
        Share of false neighbours at which to stop.
    """
    n = x.shape[1] - max_lag
    delayed = np.lib.stride_tricks.sliding_window_view(x, n, axis=1)  # [channels, delays, n]
    some = _spread(n)
    close = np.abs(some[:, None] - np.arange(n)) <= theiler
    squared = np.where(close, np.inf, 0.0)
    begins = [(series[some][:, None] - series[:n]) ** 2 for series in x]
    # the first two components are chosen together: which channel to begin with, and what tells most beside it
    steps = [(_steepest(delayed, squared + begin, some), k) for k, begin in enumerate(begins)]
    (_, channel, lag), k = max(steps, key=lambda step: step[0][0])
    squared, delays, last = squared + begins[k], [0], np.inf
    while len(delays) < max_order:
        series = delayed[channel, lag]
        nearest = squared.argmin(axis=1)
        before = squared[np.arange(len(some)), nearest]
        after = before + (series[some] - series[nearest]) ** 2
        false = float(np.mean(after > r * r * before))
        if false > last or false < enough:  # what there is unfolds the signal already
            break
        delays.append(int(lag))
        squared, last = squared + (series[some][:, None] - series) ** 2, false
        _, channel, lag = _steepest(delayed, squared, some)
    return delays


def _steepest(delayed: np.ndarray, squared: np.ndarray, some: np.ndarray) -> tuple[float, int, int]:
    """Return (mean log derivative, channel, delay) of the delayed channel in which nearest neighbours part fastest."""
    nearest = squared.argmin(axis=1)
    distance = np.sqrt(np.maximum(squared[np.arange(len(some)), nearest], _TINY))
    part = np.abs(delayed[..., some] - delayed[..., nearest])
    slope = np.log10(np.maximum(part, 1e-12) / distance).mean(axis=-1)
    channel, lag = np.unravel_index(int(slope.argmax()), slope.shape)
    return float(slope.max()), int(channel), int(lag)


def _spread(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, _N_REFERENCE)).astype(int))
