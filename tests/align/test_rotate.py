"""Rotation without labels: subspaces of most scatter are laid on each other, and little else is moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.align.rescale import Rescale
from corticode.align.rotate import Rotate, leading, turn, unit, vectors
from corticode.errors import SentenceError
from corticode.layer import spd


def axes(d, k, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, k)))[0]


def test_turn_lays_one_span_on_the_other_and_moves_nothing_beyond_both():
    mine, theirs = axes(12, 3, 0), axes(12, 3, 1)
    turned = turn(mine.T, mine, theirs)
    np.testing.assert_allclose(turned @ theirs @ theirs.T, turned, atol=1e-12)
    beyond = np.linalg.qr(np.hstack([mine, theirs]), mode="complete")[0][:, 6:].T
    np.testing.assert_allclose(turn(beyond, mine, theirs), beyond, atol=1e-12)
    V = np.random.default_rng(2).standard_normal((20, 12))
    np.testing.assert_allclose(turn(V, mine, theirs) @ turn(V, mine, theirs).T, V @ V.T, atol=1e-12)


def test_equal_spans_are_left_alone_whatever_their_axes():
    """Axes of equal scatter have no order and no sign: nothing may come of that."""
    theirs = axes(10, 2, 0)
    mixed = theirs @ np.array([[0.0, -1.0], [1.0, 0.0]])
    V = np.random.default_rng(1).standard_normal((5, 10))
    np.testing.assert_allclose(turn(V, mixed, theirs), V, atol=1e-12)


@pytest.mark.parametrize("n", [5, 40])
def test_axes_are_the_principal_ones_of_second_moments(n):
    V = np.random.default_rng(0).standard_normal((n, 1, 12)) * np.linspace(3, 0.3, 12)
    _, lengths, found = np.linalg.svd(V[:, 0], full_matrices=False)
    made = leading(V, 4)[0]
    np.testing.assert_allclose(np.linalg.norm(made, axis=0), lengths[:4], rtol=1e-8)
    np.testing.assert_allclose(np.abs((unit(made) * found[:4].T).sum(axis=0)), 1, atol=1e-8)


def test_fewer_rows_than_axes_leave_the_others_empty():
    V = np.random.default_rng(0).standard_normal((2, 1, 12))
    made = leading(V, 4)[0]
    assert (np.linalg.norm(made, axis=0) > 1e-3).tolist() == [True, True, False, False] and unit(made).shape == (12, 2)


def test_axes_carried_along_are_those_of_all_rows():
    """Exact while there are no more rows than axes are carried."""
    V = np.random.default_rng(0).standard_normal((4, 1, 12))
    carried = leading(V[:2], 4)
    for i in (2, 3):
        carried = leading(V[i : i + 1], 4, carried)
    np.testing.assert_allclose(np.linalg.norm(carried[0], axis=0), np.linalg.norm(leading(V, 4)[0], axis=0), rtol=1e-9)


def rotated_person(n=60, seed=0):
    """Two clouds with the same three strong directions, the second turned by 40 degrees in the plane of two tangent axes."""
    rng = np.random.default_rng(seed)
    scale = np.r_[0.5, 0.45, 0.4, np.full(7, 0.02)]
    V = rng.standard_normal((2 * n, 10)) * scale
    angle = np.deg2rad(40)
    Q = np.eye(10)
    Q[np.ix_([0, 5], [0, 5])] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    W = V.copy()
    W[n:] = V[n:] @ Q.T
    meta = pd.DataFrame({"dataset": "d", "subject": ["S0"] * n + ["S1"] * n})
    return spd.expm(spd.symmetric(V)), spd.expm(spd.symmetric(W)), meta


def test_a_turned_person_is_turned_back():
    truth, C, meta = rotated_person()
    aligned = {}
    for kind in (Rescale, Rotate):
        options = {"n_components": 3} if kind is Rotate else {}
        aligner = kind(access="all", **options)
        aligner.fit_source(C[:60], meta[:60])
        aligned[kind] = aligner.observe(C[60:], meta[60:]).transform(C[60:], meta[60:])
    goal = vectors(truth[60:])[:, 0]

    def off(C):
        return np.linalg.norm(vectors(C)[:, 0] - goal, axis=1).mean()

    assert off(aligned[Rotate]) < 0.4 * off(aligned[Rescale])


def test_a_person_of_few_rows_is_not_turned():
    _, C, meta = rotated_person()
    rescale, rotate = Rescale(), Rotate(n_components=3, after=20)
    for aligner in (rescale, rotate):
        aligner.fit_source(C[:60], meta[:60])
    plain, turned = (aligner.transform(C[60:], meta[60:]) for aligner in (rescale, rotate))
    np.testing.assert_array_equal(turned[:19], plain[:19])
    assert np.abs(turned[19:] - plain[19:]).reshape(41, -1).max(axis=1).min() > 1e-3


def test_no_axis_is_refused():
    with pytest.raises(SentenceError, match="1 or more axes"):
        Rotate(n_components=0)
