"""The support vector machine against scikit-learn's, its inner choice and its probabilities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.base import inner_folds
from corticode.head.svm import SVM, votes


def table(n: int, people: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {"dataset": "d", "subject": [f"S{i % people}" for i in range(n)], "session": "", "run": "", "recording": "", "trial": np.arange(n)}
    )


def points(n_classes=2, n=150, d=5, effect=0.8, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    return rng.standard_normal((n, d)) + effect * np.eye(d)[y], y, table(n)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("n_classes", [2, 3, 4])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_decisions_equal_scikit_learn(kernel, n_classes, class_weight):
    from sklearn.svm import SVC

    Z, y, meta = points(n_classes)
    head = SVM(C=0.7, kernel=kernel, class_weight=class_weight).fit(Z[:100], y[:100], meta[:100], n_classes)
    reference = SVC(C=0.7, kernel=kernel, class_weight=class_weight, break_ties=True).fit(Z[:100], y[:100])
    values = votes(head._pairwise(Z), n_classes)
    expected = reference.decision_function(Z)
    np.testing.assert_allclose(values[:, 1] if n_classes == 2 else values, expected, atol=1e-3)
    assert (head.predict(Z).argmax(axis=1) == reference.predict(Z)).all()


def test_choice_is_the_best_of_the_grid_on_held_out_people():
    """A ring can only be told from its middle by the curved kernel."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    angle = rng.uniform(0, 2 * np.pi, 160)
    Z = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + y[:, None]) + 0.1 * rng.standard_normal((160, 2))
    head = SVM().fit(Z, y, table(160), 2)
    assert head.notes()["kernel"] == "rbf" and head.notes()["C_chosen_by"] == "log loss by subject"
    assert head.pattern() is None
    straight = SVM().fit(*points(effect=1.5)[:2], table(150), 2)
    assert straight.notes()["C"] in (0.5, 1.0, 1.5)


def test_held_out_values_come_from_other_people():
    """The slope is that of decision values of rows that the machine had not seen, found here the slow way."""
    from sklearn.svm import SVC

    from corticode.head.svm import _SLOPES

    Z, y, meta = points(effect=0.5, n=120)
    head = SVM(C=1.0, kernel="rbf").fit(Z, y, meta, 2)
    folds, by = inner_folds(meta, y)
    assert by == "subject"
    values = np.empty(len(y))
    for fit, held_out in folds:
        values[held_out] = SVC(C=1.0, kernel="rbf").fit(Z[fit], y[fit]).decision_function(Z[held_out])
    losses = [np.log1p(np.exp(-slope * values * (2 * y - 1))).mean() for slope in _SLOPES]
    assert head.slope_ == _SLOPES[int(np.argmin(losses))]


def test_more_machines_than_rows_to_hold_out():
    Z, y, meta = points(n=40)
    one = np.concatenate([np.flatnonzero(y == 0)[:5], np.flatnonzero(y == 1)[:1]])
    head = SVM().fit(Z[one], y[one], meta.iloc[one], 2)
    assert head.notes()["C_chosen_by"].startswith("too few rows") and head.notes()["C"] == 1.0


def test_patterns_are_those_of_the_informative_feature():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 3
    Z = 0.3 * rng.standard_normal((200, 6))
    Z[np.arange(200), y] += 1.0
    head = SVM(C=1.0, kernel="linear").fit(Z, y, table(200), 3)
    pattern, outputs = head.pattern()
    assert outputs == [0, 1, 2] and (pattern.argmax(axis=1) == [0, 1, 2]).all()
    two = SVM(C=1.0, kernel="linear").fit(Z[y < 2], y[y < 2], table(200)[y < 2], 3)
    pattern, outputs = two.pattern()
    assert outputs == [1] and pattern[0].argmax() == 1 and pattern[0].argmin() == 0


def test_refusals():
    Z, y, meta = points()
    with pytest.raises(SentenceError, match="cubic"):
        SVM(kernel="cubic")
    for kernel in ("linear", "rbf"):
        with pytest.raises(BrokenDataError, match=r"4 features.*fitted on 5"):
            SVM(kernel=kernel).fit(Z, y, meta, 2).predict(Z[:, :4])
