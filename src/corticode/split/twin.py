"""Windows that hold the same signal, under whatever names: each window's sketch is compared with all others.

X [n, channels, times] --16 random projections of its differences in time--> sketch [n, 16] --nearest--> pairs --correlation--> twins

Neither gain, offset nor polarity changes the direction of a sketch, so a copy in another unit is found as well.
"""

from __future__ import annotations

import contextlib

import numpy as np

from corticode import store
from corticode.errors import StoreError
from corticode.windows import Windows

# Differences of two windows that correlate beyond this are one signal: two recordings of one event stay far below it.
TWINS = 0.9999

_PROJECTIONS, _TREE, _NEAR, _FEW_TIMES, _FEW_VALUES, _CHUNK = 16, 5, 0.03, 8, 32, 256


def twins(windows: Windows) -> np.ndarray:
    """Number the signals: rows with one number hold the same samples, up to gain, offset, polarity and rounding.

    Parameters
    ----------
    windows : Windows
        Of a folder: the answer is kept beside the arrays, for all later runs.

    Returns
    -------
    number : int array [n]
        A window that is constant in time is like no other. Nor is one of fewer than 32 values, or of counts: these fall
        together by chance.
    """
    if windows.folder is None or not windows.key:
        return _numbered(windows)
    path = windows.folder / "twins.npy"
    if path.is_file():
        return np.load(path, allow_pickle=False)[windows.rows]
    number = _numbered(Windows.open(windows.folder))
    # a folder that cannot be written costs the next run some seconds
    with contextlib.suppress(StoreError, OSError), store.writing(path) as tmp, tmp.open("wb") as file:
        np.save(file, number, allow_pickle=False)
    return number[windows.rows]


def _numbered(windows: Windows) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = [where[_pairs(X)] for X, where in _arrays(windows)]
    one, other = np.concatenate([np.zeros((0, 2), dtype=np.int64), *pairs]).T
    edges = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(len(windows), len(windows)))
    return connected_components(edges, directed=False)[1].astype(np.int64)


def _arrays(windows: Windows):
    """Give the array of each block that can be judged (memory-mapped where it can be), and where its rows stand."""
    first = 0
    for block in windows.blocks:
        where = np.flatnonzero((windows.rows >= first) & (windows.rows < first + len(block.X)))
        if len(where) and block.X[:1].size >= _FEW_VALUES and block.space.kind not in ("unit", "feature"):
            whole = len(where) == len(block.X) and np.array_equal(windows.rows[where], np.arange(first, first + len(where)))
            yield block.X if whole else block.X[windows.rows[where] - first], where
        first += len(block.X)


def _pairs(X: np.ndarray) -> np.ndarray:
    """Return pairs of windows of the same signal, int [m, 2]; they connect all that belong together."""
    from scipy.spatial import KDTree

    sketch, alive = _sketches(X)
    # exact copies fall together before the search, which a thousand of them would make a million pairs
    cells, cell = np.unique(np.round(sketch[alive] * 1e3).astype(np.int16), axis=0, return_inverse=True)
    first = np.unique(cell, return_index=True)[1]
    same = np.stack([alive, alive[first[cell.ravel()]]], axis=1)
    if len(cells) < 2:
        near = np.zeros((0, 2), dtype=np.int64)
    else:
        # a tree of few dimensions is fast and lets some strangers through, which the others then tell apart
        found = KDTree(sketch[alive[first], :_TREE]).query_pairs(_NEAR, output_type="ndarray")
        apart = np.linalg.norm(sketch[alive[first[found[:, 0]]]] - sketch[alive[first[found[:, 1]]]], axis=1)
        near = alive[first[found[apart < _NEAR]]]
    pairs = np.concatenate([same[same[:, 0] != same[:, 1]], near.reshape(-1, 2)])
    return pairs[[_correlation(X[i], X[j]) > TWINS for i, j in pairs]] if len(pairs) else pairs


def _sketches(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction of each window's projection [n, 16], its sign settled, and the rows that are not constant."""
    n, channels, times = X.shape
    draw = np.random.default_rng(channels * times).standard_normal((_PROJECTIONS, channels, times))
    if times < _FEW_TIMES:
        Q = draw - draw.mean(axis=(1, 2), keepdims=True)
    else:
        draw[..., -1] = 0
        # a projection of differences, written as one of samples: sum_t P_t (x_t+1 - x_t) = sum_t x_t (P_t-1 - P_t)
        Q = np.concatenate([-draw[..., :1], draw[..., :-1] - draw[..., 1:]], axis=-1)
    Q = np.ascontiguousarray(Q.reshape(_PROJECTIONS, -1).T, dtype=np.float32)
    sketch, size = np.empty((n, _PROJECTIONS), dtype=np.float64), np.empty(n)
    for i in range(0, n, _CHUNK):
        rows = np.asarray(X[i : i + _CHUNK], dtype=np.float32).reshape(-1, channels * times)
        sketch[i : i + _CHUNK] = rows @ Q
        size[i : i + _CHUNK] = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    length = np.linalg.norm(sketch, axis=1)
    alive = np.flatnonzero(length > 1e-5 * size)
    sketch[alive] *= (np.where(sketch[alive, 0] < 0, -1, 1) / length[alive])[:, None]
    return sketch, alive


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return how far the differences in time of two windows agree, whatever their gain and polarity."""
    a, b = (
        np.diff(x.astype(np.float64), axis=-1).ravel() if x.shape[-1] >= _FEW_TIMES else x.astype(np.float64).ravel() - x.mean()
        for x in (one, other)
    )
    return abs(float(a @ b)) / max(1e-300, float(np.linalg.norm(a) * np.linalg.norm(b)))
