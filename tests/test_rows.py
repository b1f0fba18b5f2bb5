"""Rows of an array on disk: they answer as the array would, and read no more than they must."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.rows import Rows, Shared, lazily

CHOSEN = np.array([7, 2, 2, 9, 0])


class Watched(np.ndarray):
    """Notes how many rows are taken out of it."""

    taken = 0

    def __getitem__(self, which):
        found = super().__getitem__(which)
        if isinstance(which, np.ndarray):
            Watched.taken += len(which)
        return found


@pytest.fixture
def both(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).standard_normal((12, 3, 4)))
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    return Rows(array, CHOSEN), np.asarray(array)[CHOSEN]


ASKED = [
    lambda a: a[1:3], lambda a: a[:, 1], lambda a: a[:, None], lambda a: a[..., 0], lambda a: a[2], lambda a: a[np.array([True, False, True, False, True])],
    lambda a: a[np.array([3, 1])], lambda a: a[np.array([3, 1])][1:], lambda a: a[:, :2, 1:], lambda a: a + 1, lambda a: 1 - a, lambda a: a @ np.ones((4, 2)),
    lambda a: np.ones((2, 3)) @ a, lambda a: np.exp(a), lambda a: np.mean(a, axis=0), lambda a: a.reshape(len(a), -1), lambda a: a.sum(axis=1), lambda a: np.concatenate([a, a]),
    lambda a: np.linalg.norm(a, axis=(1, 2)), lambda a: a.astype(np.float32), lambda a: a.swapaxes(1, 2), lambda a: a[3, 1],
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKED)
def test_rows_answer_as_the_array_would(both, ask):
    lazy, there = both
    assert np.array_equal(np.asarray(ask(lazy)), ask(there))


def test_shapes(both):
    lazy, there = both
    assert (lazy.shape, lazy.ndim, lazy.dtype, lazy.size, len(lazy)) == (there.shape, 3, there.dtype, there.size, 5)


def test_only_what_is_walked_over_is_read():
    array = np.zeros((1000, 2)).view(Watched)
    Watched.taken = 0
    lazy = Rows(array, np.arange(0, 1000, 2))[np.arange(500) % 5 == 0]
    assert Watched.taken == 0 and len(lazy) == 100
    lazy[:10]
    assert Watched.taken == 10


def test_a_part_of_each_row_is_not_read_either():
    array = np.zeros((1000, 2, 2)).view(Watched)
    Watched.taken = 0
    lazy = Rows(array, np.arange(0, 1000, 2))
    for part in (lazy[:, None], lazy[:, 0], lazy[:, :, 1]):
        assert isinstance(part, Rows) and len(part) == 500
    assert Watched.taken == 0


def test_neighbours_are_a_view():
    array = np.arange(20).reshape(10, 2)
    assert np.shares_memory(lazily(array, np.arange(3, 7)), array)
    assert np.array_equal(lazily(array, np.arange(3, 7)), array[3:7])
    assert isinstance(lazily(array, np.array([3, 5])), Rows) and len(lazily(array, np.arange(0))) == 0


def test_what_arrays_have_in_common_is_kept_once():
    values, share = np.random.default_rng(0).standard_normal((9, 3)), Shared(9)
    folds = [np.array([0, 1, 2, 5]), np.array([8, 2, 5, 3]), np.arange(9)]
    given = [values[rows] for rows in folds]
    kept = [share(array, rows) for array, rows in zip(given, folds, strict=True)]
    assert all(isinstance(one, Rows) and one.array is kept[0].array for one in kept)
    for array, one in zip(given, kept, strict=True):
        assert np.array_equal(array, one)


def test_rows_that_are_not_the_same_are_not_shared(tmp_path):
    values, share = np.random.default_rng(0).standard_normal((4, 3)), Shared(4)
    first = share(values, np.arange(4))
    for other, rows in (
        (values + np.eye(4, 3), np.arange(4)), (values.astype(np.float32), np.arange(4)), (values[:, :2], np.arange(4)),
        (values[[1, 1]], np.array([1, 1])),
    ):  # fmt: skip
        assert share(other, rows) is other
    assert np.array_equal(first, values)
    np.save(tmp_path / "a.npy", values)
    on_disk = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert share(on_disk, np.arange(4)) is on_disk
