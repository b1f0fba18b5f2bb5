"""A short recording with a joint, EOG, events and positions, for all tests of the steps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.prepare.channel import standard_positions
from corticode.recording import Signal
from corticode.space import Space

NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "P3", "P4", "Oz", "VEOG")


def make_signal(seconds=16.0, sfreq=128.0, joint_s=8.0, offset=0.0, seed=0) -> Signal:
    """Ten EEG channels and one EOG of white noise, 10 µV, with an event each second from 1 s on."""
    rng = np.random.default_rng(seed)
    known = standard_positions()
    positions = np.array([known.get(name.lower(), np.full(3, np.nan)) for name in NAMES])
    space = Space("eeg", NAMES, "uV", sfreq, positions=positions, types=("eeg",) * 10 + ("eog",))
    onset = np.arange(1.0, seconds - 1)
    events = pd.DataFrame(
        {"onset_s": onset, "duration_s": 1.0, "event": np.where(onset % 2, "left", "right"), "stimulus": [f"s{k:.0f}" for k in onset]}
    )
    X = offset + 10 * rng.standard_normal((len(NAMES), round(seconds * sfreq)))
    joints = () if joint_s is None else (round(joint_s * sfreq),)
    return Signal(X, space, events, joints)


@pytest.fixture
def signal() -> Signal:
    """16 s at 128 Hz, a joint at 8 s."""
    return make_signal()


@pytest.fixture
def signal_of():
    """The function that makes such signals."""
    return make_signal
