"""Signals of fewer dimensions than channels: found on the fit rows, projected, said, and undone in maps."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import BrokenDataError
from corticode.layer import spd
from corticode.layer.rank import Subspace
from corticode.recipe import Recipe


def referenced(X):
    return X - X.mean(axis=1, keepdims=True)


def twin(X):
    X = X.copy()
    X[:, 5] = X[:, 4]
    return X


def cleaned(X):
    """One component out, mostly of the last channel, but another one in each person's 24 rows."""
    X = X.copy()
    for person in range(4):
        u = np.eye(6)[:, 5:] + 0.1 * np.random.default_rng(person).standard_normal((6, 1))
        u /= np.linalg.norm(u)
        rows = slice(24 * person, 24 * person + 24)
        X[rows] = (np.eye(6) - u @ u.T) @ X[rows].astype(float)
    return X


LOST = {"average reference": referenced, "duplicated channel": twin, "other components of each person": cleaned}


@pytest.fixture
def labelled(windows):
    return windows.with_y((windows.meta["event"] == "right_hand").to_numpy().astype(int))


def changed(windows, act):
    from corticode.windows import Block

    X = act(np.asarray(windows.X)).astype(np.float32)
    return windows._replace(blocks=[Block(X, windows.space)], folder=None)


def new_decoder(windows, model, estimator="scm", align="riemannian"):
    cfg = compose([f"model={model}", f"align={align}", f"model.encoder.estimator={estimator}"])
    return Recipe(model, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("left", "right"))(0)


def test_full_rank_is_left_alone(windows):
    subspace = Subspace().fit(windows)
    C = spd.covariances(windows.X, "scm")
    assert subspace.basis is None and subspace.project(C) is C and subspace.notes() == {}
    np.testing.assert_array_equal(subspace.back(C[0]), C[0])


def test_an_average_reference_loses_the_direction_of_the_mean_and_no_other(windows):
    subspace = Subspace().fit(changed(windows, referenced))
    np.testing.assert_allclose(subspace.basis.T @ subspace.basis, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(subspace.basis.T @ np.ones(6), 0, atol=1e-6)
    assert subspace.notes() == {"rank": "6 channels, rank 5: projected to 5 dimensions"}


@pytest.mark.parametrize("estimator", ["scm", "oas"])
@pytest.mark.parametrize("align", ["none", "riemannian", "rescale", "euclidean"])
@pytest.mark.parametrize("model", ["mdm", "tangent_space", "csp_lda"])
@pytest.mark.parametrize("lost", LOST)
def test_every_road_works_on_lost_dimensions(labelled, lost, model, align, estimator):
    windows = changed(labelled, LOST[lost])
    source = (windows.meta["subject"] != "S4").to_numpy()
    decoder = new_decoder(windows, model, estimator, align).fit(windows[source])
    assert decoder.notes["rank"] == "6 channels, rank 5: projected to 5 dimensions"
    test = windows[~source]
    assert (decoder.predict(test.blind()).argmax(axis=1) == test.y).mean() > 0.7
    found = decoder.patterns()
    assert found is None or found["patterns"].shape[1] == 6


def test_projecting_is_to_work_on_fewer_channels(labelled):
    """A duplicated channel: distances are those of the five channels alone, whatever the basis."""
    windows = changed(labelled, twin)
    five = np.asarray(windows.X)[:, :5] * np.array([1, 1, 1, 1, np.sqrt(2)], dtype=np.float32)[:, None]
    whole = spd.covariances(five, "scm")
    subspace = Subspace().fit(windows)
    projected = subspace.project(spd.covariances(windows.X, "scm"))
    np.testing.assert_allclose(spd.distance(projected[1:], projected[:-1]), spd.distance(whole[1:], whole[:-1]), rtol=1e-4)


def test_patterns_of_average_referenced_data_have_no_mean(labelled):
    windows = changed(labelled, referenced)
    for align in ("none", "riemannian", "euclidean"):
        maps = new_decoder(windows, "tangent_space", "scm", align).fit(windows).patterns()["patterns"]
        np.testing.assert_allclose(maps.sum(axis=1), 0, atol=1e-3 * np.abs(maps).max())


def test_the_subspace_is_of_the_fit_rows(labelled):
    """A person to be tested, without a dimension that the others have, does not change it and is refused in a sentence."""
    X = np.array(labelled.X)
    last = (labelled.meta["subject"] == "S4").to_numpy()
    X[last] = referenced(X[last])
    windows = changed(labelled, lambda _: X)
    decoder = new_decoder(windows, "mdm").fit(windows[~last])
    assert "rank" not in decoder.notes
    with pytest.raises(BrokenDataError, match=r"window 0 is not positive definite .*average reference"):
        decoder.predict(windows[last].blind())


def test_another_null_space_at_test_is_named(labelled):
    X = referenced(np.array(labelled.X))
    last = (labelled.meta["subject"] == "S4").to_numpy()
    X[last, 3] = X[last, 2] = 0.5 * (X[last, 2] + X[last, 3])
    windows = changed(labelled, lambda _: X)
    decoder = new_decoder(windows, "mdm").fit(windows[~last])
    with pytest.raises(BrokenDataError, match=r"lacks some of the 5 of 6 directions that the fit rows have"):
        decoder.predict(windows[last].blind())


def test_it_is_kept_with_the_decoder(labelled, tmp_path):
    windows = changed(labelled, referenced)
    decoder = new_decoder(windows, "tangent_space").fit(windows)
    loaded = Decoder.load(decoder.save(tmp_path / "model"))
    np.testing.assert_array_equal(loaded.predict(windows.blind()), decoder.predict(windows.blind()))
    np.testing.assert_array_equal(loaded.patterns()["patterns"], decoder.patterns()["patterns"])


def test_too_short_windows_are_no_lost_dimension(labelled):
    """Four samples of six channels: no window has full rank, and no projection mends that."""
    from corticode.windows import Windows

    X = np.asarray(labelled.X)[:, :, :4]
    short = Windows.from_arrays(
        X, labelled.meta["event"].to_numpy(), sfreq=128, subject=labelled.meta["subject"], ch_names=labelled.space.names
    )
    short = short.with_y(labelled.y)
    with pytest.raises(BrokenDataError, match="shorter than it has channels"):
        new_decoder(short, "mdm").fit(short)


def test_stacked_channels_are_projected_copy_by_copy(windows):
    subspace = Subspace().fit(changed(windows, referenced))
    C = spd.covariances(np.asarray(windows.X), "oas")
    stacked = np.zeros((len(C), 12, 12))
    stacked[:, :6, :6] = stacked[:, 6:, 6:] = C
    projected = subspace.project(stacked)
    assert projected.shape == (len(C), 10, 10)
    np.testing.assert_allclose(projected[:, 5:, 5:], subspace.project(C), atol=1e-10)
