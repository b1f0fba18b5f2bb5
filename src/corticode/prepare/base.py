"""Preparation: stateless steps from Signal to Signal, then one step to windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from corticode.recording import Signal
from corticode.space import Space
from corticode.state import Stateful

# What a step must look at to make one window, from honest to greedy.
SEES = ("window", "past", "recording")


class Step(Stateful):
    """One act on a signal; never learns across recordings.

    Attributes
    ----------
    sees : str
        'window' (no sample outside it), 'past' (causal), 'recording' (all of it, the future too).
    """

    sees = "window"

    def __call__(self, signal: Signal) -> Signal:
        """Return the changed signal; the given one stays as it is."""
        raise NotImplementedError


class Cut(Stateful):
    """The last step: a signal becomes windows."""

    sees = "window"
    overlap = False

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame]:
        """Return X [n, channels, times] float32 and one line per window: trial, onset_s and outcome columns."""
        raise NotImplementedError


class Prepare:
    """A chain of named steps that ends in `window`.

    Parameters
    ----------
    steps : mapping of name -> Step or None
        In order; None entries are skipped. The entry `window` is a Cut.
    """

    def __init__(self, **steps: Step | Cut | None):
        self.steps: Mapping[str, Any] = {name: step for name, step in steps.items() if step is not None}

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame, Space]:
        """Return windows X [n, channels, times] float32 in house units, their table, and their Space."""
        for name, step in self.steps.items():
            if name != "window":
                signal = step(signal)
        X, table = self.steps["window"](signal)
        return X, table, signal.space

    @property
    def sees(self) -> str:
        """The greediest of all steps."""
        return max((step.sees for step in self.steps.values()), key=SEES.index)

    @property
    def overlap(self) -> bool:
        """True when windows share samples."""
        return bool(self.steps["window"].overlap)

    def describe(self) -> list[dict[str, Any]]:
        """Return the steps as plain values, in order: name, class, arguments. Part of the cache key."""
        return [
            {"name": name, "class": f"{type(step).__module__}.{type(step).__qualname__}", **step.arguments()}
            for name, step in self.steps.items()
        ]
