"""One battery for all classical encoders: rows apart, fit rows only, state without loss."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.encoder.augmented import AugmentedCovariance, AugmentedTangentSpace
from corticode.encoder.cca import CCA
from corticode.encoder.covariance import Covariance
from corticode.encoder.csp import CSP
from corticode.encoder.embedding import Embedding
from corticode.encoder.fbcsp import FBCSP
from corticode.encoder.identity import Identity
from corticode.encoder.logvar import LogVar
from corticode.encoder.stacked import StackedTangentSpace
from corticode.encoder.tangent_space import TangentSpace
from corticode.encoder.trca import TRCA
from corticode.encoder.xdawn import XdawnTangentSpace

BANDS = [[4, 12], [12, 30]]
ENCODERS = {
    "covariance": lambda: Covariance(),
    "covariance_bands": lambda: Covariance("lwf", BANDS, scale="correlation"),
    "tangent_space": lambda: TangentSpace(),
    "tangent_space_bands": lambda: TangentSpace("lwf", BANDS, metric="logeuclid"),
    "csp": lambda: CSP(4),
    "csp_bands": lambda: CSP(2, bands_hz=BANDS),
    "fbcsp": lambda: FBCSP(2, 3, bands_hz=BANDS),
    "augmented": lambda: AugmentedCovariance("fixed", 2, 3),
    "augmented_tangent_space": lambda: AugmentedTangentSpace("fixed", 3, 2, metric="logeuclid"),
    "embedding_afnn": lambda: Embedding("afnn", 6, 4),
    "embedding_mdop": lambda: Embedding("mdop", 6, 4),
    "xdawn": lambda: XdawnTangentSpace(2),
    "stacked": lambda: StackedTangentSpace([10, 20], 2.0, classes=("a", "b")),
    "cca": lambda: CCA([10, 12], classes=("a", "b")),
    "cca_bands": lambda: CCA([10, 12], bands_hz=BANDS, classes=("a", "b")),
    "trca": lambda: TRCA(classes=("a", "b")),
    "trca_bands": lambda: TRCA(BANDS, ensemble=False, classes=("a", "b")),
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


# Another value of each argument. Those that change what is computed from a window are named in window_arguments.
OTHER = {
    "estimator": "scm",
    "bands_hz": [[6, 20]],
    "order": 1,
    "scale": "correlation",
    "metric": "euclid",
    "contrast": "joint",
    "n_components": 3,
    "n_features": 2,
    "n_filters": 1,
    "lag": 5,
    "rule": "mdop",
    "max_lag": 4,
    "max_order": 3,
    "choose": "grid",
    "orders": (1, 5),
    "lags": (2, 7),
    "freqs_hz": (9.0, 14.0),
    "half_width_hz": 3.0,
    "start_s": 0.25,
    "n_harmonics": 1,
    "ensemble": True,
    "rest": "b",
}
TWINS = {
    "metric": "riemann",
    "estimator": "oas",
    "scale": "none",
    "rule": "afnn",
    "ensemble": False,
}  # where the encoder has that value already


def test_window_arguments_are_truthful(new, windows):
    """A change of any other argument leaves the cached features as they were; one of these changes them."""
    encoder = new()
    arguments, X = encoder.arguments(), windows.X[:3]
    features = encoder.per_window(X, windows.space)
    for name, value in arguments.items():
        if name == "classes" or (name == "order" and arguments.get("bands_hz", ()) is None):
            continue  # class names stand for frequencies that were not told; an order of filters that are not there
        other = (not value) if name == "flatten" else TWINS[name] if OTHER[name] == value else OTHER[name]
        moved = type(encoder)(**{**arguments, name: other}).per_window(X, windows.space)
        assert np.array_equal(moved, features) is (name not in encoder.window_arguments), name


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


def test_who_learns_from_labels_says_so(new, windows):
    """Heads then choose on representations by encoders that did not see the held-out labels."""
    y = labels(windows)
    F = new().per_window(windows.X, windows.space)
    shuffled = np.random.default_rng(0).permutation(y)
    one, other = (new().fit(F, seen, windows.meta).encode(F, windows.blind().meta, windows.space) for seen in (y, shuffled))
    assert new().learns_labels is not (one.shape == other.shape and np.array_equal(one, other))


def test_state_and_arguments_give_back_the_encoder(new, windows):
    y = labels(windows)
    fitted = new()
    F = fitted.per_window(windows.X, windows.space)
    fitted.fit(F, y, windows.meta)
    loaded = type(fitted)(**fitted.arguments()).load_state({k: np.array(v, order="C") for k, v in fitted.state().items()})
    meta = windows.blind().meta
    np.testing.assert_array_equal(loaded.encode(F, meta, windows.space), fitted.encode(F, meta, windows.space))
