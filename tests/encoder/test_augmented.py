"""Augmented covariances against pyriemann on MOABB's stacking, and how order and lag are chosen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.encoder.augmented import AugmentedCovariance, AugmentedTangentSpace, delayed
from corticode.encoder.embedding import Embedding
from corticode.encoder.tangent_space import TangentSpace
from corticode.errors import SentenceError
from corticode.head.logistic import LogisticRegression
from corticode.space import Space

SPACE = Space("eeg", ("C3", "Cz", "C4"), "uV", 128)


def signals(n=30, times=200, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, 3, times)).astype(np.float32)
    return X, np.arange(n) % 2, pd.DataFrame({"dataset": "d", "subject": np.arange(n) % 5, "session": "", "run": "", "recording": "", "trial": np.arange(n)})  # fmt: skip


def test_stacking_equals_that_of_the_authors():
    features = pytest.importorskip("moabb.pipelines.features")
    X, _, _ = signals()
    for order, lag in ((1, 5), (2, 1), (3, 4), (5, 10)):
        np.testing.assert_array_equal(delayed(X, order, lag), features.AugmentedDataset(order=order, lag=lag).transform(X))


@pytest.mark.parametrize("order,lag", [(1, 1), (3, 4)])
def test_vectors_equal_pyriemann(order, lag):
    from pyriemann.estimation import Covariances
    from pyriemann.tangentspace import TangentSpace as Reference

    X, y, meta = signals()
    encoder = AugmentedTangentSpace("fixed", order, lag)
    F = encoder.per_window(X, SPACE)
    C = Covariances("cov").transform(np.stack([stacked_by_hand(x, order, lag) for x in X.astype(float)]))
    Z = encoder.fit(F[:20], y[:20], meta[:20]).encode(F, meta, SPACE)
    np.testing.assert_allclose(Z, Reference().fit(C[:20]).transform(C), atol=1e-6)


def stacked_by_hand(x, order, lag):
    times = x.shape[1] - (order * lag if order > 1 else 0)
    return np.array([[x[c, t + k * lag] for t in range(times)] for k in range(order) for c in range(len(x))])


def test_order_one_is_the_plain_tangent_space():
    X, y, meta = signals()
    plain, augmented = TangentSpace("scm"), AugmentedTangentSpace("fixed", 1, 3)
    F, G = plain.per_window(X, SPACE), augmented.per_window(X, SPACE)
    np.testing.assert_array_equal(F, G)
    np.testing.assert_array_equal(plain.fit(F, y, meta).encode(F, meta, SPACE), augmented.fit(G, y, meta).encode(G, meta, SPACE))


def test_matrices_that_lack_rank_are_shrunk_with_a_warning():
    from pyriemann.estimation import Covariances

    X, _, _ = signals(times=34)
    encoder = AugmentedCovariance("fixed", 6, 3)  # 18 rows of 16 samples
    with pytest.warns(RuntimeWarning, match="18 rows of 16 samples"):
        C = encoder.per_window(X, SPACE)
    np.testing.assert_allclose(C, Covariances("oas").transform(delayed(X, 6, 3).astype(float)), atol=1e-10)


def test_only_the_windows_that_lack_rank_are_shrunk(recwarn):
    from pyriemann.estimation import Covariances

    X, _, _ = signals()
    healthy = AugmentedCovariance("fixed", 2, 4).per_window(X, SPACE)
    assert not recwarn.list
    X[4] = np.tile(X[4, :, :4], 50)  # of a period of four samples: a delay of four adds nothing
    with pytest.warns(RuntimeWarning, match="lack rank"):
        C = AugmentedCovariance("fixed", 2, 4).per_window(X, SPACE)
    others = np.arange(30) != 4
    np.testing.assert_array_equal(C[others], healthy[others])
    np.testing.assert_allclose(C[4], Covariances("oas").transform(delayed(X, 2, 4)[4:5].astype(float))[0], atol=1e-10)


def test_dependent_channels_are_left_to_the_decoder(recwarn):
    """It projects all models' matrices alike: shrinking one of them would make a direction up."""
    X, _, _ = signals()
    X -= X.mean(axis=1, keepdims=True)
    C = AugmentedCovariance("fixed", 2, 4).per_window(X, SPACE)
    assert not recwarn.list
    assert (np.linalg.matrix_rank(C, tol=1e-6) == 4).all()


def test_grid_takes_the_least_loss_and_asks_for_each_point_once():
    asked = []

    def ask(encoder):
        asked.append((encoder.choose, encoder.order, encoder.lag))
        return np.array([encoder.order, encoder.lag])

    encoder = AugmentedTangentSpace("grid", orders=(3, 1, 2), lags=(5, 2))
    encoder.settle(ask, lambda candidate, F: abs(candidate.order - 3) + abs(candidate.lag - 5) + 0 * F[0])
    assert (encoder.order, encoder.lag, encoder.choose) == (3, 5, "grid")
    assert asked == [("fixed", *point) for point in ((1, 2), (2, 2), (2, 5), (3, 2), (3, 5))]
    assert encoder.notes() == {"order": 3, "lag": 5, "embedding_chosen_by": "grid"}
    # settled again it chooses anew
    assert encoder.settle(ask, lambda candidate, F: candidate.order).order == 1


@pytest.mark.parametrize("rule", ["mdop", "afnn"])
def test_rules_read_fit_rows_and_no_labels(rule):
    X, _, _ = signals(6)
    encoder = AugmentedCovariance(rule, max_order=4, max_lag=6)

    def ask(other):
        assert isinstance(other, Embedding) and (other.rule, other.max_lag, other.max_order) == (rule, 6, 4)
        return other.per_window(X, SPACE)

    def loss(*_):
        raise AssertionError("a rule asks for no loss")

    encoder.settle(ask, loss)
    rule_of = Embedding(rule, 6, 4)
    assert (encoder.order, encoder.lag) == rule_of.agreed(rule_of.per_window(X, SPACE))


def test_patterns_exist_without_delays_only():
    X, y, meta = signals()
    for order, there in ((1, True), (2, False)):
        encoder = AugmentedTangentSpace("fixed", order, 2)
        F = encoder.per_window(X, SPACE)
        Z = encoder.fit(F, y, meta).encode(F, meta, SPACE)
        assert (encoder.patterns(LogisticRegression(C=1.0).fit(Z, y, meta, 2)) is not None) is there


def test_refusals():
    with pytest.raises(SentenceError, match="grid"):
        AugmentedCovariance("dca")
    with pytest.raises(SentenceError, match="from 1 on"):
        AugmentedCovariance(orders=(0, 1))
    with pytest.raises(SentenceError, match="leave nothing"):
        AugmentedCovariance("fixed", 10, 20).per_window(signals()[0], SPACE)
