"""Small EDF recordings in the layout of EEGMMIDB, for tests of the whole road."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHANNELS = [f"{row}{n}" for row in ("FC", "C", "CP") for n in ("5", "3", "1", "z", "2", "4", "6")]


def write_edf(
    path: Path, seed: int = 0, n_trials: int = 8, sfreq: float = 160.0, scale: float = 1.0, labels=("T1", "T2"), nan: bool = False
) -> Path:
    """Write 21 channels of 1/f noise whose C3 and C4 lose 10 Hz power contralaterally; amplitude about 10 µV x scale."""
    import mne

    rng = np.random.default_rng(seed)
    n = int((n_trials * 4 + 4) * sfreq)
    times = np.arange(n) / sfreq
    X = np.cumsum(rng.standard_normal((len(CHANNELS), n)), axis=1)
    X = X - np.apply_along_axis(lambda x: np.convolve(x, np.ones(80) / 80, mode="same"), 1, X)
    X *= 8 / X.std()
    onsets = 2.0 + 4.0 * np.arange(n_trials)
    names = [labels[t % 2] for t in range(n_trials)]
    for side, (channel, idle) in enumerate((("C3", "T2"), ("C4", "T1"))):
        rhythm = 12 * np.sin(2 * np.pi * 10 * times + rng.uniform(0, 6) + side)
        for onset, name in zip(onsets, names, strict=True):
            if name == idle:
                rhythm[int(onset * sfreq) : int((onset + 4) * sfreq)] *= 0.2
        X[CHANNELS.index(channel)] += rhythm
    raw = mne.io.RawArray(X * 1e-6 * scale, mne.create_info(CHANNELS, sfreq, "eeg"), verbose="error")
    raw.set_annotations(mne.Annotations(onsets, [4.0] * n_trials, names))
    path.parent.mkdir(parents=True, exist_ok=True)
    mne.export.export_raw(path, raw, fmt="edf", physical_range="channelwise", overwrite=True, verbose="error")
    return path


def physionet_folder(root: Path, n_subjects: int = 3, **options) -> Path:
    """Write runs 4, 8 and 12 of some people as EEGMMIDB keeps them."""
    for s in range(1, n_subjects + 1):
        for run in (4, 8, 12):
            write_edf(root / f"S{s:03d}" / f"S{s:03d}R{run:02d}.edf", seed=100 * s + run, **options)
    return root
