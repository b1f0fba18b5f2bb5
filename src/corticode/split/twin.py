"""Windows that hold the same signal, under whatever names: whole windows by their sketches, stretches by hashes of samples.

X [n, channels, times] --flattened spectra--> 16 random projections --nearest--> pairs --channel by channel--> twins
                       --one number per sample, the order of channels aside--> runs of some samples --equal--> shared stretches

Neither gain, offset nor polarity changes a sketch, so a copy in another unit is found as well. Hashes find copies that are
cut elsewhere, and windows that overlap unsaid, but only where samples are equal to the last bit. Not found: a copy that went
through another filter, another reference or another rate, or had more noise added than rounding makes; nor one that is both
cut elsewhere and in another unit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from corticode import store
from corticode.errors import StoreError
from corticode.windows import Windows

# Spectra of two windows that correlate beyond this are one signal: two recordings of one event stay far below it.
TWINS = 0.9999

_PROJECTIONS, _TREE, _NEAR, _CHUNK = 16, 5, 0.03, 256
_SKETCHED = 8  # channels in a sketch: enough to tell strangers apart, and all channels are compared where sketches are near
_FEW_TIMES, _SOME_TIMES, _FEW_VALUES = 8, 32, 32

# Samples in a row that must be equal, and values in them; and hashes that are kept at most (about).
_RUN, _RUN_VALUES, _HASHES = 8, 64, 2**19


def twins(windows: Windows) -> np.ndarray:
    """Number the signals: rows with one number hold the same samples, up to gain, offset, polarity and rounding.

    Parameters
    ----------
    windows : Windows
        Of a folder: the answer is kept beside the arrays, for all later runs.

    Returns
    -------
    number : int array [n]
        Most channels of two rows agree, each by itself. A window that is constant in time is like no other. Nor is one of
        fewer than 32 values, or of counts: these fall together by chance.
    """
    return _kept(windows, "twins.npy", _numbered)[windows.rows if windows.folder is not None and windows.key else slice(None)]


def stretches(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Find stretches of some samples that several rows hold, wherever in the row and in whatever order of channels.

    Each run of 8 samples (of 64 values at least) has one number. Of long data only runs whose number is a multiple of some
    power of two are kept, so that all rows choose the same ones: two long recordings share many, two short windows perhaps
    none.

    Parameters
    ----------
    windows : Windows
        Of a folder: the answer is kept beside the arrays.

    Returns
    -------
    stretch, row : int arrays [m]
        Which stretch stands in which row; only stretches that stand in two rows or more. A run in which the signal stands
        still, or goes to and fro between a few values (clipped, switched off), is none.
    """
    number, row = _kept(windows, "stretches.npy", _shared).T
    if windows.folder is None or not windows.key:
        return number, row
    place = np.full(1 + int(max(windows.rows.max(initial=0), row.max(initial=0))), -1)
    place[windows.rows] = np.arange(len(windows))
    shown = place[row] >= 0
    return number[shown], place[row[shown]]


def _kept(windows: Windows, name: str, make: Callable[[Windows], np.ndarray]) -> np.ndarray:
    """Return what `make` says of the windows; of windows in a folder, of all that lie there, from a file beside them."""
    if windows.folder is None or not windows.key:
        return make(windows)
    path = windows.folder / name
    if path.is_file():
        return np.load(path, allow_pickle=False)
    made = make(Windows.open(windows.folder))
    # a folder that cannot be written costs the next run some seconds
    with contextlib.suppress(StoreError, OSError), store.writing(path) as tmp, tmp.open("wb") as file:
        np.save(file, made, allow_pickle=False)
    return made


