"""Geometry of symmetric positive definite matrices: covariances, means, distances, tangent vectors, batched.

All functions take any number of leading axes and compute in float64:

    X [..., channels, times]  --covariances-->  C [..., c, c]  --tangent(C, M)-->  s [..., c (c + 1) / 2]
                                                |
                                                `--mean(C)--> M [..., c, c], over the first axis

Distances, means and logarithms are those of the affine-invariant metric unless another one is named.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from corticode.errors import BrokenDataError, SentenceError

ESTIMATORS = ("scm", "oas", "lwf")
METRICS = ("riemann", "logeuclid", "euclid")

# Smallest over largest eigenvalue from which a matrix counts as positive definite. Float32 data that lost a dimension
# (average reference, an interpolated channel) come out near 1e-14; the worst real EEG of full rank is above 1e-9.
FULL_RANK = 1e-11

_BLOCK = 2**18  # float64 numbers worked on at a time: the copy of a block stays near the processor


# -- covariance matrices --------------------------------------------------------------------------------------------


def covariances(X: np.ndarray, estimator: str = "oas", centre: bool = True) -> np.ndarray:
    """Return the covariance matrix of each window.

    Parameters
    ----------
    X : array [..., channels, times], any unit
    estimator : str
        'scm': X X' / times. 'oas', 'lwf': the same, shrunk towards a multiple of the identity by the oracle
        approximating or the Ledoit-Wolf amount, which keeps it positive definite where channels depend on each other.
    centre : bool
        Take each channel's mean out of each window first.

    Returns
    -------
    C : float64 array [..., channels, channels], unit²

    Raises
    ------
    SentenceError
        The estimator is unknown.
    BrokenDataError
        Windows shorter than two samples.

    Source
    ------
    Chen et al. 2010, IEEE TSP 58(10), eq. 23 (oas); Ledoit and Wolf 2004, J. Multivar. Anal. 88(2). Both as scikit-learn
    computes them: checked against scikit-learn and pyriemann to 1e-10 (tests/layer/test_spd.py).
    """
    if estimator not in ESTIMATORS:
        raise SentenceError(f"covariance estimator {estimator!r} is unknown: pick one of {', '.join(ESTIMATORS)}")
    X = np.asarray(X)
    *lead, channels, times = X.shape
    if times < 2:
        raise BrokenDataError(f"windows of {times} sample have no covariance: make them longer (prepare.window)")
    flat = X.reshape(-1, channels, times)
    C = np.empty((len(flat), channels, channels))
    rows = max(1, _BLOCK // (channels * times))
    for first in range(0, len(flat), rows):
        block = flat[first : first + rows].astype(np.float64)
        if centre:
            block -= block.mean(axis=-1, keepdims=True)
        C[first : first + rows] = _shrunk(block, estimator)
    return C.reshape(*lead, channels, channels)


def _shrunk(X: np.ndarray, estimator: str) -> np.ndarray:
    channels, times = X.shape[-2:]
    S = X @ X.swapaxes(-1, -2) / times
    if estimator == "scm":
        return S
    mu = np.trace(S, axis1=-2, axis2=-1) / channels
    square = (S**2).sum(axis=(-2, -1))
    spread = square - channels * mu**2  # squared distance of S to mu I
    if estimator == "oas":
        wanted, room = square / channels**2 + mu**2, (times + 1) * spread / channels**2
    else:
        # squared distance between one sample's x x' and S, averaged over samples, over the number of samples
        wanted, room = (((X**2).sum(axis=-2) ** 2).mean(axis=-1) - square) / times, spread
    # a window of independent channels of one variance has no spread: it is mu I already
    amount = np.clip(np.divide(wanted, room, out=np.ones_like(room), where=room > 0), 0.0, 1.0)
    S *= (1 - amount)[..., None, None]
    S[..., np.arange(channels), np.arange(channels)] += (amount * mu)[..., None]
    return S


def correlations(C: np.ndarray) -> np.ndarray:
    """Return covariances [..., c, c] with every channel's variance brought to 1, so that gains play no part.

    Raises
    ------
    BrokenDataError
        A channel is constant.
    """
    scale = np.sqrt(np.diagonal(C, axis1=-2, axis2=-1))
    if not (scale > 0).all():
        *row, channel = np.argwhere(~(scale > 0))[0]
        raise BrokenDataError(f"channel {channel} is constant in window {_place(row)}: drop that channel or that window")
    return C / (scale[..., :, None] * scale[..., None, :])


def check_spd(C: np.ndarray) -> np.ndarray:
    """Return C [..., c, c] unchanged if every matrix is positive definite.

    Raises
    ------
    BrokenDataError
        A matrix is not: names the first row, its smallest eigenvalue and the cure.
    """
    if not np.isfinite(C).all():
        row = np.argwhere(~np.isfinite(C).all(axis=(-2, -1)))[0]
        raise BrokenDataError(f"the covariance of window {_place(row)} has NaN or infinite values: drop that window")
    values = np.linalg.eigvalsh(C)
    _refuse_rank(values, values[..., 0] > FULL_RANK * values[..., -1])
    return C


def _refuse_rank(values: np.ndarray, good: np.ndarray) -> None:
    if not np.all(good):
        row = np.argwhere(~np.asarray(good))[0]
        low, high = values[tuple(row)][[0, -1]]
        raise BrokenDataError(
            f"the covariance of window {_place(row)} is not positive definite (eigenvalues {low:.3g} to {high:.3g}): its channels depend on each "
            "other (average reference, an interpolated or flat channel) or the window is shorter than it has channels; "
            "shrink it (estimator oas or lwf), drop a channel, or make windows longer"
        )


def _place(row) -> str:
    row = [int(i) for i in row]
    return "0" if not row else str(row[0]) + (f", band {row[1]}" if len(row) > 1 else "")


# -- functions of a matrix ------------------------------------------------------------------------------------------


def _spectral(C: np.ndarray, *functions: Callable[[np.ndarray], np.ndarray], positive: bool = True) -> list[np.ndarray]:
    values, vectors = np.linalg.eigh(C)
    if positive:
        _refuse_rank(values, values[..., 0] > 0)
    return [(vectors * f(values)[..., None, :]) @ vectors.swapaxes(-1, -2) for f in functions]


def sqrtm(C: np.ndarray) -> np.ndarray:
    """Return the positive square root of each positive semidefinite matrix [..., c, c]."""
    return _spectral(C, lambda values: np.sqrt(np.maximum(values, 0.0)), positive=False)[0]


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
        return _spectral(C, lambda values: 1 / np.sqrt(values))[0]

    def inverse_root(values):
        kept = values > floor * np.maximum(values[..., -1:], np.finfo(float).tiny)
        return np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)

    return _spectral(C, inverse_root, positive=False)[0]


def logm(C: np.ndarray) -> np.ndarray:
    """Return the symmetric logarithm of each positive definite matrix [..., c, c]."""
    return _spectral(C, np.log)[0]


def expm(S: np.ndarray) -> np.ndarray:
    """Return the exponential of each symmetric matrix [..., c, c]."""
    return _spectral(S, np.exp, positive=False)[0]


# -- the metric -----------------------------------------------------------------------------------------------------


def distance(A: np.ndarray, B: np.ndarray, metric: str = "riemann") -> np.ndarray:
    """Return the distance of each A [..., c, c] from its B (broadcast), [...].

    riemann: ||log(B^-1/2 A B^-1/2)||; logeuclid: ||log A - log B||; euclid: ||A - B||, Frobenius norms.
    """
    _known(metric)
    if metric == "riemann":
        # L^-1 A L^-T has the eigenvalues of B^-1/2 A B^-1/2 when B = L L'
        whitener = np.linalg.inv(_cholesky(B))
        values = np.linalg.eigvalsh(whitener @ A @ whitener.swapaxes(-1, -2))
        _refuse_rank(values, values[..., 0] > 0)
        return np.sqrt((np.log(values) ** 2).sum(axis=-1))
    gap = logm(A) - logm(B) if metric == "logeuclid" else A - B
    return np.linalg.norm(gap, axis=(-2, -1))


def _cholesky(B: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(B)
    except np.linalg.LinAlgError:
        check_spd(B)
        raise


def geodesic(A: np.ndarray, B: np.ndarray, t: float) -> np.ndarray:
    """Return the point at t (0 is A, 1 is B) of the shortest curve from A to B, [..., c, c]."""
    root, inverse = _spectral(A, np.sqrt, lambda values: 1 / np.sqrt(values))
    (power,) = _spectral(inverse @ B @ inverse, lambda values: values**t)
    return _symmetrised(root @ power @ root)


def mean(C: np.ndarray, metric: str = "riemann") -> np.ndarray:
    """Return the mean over the first axis: C [n, ..., c, c] -> [..., c, c].

    Parameters
    ----------
    C : array [n, ..., c, c]
    metric : str
        'riemann' (Karcher mean), 'logeuclid' (exponential of the mean logarithm), 'euclid' (arithmetic).
    """
    _known(metric)
    if metric == "riemann":
        return mean_riemann(C)
    return np.mean(C, axis=0) if metric == "euclid" else expm(logm(C).mean(axis=0))


def mean_riemann(C: np.ndarray, tol: float = 1e-7, max_iter: int = 100, start: np.ndarray | None = None) -> np.ndarray:
    """Return the matrix with the smallest sum of squared Riemannian distances to all of C.

    T = mean(log(G^-1 C G^-T)),  G <- G exp(step T / 2),  M = G G'   until T is shorter than tol

    Parameters
    ----------
    C : array [n, ..., c, c]
        Means are taken over the first axis, for all further leading axes at once.
    tol : float
        Frobenius norm of T, the mean logarithm, at which to stop; no unit.
    start : array [..., c, c] or None
        A guess. None starts halfway between the arithmetic and the harmonic mean, which saves two or three rounds.

    Raises
    ------
    BrokenDataError
        There is no matrix, or one is not positive definite.

    Source
    ------
    Moakher 2005, SIAM J. Matrix Anal. 26(3); step length: Iannazzo and Porcelli 2018, IMA J. Numer. Anal. 38(1).
    Checked against pyriemann to 1e-6 (tests/layer/test_spd.py).
    """
    if not len(C):
        raise BrokenDataError("the mean of no covariance matrix was asked for: there is no window to fit on")
    C = np.asarray(C, dtype=np.float64)
    M = start if start is not None else geodesic(C.mean(axis=0), _symmetrised(np.linalg.inv(np.linalg.inv(C).mean(axis=0))), 0.5)
    G, inverse = _spectral(M, np.sqrt, lambda values: 1 / np.sqrt(values))
    step, last = np.ones(M.shape[:-2]), None
    for _ in range(max_iter):
        T = logm(inverse @ C @ inverse.swapaxes(-1, -2)).mean(axis=0)
        size = np.linalg.norm(T, axis=(-2, -1))
        if np.max(size) < tol:
            return G @ G.swapaxes(-1, -2)
        if last is not None:
            step = _next_step(step, last, T)
        forth, back = _spectral(T * step[..., None, None], lambda v: np.exp(v / 2), lambda v: np.exp(-v / 2), positive=False)
        # G carries T along unturned from one round to the next, so that two rounds' T can be compared
        G, inverse, last = G @ forth, back @ inverse, T
    warnings.warn(
        f"the Riemannian mean of {len(C)} matrices is only known to {np.max(size):.1e} after {max_iter} rounds",
        RuntimeWarning,
        stacklevel=2,
    )
    return G @ G.swapaxes(-1, -2)


def _next_step(step: np.ndarray, last: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Return the step (Barzilai-Borwein) that would have made T vanish along `last`, were the landscape a bowl.

    Where matrices lie far apart the bowl is steeper than 1 and a full step overshoots; it is never flatter than 1.
    """
    length, change = (last**2).sum(axis=(-2, -1)), (last * (last - T)).sum(axis=(-2, -1))
    good = change > length * step
    return np.clip(np.where(good, step * length / np.where(good, change, 1.0), 1.0), 0.05, 1.0)


