"""Preparation: stateless steps from Signal to Signal, then one step to windows."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, GuardError, SentenceError
from corticode.recording import Signal
from corticode.space import Space
from corticode.state import Stateful

# What a step must look at to make one window, from honest to greedy.
SEES = ("window", "past", "recording")

# Whether a filter looks into the future ('zero': forwards and backwards, no delay) or not ('causal').
PHASES = ("zero", "causal")


class Step(Stateful):
    """One act on a signal; never learns across recordings.

    Attributes
    ----------
    sees : str
        'window' (no sample outside it), 'past' (causal), 'recording' (all of it, the future too).
    off : bool
        True when its arguments ask for nothing. Every entry lists every step, so that `prepare.notch.freq_hz=50` turns
        one on; a step that is off is not part of the preparation.
    """

    sees = "window"
    off = False

    def __call__(self, signal: Signal) -> Signal:
        """Return the changed signal; the given one stays as it is."""
        raise NotImplementedError


class Cut(Stateful):
    """The last step: a signal becomes windows.

    The table's `attrs["notes"]` is a list of sentences for the run to show: how many windows were dropped, and why.
    """

    sees = "window"
    off = False
    overlap = False
    # what a window is made of, in seconds from its onset; None: its own samples
    reach_s: tuple[float, float] | None = None

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame]:
        """Return X [n, channels, times] float32 and one line per window: trial, onset_s and outcome columns."""
        raise NotImplementedError


class Reject(Stateful):
    """What may follow the cut: judges finished windows, and drops or marks some. `table.attrs["notes"]` counts them."""

    sees = "window"
    off = False

    def __call__(self, X: np.ndarray, table: pd.DataFrame, space: Space) -> tuple[np.ndarray, pd.DataFrame]:
        """Return the windows [n, channels, times] that are kept, and their table."""
        raise NotImplementedError


class Prepare:
    """A chain of named steps that ends in `window`, and `reject` where there is one.

    Parameters
    ----------
    steps : mapping of name -> Step or None
        In order; None entries and steps that are off are left out. The entry `window` is a Cut, `reject` a Reject.

    Raises
    ------
    SentenceError
        There is no `window`.
    """

    def __init__(self, **steps: Step | Cut | Reject | None):
        self.steps: Mapping[str, Any] = {name: step for name, step in steps.items() if step is not None and not step.off}
        if not isinstance(self.steps.get("window"), Cut):
            raise SentenceError(
                "a preparation ends in windows, and prepare.window is missing: choose corticode.prepare.window.Cue or .Sliding"
            )

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame, Space]:
        """Return windows X [n, channels, times] float32 in house units, their table, and their Space."""
        for name, step in self.steps.items():
            if name not in ("window", "reject"):
                signal = unchanged(step, signal)
        X, table = unchanged(self.steps["window"], signal)
        if "reject" in self.steps:
            X, table = self.steps["reject"](X, table, signal.space)
        return X, table, signal.space

    @property
    def sees(self) -> str:
        """The greediest of all steps."""
        return max((step.sees for step in self.steps.values()), key=SEES.index)

    @property
    def overlap(self) -> bool:
        """True when windows share samples."""
        return bool(self.steps["window"].overlap)

    @property
    def reach_s(self) -> tuple[float, float] | None:
        """What a window is made of, in seconds from its onset; None: its own samples, from the onset on."""
        return self.steps["window"].reach_s

    def arguments(self) -> dict[str, Any]:
        """Return the steps by name, in order."""
        return dict(self.steps)

    def describe(self) -> list[dict[str, Any]]:
        """Return the steps as plain values, in order: name, class, arguments. Part of the cache key."""
        return [
            {"name": name, "class": f"{type(step).__module__}.{type(step).__qualname__}", **step.arguments()}
            for name, step in self.steps.items()
        ]


def unchanged(step: Step | Cut, signal: Signal) -> Any:
    """Return what a step makes of a signal, and refuse one that changed itself: it would carry one recording into the next.

    Raises
    ------
    GuardError
        Names the attribute that changed.
    """
    before = _remembered(step)
    made = step(signal)
    changed = [name for name, value in _remembered(step).items() if before.get(name) != value]
    if changed:
        raise GuardError(
            f"the preparation step {type(step).__name__} changed its {', '.join(changed)} while it worked: what learns from recordings belongs into an "
            "encoder or an aligner, which sees the fit rows alone"
        )
    return made


def _remembered(step: Step | Cut) -> dict[str, Any]:
    """Return what a step holds, in a form that can be compared; a cached property is no memory of a recording."""
    held: dict[str, Any] = {}
    for name, value in vars(step).items():
        if not isinstance(getattr(type(step), name, None), functools.cached_property):
            try:
                held[name] = pickle.dumps(value)
            except Exception:  # a lambda of somebody's own step
                held[name] = id(value)
    return held


def each_piece(signal: Signal, act: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return what `act` makes of each continuous stretch [channels, times] by itself, put together again."""
    X = np.empty(signal.X.shape, dtype=np.float64)
    for first, stop in signal.pieces():
        X[:, first:stop] = act(np.asarray(signal.X[:, first:stop], dtype=np.float64))
    return X


def check_finite(signal: Signal, act: str) -> None:
    """Refuse NaN and infinite samples before an act that would spread them.

    Raises
    ------
    BrokenDataError
        Names the channel and the second of the first one.
    """
    # one sum is cheaper than a mask; only a bad signal pays for the search
    if not signal.X.size or np.isfinite(signal.X.sum()):
        return
    bad = ~np.isfinite(signal.X)
    if not bad.any():
        return
    sample = int(bad.any(axis=0).argmax())
    channel = int(bad[:, sample].argmax())
    raise BrokenDataError(
        f"channel {signal.space.names[channel]} is NaN or infinite at {sample / signal.space.sfreq:.3f} s ({bad.sum()} such samples in all), "
        f"and {act} would spread it: leave the channel out with prepare.pick.channels=, or declare the gap as a joint in the reader"
    )


def check_choice(value: str, known: tuple[str, ...], key: str) -> str:
    """Return the value if it is one of those known.

    Raises
    ------
    SentenceError
        Names the key as it is typed, and what it may be.
    """
    if value not in known:
        raise SentenceError(f"{key}={value} is unknown: pick one of {', '.join(known)}")
    return value


def number(value: float | None) -> float | None:
    """Return a float, so that `8` and `8.0` make one preparation; None stays None."""
    return None if value is None else float(value)


def words(values: Any) -> list[str] | None:
    """Return a list of text, whatever kind of sequence a configuration gave; None and nothing at all become None."""
    if values is None:
        return None
    return [str(value) for value in ([values] if isinstance(values, str) else values)] or None
