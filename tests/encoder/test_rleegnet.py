"""RLEEGNet: its size, and filters that are those of CSP, learned from the given rows alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conftest import make_windows
from corticode.encoder.rleegnet import RLEEGNet
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.linear import Linear


def rows(n_classes=4):
    windows = make_windows(n_classes=n_classes)
    names = sorted(set(windows.meta["event"]))
    X = np.asarray(windows.X, dtype=np.float64)
    return X - X.mean(axis=2, keepdims=True), windows.meta["event"].map(names.index).to_numpy()


def network(X, n_outputs=4, **more):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return RLEEGNet(X.shape[1], X.shape[2], 128.0, n_outputs, **more)


def test_size():
    encoder = RLEEGNet(22, 500, 250.0, 4)
    assert encoder.n_parameters + Linear(64, 4, 1).n_parameters == 100_356


@pytest.mark.parametrize("n_components", [2, 4])
def test_filters_are_those_of_mne(n_components):
    """The same sources as MNE's CSP of each class against the rest; sign and scale of a filter are free."""
    from mne import use_log_level
    from mne.decoding import CSP

    X, y = rows()
    encoder = network(X, estimator="scm", n_components=n_components).fit(X, y)
    mine = encoder.spatial.numpy().astype(float).reshape(4, n_components, -1)
    for k in range(4):
        theirs = CSP(n_components=n_components, component_order="alternate", norm_trace=False, transform_into="csp_space")
        with use_log_level("ERROR"):
            sources = theirs.fit(X, (y == k).astype(int)).transform(X)
        ours = mine[k] @ X
        matched = np.abs(np.corrcoef(ours.swapaxes(0, 1).reshape(n_components, -1), sources.swapaxes(0, 1).reshape(n_components, -1)))
        assert np.allclose(np.sort(matched[:n_components, n_components:].max(axis=1)), 1, atol=1e-5)


def test_the_network_sees_sources_of_mean_0_and_sd_1_over_the_fit_rows():
    X, y = rows()
    encoder = network(X).fit(X, y)
    sources = (encoder.spatial.numpy() @ X - encoder.mean.numpy()[:, None]) / encoder.sd.numpy()[:, None]
    assert np.allclose(sources.mean(axis=(0, 2)), 0, atol=1e-4) and np.allclose(sources.std(axis=(0, 2)), 1, atol=1e-4)


def test_filters_come_from_the_given_labels():
    X, y = rows()
    first, again = network(X).fit(X, y).state(), network(X).fit(X, y).state()
    other = network(X).fit(X, np.roll(y, 1)).state()
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert not np.allclose(first["spatial"], other["spatial"])
    assert np.array_equal(first["first.weight"], other["first.weight"]), "what gradients learn is not touched"


def test_two_classes_have_one_contrast_and_few_channels_few_filters():
    X, y = rows(n_classes=2)
    assert network(X, 2).spatial.shape == (4, 6) and network(X, 4).spatial.shape == (16, 6)
    assert network(X[:, :1], 2).fit(X[:, :1], y).spatial.shape == (1, 1)


def test_what_cannot_be_contrasted_is_refused():
    X, y = rows()
    with pytest.raises(SentenceError, match="contrasts classes, and the task has 1 answer"):
        network(X, 1)
    with pytest.raises(BrokenDataError, match="hold none of class 3"):
        network(X).fit(X[y < 3], y[y < 3])
    with pytest.raises(SentenceError, match="needs windows of 16 samples"):
        network(X[:, :, :15])


def test_cross_entropy_learns_by_the_same_filters_and_calibration_keeps_them(windows):
    from corticode.adapt.full import Full
    from corticode.train.settings import Training

    X, y = np.asarray(windows.X), (windows.meta["event"] == "right_hand").to_numpy().astype(int)
    encoder, head = network(X, 2, n_filters=8, n_mixed=8, n_hidden=8), Linear(8, 2, 1)
    adapt = Full(training=Training(max_epochs=1, validation=0.0, calibrate_epochs=1), trainer={"accelerator": "cpu"})
    adapt.fit(encoder, head, X, y, windows.meta, windows.space, 2, 0)
    assert np.array_equal(encoder.spatial.numpy(), network(X, 2).fit(X, y).spatial.numpy())
    adapt.calibrate(encoder, head, X[:8], 1 - y[:8], windows.meta[:8], windows.space, 2, 0)
    assert np.array_equal(encoder.spatial.numpy(), network(X, 2).fit(X, y).spatial.numpy())
