"""One battery for all heads that fit in closed form or by scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.elastic_net import ElasticNet
from corticode.head.estimator import Estimator
from corticode.head.fgmdm import FgMDM
from corticode.head.lda import LDA
from corticode.head.logistic import LogisticRegression
from corticode.head.mdm import MDM
from corticode.head.ridge import Ridge
from corticode.head.svm import SVM


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5)


def table(n: int, people: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {"dataset": "d", "subject": [f"S{i % people}" for i in range(n)], "session": "", "run": "", "recording": "", "trial": np.arange(n)}
    )


def classes(n_classes=2, n=120, d=5, effect=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    return rng.standard_normal((n, d)) + effect * np.eye(d)[y], y, table(n)


def matrices(n_classes=2, n=90, bands=0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = rng.standard_normal((n, max(1, bands), 4, 40))
    X[np.arange(n), :, y] *= 1.7
    C = X @ X.swapaxes(-1, -2) / 40
    return (C if bands else C[:, 0]), y, table(n)


HEADS = {
    "logistic": (lambda: LogisticRegression(), classes),
    "logistic_fixed": (lambda: LogisticRegression(C=0.1, standardize=True, class_weight="balanced"), classes),
    "lda": (lambda: LDA(), classes),
    "lda_svd": (lambda: LDA(shrinkage=None, solver="svd"), classes),
    "mdm": (lambda: MDM(), matrices),
    "mdm_euclid": (lambda: MDM("euclid"), matrices),
    "fgmdm": (lambda: FgMDM(), matrices),
    "svm": (lambda: SVM(), classes),
    "svm_linear": (lambda: SVM(C=0.3, kernel="linear", class_weight="balanced"), classes),
    "svm_rbf": (lambda: SVM(kernel="rbf"), classes),
    "elastic_net": (lambda: ElasticNet(), classes),
    "elastic_net_fixed": (lambda: ElasticNet(C=0.3, l1_ratio=0.5, standardize=True, class_weight="balanced"), classes),
    "estimator": (lambda: Estimator(forest(), random_state=0), classes),
}


@pytest.fixture(params=HEADS)
def head_and_data(request):
    return HEADS[request.param]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_beat_chance_and_sum_to_one(head_and_data, n_classes):
    new, data = head_and_data
    Z, y, meta = data(n_classes)
    fit = np.arange(len(y)) < 80
    head = new().fit(Z[fit], y[fit], meta[fit], n_classes)
    assert head.yhat_kind == "probability"
    p = head.predict(Z[~fit])
    assert p.shape == ((~fit).sum(), n_classes)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert (p.argmax(axis=1) == y[~fit]).mean() > 1 / n_classes + 0.1


def test_a_class_without_fit_rows_gets_nothing(head_and_data):
    new, data = head_and_data
    Z, y, meta = data(2)
    labels = np.array([0, 2])[y]  # class 1 of three never occurs
    p = new().fit(Z, labels, meta, 3).predict(Z)
    assert p.shape == (len(y), 3) and (p[:, 1] == 0).all()
    np.testing.assert_allclose(p[:, [0, 2]], new().fit(Z, y, meta, 2).predict(Z))


def test_one_class_or_values_are_refused(head_and_data):
    new, data = head_and_data
    Z, y, meta = data()
    with pytest.raises(BrokenDataError, match="two classes"):
        new().fit(Z, np.zeros_like(y), meta, 2)
    with pytest.raises(SentenceError, match="Ridge"):
        new().fit(Z, y.astype(float), meta, 1)


def test_deterministic_and_loads_to_bit_equal_answers(head_and_data):
    new, data = head_and_data
    Z, y, meta = data(3)
    head = new().fit(Z, y, meta, 3)
    assert head.deterministic == (not isinstance(head, Estimator))  # a forest's trees are its seed's
    np.testing.assert_array_equal(new().fit(Z, y, meta, 3).predict(Z), head.predict(Z))
    # arrays come back contiguous, and what was a number as an array of one
    state = {name: np.ascontiguousarray(value) for name, value in head.state().items()}
    loaded = type(head)(**head.arguments()).load_state(state).load_estimators(head.estimators())
    np.testing.assert_array_equal(loaded.predict(Z), head.predict(Z))


@pytest.mark.parametrize("alpha", [None, 10.0])
def test_ridge_state_loads_to_bit_equal_answers(alpha):
    Z, _, meta = classes()
    head = Ridge(alpha).fit(Z, Z[:, 0] * 2, meta, 1)
    loaded = Ridge().load_state({name: np.ascontiguousarray(value) for name, value in head.state().items()})
    np.testing.assert_array_equal(loaded.predict(Z), head.predict(Z))
    assert loaded.predict(Z).shape == (120, 1) and head.yhat_kind == "value"
    assert loaded.notes()["alpha"] == head.notes()["alpha"]


def test_features_of_another_length_are_refused():
    Z, y, meta = classes()
    with pytest.raises(BrokenDataError, match=r"4 features.*fitted on 5"):
        LDA().fit(Z, y, meta, 2).predict(Z[:, :4])
