"""The rules for order and lag: each statistic against a plain computation, or a system whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.embedding import Embedding, false_neighbours, first_minimum, maximal_derivatives, mutual_information
from corticode.errors import BrokenDataError, SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("C3", "C4"), "uV", 128)


def autoregressive(rho, n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    for t in range(1, n):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * x[t]
    return x


def henon(n):
    x, y, seen = 0.1, 0.1, []
    for _ in range(n + 100):
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        seen.append(x)
    return np.array(seen[100:])


def test_mutual_information_of_a_gaussian_process_is_known():
    """I = -ln(1 - r²) / 2 for Gaussians of correlation r; an AR(1) process has r = rho^lag. Counting b² cells adds (b - 1)² / 2n."""
    x = autoregressive(0.8, 50000)
    found = mutual_information(np.stack([x, x[::-1]]), 3)
    expected = -0.5 * np.log(1 - 0.8 ** (2 * np.arange(1, 4))) + 99**2 / 1e5
    np.testing.assert_allclose(found[0], expected, atol=0.02)
    np.testing.assert_allclose(found[0], found[1], atol=0.01)


def test_mutual_information_counts_cells():
    x = np.random.default_rng(0).standard_normal(125)  # five bins of 25 samples
    cell = np.argsort(np.argsort(x)) // 25
    joint = np.zeros((5, 5))
    for a, b in zip(cell[:-2], cell[2:], strict=True):
        joint[a, b] += 1 / 123
    expected = sum(
        joint[a, b] * np.log(joint[a, b] / joint[a].sum() / joint[:, b].sum()) for a in range(5) for b in range(5) if joint[a, b] > 0
    )
    assert mutual_information(x[None], 2)[0, 1] == pytest.approx(expected)


@pytest.mark.parametrize("curve,where", [([3, 2, 1, 2, 0, 1], 2), ([1, 2, 0], 0), ([3, 2, 1], 2), ([2, 1, 1, 3], 1), ([1.0], 0)])
def test_first_minimum(curve, where):
    assert first_minimum(np.array(curve, dtype=float)) == where


def test_false_neighbours_equal_a_plain_count():
    x, lag = np.random.default_rng(0).standard_normal(100), 3  # short enough for all points to be looked at
    E = []
    for d in range(1, 5):
        n = len(x) - d * lag
        vectors = np.stack([x[k * lag : k * lag + n] for k in range(d)], axis=1)
        longer = np.stack([x[k * lag : k * lag + n] for k in range(d + 1)], axis=1)
        ratios = []
        for i in range(n):
            distance = np.linalg.norm(vectors - vectors[i], axis=1)
            distance[i] = np.inf
            j = distance.argmin()
            ratios.append(np.linalg.norm(longer[i] - longer[j]) / distance[j])
        E.append(np.mean(ratios))
    np.testing.assert_allclose(false_neighbours(x, lag, 3), np.array(E[1:]) / np.array(E[:-1]))


def test_false_neighbours_of_the_henon_map_end_at_two():
    ratio = false_neighbours(henon(600), 1, 8)
    assert ratio[0] < 0.1 and (ratio[2:] > 0.9).all()
    assert len(false_neighbours(np.random.default_rng(0).standard_normal(60), 10, 8)) == 8  # too short for the higher orders


def test_maximal_derivatives_of_the_henon_map():
    """x(t+1) follows from x(t) and x(t-1): two components unfold it, and the one just after the first parts neighbours most."""
    x = henon(800)
    x = (x - x.mean()) / x.std()
    assert maximal_derivatives(x[None], 1, 6, 1) == [0, 1]


def test_maximal_derivatives_equal_a_plain_search():
    rng = np.random.default_rng(3)
    x = np.stack([autoregressive(0.9, 100, seed) for seed in (1, 2)]) + 0.01 * rng.standard_normal((2, 100))
    x = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
    n, max_lag, theiler = 90, 10, 2

    def steepest(chosen):
        Y = np.stack([x[c, lag : lag + n] for c, lag in chosen], axis=1)
        near, eps = [], []
        for i in range(n):
            distance = np.linalg.norm(Y - Y[i], axis=1)
            distance[max(0, i - theiler) : i + theiler + 1] = np.inf
            near.append(int(distance.argmin()))
            eps.append(distance.min())
        score = {}
        for c in (0, 1):
            for lag in range(max_lag + 1):
                series = x[c, lag : lag + n]
                score[c, lag] = np.mean(np.log10(np.maximum(np.abs(series - series[near]), 1e-12) / eps))
        best = max(score, key=score.get)
        part = np.abs(x[best[0], best[1] : best[1] + n] - x[best[0], best[1] : best[1] + n][near])
        false = np.mean(np.sqrt(np.array(eps) ** 2 + part**2) / eps > 2)
        return score[best], best, false

    begin = max((0, 1), key=lambda c: steepest([(c, 0)])[0])
    chosen, last = [(begin, 0)], np.inf
    while len(chosen) < 6:
        _, best, false = steepest(chosen)
        if false > last or false < 0.05:
            break
        chosen.append(best)
        last = false
    assert maximal_derivatives(x, max_lag, 6, theiler) == [lag for _, lag in chosen]


@pytest.mark.parametrize("rule", ["afnn", "mdop"])
def test_features_of_a_window_are_its_own_and_make_a_choice(rule):
    X = np.random.default_rng(0).standard_normal((5, 2, 128)).cumsum(axis=-1).astype(np.float32)
    encoder = Embedding(rule, max_lag=8, max_order=5)
    F = encoder.per_window(X, SPACE)
    np.testing.assert_array_equal(encoder.per_window(X[3:4], SPACE)[0], F[3])
    order, lag = encoder.agreed(F)
    assert 1 <= order <= 5 and 1 <= lag <= 8


def test_choice_is_the_rounded_mean_or_the_mean_curves_extremes():
    assert Embedding("mdop").agreed(np.array([[4, 3.4, 500], [3, 5.0, 500], [4, 5.0, 500.0]])) == (4, 4)
    assert Embedding("mdop").agreed(np.array([[9, 20.0, 100.0]])) == (2, 20)  # delays over half a window at most
    curves = np.array([[5, 2, 1, 3, 0.2, 0.9, 0.8, 0.95, 400.0], [5, 2, 1, 3, 0.3, 0.6, 0.8, 0.95, 400.0]])
    assert Embedding("afnn", max_lag=4, max_order=4).agreed(curves[:1]) == (2, 3)
    assert Embedding("afnn", max_lag=4, max_order=4).agreed(curves) == (4, 3)


def test_refusals():
    with pytest.raises(SentenceError, match="afnn"):
        Embedding("dca")
    with pytest.raises(BrokenDataError, match="max_lag"):
        Embedding("mdop").per_window(np.zeros((1, 2, 40)), SPACE)
