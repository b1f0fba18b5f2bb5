"""Linear discriminant analysis against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import SentenceError
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
