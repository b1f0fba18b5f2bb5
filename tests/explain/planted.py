"""Windows with a planted source: class `burst` has 20 Hz at C3 around 1.1 s.

What tells nothing is louder: 10 Hz at Cz around 0.5 s in every window, and bursts at all other electrodes at any time and frequency.
"""

from __future__ import annotations

import numpy as np

from corticode.windows import Windows

NAMES = ["Fp1", "Fp2", "T7", "C3", "Cz", "C4", "T8", "O1"]
SFREQ, N_TIMES = 100.0, 200
WHERE, HZ, WHEN_S = "C3", 20.0, 1.1
DECOY = "Cz"
CLASSES = ("none", "burst")


def positions() -> np.ndarray:
    x = np.array([-0.03, 0.03, -0.085, -0.05, 0, 0.05, 0.085, -0.03])
    y = np.array([0.085, 0.085, 0, 0, 0, 0, 0, -0.085])
    return np.stack([x, y, np.sqrt(np.maximum(0.0925**2 - x**2 - y**2, 0))], axis=1)


def burst(rng: np.random.Generator, hz: float, when_s: float) -> np.ndarray:
    t = np.arange(N_TIMES) / SFREQ
    return np.exp(-0.5 * ((t - when_s) / 0.12) ** 2) * np.sin(2 * np.pi * hz * t + rng.uniform(0, 2 * np.pi))


def planted(n: int = 160, n_subjects: int = 4, seed: int = 0, as_loud: bool = True) -> Windows:
    """Return n windows [8 channels, 200 samples at 100 Hz] of two classes.

    `as_loud`: the other class has a burst of other kind at C3, so that power alone tells nothing.
    """
    rng = np.random.default_rng(seed)
    X = 5.0 * rng.standard_normal((n, len(NAMES), N_TIMES))
    y = np.arange(n) // n_subjects % 2
    source = NAMES.index(WHERE)
    for i in range(n):
        for c in range(len(NAMES)):
            if c != source:
                X[i, c] += 25.0 * burst(rng, rng.uniform(5, 40), rng.uniform(0.2, 1.8))
        X[i, NAMES.index(DECOY)] += 60.0 * burst(rng, 10.0, 0.5)
        other = burst(rng, rng.uniform(5, 12), rng.uniform(0.2, 0.6)) if as_loud else 0.0
        X[i, source] += 25.0 * (burst(rng, HZ, WHEN_S) if y[i] else other)
    names = np.array(CLASSES)
    subject = [f"S{i % n_subjects + 1}" for i in range(n)]
    windows = Windows.from_arrays(X, names[y], sfreq=SFREQ, subject=subject, ch_names=NAMES, positions=positions())
    return windows.with_y(y)
