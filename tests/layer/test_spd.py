"""Matrix geometry against pyriemann and scikit-learn on the same arrays."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd


def signals(n=12, channels=6, times=200, seed=0) -> np.ndarray:
    """Windows that look like EEG: mixed sources of falling power, offsets, people far apart."""
    rng = np.random.default_rng(seed)
    sources = rng.standard_normal((n, channels, times)) * np.geomspace(30, 1, channels)[:, None]
    mixing = rng.standard_normal((n, channels, channels)) + 2 * np.eye(channels)
    return mixing @ sources + 50


@pytest.mark.parametrize("estimator", ("scm", "oas", "lwf"))
@pytest.mark.parametrize("times", [4, 50, 3000])
def test_covariances_equal_pyriemann(estimator, times):
    from pyriemann.estimation import Covariances

    X = signals(times=times)
    expected = Covariances(estimator).transform(X)
    np.testing.assert_allclose(spd.covariances(X, estimator), expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("name,estimator", [("oas", "oas"), ("ledoit_wolf", "lwf")])
def test_shrinkage_equals_scikit_learn(name, estimator):
    from sklearn import covariance

    X = np.random.default_rng(1).standard_normal((5, 30))
    np.testing.assert_allclose(spd.covariances(X, estimator), getattr(covariance, name)(X.T)[0], atol=1e-12)


def test_covariances_keep_leading_axes_and_rows_apart():
    X = signals(n=12).astype(np.float32)
    C = spd.covariances(X, "oas")
    np.testing.assert_array_equal(spd.covariances(X.reshape(3, 4, *X.shape[1:]), "oas").reshape(C.shape), C)
    np.testing.assert_array_equal(spd.covariances(X[7:8], "oas")[0], C[7])
    assert C.dtype == np.float64


def test_without_centring_the_offset_counts():
    X = signals()
    np.testing.assert_allclose(spd.covariances(X, "scm", centre=False), X @ X.swapaxes(1, 2) / X.shape[2])


@pytest.mark.parametrize("metric", spd.METRICS)
def test_means_and_distances_equal_pyriemann(metric):
    from pyriemann.geometry.distance import distance
    from pyriemann.geometry.mean import gmean

    C = spd.covariances(signals(n=20), "oas")
    M = spd.mean(C, metric)
    np.testing.assert_allclose(M, gmean(C, metric=metric), rtol=1e-6, atol=1e-6 * np.abs(M).max())
    np.testing.assert_allclose(spd.distance(C, M, metric), [float(np.squeeze(distance(A, M, metric=metric))) for A in C], rtol=1e-9)


def test_tangent_equals_pyriemann_and_its_norm_is_the_distance():
    from pyriemann.geometry.tangentspace import tangent_space

    C = spd.covariances(signals(), "oas")
    M = spd.mean_riemann(C)
    s = spd.tangent(C, M)
    np.testing.assert_allclose(s, tangent_space(C, M), atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(s, axis=1), spd.distance(C, M), rtol=1e-10)
    np.testing.assert_allclose(spd.upper(spd.symmetric(s)), s, rtol=1e-12)


def test_functions_of_a_matrix_undo_each_other():
    C = spd.covariances(signals(n=3), "oas")
    np.testing.assert_allclose(spd.sqrtm(C) @ spd.sqrtm(C), C, rtol=1e-9, atol=1e-9 * C.max())
    np.testing.assert_allclose(spd.invsqrtm(C) @ C @ spd.invsqrtm(C), np.broadcast_to(np.eye(6), C.shape), atol=1e-9)
    np.testing.assert_allclose(spd.expm(spd.logm(C)), C, rtol=1e-9, atol=1e-9 * C.max())


def test_geodesic_runs_at_constant_speed():
    A, B = spd.covariances(signals(n=2), "oas")
    np.testing.assert_allclose(spd.geodesic(A, B, 0.0), A, rtol=1e-8, atol=1e-8 * A.max())
    np.testing.assert_allclose(spd.geodesic(A, B, 1.0), B, rtol=1e-8, atol=1e-8 * B.max())
    np.testing.assert_allclose(spd.distance(spd.geodesic(A, B, 0.3), A), 0.3 * spd.distance(A, B), rtol=1e-8)


def test_a_floor_leaves_missing_dimensions_out():
    X = signals(n=1)
    X -= X.mean(axis=1, keepdims=True)  # average reference: one dimension less
    C = spd.covariances(X, "scm")
    W = spd.invsqrtm(C, floor=1e-10)
    np.testing.assert_allclose(np.linalg.eigvalsh(W @ C @ W)[0], [0, 1, 1, 1, 1, 1], atol=1e-6)
    assert np.abs(W.sum(axis=-1)).max() < 1e-8  # nothing of the missing dimension comes through


def test_rank_deficient_covariances_are_named():
    X = signals(n=4).astype(np.float32)
    X[2] -= X[2].mean(axis=0)
    with pytest.raises(BrokenDataError, match=r"window 2 .*average reference.*oas or lwf"):
        spd.check_spd(spd.covariances(X, "scm"))
    spd.check_spd(spd.covariances(X, "oas"))
    with pytest.raises(BrokenDataError, match="window 1 has NaN"):
        spd.check_spd(np.where(np.arange(3)[:, None, None] == 1, np.nan, np.eye(2)))
    with pytest.raises(BrokenDataError, match="not positive definite"):
        spd.logm(np.diag([1.0, -1.0])[None])


def test_correlations_forget_gains():
    X = signals()
    gains = np.geomspace(1, 100, X.shape[1])[:, None]
    C = spd.covariances(X, "scm")
    np.testing.assert_allclose(spd.correlations(spd.covariances(X * gains, "scm")), spd.correlations(C), atol=1e-12)
    np.testing.assert_allclose(np.diagonal(spd.correlations(C), axis1=1, axis2=2), 1.0)
    C[3, 1] = C[3, :, 1] = 0
    with pytest.raises(BrokenDataError, match="channel 1 is constant in window 3"):
        spd.correlations(C)


def test_unknown_words_and_empty_input_are_refused():
    with pytest.raises(SentenceError, match="scm, oas, lwf"):
        spd.covariances(signals(), "mcd")
    with pytest.raises(SentenceError, match="riemann, logeuclid, euclid"):
        spd.mean(np.eye(2)[None], "wasserstein")
    with pytest.raises(BrokenDataError, match="no window"):
        spd.mean_riemann(np.empty((0, 3, 3)))
    with pytest.raises(BrokenDataError, match="1 sample"):
        spd.covariances(np.ones((2, 3, 1)))


@pytest.mark.parametrize("estimator,amount", [("shrunk", 0.1), (0.3, 0.3), (1, 1.0)])
def test_fixed_shrinkage_equals_scikit_learn(estimator, amount):
    from sklearn.covariance import shrunk_covariance

    X = np.random.default_rng(0).standard_normal((3, 5, 40))
    wanted = [shrunk_covariance(np.cov(x, bias=True), shrinkage=amount) for x in X]
    np.testing.assert_allclose(spd.covariances(X, estimator), wanted, atol=1e-12)


@pytest.mark.parametrize("estimator", ["mve", 0.0, 1.5, True])
def test_no_such_estimator(estimator):
    with pytest.raises(SentenceError, match="scm, oas, lwf, shrunk, or a number above 0 up to 1"):
        spd.covariances(np.zeros((1, 2, 9)), estimator)
