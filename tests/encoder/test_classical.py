"""One battery for all classical encoders: rows apart, fit rows only, state without loss."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.covariance import Covariance
from corticode.encoder.csp import CSP
from corticode.encoder.identity import Identity
from corticode.encoder.logvar import LogVar
from corticode.encoder.tangent_space import TangentSpace

BANDS = [[4, 12], [12, 30]]
ENCODERS = {
    "covariance": lambda: Covariance(),
    "covariance_bands": lambda: Covariance("lwf", BANDS, scale="correlation"),
    "tangent_space": lambda: TangentSpace(),
    "tangent_space_bands": lambda: TangentSpace("lwf", BANDS, metric="logeuclid"),
    "csp": lambda: CSP(4),
    "csp_bands": lambda: CSP(2, bands_hz=BANDS),
    "logvar": lambda: LogVar(),
    "identity": lambda: Identity(),
    "identity_flat": lambda: Identity(flatten=True),
}


@pytest.fixture(params=ENCODERS)
def new(request):
    return ENCODERS[request.param]


def labels(windows) -> np.ndarray:
    return np.asarray(windows.meta["event"] == windows.info["classes"]["event"][1], dtype=int)


def test_per_window_sees_one_window(new, windows):
    whole = new().per_window(windows.X, windows.space)
    assert len(whole) == len(windows)
    np.testing.assert_array_equal(new().per_window(windows.X[5:6], windows.space)[0], whole[5])
    np.testing.assert_array_equal(new().per_window(windows.X[::-1], windows.space), whole[::-1])


def test_per_window_leaves_its_input_alone(new, windows):
    before = windows.X.copy()
    new().per_window(windows.X, windows.space)
    np.testing.assert_array_equal(windows.X, before)


def test_window_arguments_are_truthful(new, windows):
    """A change of any other argument leaves the cached features as they were, so it must not change per_window."""
    encoder = new()
    arguments = encoder.arguments()
    changed = {"metric": "euclid", "n_components": 3, "flatten": not arguments.get("flatten")}
    others = {name: changed.get(name, value) for name, value in arguments.items() if name not in encoder.window_arguments}
    same = type(encoder)(**{**arguments, **others})
    np.testing.assert_array_equal(same.per_window(windows.X[:3], windows.space), encoder.per_window(windows.X[:3], windows.space))
    other = {
        "estimator": "scm",
        "bands_hz": [[6, 20]],
        "order": 2,
        "scale": "none" if arguments.get("scale") == "correlation" else "correlation",
    }
    for name in encoder.window_arguments:
        if name == "order" and arguments["bands_hz"] is None:
            continue
        moved = type(encoder)(**{**arguments, name: other[name]}).per_window(windows.X[:3], windows.space)
        assert not np.array_equal(moved, encoder.per_window(windows.X[:3], windows.space)), name


def test_representation_is_one_finite_row_per_window(new, windows):
    encoder, y = new(), labels(windows)
    F = encoder.per_window(windows.X, windows.space)
    Z = encoder.fit(F, y, windows.meta).encode(F, windows.blind().meta, windows.space)
    assert len(Z) == len(windows) and np.isfinite(Z).all()


def test_fit_uses_the_rows_it_is_given_and_starts_anew(new, windows):
    y = labels(windows)
    F = new().per_window(windows.X, windows.space)
    fit = np.arange(len(F)) < 60
    alone = new().fit(F[fit], y[fit], windows.meta[fit])
    again = new().fit(F[~fit], y[~fit], windows.meta[~fit]).fit(F[fit], y[fit], windows.meta[fit])
    meta = windows.blind().meta
    np.testing.assert_array_equal(alone.encode(F, meta, windows.space), again.encode(F, meta, windows.space))


def test_state_and_arguments_give_back_the_encoder(new, windows):
    y = labels(windows)
    fitted = new()
    F = fitted.per_window(windows.X, windows.space)
    fitted.fit(F, y, windows.meta)
    loaded = type(fitted)(**fitted.arguments()).load_state({k: np.array(v, order="C") for k, v in fitted.state().items()})
    meta = windows.blind().meta
    np.testing.assert_array_equal(loaded.encode(F, meta, windows.space), fitted.encode(F, meta, windows.space))
