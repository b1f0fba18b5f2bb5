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
    with pytest.raises(BrokenDataError, match=r"subject S4, session 0.* lacks 1 of the 6 dimensions .*kind=average"):
        decoder.predict(windows[last].blind())


def test_another_null_space_at_test_is_named(labelled):
    X = referenced(np.array(labelled.X))
    last = (labelled.meta["subject"] == "S4").to_numpy()
    X[last, 3] = X[last, 2] = 0.5 * (X[last, 2] + X[last, 3])
    windows = changed(labelled, lambda _: X)
    decoder = new_decoder(windows, "mdm").fit(windows[~last])
    with pytest.raises(BrokenDataError, match=r"lacks 1 of the 5 dimensions that the fit rows have in 6 channels"):
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


def weak_and_interpolated(windows, plan):
    """Channels nearly independent, the first weak but telling; `plan` names, of each person, a channel put between two others."""
    rng = np.random.default_rng(0)
    X = 10 * rng.standard_normal(np.shape(windows.X))
    right = (windows.meta["event"] == "right_hand").to_numpy()
    X[~right, 1] *= 1.4
    X[:, 0] *= 0.3
    X[right, 0] *= 1.5
    for person, lost in plan.items():
        rows = (windows.meta["subject"] == person).to_numpy()
        for channel, a, b in lost:
            X[rows, channel] = (X[rows, a] + X[rows, b]) / 2
    return changed(windows, lambda _: X)


def test_a_direction_that_one_person_lost_goes_and_not_a_weak_good_one(labelled):
    """S1's last channel is interpolated: the weak first channel stays, S1 has full rank in what is left, and who costs it is said."""
    windows = weak_and_interpolated(labelled, {"S1": [(5, 3, 4)]})
    subspace = Subspace().fit(windows)
    np.testing.assert_allclose(subspace.basis.T @ [0, 0, 0, 1, 1, -2], 0, atol=1e-6)
    assert np.linalg.norm(subspace.basis[0]) > 0.999
    assert subspace.notes() == {"rank": "6 channels, rank 5: projected to 5 dimensions; subject S1 alone costs 1"}
    last = (windows.meta["subject"] == "S4").to_numpy()
    for model in ("mdm", "tangent_space"):
        decoder = new_decoder(windows, model, "scm", "none").fit(windows[~last])
        assert (decoder.predict(windows[last].blind()).argmax(axis=1) == windows.y[last]).mean() > 0.95


def test_all_that_any_person_lost_goes(labelled):
    windows = weak_and_interpolated(labelled, {"S1": [(5, 3, 4)], "S2": [(2, 1, 3)], "S3": [(2, 1, 3)]})
    subspace = Subspace().fit(windows)
    np.testing.assert_allclose(subspace.basis.T @ np.array([[0, 0, 0, 1, 1, -2], [0, 1, -2, 1, 0, 0]]).T, 0, atol=1e-6)
    assert subspace.basis.shape == (6, 4) and subspace.notes()["rank"].endswith("; subject S1 alone costs 1")


def test_scale_of_a_channel_is_no_lost_dimension(labelled):
    loud = np.array([1, 1, 1, 1, 1, 1e6])[:, None]
    assert Subspace().fit(changed(labelled, lambda X: X * loud)).basis is None
    assert Subspace().fit(changed(labelled, lambda X: referenced(X) * loud)).basis.shape == (6, 5)


def test_too_little_in_common_is_refused_with_the_name_of_who_costs_most(labelled):
    def act(X):
        X = np.array(X)
        X[:24, 2:] = X[:24][:, [0, 1, 0, 1]]
        return X

    with pytest.raises(BrokenDataError, match=r"fewer than 3 of 6 are common to all \(subject S1 alone costs 4\): reference and clean"):
        Subspace().fit(changed(labelled, act))


def test_where_each_lost_its_own_every_recording_has_full_rank_in_what_is_kept(labelled):
    """Four people without two random components each leave nothing in common; half of the dimensions are found all the same."""
    rng = np.random.default_rng(3)
    X = np.array(labelled.X, dtype=float)
    for person in range(4):
        Q = np.linalg.qr(rng.standard_normal((6, 2)))[0]
        X[24 * person : 24 * person + 24] = (np.eye(6) - Q @ Q.T) @ X[24 * person : 24 * person + 24]
    windows = changed(labelled, lambda _: X)
    basis = Subspace().fit(windows).basis
    assert basis.shape[1] in (2, 3, 4)
    for person in range(4):
        C = spd.covariances(np.asarray(windows.X[24 * person : 24 * person + 24]), "scm").mean(axis=0)
        weakest = np.linalg.eigvalsh(C)[2]
        assert np.linalg.eigvalsh(basis.T @ C @ basis)[0] > 0.49 * weakest