def _arrays(windows: Windows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the array of each block that can be judged (memory-mapped where it can be), and where its rows stand."""
    first = 0
    for block in windows.blocks:
        where = np.flatnonzero((windows.rows >= first) & (windows.rows < first + len(block.X)))
        if len(where) and block.X[:1].size >= _FEW_VALUES and block.space.kind not in ("unit", "feature"):
            whole = len(where) == len(block.X) and np.array_equal(windows.rows[where], np.arange(first, first + len(where)))
            yield block.X if whole else block.X[windows.rows[where] - first], where
        first += len(block.X)


# -- whole windows -----------------------------------------------------------------------------------------------------


def _numbered(windows: Windows) -> np.ndarray:
    number = np.arange(len(windows))
    for X, where in _arrays(windows):
        number[where] = where[_leaders(X)]
    return number


def _leaders(X: np.ndarray) -> np.ndarray:
    """Return for each window the first one that it is a copy of (itself where there is none), int [n].

    A window joins another that it agrees with itself, never one that a third leads to.
    """
    leader = np.arange(len(X))
    pairs = np.sort(_near(X), axis=1)
    flat: dict[int, np.ndarray] = {}
    for first, later in pairs[np.lexsort(pairs.T)]:  # by the later one, then the first
        head = leader[first]
        if leader[later] == later:
            if head not in flat:
                flat = {head: _flat(X[[head]])[0]}  # copies of one window mostly follow each other
            if _agree(flat[head], _flat(X[[later]])[0]):
                leader[later] = head
    return leader


def _near(X: np.ndarray) -> np.ndarray:
    """Return pairs of windows whose sketches are near, int [m, 2]."""
    from scipy.spatial import KDTree

    sketch, alive = _sketches(X)
    # exact copies fall together before the search, which a thousand of them would make a million pairs
    cells, cell = np.unique(np.round(sketch[alive] * 1e3).astype(np.int16), axis=0, return_inverse=True)
    first = np.unique(cell, return_index=True)[1]
    same = np.stack([alive[first[cell.ravel()]], alive], axis=1)
    same = same[same[:, 0] != same[:, 1]]
    if len(cells) < 2:
        return same
    # a tree of few dimensions is fast and lets some strangers through, which the others then tell apart
    found = KDTree(sketch[alive[first], :_TREE]).query_pairs(_NEAR, output_type="ndarray")
    apart = np.linalg.norm(sketch[alive[first[found[:, 0]]]] - sketch[alive[first[found[:, 1]]]], axis=1)
    return np.concatenate([same, alive[first[found[apart < _NEAR]]].reshape(-1, 2)])


def _sketches(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction of each window's projection [n, 16], its sign settled, and the rows of which a channel looked at is not constant."""
    n, some = len(X), slice(None, None, -(-X.shape[1] // _SKETCHED) if X.shape[-1] >= _FEW_TIMES else 1)
    sketch, Q = np.zeros((n, _PROJECTIONS)), None
    for i in range(0, n, _CHUNK):
        F = _flat(X[i : i + _CHUNK, some]).reshape(len(X[i : i + _CHUNK]), -1)
        if Q is None:
            Q = np.random.default_rng(F.shape[1]).standard_normal((F.shape[1], _PROJECTIONS)).astype(np.float32)
        sketch[i : i + _CHUNK] = F @ Q
    length = np.linalg.norm(sketch, axis=1)
    alive = np.flatnonzero(length > 0)
    sketch[alive] *= (np.where(sketch[alive, 0] < 0, -1, 1) / length[alive])[:, None]
    return sketch, alive


def _flat(X: np.ndarray) -> np.ndarray:
    """Return what is compared of each channel, of length 1 (0 where it is constant), float32 [n, channels, d].

    The spectrum of its differences in time, the strongest quarter of it cut down to one height: mains hum or a stimulator
    would otherwise be all there is. Differences themselves where times are few, and of very few the window as it is.
    """
    X = np.asarray(X, dtype=np.float32)
    size, times = np.linalg.norm(X, axis=-1), X.shape[-1]
    if times < _FEW_TIMES:
        F = (X - X.mean(axis=(1, 2), keepdims=True)).reshape(len(X), 1, -1)
        size = np.linalg.norm(size, axis=1, keepdims=True)
    else:
        F = np.diff(X, axis=-1)
    length = np.linalg.norm(F, axis=-1)
    F[length <= 1e-5 * size] = 0
    if times >= _SOME_TIMES:
        F = _flattened(F)
    length = np.linalg.norm(F, axis=-1, keepdims=True)
    return np.divide(F, length, out=np.zeros_like(F), where=length > 0)


def _flattened(D: np.ndarray) -> np.ndarray:
    """Return spectra of D [n, channels, times] without their peaks, real and imaginary parts in turn, float32."""
    from scipy.fft import next_fast_len, rfft

    F = rfft(D * np.kaiser(D.shape[-1], 12.0).astype(np.float32), next_fast_len(D.shape[-1], real=True), axis=-1)
    height = np.abs(F)
    k = int(0.75 * height.shape[-1])
    level = np.partition(height, k, axis=-1)[..., k, None]
    F *= np.divide(level, height, out=np.ones_like(height), where=height > level)
    return F.view(np.float32)


def _agree(one: np.ndarray, other: np.ndarray) -> bool:
    """Return True if most channels of two windows, as `_flat` gives them [channels, d], are the same up to gain and polarity."""
    alive = one.any(axis=-1) & other.any(axis=-1)
    same = np.abs(np.einsum("cd,cd->c", one, other, dtype=np.float64)) > TWINS
    return bool((same & alive).sum() > alive.sum() / 2)


# -- stretches ---------------------------------------------------------------------------------------------------------


def _shared(windows: Windows) -> np.ndarray:
    """Return (stretch, row) of the runs of samples that stand in several rows, int [m, 2]."""
    total = sum(len(X) * X.shape[2] for X, _ in _arrays(windows))
    every = 1 << max(0, int(np.ceil(np.log2(max(1, total) / _HASHES))))
    hashes, rows = [np.zeros(0, dtype=np.uint64)], [np.zeros(0, dtype=np.int64)]
    for X, where in _arrays(windows):
        for i in range(0, len(X), _CHUNK):
            found, row = _runs(X[i : i + _CHUNK], every)
            hashes.append(found)
            rows.append(where[i + row])
    number, row = np.unique(np.concatenate(hashes), return_inverse=True)[1], np.concatenate(rows)
    pairs = np.unique(np.stack([number, row], axis=1), axis=0)
    return pairs[np.bincount(pairs[:, 0])[pairs[:, 0]] > 1] if len(pairs) else pairs


def _runs(X: np.ndarray, every: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the hashes of runs of samples of X [n, channels, times] that are multiples of `every`, and the rows they stand in."""
    n, channels, times = X.shape
    run = max(_RUN, -(-_RUN_VALUES // channels))
    if times < run:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    sample = _samples(X)
    total = np.zeros((n, times - run + 1), dtype=np.uint64)
    for j in range(run):
        total *= np.uint64(0x9E3779B97F4A7C15)
        total += sample[:, j : times - run + 1 + j]
    total = _mixed(total)
    row, start = np.nonzero(total & np.uint64(every - 1) == 0)
    steps = np.sort(sample[row[:, None], start[:, None] + np.arange(run)], axis=1)
    # a run of a few values over and over stands still, or is clipped
    moving = (np.diff(steps, axis=1) != 0).sum(axis=1) >= run // 2
    return total[row[moving], start[moving]], row[moving]


def _samples(X: np.ndarray) -> np.ndarray:
    """Return one number per sample of X [n, channels, times], the same for any order of channels and either polarity, uint64 [n, times]."""
    bits = np.ascontiguousarray(X, dtype=np.float32).view(np.uint32)
    total = np.zeros((X.shape[0], X.shape[2]), dtype=np.uint64)
    for window, mine in zip(total, bits, strict=True):  # one window at a time stays in the processor's cache
        window += _mixed((mine & np.uint32(0x7FFFFFFF)).astype(np.uint64)).sum(axis=0, dtype=np.uint64)
    return total


def _mixed(number: np.ndarray) -> np.ndarray:
    """Return numbers with their bits well mixed (the finalizer of splitmix64), so that sums of them tell sets apart."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        number = number ^ (number >> np.uint64(shift))
        number *= np.uint64(factor)
    return number
