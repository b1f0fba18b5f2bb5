"""Hold back a part of the fit rows, to choose when training stops: people before sessions before time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from corticode.split.rows import Spans, in_time
from corticode.windows import share_samples


class Inner(NamedTuple):
    """Fit rows cut in two.

    Parameters
    ----------
    fit, validation : int array
        Row indices, in order. `validation` is empty where nothing can be held back. Rows that share samples with those held
        back are in neither.
    held : str
        What was held back, in words: '3 of 15 people'.
    """

    fit: np.ndarray
    validation: np.ndarray
    held: str


def inner_validation(meta: pd.DataFrame, y: np.ndarray, fraction: float, seed: int, length_s: float = 0.0) -> Inner:
    """Cut rows into a part to learn from and a part to stop by.

    Whole people where there are several, else whole sessions, else the last trials of each run; where windows overlap, the
    last trials of each recording in one piece, and the windows that reach into it serve neither part. Classes keep their shares
    as far as whole people, sessions and trials allow; a class is never taken from the fit part altogether.

    Parameters
    ----------
    meta : DataFrame [n]
        Identity columns of the fit rows.
    y : array [n]
        Integers are classes, to be balanced; floats are not looked at.
    fraction : float
        Share to hold back, at least one person, session or trial and at most half of them; 0 holds back nothing.
    seed : int
        Chooses people or sessions.
    length_s : float, s
        Of a window; 0: windows share no samples.

    Returns
    -------
    inner : Inner
    """
    y = np.asarray(y)
    everything, nothing = np.arange(len(meta)), np.arange(0)
    if fraction <= 0:
        return Inner(everything, nothing, "nothing")
    for word, columns in (("people", ["dataset", "subject"]), ("sessions", ["dataset", "subject", "session"])):
        unit, names = pd.factorize(_joined(meta, columns))
        if len(names) > 1:
            held = _units(unit, len(names), y, fraction, np.random.default_rng([seed, len(names)]))
            if held is not None:
                inside = np.isin(unit, held)
                return Inner(everything[~inside], everything[inside], f"{len(held)} of {len(names)} {word}")
    if length_s and share_samples(meta, length_s):
        fit, rows = _last_stretch(meta, y, fraction, length_s)
    else:
        rows = _last_trials(meta, y, fraction)
        fit = np.setdiff1d(everything, rows)
    if not len(rows):
        return Inner(everything, nothing, "nothing")
    return Inner(fit, rows, f"the last {len(rows)} of {len(meta)} windows")


def _last_stretch(meta: pd.DataFrame, y: np.ndarray, fraction: float, length_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows to fit, rows held back): the last trials of each recording, and all that shares no sample with them."""
    ordered = in_time(meta, np.arange(len(meta)))
    recording, trial = (_joined(meta, ["dataset", "subject", "session", "run", "recording", *more])[ordered] for more in ([], ["trial"]))
    held = []
    for name in dict.fromkeys(recording):
        trials = list(dict.fromkeys(trial[recording == name]))
        n = min(max(1, round(fraction * len(trials))), len(trials) // 2)
        held.append(ordered[np.isin(trial, trials[len(trials) - n :])])
    rows = np.sort(np.concatenate(held))
    rest = np.setdiff1d(np.arange(len(meta)), rows)
    fit = rest[~Spans.of(meta, (0.0, length_s)).touching(rest, rows)]
    labels = _labels(y)
    costs_a_class = len(np.unique(labels[fit])) < len(np.unique(labels))
    return (fit, rows) if len(fit) and not costs_a_class else (np.arange(len(meta)), np.arange(0))


def _joined(meta: pd.DataFrame, columns: list[str]) -> np.ndarray:
    return meta[columns].astype(str).agg("\x1f".join, axis=1).to_numpy()


def _units(unit: np.ndarray, n_units: int, y: np.ndarray, fraction: float, random: np.random.Generator) -> np.ndarray | None:
    """Choose whole units whose windows have the class shares of all; None if that would cost the fit part a class."""
    n_held = int(np.clip(round(fraction * n_units), 1, max(1, n_units // 2)))
    labels = _labels(y)
    counts = np.zeros((n_units, labels.max() + 1))
    np.add.at(counts, (unit, labels), 1)
    shares = counts.sum(axis=0) / counts.sum()
    left, held, total = list(random.permutation(n_units)), [], np.zeros(counts.shape[1])
    for _ in range(n_held):
        # one unit at a time: the one that brings the held shares nearest to the shares of all, the earliest drawn on ties
        off = [np.abs((total + counts[i]) / (total + counts[i]).sum() - shares).sum().round(6) for i in left]
        best = left.pop(int(np.argmin(off)))
        held.append(best)
        total += counts[best]
    rest = counts.sum(axis=0) - total
    return np.sort(held) if np.all(rest[counts.sum(axis=0) > 0] > 0) else None


def _last_trials(meta: pd.DataFrame, y: np.ndarray, fraction: float) -> np.ndarray:
    """Return the rows of the last trials of each run, class by class, never all trials of a class."""
    ordered = in_time(meta, np.arange(len(meta)))
    run, _ = pd.factorize(_joined(meta, ["dataset", "subject", "session", "run", "recording"]))
    trial, names = pd.factorize(_joined(meta, ["dataset", "subject", "session", "run", "recording", "trial"]))
    first = np.full(len(names), -1)
    first[trial[ordered[::-1]]] = ordered[::-1]  # first window of each trial: its run and its label stand for the trial
    first = ordered[np.isin(ordered, first)]
    labels, held = _labels(y), []
    for label in np.unique(labels):
        mine = first[labels[first] == label]
        wanted = min(max(1, round(fraction * len(mine))), len(mine) // 2)
        runs = [mine[run[mine] == r] for r in dict.fromkeys(run[mine])]
        # fractions of a trial are carried from run to run, so that short runs are held back from as well
        ends = np.round(np.cumsum([len(r) for r in runs]) * wanted / max(1, len(mine))).astype(int)
        for rows, n in zip(runs, np.diff(ends, prepend=0), strict=True):
            held.extend(trial[rows[len(rows) - n :]])
    return np.flatnonzero(np.isin(trial, held))


def _labels(y: np.ndarray) -> np.ndarray:
    return y.astype(np.int64) if np.issubdtype(y.dtype, np.integer) and y.ndim == 1 else np.zeros(len(y), dtype=np.int64)
