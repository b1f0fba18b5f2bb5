"""Minimum distance to mean against pyriemann."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import SentenceError
from corticode.head.mdm import MDM


def matrices(n_classes=3, n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4, 50))
    X[np.arange(n), np.arange(n) % n_classes] *= 1.5
    return X @ X.swapaxes(1, 2) / 50, np.arange(n) % n_classes, pd.DataFrame(index=range(n))


@pytest.mark.parametrize("metric", ["riemann", "logeuclid", "euclid"])
def test_equals_pyriemann(metric):
    from pyriemann.classification import MDM as Reference

    C, y, meta = matrices()
    head = MDM(metric).fit(C[:40], y[:40], meta[:40], 3)
    reference = Reference(metric).fit(C[:40], y[:40])
    if metric == "riemann":  # pyriemann stops its means early: its answers at equal means
        reference.means_ = reference.covmeans_ = head.means_
    np.testing.assert_allclose(head.predict(C), reference.predict_proba(C), atol=1e-8)


def test_new_means_are_not_measured_by_the_old_ones_whiteners():
    C, y, meta = matrices()
    head = MDM().fit(C, y, meta, 3)
    head.predict(C)
    other = MDM().fit(C[::2], y[::2], meta[::2], 3)
    np.testing.assert_array_equal(head.load_state(other.state()).predict(C), other.predict(C))


def test_squared_distances_of_bands_add_up():
    C, y, meta = matrices()
    D, _, _ = matrices(seed=1)
    both = MDM().fit(np.stack([C, D], axis=1), y, meta, 3).predict(np.stack([C, D], axis=1))
    product = MDM().fit(C, y, meta, 3).predict(C) * MDM().fit(D, y, meta, 3).predict(D)
    np.testing.assert_allclose(both, product / product.sum(axis=1, keepdims=True), atol=1e-6)


def test_vectors_are_refused():
    with pytest.raises(SentenceError, match="Covariance"):
        MDM().fit(np.ones((4, 3)), np.array([0, 1, 0, 1]), pd.DataFrame(index=range(4)), 2)
