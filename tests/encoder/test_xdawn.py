"""xDAWN covariances against pyriemann's, on simulated evoked potentials."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.tangent_space import TangentSpace
from corticode.encoder.xdawn import XdawnTangentSpace
from corticode.errors import BrokenDataError
from corticode.head.logistic import LogisticRegression
from corticode.space import Space

SPACE = Space("eeg", tuple(f"E{i}" for i in range(6)), "uV", 128)


def evoked(n=120, channels=6, times=128, seed=0, strength=1.0):
    """Windows in which a bump 300 ms after the event goes up in class 1 and down in class 0: of one power, unlike in time."""
    rng = np.random.default_rng(seed)
    y, t = np.arange(n) % 2, np.arange(times) / 128
    topography = rng.standard_normal(channels)
    bump = np.exp(-0.5 * ((t - 0.3) / 0.05) ** 2)
    X = rng.standard_normal((channels, channels)) @ rng.standard_normal((n, channels, times))
    X += strength * (2 * y - 1)[:, None, None] * 3 * topography[:, None] * bump
    meta = pd.DataFrame({"dataset": "d", "subject": np.arange(n) % 6, "session": "", "run": "", "recording": "", "trial": np.arange(n)})
    return X.astype(np.float32), y, meta, topography


@pytest.mark.parametrize("estimator,n_filters", [("scm", 2), ("scm", 3), ("lwf", 4), ("oas", 6)])
def test_matrices_equal_pyriemann(estimator, n_filters):
    from pyriemann.estimation import XdawnCovariances

    X, y, meta, _ = evoked()
    encoder = XdawnTangentSpace(n_filters, estimator).fit(X[:80], y[:80], meta[:80])
    reference = XdawnCovariances(n_filters, estimator=estimator, xdawn_estimator="scm").fit(X[:80].astype(float), y[:80])
    expected = reference.transform(X.astype(float))
    # the sign of a filter is free
    sign = np.sign((encoder.filters_ * reference.Xd_.filters_).sum(axis=1))
    both = np.concatenate([sign, sign])
    np.testing.assert_allclose(encoder.matrices(X) * both * both[:, None], expected, atol=1e-8 * np.abs(expected).max())
    np.testing.assert_allclose(encoder.patterns_ * sign[:, None], reference.Xd_.patterns_, atol=1e-6)


def test_time_course_is_read_where_power_says_nothing():
    X, y, meta, _ = evoked(240)
    fit, test = slice(0, 160), slice(160, 240)

    def score(encoder):
        F = encoder.per_window(X, SPACE)
        encoder.fit(F[fit], y[fit], meta[fit])
        Z = encoder.encode(F, meta, SPACE)
        return (LogisticRegression(C=1.0).fit(Z[fit], y[fit], meta[fit], 2).predict(Z[test]).argmax(axis=1) == y[test]).mean()

    assert score(XdawnTangentSpace(2)) > 0.9
    assert score(TangentSpace()) < 0.7


def test_patterns_find_the_planted_source():
    X, y, meta, topography = evoked(strength=3.0)
    found = XdawnTangentSpace(2).fit(X, y, meta).patterns(None)
    assert found["outputs"] == [0, 0, 1, 1] and found["labels"] == ["xDAWN 1", "xDAWN 2"] * 2
    for k in (0, 2):
        pattern = found["patterns"][k]
        assert abs(pattern @ topography) / np.linalg.norm(pattern) / np.linalg.norm(topography) > 0.97


def test_refusals():
    X, y, meta, _ = evoked(40)
    with pytest.raises(BrokenDataError, match="one only"):
        XdawnTangentSpace().fit(X, np.zeros(40, dtype=int), meta)
    with pytest.raises(BrokenDataError, match="fitted on"):
        XdawnTangentSpace(2).fit(X, y, meta).encode(X[..., :100], meta, SPACE)
    with pytest.raises(BrokenDataError, match="positive definite"):
        XdawnTangentSpace(6, "scm").fit(X, y, meta)  # the classes' filters span the same six channels twice


def test_an_average_reference_costs_nothing_but_a_dimension():
    """What lives in the five directions left is read as from five channels that span them."""
    X, y, meta, _ = evoked()
    referenced = X - X.mean(axis=1, keepdims=True)
    whole, part = (XdawnTangentSpace(2).fit(signal, y, meta) for signal in (referenced, referenced[:, :5]))
    sign = np.sign((whole.filters_ @ referenced[0] * (part.filters_ @ referenced[0, :5])).sum(axis=1))
    scale = np.linalg.norm(whole.filters_ @ referenced[0], axis=1) / np.linalg.norm(part.filters_ @ referenced[0, :5], axis=1)
    np.testing.assert_allclose(whole.filters_ @ referenced[3], (sign * scale)[:, None] * (part.filters_ @ referenced[3, :5]), atol=1e-3)
