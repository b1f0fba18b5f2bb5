"""The largest score wins, its probability is fitted, and rest has a bar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import SentenceError
from corticode.head.largest import Largest


def scores(n=300, k=3, rest=False, seed=0):
    """Scores of k classes; with rest, class 0 has none."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    Z = 0.1 + 0.05 * rng.standard_normal((n, k))
    Z[np.arange(n), y] += 0.1
    if rest:
        Z[:, 0] = 0.0
    return Z, y, pd.DataFrame(index=range(n))


def test_the_largest_score_wins_and_probabilities_are_calibrated():
    Z, y, meta = scores()
    p = Largest().fit(Z, y, meta, 3).predict(Z)
    assert (p.argmax(axis=1) == Z.argmax(axis=1)).all()
    right = p.argmax(axis=1) == y
    assert abs(p.max(axis=1).mean() - right.mean()) < 0.04


def test_slope_is_the_one_of_least_loss():
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    Z, y, meta = scores()
    found = minimize_scalar(lambda a: -log_softmax(a * Z, axis=1)[np.arange(len(y)), y].mean(), bounds=(0, 500), method="bounded")
    assert Largest().fit(Z, y, meta, 3).slope_ == pytest.approx(found.x, rel=1e-2)


def test_rest_wins_when_no_score_passes_the_bar():
    Z, y, meta = scores(rest=True)
    head = Largest().fit(Z, y, meta, 3)
    decided = head.predict(Z).argmax(axis=1)
    bar = head.offset_[0] / head.slope_
    by_bar = [np.where(Z.max(axis=1) < b, 0, Z.argmax(axis=1)) for b in np.linspace(0, 0.5, 101)]
    assert (decided == y).mean() > max((answer == y).mean() for answer in by_bar) - 0.03
    assert 0.1 < bar < 0.2 and (head.offset_[1:] == 0).all()
    np.testing.assert_array_equal(decided == 0, Z.max(axis=1) < bar)


def test_classes_without_fit_rows_get_nothing():
    Z, y, meta = scores()
    seen = y != 1
    p = Largest().fit(Z[seen], y[seen], meta[seen], 3).predict(Z)
    assert (p[:, 1] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


def test_separable_scores_end_at_a_finite_slope():
    Z, y, meta = np.eye(3)[np.arange(30) % 3], np.arange(30) % 3, pd.DataFrame(index=range(30))
    p = Largest().fit(Z, y, meta, 3).predict(Z)
    assert np.isfinite(p).all() and (p.argmax(axis=1) == y).all()


def test_state_loads_to_bit_equal_answers():
    Z, y, meta = scores(rest=True)
    head = Largest().fit(Z, y, meta, 3)
    loaded = Largest().load_state({name: np.ascontiguousarray(value) for name, value in head.state().items()})
    np.testing.assert_array_equal(loaded.predict(Z), head.predict(Z))


def test_other_representations_are_refused():
    with pytest.raises(SentenceError, match="one score per class"):
        Largest().fit(np.ones((10, 5)), np.arange(10) % 2, pd.DataFrame(index=range(10)), 2)
