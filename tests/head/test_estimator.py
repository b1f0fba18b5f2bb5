"""Wrapped estimators: shapes, kinds of answers, seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.head.estimator import Estimator, reads_rows

META = pd.DataFrame(index=range(60))
Y = np.arange(60) % 3


def signals() -> np.ndarray:
    X = np.random.default_rng(0).standard_normal((60, 4, 50)).astype(np.float32)
    X[np.arange(60), Y] *= 3
    return X


class Cube:
    """One's own classifier without scikit-learn: reads [n, channels, times]."""

    def fit(self, X, y):
        self.shape = X.shape[1:]

    def predict(self, X):
        assert X.shape[1:] == self.shape == (4, 50)
        return X.var(axis=2)[:, :3].argmax(axis=1)


def test_scikit_learn_reads_rows_and_others_read_windows():
    from pyriemann.classification import MDM
    from pyriemann.estimation import Covariances
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    assert reads_rows(make_pipeline(StandardScaler(), LogisticRegression()))
    assert reads_rows(GridSearchCV(LogisticRegression(), {"C": [1]}))
    assert not reads_rows(make_pipeline(Covariances(), MDM()))
    assert not reads_rows(GridSearchCV(make_pipeline(Covariances(), MDM()), {"mdm__metric": ["riemann"]}))
    assert not reads_rows(make_pipeline(FunctionTransformer(lambda X: X.var(axis=2)), LogisticRegression()))
    assert not reads_rows(Cube())
    X = signals()
    assert Estimator(LogisticRegression()).fit(X, Y, META, 3).fitted.n_features_in_ == 200
    riemann = Estimator(make_pipeline(Covariances("oas"), MDM())).fit(X, Y, META, 3)
    assert riemann.yhat_kind == "probability" and (riemann.predict(X).argmax(axis=1) == Y).mean() > 0.9


def test_kinds_of_answers():
    from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
    from sklearn.svm import SVC

    X = signals().var(axis=2)
    assert Estimator(LogisticRegression()).yhat_kind == "probability"
    assert Estimator(Ridge()).yhat_kind == "value"
    for estimator in (RidgeClassifier(), SVC(), SVC(decision_function_shape="ovo"), Cube()):
        assert Estimator(estimator).yhat_kind == "decision"
    for estimator in (RidgeClassifier(), SVC()):
        head = Estimator(estimator).fit(X, Y, META, 3)
        np.testing.assert_array_equal(head.predict(X).argmax(axis=1), head.fitted.predict(X))
        two = Estimator(estimator).fit(X, Y % 2, META, 2)
        np.testing.assert_array_equal(two.predict(X).argmax(axis=1), two.fitted.predict(X))
    own = Estimator(Cube()).fit(signals(), Y, META, 3)
    np.testing.assert_array_equal(own.predict(signals()), np.eye(3)[own.fitted.predict(signals())])


def test_a_class_without_rows_is_never_decided_for():
    from sklearn.linear_model import RidgeClassifier

    X = signals().var(axis=2)
    for labels in (Y % 2 * 2, Y + (Y > 0)):
        yhat = Estimator(RidgeClassifier()).fit(X, labels, META, 4).predict(X)
        assert yhat.shape == (60, 4) and set(yhat.argmax(axis=1)) <= set(labels)


def test_regressors_answer_values():
    from sklearn.linear_model import Ridge

    X = signals()
    head = Estimator(Ridge()).fit(X, X[:, 0, 0].astype(float), META, 1)
    assert head.predict(X).shape == (60, 1)
    np.testing.assert_allclose(head.predict(X)[:, 0], head.fitted.predict(X.reshape(60, -1)))


def test_seeds():
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    loose = make_pipeline(StandardScaler(), RandomForestClassifier(5))
    assert not Estimator(loose).deterministic
    assert not Estimator(loose, random_state=3).deterministic  # held by the seed: another one is another answer
    assert Estimator(RandomForestClassifier(random_state=1)).deterministic
    X = signals()
    held = [Estimator(loose, random_state=3).fit(X, Y, META, 3) for _ in range(2)]
    np.testing.assert_array_equal(held[0].predict(X), held[1].predict(X))
    assert held[0].fitted[-1].random_state == 3 and loose[-1].random_state is None
    assert Estimator(make_pipeline(LogisticRegression(random_state=0))).deterministic


def test_the_prototype_is_never_fitted():
    from sklearn.linear_model import LogisticRegression

    prototype, own = LogisticRegression(), Cube()
    Estimator(prototype).fit(signals(), Y, META, 3)
    Estimator(own).fit(signals(), Y, META, 3)
    assert not hasattr(prototype, "coef_") and not hasattr(own, "shape")


@pytest.mark.parametrize("fitted", [True, False])
def test_state_holds_arrays_only(fitted):
    from sklearn.linear_model import LogisticRegression

    head = Estimator(LogisticRegression())
    if fitted:
        head.fit(signals(), Y, META, 3)
    assert all(value.dtype != object for value in head.state().values())
    assert set(head.estimators()) == ({"estimator"} if fitted else set())
