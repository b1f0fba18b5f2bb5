"""Occlusion: how much worse any decoder answers when an electrode, a band or a moment is taken from another window."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from corticode.decoder import Decoder
from corticode.explain.maps import Map, class_means
from corticode.explain.network import columns
from corticode.windows import PERSON, Block, Windows

_BANDS_HZ = (1.0, 4.0, 8.0, 13.0, 30.0, 45.0, 80.0, 150.0)
_STRETCH_S, _STRETCHES = 0.5, 8
_LEAST = 1e-3  # share of the signal's power below which a band is not asked about


def occlusion(decoder: Decoder, windows: Windows, seed: int = 0) -> Map:
    """Ask a decoder about windows of which one part belongs to another window of the same person.

    The part keeps its size and its spectrum and loses what it had to do with the class and with the other parts; zeros in its
    place would be a signal that no decoder ever saw, and a covariance without an inverse. Parts are electrodes, bands of frequency, and
    bands during a stretch of time. The donor's class is left to chance, so a part that says all costs a share of what it says. Bands at
    the ends that hold less than a thousandth of the power are not asked about.

    Parameters
    ----------
    decoder : Decoder
        Any, classical or neural: it is asked through `predict`.
    windows : Windows
        With y.
    seed : int
        Of the choice of donors.

    Returns
    -------
    map : Map
        Drop of the probability of the true class (of its decision value; for a regressed value the rise of the absolute error),
        mean over windows and then over classes.

    Source
    ------
    Zeiler and Fergus 2014, ECCV (occlusion); Breiman 2001, Machine Learning 45 (exchange between rows).
    """
    X, blind, column, space = np.asarray(windows.X, dtype=np.float32), windows.blind(decoder.uses), columns(decoder, windows), decoder.space
    other = donors(windows, np.random.default_rng(seed))
    bands, edges_hz = _heard(X, *bands_of(X.shape[-1], space.sfreq))
    stretches, edges_s = stretches_of(X.shape[-1], space.sfreq)
    sizes = {"electrode": (X.shape[1],), "frequency": (len(bands),), "time_frequency": (len(bands), len(stretches))}
    lost = {name: np.zeros((len(X), *size)) for name, size in sizes.items() if 0 not in size and size[-1:] != (1,)}
    before = _goodness(decoder, X, blind, windows.y)
    for name, where, changed in _exchanged(X, other, bands, stretches):
        if name in lost:
            lost[name][:, *where] = before - _goodness(decoder, changed, blind, windows.y)
    # an exchange pushes all answers towards one class or the other, which cancels over classes
    views = {name: class_means(rows, column).mean(axis=0, keepdims=True) for name, rows in lost.items()}
    unit = {"probability": "probability", "decision": "decision value"}.get(decoder.yhat_kind, "of y") if decoder.classes else "of y"
    return Map("occlusion", ("",), views, unit, space.names, space.positions, edges_s, edges_hz, len(windows))


def _exchanged(X: np.ndarray, other: np.ndarray, bands: list, stretches: list) -> Iterator[tuple[str, tuple[int, ...], np.ndarray]]:
    """Give view, place in it, and the windows with that part of the other ones."""
    for c in range(X.shape[1]):
        changed = X.copy()
        changed[:, c] = X[other, c]
        yield "electrode", (c,), changed
    for b, band in enumerate(bands):
        part = np.fft.irfft(np.fft.rfft(X) * band, X.shape[-1]).astype(np.float32)
        change = part[other] - part
        yield "frequency", (b,), X + change
        for t, stretch in enumerate(stretches):
            yield "time_frequency", (b, t), X + stretch * change


def _heard(X: np.ndarray, bands: list[np.ndarray], edges_hz: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Leave out the lowest and highest bands that a filter has left next to nothing of."""
    if not bands:
        return bands, edges_hz
    power = (np.abs(np.fft.rfft(X)) ** 2).mean(axis=(0, 1))
    share = np.array([power[band].sum() for band in bands])
    loud = np.flatnonzero(share > _LEAST * share.sum())
    first, last = (loud[0], loud[-1]) if len(loud) else (0, len(bands) - 1)
    return bands[first : last + 1], edges_hz[first : last + 2]


def _goodness(decoder: Decoder, X: np.ndarray, blind: Windows, y: np.ndarray) -> np.ndarray:
    """Return how good each answer is [n]: the truth's probability or decision value, or the absolute error below 0."""
    said = decoder.predict(Windows([Block(np.ascontiguousarray(X, dtype=np.float32), blind.space)], blind.meta, info=blind.info))
    return said[np.arange(len(y)), np.asarray(y, dtype=int)] if decoder.classes else -np.abs(said[:, 0] - np.asarray(y, dtype=float))


def donors(windows: Windows, rng: np.random.Generator) -> np.ndarray:
    """Return for each row another row, int [n]: one of the same person where there is one."""
    other = np.roll(np.arange(len(windows)), 1)
    for rows in windows.meta.groupby(list(PERSON), sort=False).indices.values():
        if len(rows) > 1:
            drawn = rng.permutation(rows)
            other[drawn] = np.roll(drawn, 1)
    return other


def bands_of(n_times: int, sfreq: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return bands as masks on the spectrum of a window, and their edges in Hz; none where a window is too short for two.

    What lies below 1 Hz belongs to no band.
    """
    frequencies = np.fft.rfftfreq(n_times, 1 / sfreq)
    edges = [edge for edge in _BANDS_HZ if edge < sfreq / 2] + [sfreq / 2]
    # a band of its own needs a frequency of its own
    kept = [edges[0]]
    for low, high in pairwise(edges):
        if ((frequencies >= kept[-1]) & (frequencies < high)).any() and high - low > 1:
            kept.append(high)
    masks = [(frequencies >= low) & (frequencies < high) for low, high in pairwise(kept)]
    return (masks, np.array(kept)) if len(masks) > 1 else ([], np.zeros(1))


def stretches_of(n_times: int, sfreq: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return stretches of time as weights [times] that add to 1 and fade into each other, and their edges in s."""
    n = min(_STRETCHES, max(1, int(n_times / sfreq / _STRETCH_S)))
    edges = np.linspace(0, n_times, n + 1)
    step = n_times / n
    t = np.arange(n_times)
    # from 0 to 1 around each inner edge, over half of a stretch
    begun = [
        np.ones(n_times),
        *(0.5 + 0.5 * np.sin(np.pi * np.clip((t - e) / (step / 2), -0.5, 0.5)) for e in edges[1:-1]),
        np.zeros(n_times),
    ]
    return [(a - b).astype(np.float32) for a, b in pairwise(begun)], edges / sfreq
