"""Means of matrices against pyriemann, and what they cost in memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from corticode.errors import BrokenDataError
from corticode.layer import mean, spd


def matrices(n=40, c=6, spread=0.5, seed=0) -> np.ndarray:
    """Covariances of people `spread` apart, of channels that are strongly correlated."""
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((c, c)) * np.geomspace(30, 1, c)
    X = (base + spread * rng.standard_normal((n, c, c))) @ rng.standard_normal((n, c, 60))
    return X @ X.swapaxes(1, 2) / 60


def count_rounds(monkeypatch) -> list[int]:
    rounds, real = [], mean._gradient
    monkeypatch.setattr(mean, "_gradient", lambda *a: rounds.append(1) or real(*a))
    return rounds


@pytest.mark.parametrize("metric", spd.METRICS)
@pytest.mark.parametrize("c,spread", [(6, 0.3), (22, 1.0), (1, 0.5)])
def test_means_equal_pyriemann(metric, c, spread):
    from pyriemann.geometry.mean import gmean

    C = matrices(60, c, spread)
    kwargs = {"tol": 1e-12} if metric == "riemann" else {}
    M = spd.mean(C, metric)
    np.testing.assert_allclose(M, gmean(C, metric=metric, **kwargs), rtol=0, atol=1e-8 * np.abs(M).max())


def test_the_mean_of_scattered_matrices_is_stationary():
    """Matrices so far apart that a full step overshoots and never settles."""
    rng = np.random.default_rng(3)
    C = np.stack([(Q * np.geomspace(1e-3, 1e3, 5)) @ Q.T for Q in (np.linalg.qr(rng.standard_normal((5, 5)))[0] for _ in range(6))])
    with np.errstate(all="raise"):
        M = spd.mean_riemann(C)
    assert np.linalg.norm(spd.tangent(C, M).mean(axis=0)) < 1e-6


def test_means_are_taken_band_by_band():
    C = matrices(24).reshape(12, 2, 6, 6)
    both = spd.mean_riemann(C)
    for band in range(2):
        np.testing.assert_allclose(both[band], spd.mean_riemann(C[:, band]), rtol=0, atol=1e-8 * both.max())


def test_a_good_start_gives_the_same_mean():
    C = matrices()
    M = spd.mean_riemann(C)
    np.testing.assert_allclose(spd.mean_riemann(C, start=C[0]), M, rtol=0, atol=1e-8 * M.max())


def test_newton_needs_two_rounds_where_matrices_lie_close_together(monkeypatch):
    rounds = count_rounds(monkeypatch)
    spd.mean_riemann(matrices(200, 8, 0.1))
    assert len(rounds) <= 2


def test_the_mean_is_as_near_as_asked():
    C = matrices(60, 8, 2.0)
    exact = spd.mean_riemann(C, tol=1e-14)
    for tol in (1e-2, 1e-5, 1e-8):
        assert spd.distance(spd.mean_riemann(C, tol=tol), exact) < tol


def test_curvature_is_the_second_derivative():
    """Along a geodesic through M the mean squared distance (halved) bends as H says."""
    C = matrices(30, 5, 1.0)
    root = spd.sqrtm(spd.mean_riemann(C[:3]))
    gradient, curvature = mean._gradient(C, np.linalg.inv(root))
    T = spd.symmetric(np.random.default_rng(1).standard_normal(15))
    step = 1e-3
    f = [0.5 * (spd.distance(C, root @ spd.expm(t * T) @ root) ** 2).mean() for t in (-step, 0, step)]
    np.testing.assert_allclose((f[2] - f[0]) / (2 * step), -(gradient * T).sum(), rtol=1e-5)
    np.testing.assert_allclose((f[0] - 2 * f[1] + f[2]) / step**2, (T * curvature(T)).sum(), rtol=1e-4)


def test_many_matrices_are_walked_over_block_by_block(monkeypatch):
    """The same mean from small blocks, and with the curvature from some of the matrices only."""
    C = matrices(90, 6, 1.0)
    M = spd.mean_riemann(C)
    monkeypatch.setattr("corticode.layer.matrix._BLOCK", 7 * 36)
    np.testing.assert_allclose(spd.mean_riemann(C), M, rtol=0, atol=1e-9 * M.max())
    monkeypatch.setattr(mean, "_KEPT", 30 * 36)
    assert mean._gradient(C, np.eye(6))[1].count == 30
    np.testing.assert_allclose(spd.mean_riemann(C), M, rtol=0, atol=1e-8 * M.max())
    np.testing.assert_allclose(spd.mean(C, "logeuclid"), spd.expm(spd.logm(C).mean(axis=0)), rtol=1e-10)


@pytest.mark.parametrize("metric", spd.METRICS)
def test_memory_stays_flat_for_matrices_in_a_file(tmp_path, monkeypatch, metric):
    monkeypatch.setattr("corticode.layer.matrix._BLOCK", 2**12)
    monkeypatch.setattr(mean, "_KEPT", 2**14)
    peaks = []
    for n in (400, 1600):
        np.save(tmp_path / "C.npy", matrices(n, 16))
        C = np.load(tmp_path / "C.npy", mmap_mode="r")
        tracemalloc.start()
        spd.mean(C, metric)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 50_000 < C.nbytes / 2


def test_the_same_matrices_give_the_same_bits():
    C = matrices(300, 10)
    np.testing.assert_array_equal(spd.mean_riemann(C), spd.mean_riemann(C.copy()))


def test_the_matrix_that_is_not_positive_definite_is_named(monkeypatch):
    monkeypatch.setattr("corticode.layer.matrix._BLOCK", 4 * 36)
    C = matrices(20)
    flat = C.copy()
    flat[13, :, 2] = flat[13, 2] = 0
    C[13] *= -1
    for metric, broken in (("riemann", flat), ("riemann", C), ("logeuclid", C)):
        with pytest.raises(BrokenDataError, match="window 13 is not positive definite"):
            spd.mean(broken, metric)


def test_too_few_rounds_are_said():
    with pytest.warns(RuntimeWarning, match="after 1 rounds"):
        spd.mean_riemann(matrices(20, spread=3.0), max_iter=1)


def test_real_covariances_have_a_mean(shared):
    """Cleaned EEG, nearly rank deficient, minutes far apart: plain steps do not settle for some of these people."""
    import mne

    files = sorted((shared / "data" / "eeg" / "mental_arithmetic").glob("sub-01/**/*_eeg.edf"))
    X = []
    for file in files:
        raw = mne.io.read_raw_edf(file, preload=True, verbose="ERROR").filter(4, 30, verbose="ERROR")
        n = int(10 * raw.info["sfreq"])
        X += [raw.get_data()[:, i * n : (i + 1) * n] for i in range(6)]
    C = spd.covariances(np.stack(X), "oas")
    assert len(C) == 12
    assert np.linalg.norm(spd.tangent(C, spd.mean_riemann(C)).mean(axis=0)) < 1e-6
