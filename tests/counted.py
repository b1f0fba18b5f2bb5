"""Recordings that write down each time they are read: in a module of its own, so that other processes can import it."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from corticode import store
from corticode.prepare.base import Prepare
from corticode.prepare.cache import windows_of
from corticode.prepare.filter import BandPass
from corticode.prepare.window import Cue
from corticode.recording import Recording, Signal
from corticode.space import Space

NAMES = ("C3", "Cz", "C4", "Pz")


def read(
    log: Path, seed: int, seconds: float = 30.0, sfreq: float = 100.0, channels: int = 4, every_s: float = 5.0, what: str = ""
) -> Signal:
    """White noise of 10 µV with a cue every few seconds; `what` goes wrong ('nan' in a window, 'kill')."""
    with log.open("a") as file:
        file.write(f"{seed} {os.getpid()}\n")
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    X = 10 * np.random.default_rng(seed).standard_normal((channels, round(seconds * sfreq)))
    if what == "nan":
        X[1, 700] = np.nan
    onset = np.arange(2.0, seconds - 3, every_s)
    events = pd.DataFrame({"onset_s": onset, "duration_s": 1.0, "event": [("left", "right")[k % 2] for k in range(len(onset))]})
    return Signal(X, Space("eeg", NAMES[:channels], "uV", sfreq), events)


def recordings(log: Path, n: int = 3, **changes) -> list[Recording]:
    """`n` people; `changes` are arguments of `read`, per person a list or one for all."""
    people = []
    for i in range(n):
        mine = {name: value[i] if isinstance(value, list) else value for name, value in changes.items()}
        origin = {name: value for name, value in mine.items() if name != "what"}
        people.append(
            Recording(
                {"dataset": "d", "subject": f"S{i + 1}"}, partial(read, log, i, **mine), {"age": 20 + i}, origin={"seed": i, **origin}
            )
        )
    return people


def preparation(low_hz: float = 4.0, **steps) -> Prepare:
    """Band-pass, and a window of 1 s after each cue."""
    return Prepare(**{"filter": BandPass(low_hz, 30.0), "window": Cue(0.0, 1.0), **steps})


def prepare_elsewhere(log: Path, home: Path) -> None:
    """What a process of its own does: prepare, and write down the key."""
    windows = windows_of(recordings(log, 6), preparation(), home)
    store.write_json(log.parent / f"{os.getpid()}.json", {"key": windows.key, "sum": float(np.abs(windows.X).sum())})


def count_up(path: Path, times: int) -> None:
    """Read a number and write the next one, under the lock."""
    for _ in range(times):
        with store.locked(path):
            n = int(path.read_text()) if path.exists() else 0
            path.write_text(str(n + 1))
