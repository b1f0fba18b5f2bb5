"""The Riemannian potato: equal to pyriemann, honest about time, and no way to flatter a score in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd
from corticode.prepare.base import Prepare
from corticode.prepare.potato import Potato, shape
from corticode.prepare.window import Sliding
from corticode.space import Space

SPACE = Space("eeg", ("Fp1", "Fp2", "Cz", "Pz"), "uV", 128)
BAD = [7, 31, 32]


def recorded(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = (1 + 0.3 * rng.random((n, 4, 1))) * 10 * rng.standard_normal((n, 4, 256))
    X[BAD, :2] += 300 * rng.standard_normal((3, 1, 256))
    return X.astype(np.float32), pd.DataFrame({"trial": np.arange(n), "onset_s": 2.0 * np.arange(n), "event": "x"})


def test_z_equals_pyriemann():
    from pyriemann.artifact_detection import Potato as Reference

    C = spd.covariances(recorded()[0], "oas")
    reference = Reference(threshold=2.5).fit(C)
    np.testing.assert_allclose(Potato(2.5).scores(C), reference.transform(C), atol=1e-5)
    np.testing.assert_allclose(shape(C, 2.5)[0], reference.covmean_, rtol=1e-6)


def test_following_the_past_equals_partial_fits_of_pyriemann():
    from pyriemann.artifact_detection import Potato as Reference

    C = spd.covariances(recorded()[0], "oas")
    reference, wanted = Reference(threshold=3).fit(C[:20]), []
    for i in range(20, 60):
        z = float(reference.transform(C[i : i + 1])[0])
        wanted.append(z)
        if z < 3:
            reference.partial_fit(C[i : i + 1], alpha=0.1)
    np.testing.assert_allclose(Potato(3, learn="past").scores(C)[20:], wanted, atol=1e-5)


def test_a_field_equals_pyriemann():
    from pyriemann.artifact_detection import PotatoField as Reference

    X, table = recorded()
    field = [["Fp1", "Fp2"], ["Cz", "Pz"]]
    C = [spd.covariances(X[:, where], "oas") for where in ([0, 1], [2, 3])]
    reference = Reference(n_potatoes=2, p_threshold=0.01, z_threshold=3, n_iter_max=100).fit(C)
    wanted = reference.predict(C).astype(bool)
    made = Potato(3, field=field).clean(X, SPACE, table["onset_s"].to_numpy())
    np.testing.assert_array_equal(made, wanted)
    assert not made[BAD].any() and made.sum() > 50


def test_artefacts_are_marked_or_dropped_and_counted():
    X, table = recorded()
    table.attrs["notes"] = ["said before"]
    same, marked = Potato(3)(X, table, SPACE)
    assert same is X and marked["rejected"][BAD].all() and marked["rejected"].sum() < 8
    assert marked.attrs["notes"][0] == "said before" and "marked: not learned from, but tested" in marked.attrs["notes"][1]
    kept, left = Potato(3, keep="clean")(X, table, SPACE)
    assert len(kept) == len(left) == 60 - marked["rejected"].sum() and not set(BAD) & set(left["trial"])
    assert "dropped, also where they would be tested" in left.attrs["notes"][1] and "rejected" not in left


def test_the_past_knows_nothing_of_what_comes_later():
    X, table = recorded()
    other = X.copy()
    other[40:] *= 5
    onset = table["onset_s"].to_numpy()
    potato = Potato(3, learn="past")
    np.testing.assert_array_equal(potato.clean(X, SPACE, onset)[:40], potato.clean(other, SPACE, onset)[:40])
    assert potato.clean(X, SPACE, onset)[:20].all()  # nothing came before, to judge them by
    shuffled = np.random.default_rng(0).permutation(60)
    np.testing.assert_array_equal(potato.clean(X[shuffled], SPACE, onset[shuffled]), potato.clean(X, SPACE, onset)[shuffled])


def test_it_is_part_of_a_preparation(signal_of):
    signal = signal_of(seconds=120, joint_s=None)
    X = signal.X.copy()
    X[:4, 1280:1400] += 2000 * np.random.default_rng(1).standard_normal(120)
    prepare = Prepare(window=Sliding(2, 2), reject=Potato(3, keep="clean"))
    made, table, _ = prepare(signal.replace(X=X))
    assert prepare.sees == "recording" and prepare.describe()[-1]["name"] == "reject"
    assert 10.0 not in table["onset_s"].tolist() and len(made) == len(table) < 60
    assert Prepare(window=Sliding(2, 2), reject=Potato(3, learn="past")).sees == "past"
    assert Prepare(window=Sliding(2, 2), reject=Potato()).describe() == Prepare(window=Sliding(2, 2)).describe()


def test_marked_windows_are_tested_and_not_learned_from(windows):
    """As if they had not been among the fit rows; every test row is answered."""
    from corticode.compose import compose
    from corticode.recipe import Recipe

    y = (windows.meta["event"] == "right_hand").to_numpy().astype(int)
    rejected = np.arange(len(windows)) % 5 == 0
    marked = windows._replace(meta=windows.meta.assign(rejected=rejected)).with_y(y)
    cfg = compose(["model=mdm"])
    recipe = Recipe("mdm", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))
    one, other = recipe(0).fit(marked), recipe(0).fit(windows.with_y(y)[~rejected])
    np.testing.assert_array_equal(one.predict(marked.blind()), other.predict(marked.blind()))
    assert "rejected" not in marked.blind().meta


def test_what_cannot_work_is_refused():
    X, table = (part[:10] for part in recorded())
    with pytest.raises(BrokenDataError, match="10 windows is too short for a potato of 20"):
        Potato(3, learn="past")(X, table, SPACE)
    with pytest.raises(BrokenDataError, match="rejects every window"):
        Potato(-9)(X, table, SPACE)
    with pytest.raises(SentenceError, match="marked, clean"):
        Potato(3, keep="all")
    for alpha in (0, 1, 1.5):
        with pytest.raises(SentenceError, match=f"alpha={alpha:g}, .*alpha above 0 and below 1"):
            Potato(3, learn="past", alpha=alpha)


@pytest.mark.parametrize("learn", ["recording", "past"])
def test_windows_that_equal_each_other_are_clean_and_no_measure_of_zero(learn):
    """A deviation of nothing would be divided by, and every window after would be an artefact."""
    X, table = recorded()
    X[:40] = X[0]
    potato, C = Potato(3, learn=learn), spd.covariances(X[:40], "oas")
    with np.errstate(all="raise"):
        assert potato.clean(X[:40], SPACE, table["onset_s"].to_numpy()[:40]).all()
        assert np.isfinite(potato.scores(spd.covariances(X, "oas"))).all()
        mean, deviation = shape(C, 3)[1:]
    assert mean == pytest.approx(np.log(1e-6)) and deviation == 0.01
    slightly = C[:1] * (1 + 1e-7)  # far within what counts as the same
    assert potato.scores(np.concatenate([C, slightly]))[-1] < 3
