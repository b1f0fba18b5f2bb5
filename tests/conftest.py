"""Fixtures shared by all tests: tiny windows of a known answer, and the folder of real data where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from corticode.windows import Windows

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder that holds data/eeg, data/fmri, goldens; skips where it is absent."""
    folder = Path(os.environ.get("CORTICODE_SHARED", ROOT / ".." / "shared")).resolve()
    if not (folder / "data").is_dir():
        pytest.skip("needs the shared real data: set CORTICODE_SHARED to the folder that holds data/")
    return folder


def make_windows(n_subjects=4, n_sessions=2, n_trials=12, n_chans=6, n_times=128, sfreq=128.0, effect=1.0, n_classes=2, seed=0) -> Windows:
    """Windows whose classes differ in the power of one channel each; people differ by their mixing."""
    rng = np.random.default_rng(seed)
    names = ["left_hand", "right_hand", "feet", "tongue"][:n_classes]
    X, y, subject, session = [], [], [], []
    for s in range(n_subjects):
        mixing = np.eye(n_chans) + 0.2 * rng.standard_normal((n_chans, n_chans))
        for k in range(n_sessions):
            for t in range(n_trials):
                label = t % n_classes
                source = rng.standard_normal((n_chans, n_times))
                source[label] *= 1 + effect
                X.append(10 * mixing @ source)
                y.append(names[label])
                subject.append(f"S{s + 1}")
                session.append(str(k))
    return Windows.from_arrays(
        np.array(X),
        y,
        sfreq=sfreq,
        subject=subject,
        session=session,
        ch_names=["Fz", "C3", "Cz", "C4", "Pz", "Oz"][:n_chans] if n_chans <= 6 else None,
    )


@pytest.fixture
def windows() -> Windows:
    """4 people x 2 sessions x 12 trials, 6 channels, 128 samples at 128 Hz, two classes."""
    return make_windows()
