"""Common spatial patterns against pyriemann, and with more classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.csp import CSP, diagonaliser
from corticode.errors import BrokenDataError, SentenceError
from corticode.space import Space

SPACE = Space("eeg", tuple(f"E{i}" for i in range(6)), "uV", 128)


def planted(n_classes=2, n=96, seed=0):
    """Windows in which class k has a stronger source k; returns the sources' patterns [classes, channels] too."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    mixing = rng.standard_normal((6, 6))
    sources = rng.standard_normal((n, 6, 300))
    sources[np.arange(n), y] *= 2
    return (mixing @ sources).astype(np.float32), y, pd.DataFrame(index=range(n)), mixing[:, :n_classes].T


@pytest.mark.parametrize("metric", ["euclid", "riemann"])
def test_two_classes_equal_pyriemann(metric):
    from pyriemann.estimation import Covariances
    from pyriemann.spatialfilters import CSP as Reference

    X, y, meta, _ = planted()
    encoder = CSP(4, metric=metric)
    F = encoder.per_window(X, SPACE)
    Z = encoder.fit(F, y, meta).encode(F, meta, SPACE)
    C = Covariances("oas").transform(X.astype(float))
    reference = Reference(4, metric=metric).fit(C, y)
    np.testing.assert_allclose(Z, reference.transform(C), atol=1e-6)
    sign = np.sign((encoder.filters_[0] * reference.filters_).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(encoder.filters_[0] * sign, reference.filters_, atol=1e-6)
    np.testing.assert_allclose(encoder.patterns_[0] * sign, reference.patterns_, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_every_class_gives_its_source(n_classes):
    X, y, meta, truth = planted(n_classes)
    encoder = CSP(n_classes)
    F = encoder.per_window(X, SPACE)
    encoder.fit(F, y, meta)
    found = encoder.patterns(head=None)["patterns"]
    match = np.abs(np.corrcoef(found, truth)[:n_classes, n_classes:])
    assert sorted(match.argmax(axis=1)) == list(range(n_classes)) and match.max(axis=1).min() > 0.97
    # filter and pattern of one source undo each other
    np.testing.assert_allclose((encoder.filters_ * encoder.patterns_).sum(axis=-1), 1.0, atol=1e-8)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_joint_sources_equal_pyriemann(n_classes):
    from pyriemann.spatialfilters import CSP as Reference

    rng = np.random.default_rng(4)
    y = np.repeat(np.arange(n_classes), 20 + 5 * np.arange(n_classes))  # classes of unequal size
    X = (rng.standard_normal((n_classes, 6, 6))[y] @ rng.standard_normal((len(y), 6, 200))).astype(np.float32)
    meta = pd.DataFrame(index=range(len(y)))
    encoder = CSP(3, contrast="joint")
    C = encoder.per_window(X, SPACE)
    Z = encoder.fit(C, y, meta).encode(C, meta, SPACE)
    reference = Reference(3).fit(C, y)
    np.testing.assert_allclose(Z, reference.transform(C), atol=1e-8)
    sign = np.sign((encoder.filters_[0] * reference.filters_).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(encoder.patterns_[0] * sign, reference.patterns_, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Convergence")
@pytest.mark.parametrize("tol,max_iter", [(1e-6, 20), (1e-25, 300)])
def test_joint_diagonalisation_equals_pyriemann(tol, max_iter):
    from pyriemann.geometry.ajd import ajd_pham

    A = np.random.default_rng(5).standard_normal((4, 8, 30))
    C = A @ A.swapaxes(1, 2) / 30
    np.testing.assert_allclose(diagonaliser(C, tol, max_iter), ajd_pham(C, eps=tol, n_iter_max=max_iter)[0], atol=1e-8)


def test_matrices_that_are_diagonal_together_are_diagonalised():
    rng = np.random.default_rng(6)
    mixing = rng.standard_normal((5, 5))
    C = np.stack([mixing @ np.diag(rng.uniform(0.5, 2, 5)) @ mixing.T for _ in range(4)])
    V = diagonaliser(C, tol=1e-20, max_iter=100)
    D = V @ C @ V.T
    assert np.abs(D - np.einsum("kii->ki", D)[:, :, None] * np.eye(5)).max() < 1e-8


def test_an_unknown_contrast_is_refused():
    with pytest.raises(SentenceError, match="others, joint"):
        CSP(contrast="pairs")


def test_bands_have_filters_of_their_own():
    X, y, meta, _ = planted()
    encoder = CSP(2, bands_hz=[[4, 12], [12, 30]])
    F = encoder.per_window(X, SPACE)
    assert encoder.fit(F, y, meta).encode(F, meta, SPACE).shape == (96, 4)
    assert encoder.patterns(None)["labels"] == ["CSP 1 4-12 Hz", "CSP 2 4-12 Hz", "CSP 1 12-30 Hz", "CSP 2 12-30 Hz"]


def test_one_class_is_refused():
    X, y, meta, _ = planted()
    encoder = CSP()
    with pytest.raises(BrokenDataError, match="one only"):
        encoder.fit(encoder.per_window(X, SPACE), np.zeros_like(y), meta)
