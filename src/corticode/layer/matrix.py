"""Functions of symmetric matrices: roots, logarithms and exponentials, batched, and the check that they exist.

All functions take any number of leading axes, compute in float64 and walk over large batches block by block, so that
what they hold beside their result stays small, also where the matrices lie in a memory-mapped file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from corticode.errors import BrokenDataError

# Smallest over largest eigenvalue from which a matrix counts as positive definite. Float32 data that lost a dimension
# (average reference, an interpolated channel) come out near 1e-14; the worst real EEG of full rank is above 1e-9.
FULL_RANK = 1e-11

_BLOCK = 2**17  # float64 numbers worked on at a time: a block and its eigenvectors stay near the processor


def blocks(C: np.ndarray) -> Iterator[slice]:
    """Give slices of the first axis of C [n, ..., c, c] that hold about a megabyte each, and one matrix at least."""
    rows = max(1, _BLOCK // max(1, int(np.prod(C.shape[1:]))))
    return (slice(first, first + rows) for first in range(0, len(C), rows))


def check_spd(C: np.ndarray) -> np.ndarray:
    """Return C [..., c, c] unchanged if every matrix is positive definite.

    Raises
    ------
    BrokenDataError
        A matrix is not: names the first row, its smallest eigenvalue and the cure.
    """
    if not np.isfinite(C).all():
        row = np.argwhere(~np.isfinite(C).all(axis=(-2, -1)))[0]
        raise BrokenDataError(f"the covariance of window {place(row)} has NaN or infinite values: drop that window")
    values = np.linalg.eigvalsh(C)
    refuse_rank(values, values[..., 0] > FULL_RANK * values[..., -1])
    return C


def refuse_rank(values: np.ndarray, good: np.ndarray, first: int = 0) -> None:
    """Refuse matrices by their eigenvalues [n, ..., c]; `first` is the number of the first row.

    Raises
    ------
    BrokenDataError
        Not all of `good` [n, ...] is True: names the first row, its extreme eigenvalues and the cure.
    """
    if not np.all(good):
        row = np.argwhere(~np.asarray(good))[0]
        low, high = values[tuple(row)][[0, -1]]
        raise BrokenDataError(
            f"the covariance of window {place(row, first)} is not positive definite (eigenvalues {low:.3g} to {high:.3g}): its channels depend "
            "on each other (average reference, an interpolated or flat channel) or the window is shorter than it has channels; "
            "shrink it (estimator oas or lwf), drop a channel, or make windows longer"
        )


def place(row: np.ndarray, first: int = 0) -> str:
    """Return a row's index in words: '3', or '3, band 1'."""
    row = [int(i) for i in row]
    return str(first) if not row else str(first + row[0]) + (f", band {row[1]}" if len(row) > 1 else "")


def symmetrised(C: np.ndarray) -> np.ndarray:
    """Return C [..., c, c] without what rounding made unsymmetric."""
    return (C + C.swapaxes(-1, -2)) / 2


def spectral(C: np.ndarray, *functions: Callable[[np.ndarray], np.ndarray], positive: bool = True, first: int = 0) -> list[np.ndarray]:
    """Return V f(values) V' of each matrix [..., c, c] for each function of the eigenvalues [..., c].

    Raises
    ------
    BrokenDataError
        An eigenvalue is not positive, and `positive` says that it must be.
    """
    values, vectors = np.linalg.eigh(C)
    if positive:
        refuse_rank(values, values[..., 0] > 0, first)
    return [(vectors * f(values)[..., None, :]) @ vectors.swapaxes(-1, -2) for f in functions]


def _walked(C: np.ndarray, function: Callable[[np.ndarray], np.ndarray], positive: bool = True) -> np.ndarray:
    if C.ndim < 3:
        return spectral(C, function, positive=positive)[0]
    result = np.empty(C.shape)
    for block in blocks(C):
        result[block] = spectral(C[block], function, positive=positive, first=block.start)[0]
    return result


def sqrtm(C: np.ndarray) -> np.ndarray:
    """Return the positive square root of each positive semidefinite matrix [..., c, c]."""
    return _walked(C, lambda values: np.sqrt(np.maximum(values, 0.0)), positive=False)


def invsqrtm(C: np.ndarray, floor: float = 0.0) -> np.ndarray:
    """Return the inverse square root of each matrix [..., c, c].

    Parameters
    ----------
    C : array [..., c, c]
    floor : float
        Directions whose eigenvalue is below `floor` times the largest are left out (they become 0), as in a
        pseudo-inverse. With 0 a matrix that is not positive definite is an error.
    """
    if not floor:
        return _walked(C, lambda values: 1 / np.sqrt(values))

    def inverse_root(values):
        kept = values > floor * np.maximum(values[..., -1:], np.finfo(float).tiny)
        return np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)

    return _walked(C, inverse_root, positive=False)


def logm(C: np.ndarray) -> np.ndarray:
    """Return the symmetric logarithm of each positive definite matrix [..., c, c]."""
    return _walked(C, np.log)


def expm(S: np.ndarray) -> np.ndarray:
    """Return the exponential of each symmetric matrix [..., c, c]."""
    return _walked(S, np.exp, positive=False)
