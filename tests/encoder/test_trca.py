"""Task-related components against an independent computation, and on planted phase-locked responses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.trca import TRCA
from corticode.errors import BrokenDataError
from corticode.head.largest import Largest
from corticode.space import Space

SPACE = Space("eeg", tuple(f"O{i}" for i in range(5)), "uV", 128)
CLASSES = ("rest", "9Hz", "12Hz")


def locked(n=60, channels=5, times=192, seed=0, strength=0.5):
    """Windows of rest, 9 Hz and 12 Hz, each flicker with a phase and a topography of its own."""
    rng = np.random.default_rng(seed)
    y, t = np.arange(n) % 3, np.arange(times) / 128
    maps = rng.standard_normal((3, channels))
    X = rng.standard_normal((channels, channels)) @ rng.standard_normal((n, channels, times))
    for label, f in ((1, 9.0), (2, 12.0)):
        X[y == label] += strength * maps[label][:, None] * np.sin(2 * np.pi * f * t + label)
    return X.astype(np.float32), y, pd.DataFrame({"subject": np.arange(n)}), maps


def by_hand(X, y, label):
    """Filter and template of one class, from sums over pairs of trials written out."""
    from scipy.linalg import eigh

    trials = [x - x.mean(axis=1, keepdims=True) for x in X[y == label].astype(float)]
    S = sum(a @ b.T for i, a in enumerate(trials) for j, b in enumerate(trials) if i != j)
    Q = sum(a @ a.T for a in trials)
    return eigh(S, Q)[1][:, -1], np.mean(trials, axis=0)


@pytest.mark.parametrize("ensemble", [False, True])
def test_scores_equal_those_computed_by_hand(ensemble):
    X, y, meta, _ = locked(30)
    encoder = TRCA(ensemble=ensemble, classes=CLASSES)
    F = encoder.per_window(X, SPACE)
    Z = encoder.fit(F, y, meta).encode(F, meta, SPACE)
    found = {label: by_hand(X, y, label) for label in (1, 2)}
    units = {label: w / np.linalg.norm(w) for label, (w, _) in found.items()}
    for i in range(30):
        assert Z[i, 0] == 0
        for label, (_, template) in found.items():
            # a filter's sign is free: it turns both sides
            W = np.stack([units[k] for k in (1, 2)] if ensemble else [units[label]])
            expected = np.corrcoef((W @ (X[i] - X[i].mean(axis=1, keepdims=True))).ravel(), (W @ template).ravel())[0, 1]
            assert Z[i, label] == pytest.approx(1.25 * expected, abs=1e-5)


@pytest.mark.parametrize("bands", [None, [[6, 30], [10, 30]]])
def test_new_windows_are_read_and_rest_has_a_bar(bands):
    X, y, meta, _ = locked(240)
    encoder = TRCA(bands_hz=bands, classes=CLASSES)
    F = encoder.per_window(X, SPACE)
    encoder.fit(F[:120], y[:120], meta[:120])
    Z = encoder.encode(F, meta, SPACE)
    decided = Largest().fit(Z[:120], y[:120], meta[:120], 3).predict(Z[120:]).argmax(axis=1)
    assert (decided == y[120:]).mean() > 0.9


def test_patterns_are_the_planted_maps():
    X, y, meta, maps = locked(120, strength=2.0)
    encoder = TRCA(classes=CLASSES)
    F = encoder.per_window(X, SPACE)
    found = encoder.fit(F, y, meta).patterns(None)
    assert found["outputs"] == [1, 2] and found["labels"] == ["TRCA", "TRCA"]
    for pattern, truth in zip(found["patterns"], maps[1:], strict=True):
        assert abs(pattern @ truth) / np.linalg.norm(pattern) / np.linalg.norm(truth) > 0.97


def test_dependent_channels_are_taken():
    X, y, meta, _ = locked(60)
    referenced = X - X.mean(axis=1, keepdims=True)
    encoder = TRCA(classes=CLASSES)
    F = encoder.per_window(referenced, SPACE)
    assert np.isfinite(encoder.fit(F, y, meta).encode(F, meta, SPACE)).all()


def test_a_class_of_one_trial_is_refused():
    X, y, meta, _ = locked(4)
    encoder = TRCA(classes=CLASSES)
    with pytest.raises(BrokenDataError, match="two trials"):
        encoder.fit(encoder.per_window(X, SPACE), y, meta)


def test_class_names_may_be_unknown():
    X, y, meta, _ = locked(30)
    F = TRCA().per_window(X, SPACE)
    Z = TRCA().fit(F, y, meta).encode(F, meta, SPACE)
    assert Z.shape == (30, 3) and (Z[:, 0] != 0).all()