def _known(metric: str) -> None:
    if metric not in METRICS:
        raise SentenceError(f"metric {metric!r} is unknown: pick one of {', '.join(METRICS)}")


def _symmetrised(C: np.ndarray) -> np.ndarray:
    return (C + C.swapaxes(-1, -2)) / 2


# -- the tangent space ----------------------------------------------------------------------------------------------


def tangent(C: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Project covariance matrices to the tangent space at a reference.

    s = upper(log(R^-1/2 C R^-1/2)), off-diagonal weighted by sqrt(2)

    Parameters
    ----------
    C : float array [..., channels, channels], unit²
        Symmetric positive definite.
    reference : float array [..., channels, channels], unit²

    Returns
    -------
    s : float array [..., channels (channels + 1) / 2], no unit

    Raises
    ------
    BrokenDataError
        A matrix is not positive definite: names the first row, its smallest eigenvalue and the cure.

    Source
    ------
    Barachant et al. 2012, IEEE TBME 59(4), eq. 10. Checked against pyriemann to 1e-10 (tests/layer/test_spd.py).
    """
    whitener = invsqrtm(reference)
    return upper(logm(whitener @ C @ whitener))


def upper(S: np.ndarray) -> np.ndarray:
    """Return the upper triangle [..., c (c + 1) / 2] of symmetric S [..., c, c]; its norm is the Frobenius norm of S."""
    i, j = np.triu_indices(S.shape[-1])
    return S[..., i, j] * np.where(i == j, 1.0, np.sqrt(2))


def symmetric(s: np.ndarray) -> np.ndarray:
    """Return the symmetric matrices [..., c, c] whose `upper` is s [..., c (c + 1) / 2]."""
    c = int((np.sqrt(8 * s.shape[-1] + 1) - 1) / 2)
    i, j = np.triu_indices(c)
    S = np.empty((*s.shape[:-1], c, c))
    S[..., i, j] = s / np.where(i == j, 1.0, np.sqrt(2))
    S[..., j, i] = S[..., i, j]
    return S
