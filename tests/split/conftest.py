"""Tables of windows with all that makes splits hard: several sessions, trials of several windows, runs, shuffled rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest


def make_meta(seed=0, n_subjects=12, one_label=False, windows_per_trial=2) -> tuple[pd.DataFrame, np.ndarray]:
    """People S1 .. Sn of two sites with 2-3 sessions x 2 runs x 10 trials; rows in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for s in range(1, n_subjects + 1):
        for session in range(int(rng.integers(2, 4))):
            for run in range(2):
                labels = rng.permutation(np.arange(10) % 2)
                for trial, label in enumerate(labels):
                    for w in range(windows_per_trial):
                        who = dict(
                            dataset="d",
                            site=f"site{s % 2}",
                            subject=f"S{s}",
                            session=str(session),
                            run=str(run),
                            recording=f"S{s}_{session}_{run}",
                        )
                        rows.append({**who, "trial": trial, "onset_s": 5.0 * trial + w, "y": s % 2 if one_label else label})
    table = pd.DataFrame(rows).sample(frac=1, random_state=seed).reset_index(drop=True)
    return table.drop(columns="y"), table["y"].to_numpy(dtype=np.int64)


@pytest.fixture
def table():
    return make_meta
