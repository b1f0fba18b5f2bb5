"""Means of symmetric positive definite matrices: Riemannian (by Newton's method), log-Euclidean, arithmetic.

A Riemannian mean costs as many passes of eigendecompositions as it has rounds, so rounds are what is saved here: a start
from a few inverses, which are five times cheaper, then steps of Newton's method, which square the error.
"""

from __future__ import annotations

import warnings

import numpy as np

from corticode.errors import BrokenDataError, SentenceError
from corticode.layer.matrix import FULL_RANK, blocks, expm, refuse_rank, spectral, symmetrised

METRICS = ("riemann", "logeuclid", "euclid")

_KEPT = 2**22  # float64 numbers of eigenvectors kept for the curvature (32 MiB); of more matrices every k-th serves


def mean(C: np.ndarray, metric: str = "riemann") -> np.ndarray:
    """Return the mean over the first axis: C [n, ..., c, c] -> [..., c, c].

    Parameters
    ----------
    C : array [n, ..., c, c]
    metric : str
        'riemann' (Karcher mean), 'logeuclid' (exponential of the mean logarithm), 'euclid' (arithmetic).
    """
    known(metric)
    if metric == "riemann":
        return mean_riemann(C)
    if metric == "euclid":
        return _arithmetic(C)
    return expm(sum(spectral(C[block], np.log, first=block.start)[0].sum(axis=0) for block in blocks(C)) / len(C))


def known(metric: str) -> None:
    """Refuse a metric that is none of METRICS."""
    if metric not in METRICS:
        raise SentenceError(f"metric {metric!r} is unknown: pick one of {', '.join(METRICS)}")


def geodesic(A: np.ndarray, B: np.ndarray, t: float) -> np.ndarray:
    """Return the point at t (0 is A, 1 is B) of the shortest curve from A to B, [..., c, c]: their weighted mean."""
    root, inverse = spectral(A, np.sqrt, lambda values: 1 / np.sqrt(values))
    (power,) = spectral(inverse @ B @ inverse, lambda values: values**t)
    return symmetrised(root @ power @ root)


def mean_riemann(C: np.ndarray, tol: float = 1e-8, max_iter: int = 50, start: np.ndarray | None = None) -> np.ndarray:
    """Return the matrix with the smallest sum of squared Riemannian distances to all of C.

    M <- M^1/2 exp(T) M^1/2,  H T = mean(log(M^-1/2 C M^-1/2)),  H the curvature of that sum (halved, over n) at M

    Parameters
    ----------
    C : array [n, ..., c, c]
        Means are taken over the first axis, for each of the further leading axes. May be memory-mapped: it is read block
        by block.
    tol : float
        Riemannian distance from the exact mean at which to stop, as far as the last step tells; no unit.
    max_iter : int
        Rounds; two or three are the rule, one where matrices lie close together.
    start : array [..., c, c] or None
        A guess. None starts halfway between arithmetic and harmonic mean and goes one step along a cheap approximation
        of the logarithm.

    Raises
    ------
    BrokenDataError
        There is no matrix, or one is not positive definite: names the first one.

    Source
    ------
    Moakher 2005, SIAM J. Matrix Anal. 26(3); Newton's method: Jeuris, Vandebril, Vandereycken 2012, ETNA 39. Checked against pyriemann to 1e-8 (tests/layer/test_mean.py).
    """
    if not len(C):
        raise BrokenDataError("the mean of no covariance matrix was asked for: there is no window to fit on")
    M = np.empty(C.shape[1:])
    for place in np.ndindex(C.shape[1:-2]):
        M[place] = _newton(C[:, *place], tol, max_iter, None if start is None else start[place])
    return M


def _newton(C: np.ndarray, tol: float, max_iter: int, M: np.ndarray | None) -> np.ndarray:
    M = _start(C) if M is None else M
    origin, T, smallest = M, np.zeros_like(M), np.inf
    for _ in range(max_iter):
        root, inverse = spectral(M, np.sqrt, lambda values: 1 / np.sqrt(values))
        gradient, curvature = _gradient(C, inverse)
        size = np.linalg.norm(gradient)
        if size > smallest:  # overshot, which matrices very far apart provoke: back, and half as far
            T = T / 2
        else:
            origin, smallest = root, size
            T = curvature.solve(gradient, 0.01 * size * min(size, 1.0))
        M = symmetrised(origin @ expm(T) @ origin)
        length = np.linalg.norm(T)
        # a step leaves a small part of its square: 0.005 was the most that was met on real EEG
        if origin is root and length * (0.1 * length + curvature.doubt) < tol:
            return M
    warnings.warn(f"the Riemannian mean of {len(C)} matrices is only known to {size:.1e} after {max_iter} rounds", RuntimeWarning, 4)
    return M


