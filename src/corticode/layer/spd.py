"""Geometry of symmetric positive definite matrices: covariances, distances, tangent vectors, batched; the door to means.

All functions take any number of leading axes and compute in float64:

    X [..., channels, times]  --covariances-->  C [..., c, c]  --tangent(C, M)-->  s [..., c (c + 1) / 2]
                                                |
                                                `--mean(C)--> M [..., c, c], over the first axis

Distances, means and logarithms are those of the affine-invariant metric unless another one is named. Functions of one
matrix stand in `layer/matrix.py`, means in `layer/mean.py`: `from corticode.layer import spd` has them all.
"""

from __future__ import annotations

import numpy as np

from corticode.errors import BrokenDataError, SentenceError
from corticode.layer.matrix import FULL_RANK, blocks, check_spd, expm, invsqrtm, logm, place, refuse_rank, spectral, sqrtm
from corticode.layer.mean import METRICS, geodesic, known, mean, mean_riemann

__all__ = [
    "ESTIMATORS", "FULL_RANK", "METRICS", "check_spd", "correlations", "covariances", "distance", "distances", "expm", "geodesic", "invsqrtm",
    "logm", "mean", "mean_riemann", "sqrtm", "symmetric", "tangent", "upper", "whitener",
]  # fmt: skip

ESTIMATORS = ("scm", "oas", "lwf", "shrunk")

_FIXED = 0.1  # what 'shrunk' shrinks by, as in scikit-learn

_BLOCK = 2**18  # float64 numbers worked on at a time: the copy of a block stays near the processor


# -- covariance matrices --------------------------------------------------------------------------------------------


