"""Logistic regression against scikit-learn, and the choice of C."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.head.logistic import GRID, LogisticRegression, compact


def data(n=150, d=8, n_classes=2, effect=0.5, people=6, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    Z = rng.standard_normal((n, d)) * np.geomspace(1, 5, d) + effect * (np.arange(d) == y[:, None])
    meta = pd.DataFrame(
        {"dataset": "d", "subject": np.arange(n) * people // n, "session": "", "run": "", "recording": "", "trial": np.arange(n)}
    )
    return Z, y, meta


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("d", [8, 400])  # more features than rows: solved in the span of the rows
def test_given_C_equals_scikit_learn(n_classes, standardize, class_weight, d):
    from sklearn.linear_model import LogisticRegression as Reference
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    Z, y, meta = data(d=d, n_classes=n_classes)
    Z, y, meta = Z[:140], y[:140], meta[:140]
    reference = Reference(C=0.05, class_weight=class_weight, tol=1e-10, max_iter=5000)
    reference = make_pipeline(StandardScaler(), reference) if standardize else reference
    head = LogisticRegression(0.05, standardize=standardize, class_weight=class_weight).fit(Z, y, meta, n_classes)
    np.testing.assert_allclose(head.predict(Z), reference.fit(Z, y).predict_proba(Z), atol=2e-3)
    assert head.notes() == {"C": 0.05, "C_chosen_by": "given"}


def test_compact_keeps_distances():
    X = np.random.default_rng(0).standard_normal((10, 30))
    small, basis = compact(X)
    assert small.shape == (10, 10)
    np.testing.assert_allclose(small @ basis, X, atol=1e-10)
    assert compact(X.T)[1] is None


def test_chosen_C_is_the_best_on_held_out_people():
    """The choice made with warm starts and an early stop is the one a plain grid search makes."""
    from sklearn.linear_model import LogisticRegression as Reference
    from sklearn.metrics import log_loss
    from sklearn.model_selection import StratifiedGroupKFold

    Z, y, meta = data()
    losses = []
    for C in GRID:
        loss = 0.0
        for fit, held_out in StratifiedGroupKFold(5).split(Z, y, meta["subject"]):
            model = Reference(C=C, max_iter=1000).fit(Z[fit], y[fit])
            loss += log_loss(y[held_out], model.predict_proba(Z[held_out]), normalize=False)
        losses.append(loss)
    head = LogisticRegression().fit(Z, y, meta, 2)
    assert head.notes() == {"C": GRID[int(np.argmin(losses))], "C_chosen_by": "log loss by subject"}


def test_noise_is_penalised_and_signal_is_not():
    Z, y, meta = data(effect=0.0)
    assert LogisticRegression().fit(Z, y, meta, 2).C_ <= 0.003
    Z, y, meta = data(effect=4.0)
    assert LogisticRegression().fit(Z, y, meta, 2).C_ >= 0.3


def test_people_that_differ_are_not_mistaken_for_signal():
    """Each person is of one class and has a fingerprint: trials look separable, people are not."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(12), 10)
    y = person % 2
    Z = 3 * rng.standard_normal((12, 40))[person] + 0.1 * rng.standard_normal((120, 40))
    meta = pd.DataFrame({"dataset": "d", "subject": person, "session": "", "run": "", "recording": "", "trial": np.arange(120)})
    by_person = LogisticRegression().fit(Z, y, meta, 2).C_
    by_trial = LogisticRegression().fit(Z, y, meta.assign(subject=0), 2).C_
    assert by_person < by_trial / 30


def test_too_few_rows_fall_back_to_the_middle():
    Z, _, meta = data(n=4)
    head = LogisticRegression().fit(Z, np.array([0, 0, 0, 1]), meta.assign(subject=0), 2)
    assert head.notes() == {"C": GRID[len(GRID) // 2], "C_chosen_by": "too few rows: middle of the grid"}