def _start(C: np.ndarray) -> np.ndarray:
    """Return a point near the mean, from inverses alone.

    G, halfway between the arithmetic and the harmonic mean, is where sinh(log L) vanishes on average, L = G^-1/2 C G^-1/2.
    From there 2 tanh(log(L) / 2) = 2 - 4 (L + 1)^-1, by 4/3 as both together, (4 tanh(x / 2) + sinh(x)) / 3 = x + x^5 / 120.
    """
    try:
        G = geodesic(_arithmetic(C), np.linalg.inv(_mean_inverse(C)), 0.5)
        root = spectral(G, np.sqrt)[0]
        T = 4 / 3 * (np.eye(len(G)) - 2 * root @ _mean_inverse(C, G) @ root)
        return symmetrised(root @ expm(symmetrised(T)) @ root)
    except (np.linalg.LinAlgError, BrokenDataError):
        for block in blocks(C):  # name the window; the message of a mean would not
            values = np.linalg.eigvalsh(C[block])
            refuse_rank(values, values[..., 0] > FULL_RANK * values[..., -1], block.start)
        return _arithmetic(C)


def _arithmetic(C: np.ndarray) -> np.ndarray:
    return sum(C[block].sum(axis=0, dtype=np.float64) for block in blocks(C)) / len(C)


def _mean_inverse(C: np.ndarray, plus: np.ndarray | float = 0.0) -> np.ndarray:
    return symmetrised(sum(np.linalg.inv(C[block] + plus).sum(axis=0) for block in blocks(C)) / len(C))


def _gradient(C: np.ndarray, inverse: np.ndarray) -> tuple[np.ndarray, _Curvature]:
    """Return the mean logarithm of the whitened matrices, and the curvature there: one pass of eigendecompositions."""
    c = C.shape[-1]
    total, curvature = np.zeros((c, c)), _Curvature(every=-(-C.size // _KEPT))
    for block in blocks(C):
        values, vectors = np.linalg.eigh(inverse @ C[block] @ inverse)
        refuse_rank(values, values[:, 0] > 0, block.start)
        logs, rows = np.log(values), np.ascontiguousarray(vectors.swapaxes(1, 2))
        total += (rows * logs[..., None]).reshape(-1, c).T @ rows.reshape(-1, c)
        curvature.take(block.start, values, logs, rows)
    return symmetrised(total / len(C)), curvature


class _Curvature:
    """The second derivative of the mean squared distance (halved) at a point, as a function of a symmetric matrix T.

    H T = mean(V (phi(x_a - x_b) o V' T V) V'),  phi(x) = x / 2 coth(x / 2),  x and V the eigenvalues of a whitened
    matrix's logarithm and its eigenvectors: the pass that gave the gradient has them already.
    """

    def __init__(self, every: int):
        self.every = every
        self.doubt = 0.0 if every == 1 else 0.1  # curvature from a part of the matrices: how far it may be wrong
        self.parts: list[tuple[np.ndarray, np.ndarray]] = []
        self.count = 0

    def take(self, first: int, values: np.ndarray, logs: np.ndarray, rows: np.ndarray) -> None:
        """Keep eigenvectors (as rows) and phi of every k-th matrix of a block whose first row is `first`."""
        some = slice(-first % self.every, None, self.every)
        values, logs = values[some], logs[some]
        gap = values[:, :, None] - values[:, None, :]
        # eigenvalues as near as that have phi = 1 to twelve digits
        apart = np.abs(gap) > 1e-6 * values[:, None, :]
        phi = (logs[:, :, None] - logs[:, None, :]) * (values[:, :, None] + values[:, None, :])
        phi = np.divide(phi, 2 * gap, out=np.ones_like(gap), where=apart)
        self.parts.append((rows[some] if self.every == 1 else rows[some].copy(), phi))
        self.count += len(phi)

    def __call__(self, T: np.ndarray) -> np.ndarray:
        """Return H T."""
        total = np.zeros_like(T)
        for rows, phi in self.parts:
            m, c, _ = rows.shape
            inside = (rows.reshape(-1, c) @ T).reshape(m, c, c) @ rows.swapaxes(1, 2)
            inside *= phi
            total += rows.reshape(-1, c).T @ (inside @ rows).reshape(-1, c)
        return total / self.count

    def solve(self, gradient: np.ndarray, tol: float) -> np.ndarray:
        """Return T with H T = gradient up to a rest of Frobenius norm `tol`, by conjugate gradients.

        H lies between 1 and a little more (1.2 on real EEG), so that a few rounds are enough.
        """
        T, rest = np.zeros_like(gradient), gradient
        way, square = rest, (rest**2).sum()
        for _ in range(50):
            if square <= max(tol, 1e-14) ** 2:
                break
            bent = self(way)
            step = square / (way * bent).sum()
            T, rest = T + step * way, rest - step * bent
            before, square = square, (rest**2).sum()
            way = rest + square / before * way
        return symmetrised(T)
