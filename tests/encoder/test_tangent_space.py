"""Tangent space against pyriemann, and its patterns against a planted source."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.align.riemannian import Riemannian
from corticode.encoder.tangent_space import TangentSpace
from corticode.errors import BrokenDataError
from corticode.head.logistic import LogisticRegression
from corticode.space import Space


def planted(n=120, channels=5, times=256, seed=0):
    """Windows in which one source, seen with a known pattern, is stronger in class 1."""
    rng = np.random.default_rng(seed)
    y = np.tile([0, 1], n // 2)
    mixing = rng.standard_normal((channels, channels))
    sources = rng.standard_normal((n, channels, times))
    sources[y == 1, 0] *= 1.6
    space = Space("eeg", tuple(f"E{i}" for i in range(channels)), "uV", 128)
    meta = pd.DataFrame({"dataset": "d", "subject": np.arange(n) // 20, "session": "", "run": "", "recording": "", "trial": np.arange(n)})
    return (mixing @ sources).astype(np.float32), y, meta, space, mixing[:, 0]


def test_vectors_equal_pyriemann():
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace as Reference

    X, y, meta, space, _ = planted()
    encoder = TangentSpace("oas")
    F = encoder.per_window(X, space)
    C = Covariances("oas").transform(X.astype(float))
    expected = Reference().fit(C[:80]).transform(C)
    np.testing.assert_allclose(encoder.fit(F[:80], y[:80], meta[:80]).encode(F, meta, space), expected, atol=1e-7)


def test_bands_stand_behind_each_other():
    X, y, meta, space, _ = planted(n=40)
    both = TangentSpace(bands_hz=[[4, 12], [12, 30]])
    F = both.per_window(X, space)
    Z = both.fit(F, y, meta).encode(F, meta, space)
    second = TangentSpace(bands_hz=[[12, 30]])
    G = second.per_window(X, space)
    np.testing.assert_allclose(Z[:, 15:], second.fit(G, y, meta).encode(G, meta, space), atol=1e-6)


def test_patterns_find_the_planted_source():
    X, y, meta, space, truth = planted()
    encoder, head = TangentSpace(), LogisticRegression(C=0.1)
    F = encoder.per_window(X, space)
    Z = encoder.fit(F, y, meta).encode(F, meta, space)
    found = encoder.patterns(head.fit(Z, y, meta, 2))
    assert found["patterns"].shape == (1, 5) and found["outputs"] == [1] and found["labels"] == [""]
    assert abs(np.corrcoef(found["patterns"][0], truth)[0, 1]) > 0.98


@pytest.mark.parametrize("bands", [None, [[4, 20], [20, 40]]])
def test_patterns_come_back_through_alignment(bands):
    """Re-centring whitens the channels: its inverse belongs to the map."""
    X, y, meta, space, truth = planted()
    encoder, head, aligner = TangentSpace(bands_hz=bands), LogisticRegression(C=0.1), Riemannian()
    meta = meta.assign(subject="S")
    F = aligner.fit_source(encoder.per_window(X, space), meta)
    found = encoder.patterns(head.fit(encoder.fit(F, y, meta).encode(F, meta, space), y, meta, 2))
    for pattern in aligner.back(found["patterns"], found["bands"]):
        assert abs(np.corrcoef(pattern, truth)[0, 1]) > 0.98
    assert min(abs(np.corrcoef(pattern, truth)[0, 1]) for pattern in found["patterns"]) < 0.9


def test_other_channels_than_those_fitted_are_refused():
    X, y, meta, space, _ = planted(n=40)
    encoder = TangentSpace()
    F = encoder.per_window(X, space)
    encoder.fit(F, y, meta)
    with pytest.raises(BrokenDataError, match=r"\[4, 4\].*\[5, 5\]"):
        encoder.encode(F[:, :4, :4], meta, space)
