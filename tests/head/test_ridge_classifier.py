"""Ridge regression on indicators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError
from corticode.head.ridge_classifier import RidgeClassifier


def rows_of(n=90, d=7, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    Z = rng.standard_normal((n, d)) + 2 * np.eye(k, d)[y]
    columns = {"dataset": "d", "session": "", "run": "", "recording": "", "trial": np.arange(n), "onset_s": np.arange(n) * 2.0}
    return Z, y, pd.DataFrame({"subject": np.repeat(list("abcdef"), n // 6), **columns})


def test_equal_to_scikit_learn():
    from sklearn.linear_model import RidgeClassifier as Theirs

    Z, y, meta = rows_of()
    head = RidgeClassifier(alpha=3.0, standardize=False).fit(Z, y, meta, 3)
    # indicators of 0 and 1 in place of -1 and 1
    assert np.allclose(2 * head.decide(Z) - 1, Theirs(alpha=3.0).fit(Z, y).decision_function(Z), atol=1e-10)


def test_probabilities_sum_to_one_and_absent_classes_have_none():
    Z, y, meta = rows_of(k=2)
    head = RidgeClassifier().fit(Z, 2 * y, meta, 3)
    p = head.predict(5 * Z)
    assert p.shape == (90, 3) and np.allclose(p.sum(axis=1), 1) and (p[:, 1] == 0).all() and (p >= 0).all()
    assert (p.argmax(axis=1) == 2 * y).mean() > 0.85
    assert head.notes()["alpha_chosen_by"] == "squared error by subject"


def test_one_class_is_refused():
    Z, y, meta = rows_of()
    with pytest.raises(BrokenDataError, match="needs two classes"):
        RidgeClassifier().fit(Z, 0 * y, meta, 3)