@pytest.mark.parametrize("model", ["mdm", "fgmdm", "csp_lda", "acm_mdm", "xdawn_tangent_space"])
def test_a_person_without_a_dimension_of_the_fit_rows_is_named_by_every_verb(labelled, model):
    X = np.array(labelled.X)
    last = (labelled.meta["subject"] == "S4").to_numpy()
    X[last] = referenced(X[last])
    windows = changed(labelled, lambda _: X)
    config = compose([f"model={model}", "align=none"])
    if model == "acm_mdm":
        config["model"]["encoder"] = {**config["model"]["encoder"], "choose": "fixed"}
    recipe = Recipe(model, config["model"], config["adapt"], config["align"], config["trainer"], windows.space, windows.n_times, ("a", "b"))
    decoder = recipe(0).fit(windows[~last])
    said = r"signal of subject S4, session 0.* lacks 1 of the 6 dimensions .*prepare.reference.kind=average"
    for verb, rows in (("predict", windows[last].blind()), ("align", windows[last].blind()), ("calibrate", windows[last])):
        with pytest.raises(BrokenDataError, match=said):
            getattr(decoder, verb)(rows)
    assert decoder.predict(windows[~last].blind()).shape == (72, 2)


def test_a_person_with_more_dimensions_than_the_fit_rows_is_projected(labelled):
    X = np.array(labelled.X)
    last = (labelled.meta["subject"] == "S4").to_numpy()
    X[~last] = referenced(X[~last])
    windows = changed(labelled, lambda _: X)
    decoder = new_decoder(windows, "tangent_space").fit(windows[~last])
    assert (decoder.predict(windows[last].blind()).argmax(axis=1) == windows.y[last]).mean() > 0.7


def test_a_recording_is_looked_at_once_and_few_samples_are_not_judged(labelled, monkeypatch):
    from corticode.layer import rank

    subspace, looked = Subspace().fit(labelled), []
    scatters = rank._scatters
    monkeypatch.setattr(rank, "_scatters", lambda *a: looked.append(len(a[0])) or scatters(*a))
    for n in (1, 4, 8, 1, 12, 24):
        subspace.check(labelled[:n].blind())
    assert looked == [8, 12]  # the second session alone is new in the end
    lacking, refusing = changed(labelled, referenced), Subspace().fit(labelled)
    for _ in range(2):  # one that was refused is refused again
        with pytest.raises(BrokenDataError, match="lacks 1"):
            refusing.check(lacking[:8].blind())
    refusing.check(lacking[:4].blind())
    Subspace(None, known=False).check(lacking.blind())


def test_a_loaded_decoder_knows_what_the_fit_rows_had(labelled, tmp_path):
    last = (labelled.meta["subject"] == "S4").to_numpy()
    loaded = Decoder.load(new_decoder(labelled, "mdm").fit(labelled[~last]).save(tmp_path / "model"))
    with pytest.raises(BrokenDataError, match="subject S4"):
        loaded.predict(changed(labelled, referenced)[last].blind())


def test_xdawn_learns_in_the_dimensions_that_all_have(labelled):
    windows = weak_and_interpolated(labelled, {"S1": [(5, 3, 4)]})
    cfg = compose(["model=xdawn_tangent_space", "align=none"])
    recipe = Recipe("x", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))
    decoder = recipe(0).fit(windows)
    assert decoder.notes["rank"].startswith("6 channels, rank 5") and decoder.encoder.filters_.shape[1] == 5
    assert decoder.patterns()["patterns"].shape[1] == 6


def test_a_narrow_band_is_no_lost_dimension(labelled):
    """One window of a band of 1 Hz holds fewer free samples than channels, which says nothing of the person."""
    from scipy.signal import butter, sosfiltfilt

    from corticode.windows import Windows

    signal = 200 * np.random.default_rng(0).standard_normal((22, 250 * 30))
    X = sosfiltfilt(butter(4, (10, 11), "bandpass", fs=250, output="sos"), signal)[:, 1250:6250].reshape(22, 20, 250).swapaxes(0, 1)
    narrow = Windows.from_arrays(X.astype(np.float32), ["a", "b"] * 10, sfreq=250)
    subspace = Subspace().fit(narrow)
    assert subspace.known and subspace.basis is None
    for n in (1, 2, 8, 20):
        subspace.check(narrow[:n].blind())
