from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from corticode.errors import BrokenDataError
from corticode.explain import maps
from corticode.explain.maps import Explanation, Map
from explain.planted import NAMES, positions


def example(rng, **changes) -> Explanation:
    def one():
        views = {
            "electrode": rng.standard_normal((2, 8)),
            "time_frequency": rng.standard_normal((2, 5, 4)),
            "frequency": rng.random((2, 5)),
        }
        return Map(
            "occlusion",
            ("left", "µ<"),
            views,
            "probability",
            tuple(NAMES),
            positions(),
            np.arange(5.0),
            np.array([1.0, 4, 8, 13, 30, 45]),
            7,
        )

    return Explanation(replace(one(), **changes), one(), {"electrode": 0.25, "time_frequency": 0.5}, "shuffled weights")


def test_what_is_saved_is_read_back(tmp_path, rng):
    kept = example(rng)
    found = maps.load(maps.save(tmp_path / "deep" / "explain_occlusion.npz", kept))
    assert found.agreement == kept.agreement and found.against == kept.against
    for one, other in ((found.found, kept.found), (found.control, kept.control)):
        assert (one.method, one.labels, one.unit, one.names, one.n_windows) == (
            other.method,
            other.labels,
            other.unit,
            other.names,
            other.n_windows,
        )
        assert all(np.array_equal(one.views[name], other.views[name]) for name in other.views)
        np.testing.assert_array_equal(one.positions, other.positions)
        np.testing.assert_array_equal(one.edges_hz, other.edges_hz)
    assert maps.load(maps.save(tmp_path / "b.npz", example(rng, positions=None))).found.positions is None


def test_a_file_of_something_else_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "y.npz", other=1)
    for name in ("x.npz", "y.npz"):
        with pytest.raises(BrokenDataError, match=name):
            maps.load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        maps.load(tmp_path / "z.npz")


@pytest.mark.parametrize("view", [np.ones((2, 7)), np.ones((1, 8)), np.full((2, 8), np.nan)])
def test_views_that_do_not_fit_are_refused(rng, view):
    with pytest.raises(BrokenDataError, match="occlusion: view electrode"):
        example(rng, views={"electrode": view})


def test_agreement_is_a_rank_correlation_and_silent_about_few_values(rng):
    one = example(rng).found
    curved = replace(one, views={name: np.exp(view) for name, view in one.views.items()})
    assert maps.agreement(one, curved) == {"electrode": pytest.approx(1), "time_frequency": pytest.approx(1), "frequency": pytest.approx(1)}
    flat = replace(one, views={**one.views, "electrode": np.zeros((2, 8))})
    assert maps.agreement(one, flat)["electrode"] == 0
    few = replace(one, labels=("",), views={"frequency": np.ones((1, 5))})
    assert maps.agreement(few, few) == {}
