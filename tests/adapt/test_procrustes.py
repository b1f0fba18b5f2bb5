"""adapt=procrustes: re-centred, stretched and turned as pyriemann does, from the target to the source."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.adapt.procrustes import Procrustes, _downhill, _loss, _slope, _turned, rotation
from corticode.encoder.covariance import Covariance
from corticode.encoder.eegnet import EEGNet
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.linear import Linear
from corticode.head.mdm import MDM
from corticode.layer import spd

METRICS = ("euclid", "riemann")


def matrices(k, c, seed, size=0.5):
    return spd.expm(spd.symmetric(size * np.random.default_rng(seed).standard_normal((k, c * (c + 1) // 2))))


def orthogonal(c, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((c, c)))[0]


def people(n=60, n_classes=3, seed=0, turned=0.0):
    """A source person and a target: the same classes, recorded through another mixing, scattered twice as widely, turned."""
    rng = np.random.default_rng(seed)
    y = np.tile(np.arange(n_classes), 2 * n // n_classes)
    person = np.repeat([0, 1], n)
    centre = spd.symmetric(0.6 * rng.standard_normal((n_classes, 10)))
    centre -= centre.mean(axis=0)
    logs = centre[y] + spd.symmetric(0.1 * rng.standard_normal((2 * n, 10)))
    S = rng.standard_normal((4, 4))
    Q = _turned(turned * (S - S.T))
    logs[n:] = 1.5 * Q.T @ logs[n:] @ Q
    mixing = np.diag([1.0, 2.0, 0.5, 1.5])
    C = spd.expm(logs)
    C[n:] = mixing @ C[n:] @ mixing
    return C, y, pd.DataFrame({"dataset": "d", "subject": [f"S{p}" for p in person]}), Q


def fitted(C, y, meta, head=None, **arguments):
    encoder, head, adapt = Covariance(), head or MDM(), Procrustes(**arguments)
    adapt.check(encoder, head)
    source = (meta["subject"] == "S0").to_numpy()
    adapt.fit(encoder, head, C[source], y[source], meta[source], None, y.max() + 1, 0)
    return encoder, head, adapt


# -- the search for Q -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("stay", [0.0, 0.3])
def test_the_slope_is_that_of_the_loss(metric, stay):
    X, Y, Q = matrices(3, 5, 0), matrices(3, 5, 1), orthogonal(5, 2)
    S = np.random.default_rng(3).standard_normal((5, 5))
    S, e = S - S.T, 1e-6
    rise = (_loss(_turned(e * S) @ Q, X, Y, metric, stay) - _loss(_turned(-e * S) @ Q, X, Y, metric, stay)) / (2 * e)
    np.testing.assert_allclose((S * _slope(Q, X, Y, metric, stay)).sum(), rise, rtol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turn_is_found_again(metric, mirrored):
    X, Q = matrices(3, 5, 0), orthogonal(5, 1)
    if (np.linalg.det(Q) < 0) != mirrored:
        Q[:, 0] *= -1
    found = rotation(X, Q.T @ X @ Q, metric)
    assert _loss(found, X, Q.T @ X @ Q, metric, 0.0) < 1e-12
    np.testing.assert_allclose(np.abs(found.T @ Q), np.eye(5), atol=1e-6)  # the sign of Q is free


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("seed", range(3))
def test_it_ends_no_higher_than_pyriemann(metric, seed):
    from pyriemann.optimization.grassmann import _get_rotation_manifold

    X, Y = matrices(2, 4, seed), matrices(2, 4, seed + 10)
    theirs = _get_rotation_manifold(Y, X, metric=metric)
    mine, other = (_loss(Q, X, Y, metric, 0.0) for Q in (rotation(X, Y, metric), theirs))
    assert mine <= other * (1 + 1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_from_the_same_start_it_ends_where_pyriemann_does(metric):
    from pyriemann.optimization.grassmann import _run_minimization

    Q = orthogonal(4, 0)
    X = matrices(2, 4, 1)
    Y = Q.T @ matrices(2, 4, 1, 0.5) @ Q + 0.01 * matrices(2, 4, 2)
    start = _turned(0.05 * (orthogonal(4, 5) - orthogonal(4, 5).T)) @ Q
    mine = _downhill(start, X, Y, metric, 0.0, 1e-10, 2000)[1]
    theirs, _ = _run_minimization(start, Y, X, np.ones(2), metric)
    np.testing.assert_allclose(mine, theirs, atol=2e-4)  # where the bowl is flat the stopping rules show


def test_nothing_is_turned_without_need():
    """Diagonal means fit with any signs of the axes: the identity is the one that turns least."""
    X = np.stack([np.diag([4.0, 1, 0.5]), np.diag([0.25, 1, 2.0])])
    np.testing.assert_allclose(rotation(X, X * 1.01), np.eye(3), atol=1e-8)


def test_a_turn_has_its_cost():
    X, Y = matrices(2, 4, 0), matrices(2, 4, 1)
    away = [np.linalg.norm(rotation(X, Y, stay=stay) - np.eye(4)) for stay in (0.0, 1.0, 1e4)]
    assert away[0] > away[1] > away[2] and away[2] < 1e-2


# -- the whole road -------------------------------------------------------------------------------------------------


def test_the_three_steps_are_those_of_pyriemann():
    """The target turned to the source is what the source turned to the target is, seen from the other side."""
    from pyriemann.transfer import TLCenter, TLRotate, TLScale, encode_domains

    C, y, meta, _ = people(turned=0.3)
    encoder, head, adapt = fitted(C, y, meta, stay=0.0)
    target = (meta["subject"] == "S1").to_numpy()
    adapt.calibrate(encoder, head, C[target], y[target], meta[target], None, 3, 0)
    _, named = encode_domains(C, y, meta["subject"].to_numpy())
    centred = TLCenter("S1").fit_transform(C, named)
    stretched = TLScale("S1", final_dispersion=float(adapt.centre.source_spread), centered_data=True).fit_transform(centred, named)
    np.testing.assert_allclose(adapt.centre.transform(C[target], meta[target]), stretched[target], atol=1e-6)
    theirs = TLRotate("S1").fit(stretched, named).rotations_["S0"]  # source to target
    mine = adapt.turns["d\x1fS1"]
    np.testing.assert_allclose(np.abs(mine @ theirs), np.eye(4), atol=1e-3)


@pytest.mark.parametrize("metric", METRICS)
def test_a_turned_person_is_understood_after_calibration(metric):
    C, y, meta, _ = people(turned=0.5)
    encoder, head, adapt = fitted(C, y, meta, metric=metric, stay=0.01)
    labelled, test = np.arange(60, 90), np.arange(90, 120)
    adapt.calibrate(encoder, head, C[labelled], y[labelled], meta.iloc[labelled], None, 3, 0)
    right = (adapt.predict(encoder, head, C[test], meta.iloc[test], None).argmax(axis=1) == y[test]).mean()
    adapt.turns = {}
    unturned = (adapt.predict(encoder, head, C[test], meta.iloc[test], None).argmax(axis=1) == y[test]).mean()
    assert right > 0.9 and right > unturned + 0.1


def test_bands_are_turned_each_by_itself():
    C, y, meta, _ = people(turned=0.5)
    D = people(turned=0.0)[0]
    both = np.stack([C, D], axis=1)
    labelled = np.arange(60, 90)
    turns = []
    for F in (both, C, D):
        encoder, head, adapt = fitted(F, y, meta)
        adapt.calibrate(encoder, head, F[labelled], y[labelled], meta.iloc[labelled], None, 3, 0)
        turns.append(adapt.turns["d\x1fS1"])
    np.testing.assert_allclose(turns[0], np.stack(turns[1:]), atol=1e-6)


def test_calibrating_twice_starts_anew():
    C, y, meta, _ = people(turned=0.5)
    encoder, head, adapt = fitted(C, y, meta)
    labelled = np.arange(60, 90)
    seen = []
    for _ in range(2):
        adapt.calibrate(encoder, head, C[labelled], y[labelled], meta.iloc[labelled], None, 3, 0)
        seen.append(adapt.predict(encoder, head, C[90:], meta[90:], None))
    np.testing.assert_array_equal(*seen)


def test_state_is_all_it_knows_and_all_that_calibration_needs():
    C, y, meta, _ = people(turned=0.5)
    encoder, head, adapt = fitted(C, y, meta)
    labelled = np.arange(60, 90)
    loaded = Procrustes(**adapt.arguments()).load_state({k: np.ascontiguousarray(v) for k, v in adapt.state().items()})
    for one in (adapt, loaded):
        one.calibrate(encoder, head, C[labelled], y[labelled], meta.iloc[labelled], None, 3, 0)
    again = Procrustes(**adapt.arguments()).load_state({k: np.ascontiguousarray(v) for k, v in adapt.state().items()})
    wanted = adapt.predict(encoder, head, C, meta, None)
    for other in (loaded, again):
        np.testing.assert_array_equal(other.predict(encoder, head, C, meta, None), wanted)


def test_what_cannot_work_is_refused():
    C, y, meta, _ = people()
    encoder, head, adapt = fitted(C, y, meta)
    with pytest.raises(SentenceError, match=r"none of d S1: use split\.shots=5 .*align=rescale"):
        adapt.predict(encoder, head, C, meta, None)
    two = np.flatnonzero((y < 2) & (meta["subject"] == "S1").to_numpy())
    with pytest.raises(BrokenDataError, match="none of class 2"):
        adapt.calibrate(encoder, head, C[two], y[two], meta.iloc[two], None, 3, 0)
    with pytest.raises(SentenceError, match="encoder EEGNet has none to turn"):
        Procrustes().check(EEGNet(4, 128, 128.0), Linear(4, 2))
    with pytest.raises(SentenceError, match="euclid, riemann"):
        Procrustes("log")
    with pytest.raises(SentenceError, match=r"stay=-1"):
        Procrustes(stay=-1)
