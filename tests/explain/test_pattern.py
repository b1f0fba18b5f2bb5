import numpy as np
import pytest

from corticode.errors import BrokenDataError
from corticode.explain import pattern


def test_haufe_gives_back_the_sources_that_made_the_channels(rng):
    mixing = rng.standard_normal((6, 2))  # channels from sources
    sources = rng.standard_normal((5000, 2))
    noise = rng.standard_normal((5000, 6)) @ np.diag([3.0, 0.1, 1, 1, 0.1, 2])
    Z = sources @ mixing.T + noise
    weights = np.linalg.lstsq(Z, sources, rcond=None)[0].T
    found = pattern.haufe(weights, Z)
    for k in range(2):
        assert abs(np.corrcoef(found[k], mixing[:, k])[0, 1]) > 0.98
    # the weights themselves are no map of the sources: they avoid the noisy channels
    assert min(abs(np.corrcoef(weights[k], mixing[:, k])[0, 1]) for k in range(2)) < 0.9


def test_haufe_has_the_shape_of_mne_and_the_size_of_the_paper(rng):
    from mne.decoding import LinearModel
    from sklearn.linear_model import Ridge

    Z = rng.standard_normal((80, 5)) @ rng.standard_normal((5, 5))
    model = LinearModel(Ridge(alpha=1.0)).fit(Z, Z[:, 0] + rng.standard_normal(80))
    found = pattern.haufe(model.filters_, Z)[0]
    # MNE leaves out the variance of the answer
    np.testing.assert_allclose(found * np.var(Z @ model.filters_.ravel(), ddof=1), np.ravel(model.patterns_), rtol=1e-8)


def test_haufe_of_several_answers_is_equation_6(rng):
    Z, W = rng.standard_normal((60, 5)) @ rng.standard_normal((5, 5)), rng.standard_normal((3, 5))
    wanted = np.cov(Z.T) @ W.T @ np.linalg.inv(np.cov((Z @ W.T).T))
    np.testing.assert_allclose(pattern.haufe(W, Z), wanted.T, rtol=1e-8)


def test_haufe_of_answers_that_sum_to_nothing_is_finite(rng):
    Z, w = rng.standard_normal((50, 4)), rng.standard_normal(4)
    found = pattern.haufe(np.stack([w, -w]), Z)
    np.testing.assert_allclose(found[0], -found[1])
    np.testing.assert_allclose(found[0], pattern.haufe(w, Z)[0] / 2)


@pytest.mark.parametrize(
    ("weights", "Z", "match"),
    [
        (np.ones((1, 3)), np.ones((5, 4)), "one d"),
        (np.ones((1, 4)), np.ones((1, 4)), "two rows"),
        (np.ones((1, 2)), np.array([[1, np.nan], [1, 2]]), "NaN"),
    ],
)
def test_haufe_refuses_what_it_cannot_do(weights, Z, match):
    with pytest.raises(BrokenDataError, match=match):
        pattern.haufe(weights, Z)


def test_average_turns_folds_to_one_sign(rng):
    true = rng.standard_normal((3, 8))
    folds = [sign * true + 0.01 * rng.standard_normal((3, 8)) for sign in (1, -1, -1, 1, 1)]
    found = pattern.average(folds)
    assert all(abs(np.corrcoef(a, b)[0, 1]) > 0.999 for a, b in zip(found, true, strict=True))
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(true), rel=0.02)
    assert all(row[np.abs(row).argmax()] > 0 for row in found)


def test_average_of_signed_patterns_lets_opposites_cancel(rng):
    true = rng.standard_normal((2, 5))
    np.testing.assert_allclose(pattern.average([true, -true], signed=True), 0)


def test_average_needs_one_shape():
    with pytest.raises(BrokenDataError, match="one shape"):
        pattern.average([np.ones((1, 3)), np.ones((2, 3))])
    with pytest.raises(BrokenDataError, match="one shape"):
        pattern.average([])


def test_what_is_saved_is_read_back(tmp_path, rng):
    patterns, positions = rng.standard_normal((2, 3)), rng.standard_normal((3, 3))
    positions[1] = np.nan
    file = pattern.save(tmp_path / "deep" / "patterns.npz", patterns, ["Cz", "µ<", "Oz"], positions, ["8-12 Hz", ""])
    found = pattern.load(file)
    np.testing.assert_array_equal(found.patterns, patterns)
    np.testing.assert_array_equal(found.positions, positions)
    assert found.names == ("Cz", "µ<", "Oz") and found.labels == ("8-12 Hz", "")
    assert pattern.load(pattern.save(tmp_path / "b.npz", patterns, ["a", "b", "c"])).positions is None


def test_a_file_of_something_else_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "y.npz", other=1)
    for name in ("x.npz", "y.npz"):
        with pytest.raises(BrokenDataError, match=name):
            pattern.load(tmp_path / name)


@pytest.mark.parametrize(
    "told", [{"names": ["a"]}, {"positions": np.ones((2, 3))}, {"labels": ["x", "y"]}, {"patterns": np.full((1, 3), np.nan)}]
)
def test_patterns_that_do_not_fit_their_channels_are_refused(tmp_path, told):
    good = {"patterns": np.ones((1, 3)), "names": ["a", "b", "c"], "positions": None, "labels": ["x"]}
    with pytest.raises(BrokenDataError):
        pattern.save(tmp_path / "p.npz", **{**good, **told})
