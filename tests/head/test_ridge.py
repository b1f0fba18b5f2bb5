"""Ridge regression against scikit-learn, and the choice of alpha."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.head.ridge import GRID, Ridge


def data(n=60, d=10, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d)) * np.geomspace(1, 20, d) + 3
    y = Z @ rng.standard_normal(d) / np.geomspace(1, 20, d).mean() + noise * rng.standard_normal(n) + 30
    meta = pd.DataFrame({"dataset": "d", "subject": np.arange(n), "session": "", "run": "", "recording": "", "trial": 0})
    return Z, y, meta


@pytest.mark.parametrize("d", [10, 200])
@pytest.mark.parametrize("standardize", [True, False])
def test_given_alpha_equals_scikit_learn(d, standardize):
    from sklearn.linear_model import Ridge as Reference
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    Z, y, meta = data(d=d)
    reference = make_pipeline(StandardScaler(), Reference(30.0)) if standardize else Reference(30.0)
    head = Ridge(30.0, standardize=standardize).fit(Z, y, meta, 1)
    np.testing.assert_allclose(head.predict(Z)[:, 0], reference.fit(Z, y).predict(Z), rtol=1e-8)


def test_several_targets_are_fitted_at_once():
    Z, y, meta = data()
    both = Ridge(10.0).fit(Z, np.stack([y, -2 * y], axis=1), meta, 2).predict(Z)
    np.testing.assert_allclose(both[:, 1], -2 * both[:, 0])


def test_alpha_is_chosen_on_held_out_people():
    from sklearn.linear_model import Ridge as Reference
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    Z, y, meta = data(noise=5.0)
    errors = []
    for alpha in GRID:
        folds = GroupKFold(5).split(Z, y, meta["subject"])
        model = make_pipeline(StandardScaler(), Reference(alpha))
        errors.append(sum(((model.fit(Z[fit], y[fit]).predict(Z[out]) - y[out]) ** 2).sum() for fit, out in folds))
    head = Ridge().fit(Z, y, meta, 1)
    assert head.notes() == {"alpha": GRID[int(np.argmin(errors))], "alpha_chosen_by": "squared error by subject"}


def test_a_constant_feature_does_no_harm():
    Z, y, meta = data()
    Z[:, 3] = 7.0
    assert np.isfinite(Ridge().fit(Z, y, meta, 1).predict(Z)).all()
