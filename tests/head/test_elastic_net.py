"""The elastic net against scikit-learn's saga, run to its end, and its inner choice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.head.elastic_net import ElasticNet


def table(n: int, people: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {"dataset": "d", "subject": [f"S{i % people}" for i in range(n)], "session": "", "run": "", "recording": "", "trial": np.arange(n)}
    )


def points(n_classes=2, n=120, d=30, effect=0.8, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    return rng.standard_normal((n, d)) * np.linspace(0.2, 2, d) + 3 + effect * np.eye(d)[d - 1 - y], y, table(n)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.75, 1.0])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_equals_saga_at_its_end(n_classes, ratio, class_weight):
    from sklearn.linear_model import LogisticRegression

    Z, y, meta = points(n_classes)
    head = ElasticNet(C=0.2, l1_ratio=ratio, class_weight=class_weight, tol=1e-6).fit(Z, y, meta, n_classes)
    reference = LogisticRegression(
        C=0.2, l1_ratio=ratio, solver="saga", class_weight=class_weight, max_iter=50000, tol=1e-8, random_state=0
    ).fit(Z, y)
    np.testing.assert_allclose(head.predict(Z), reference.predict_proba(Z), atol=1e-4)
    np.testing.assert_allclose(head.coef_, reference.coef_, atol=1e-4)


def test_most_weights_are_zero_where_the_penalty_is_absolute():
    Z, y, meta = points(effect=2.0)
    sparse = ElasticNet(C=0.1, l1_ratio=1.0).fit(Z, y, meta, 2)
    dense = ElasticNet(C=0.1, l1_ratio=0.0).fit(Z, y, meta, 2)
    assert sparse.notes()["n_features_used"] < 12 and dense.notes()["n_features_used"] == 30
    assert sparse.pattern()[1] == [1]


def test_choice_is_the_best_of_the_grid_on_held_out_people():
    from sklearn.metrics import log_loss

    from corticode.head.base import inner_folds

    Z, y, meta = points(effect=0.5)
    Cs, ratios = (0.03, 0.3, 3.0), (0.2, 0.9)
    head = ElasticNet(C=None, Cs=Cs, l1_ratios=ratios).fit(Z, y, meta, 2)
    folds, _ = inner_folds(meta, y)
    losses = {}
    for C in Cs:
        for ratio in ratios:
            p = np.empty((len(y), 2))
            for fit, held_out in folds:
                p[held_out] = ElasticNet(C, l1_ratio=ratio).fit(Z[fit], y[fit], meta.iloc[fit], 2).predict(Z[held_out])
            losses[C, ratio] = log_loss(y, p)
    assert (head.C_, head.l1_ratio_) == min(losses, key=losses.get)
    assert head.notes()["C_chosen_by"] == "log loss by subject"


def test_units_of_features_do_not_matter_when_standardized():
    Z, y, meta = points()
    unit = np.geomspace(1e-3, 1e3, Z.shape[1])
    new = ElasticNet(C=0.1, l1_ratio=0.5, standardize=True)
    np.testing.assert_allclose(new.fit(Z * unit, y, meta, 2).predict(Z * unit), new.fit(Z, y, meta, 2).predict(Z), atol=1e-8)


def test_a_solver_that_stops_early_says_so():
    Z, y, meta = points()
    with pytest.warns(RuntimeWarning, match="max_iter"):
        ElasticNet(C=10.0, l1_ratio=0.1, max_iter=3).fit(Z, y, meta, 2)
