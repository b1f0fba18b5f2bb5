"""The Fisher geodesic filter and its nearest mean, against pyriemann."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.fgmdm import FgMDM
from corticode.layer import spd


def matrices(n_classes=3, n=90, c=5, bands=0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.standard_normal((n, max(1, bands), c, 60))
    X[np.arange(n), :, y] *= 1.5
    mixing = rng.standard_normal((c, c))
    C = spd.covariances(mixing @ X, "scm")
    return (C if bands else C[:, 0]), y, pd.DataFrame(index=range(n))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_equals_pyriemann(n_classes):
    from pyriemann.classification import FgMDM as Reference
    from pyriemann.tangentspace import FGDA

    C, y, meta = matrices(n_classes)
    head = FgMDM().fit(C[:60], y[:60], meta[:60], n_classes)
    np.testing.assert_allclose(head.filtered(C)[:, 0], FGDA().fit(C[:60], y[:60]).transform(C), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(head.predict(C), Reference().fit(C[:60], y[:60]).predict_proba(C), atol=1e-6)


def test_filter_is_a_projection():
    """What was filtered once stays as it is, and no more directions are left than discriminant axes."""
    C, y, meta = matrices(3)
    head = FgMDM().fit(C, y, meta, 3)
    once = head.filtered(C)
    np.testing.assert_allclose(head.filtered(once), once, rtol=1e-7)
    s = spd.tangent(once[:, 0], head.reference_[0])
    assert np.linalg.matrix_rank(s, tol=1e-8 * np.linalg.norm(s)) == 2


def test_bands_are_filtered_each_by_itself():
    C, y, meta = matrices(2, bands=2)
    both = FgMDM().fit(C, y, meta, 2)
    alone = FgMDM().fit(C[:, 1], y, meta, 2)
    np.testing.assert_allclose(both.filtered(C)[:, 1], alone.filtered(C[:, 1])[:, 0], rtol=1e-6)


def test_other_features_are_refused():
    C, y, meta = matrices(2)
    with pytest.raises(SentenceError, match="Covariance"):
        FgMDM().fit(np.ones((90, 4)), y, meta, 2)
    with pytest.raises(BrokenDataError, match="fitted on"):
        FgMDM().fit(C, y, meta, 2).predict(C[:, :4, :4])


def test_one_window_per_class_is_refused_in_a_sentence():
    C, y, _ = matrices(3)
    meta = pd.DataFrame({"subject": ["S1"] * 3})
    said = r"FgMDM needs .* more windows than its 3 classes.*: S1 has 1 of class 0 and 1 of class 1 and 1 of class 2; .*mdm"
    with pytest.raises(BrokenDataError, match=said):
        FgMDM().fit(C[:3], y[:3], meta, 3)
