"""Linear discriminant analysis against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.lda import LDA


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("shrinkage,solver", [("auto", "lsqr"), (0.3, "eigen"), (None, "svd")])
def test_equals_scikit_learn(n_classes, shrinkage, solver):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rng = np.random.default_rng(0)
    y = np.arange(80) % n_classes
    Z = rng.standard_normal((80, 6)) + (np.arange(6) == y[:, None])
    reference = LinearDiscriminantAnalysis(solver=solver, shrinkage=shrinkage).fit(Z, y)
    head = LDA(shrinkage, solver).fit(Z, y, pd.DataFrame(index=range(80)), n_classes)
    np.testing.assert_allclose(head.predict(Z), reference.predict_proba(Z), atol=1e-10)


def test_svd_takes_no_shrinkage():
    with pytest.raises(SentenceError, match="lsqr"):
        LDA("auto", "svd")


def test_one_window_per_class_is_refused_in_a_sentence():
    meta, Z = pd.DataFrame({"subject": ["S1", "S2"]}), np.random.default_rng(0).standard_normal((2, 6))
    said = (
        r"LDA needs .* more windows than its 2 classes, and the fit rows are 2 windows: S1 has 1 of class 0, S2 has 1 of class 1; give more"
    )
    with pytest.raises(BrokenDataError, match=said):
        LDA().fit(Z, np.array([0, 1]), meta, 2)
    three = LDA().fit(np.vstack([Z, Z[:1] + 0.1]), np.array([0, 1, 0]), pd.DataFrame({"subject": ["S1"] * 3}), 2)
    assert np.isfinite(three.predict(Z)).all()