def covariances(X: np.ndarray, estimator: str | float = "oas", centre: bool = True) -> np.ndarray:
    """Return the covariance matrix of each window.

    Parameters
    ----------
    X : array [..., channels, times], any unit
    estimator : str or float
        'scm': X X' / times. 'oas', 'lwf': the same, shrunk towards a multiple of the identity by the oracle
        approximating or the Ledoit-Wolf amount, which keeps it positive definite where channels depend on each other.
        A number above 0, up to 1: shrunk by that amount; 'shrunk': by 0.1.
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
    estimator = known_estimator(estimator)
    X = np.asarray(X)
    *lead, channels, times = X.shape
    if times < 2:
        raise BrokenDataError(f"windows of {times} sample have no covariance: make them longer (prepare.window)")
    flat = X.reshape(-1, channels, times)
    C = np.empty((len(flat), channels, channels))
    rows = max(1, _BLOCK // (channels * times))
    room = np.empty((min(rows, len(flat)), channels, times))
    for first in range(0, len(flat), rows):
        block = flat[first : first + rows]
        if block.dtype != np.float64:
            room[: len(block)] = block
            block = room[: len(block)]
        C[first : first + rows] = _shrunk(block, estimator, centre)
    return C.reshape(*lead, channels, channels)


def known_estimator(estimator: str | float) -> str | float:
    """Return the estimator if there is such a one.

    Raises
    ------
    SentenceError
    """
    amount = isinstance(estimator, int | float) and not isinstance(estimator, bool) and 0 < estimator <= 1
    if not amount and estimator not in ESTIMATORS:
        raise SentenceError(
            f"covariance estimator {estimator!r} is unknown: pick one of {', '.join(ESTIMATORS)}, or a number above 0 up to 1 to shrink by"
        )
    return estimator


def _scatter(X: np.ndarray) -> np.ndarray:
    """Return the covariance of each window [n, c, t], divided by times."""
    times = X.shape[-1]
    means = np.einsum("nct->nc", X) / times
    S = X @ X.swapaxes(-1, -2)
    S /= times
    S -= means[:, :, None] * means[:, None, :]
    # to take the mean out of the product is cheaper than out of the signal, and loses digits where it is the larger part
    offset = (means**2 > np.einsum("nii->ni", S)).any(axis=1)
    if offset.any():
        centred = X[offset] - means[offset][..., None]
        S[offset] = centred @ centred.swapaxes(-1, -2) / times
    return S


def _shrunk(X: np.ndarray, estimator: str | float, centre: bool) -> np.ndarray:
    channels, times = X.shape[-2:]
    if centre and estimator == "lwf":
        X, centre = X - X.mean(axis=-1, keepdims=True), False
    S = _scatter(X) if centre else X @ X.swapaxes(-1, -2) / times
    if estimator == "scm":
        return S
    mu = np.trace(S, axis1=-2, axis2=-1) / channels
    if estimator not in ("oas", "lwf"):
        return _towards_identity(S, mu, np.full(len(S), _FIXED if estimator == "shrunk" else float(estimator)))
    square = np.einsum("nij,nij->n", S, S)
    spread = square - channels * mu**2  # squared distance of S to mu I
    if estimator == "oas":
        wanted, room = square / channels**2 + mu**2, (times + 1) * spread / channels**2
    else:
        # squared distance between one sample's x x' and S, averaged over samples, over the number of samples
        wanted, room = (((X**2).sum(axis=-2) ** 2).mean(axis=-1) - square) / times, spread
    # a window of independent channels of one variance has no spread: it is mu I already
    amount = np.clip(np.divide(wanted, room, out=np.ones_like(room), where=room > 0), 0.0, 1.0)
    return _towards_identity(S, mu, amount)


def _towards_identity(S: np.ndarray, mu: np.ndarray, amount: np.ndarray) -> np.ndarray:
    S *= (1 - amount)[..., None, None]
    np.einsum("nii->ni", S)[...] += (amount * mu)[..., None]
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
        raise BrokenDataError(f"channel {channel} is constant in window {place(row)}: drop that channel or that window")
    return C / (scale[..., :, None] * scale[..., None, :])


# -- the metric -----------------------------------------------------------------------------------------------------


def distance(A: np.ndarray, B: np.ndarray, metric: str = "riemann") -> np.ndarray:
    """Return the distance of each A [..., c, c] from its B (broadcast), [...].

    riemann: ||log(B^-1/2 A B^-1/2)||; logeuclid: ||log A - log B||; euclid: ||A - B||, Frobenius norms.
    """
    known(metric)
    if metric == "riemann":
        return _whitened_length(A, whitener(B))
    gap = logm(A) - logm(B) if metric == "logeuclid" else A - B
    return np.linalg.norm(gap, axis=(-2, -1))


def distances(C: np.ndarray, whiteners: np.ndarray) -> np.ndarray:
    """Return the Riemannian distance of every matrix from every mean.

    Parameters
    ----------
    C : array [n, ..., c, c]
    whiteners : array [k, ..., c, c]
        `whitener` of each mean: made once, it serves every decision to come.

    Returns
    -------
    d : float64 array [n, k, ...]
    """
    result = np.empty((len(C), *whiteners.shape[:-2]))
    # blocks of so many products as fit near the processor
    for block in blocks(np.broadcast_to(whiteners, (len(C), *whiteners.shape))):
        result[block] = _whitened_length(C[block, None], whiteners, block.start)
    return result


def whitener(B: np.ndarray) -> np.ndarray:
    """Return W = L^-1 [..., c, c] with B = L L': W B W' is the identity, and W A W' has the eigenvalues of B^-1/2 A B^-1/2."""
    try:
        return np.linalg.inv(np.linalg.cholesky(B))
    except np.linalg.LinAlgError:
        check_spd(B)
        raise


def _whitened_length(A: np.ndarray, W: np.ndarray, first: int = 0) -> np.ndarray:
    values = np.linalg.eigvalsh(W @ A @ W.swapaxes(-1, -2))
    if not values.min() > 0:
        refuse_rank(values, values[..., 0] > 0, first)
    logs = np.log(values)
    return np.sqrt(np.einsum("...i,...i->...", logs, logs))


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
    whiten = invsqrtm(reference)
    if C.ndim < 3:
        return upper(logm(whiten @ C @ whiten))
    s = np.empty((*C.shape[:-2], C.shape[-1] * (C.shape[-1] + 1) // 2))
    for block in blocks(C):
        s[block] = upper(spectral(whiten @ C[block] @ whiten, np.log, first=block.start)[0])
    return s


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
