"""Signals of fewer dimensions than channels: the common subspace that covariance matrices are projected to, C <- P' C P."""

from __future__ import annotations

import numpy as np

from corticode.errors import BrokenDataError
from corticode.layer.matrix import FULL_RANK, blocks, place, refuse_rank
from corticode.layer.spd import covariances
from corticode.windows import Windows

# Windows of a recording that are looked at first, evenly chosen: a lost dimension is lost in all of them.
_GLANCE = 2
_AT_ONCE = 64  # recordings whose windows are in memory at a time
_RECORDING = ["dataset", "subject", "session", "run", "recording"]


class Subspace:
    """The r directions that all recordings of the fit rows share, where some of c channels follow from the others.

    An average reference, interpolated or duplicated channels and components taken out leave recordings of rank r < c. Their
    covariances have no inverse and no logarithm. Shrunk ones (oas, lwf) have, but what they hold in a lost direction is
    the amount of shrinking alone, so they are projected too. Rank is therefore read from the signal: of each recording
    the covariance of its windows, whose eigenvalues below 1e-11 of the largest (`FULL_RANK`) count as lost. The smallest rank
    of all recordings is r, and P holds the r leading eigenvectors of the mean over recordings: where all lack the same
    directions that loses nothing; where each lacks its own (components taken out recording by recording), the r
    strongest common ones are kept, in which every recording has full rank, but for a coincidence that is refused.

    Source: Sabbagh et al. 2019, NeurIPS (projection to a common subspace); here with the fit rows alone.

    Attributes
    ----------
    basis : float64 array [c, r] or None
        P, orthonormal; None where there is full rank, and nothing is done.
    """

    def __init__(self, basis: np.ndarray | None = None):
        self.basis = basis

    def fit(self, windows: Windows) -> Subspace:
        """Find the subspace of fit rows. A recording of fewer samples than twice its channels tells nothing of its rank."""
        self.basis = None
        C = _scatters(windows)
        if len(C):
            rank = int(_rank(C).min())
            if 0 < rank < C.shape[-1]:
                mean = (C / np.trace(C, axis1=1, axis2=2)[:, None, None]).mean(axis=0)
                self.basis = np.ascontiguousarray(np.linalg.eigh(mean)[1][:, : -rank - 1 : -1])
        return self

    def project(self, F: np.ndarray) -> np.ndarray:
        """Return P' C P of matrices [n, ..., m c, m c]; channels that are stacked m times are projected m times.

        Raises
        ------
        BrokenDataError
            A matrix is not positive definite: names the first row and the cure.
        """
        if self.basis is None:
            _check(F, "")
            return F
        channels, rank = self.basis.shape
        P = np.kron(np.eye(F.shape[-1] // channels), self.basis)
        projected = np.empty((*F.shape[:-2], P.shape[1], P.shape[1]))
        for block in blocks(F):
            C = P.T @ F[block] @ P
            projected[block] = (C + C.swapaxes(-1, -2)) / 2
        _check(
            projected,
            f" (it lacks some of the {rank} of {channels} directions that the fit rows have: reference and clean all recordings alike)",
        )
        return projected

    def back(self, patterns: np.ndarray) -> np.ndarray:
        """Return scalp patterns [k, c] of patterns [k, r] in the subspace."""
        return patterns if self.basis is None else patterns @ self.basis.T

    def notes(self) -> dict[str, str]:
        """Return what there is to say about it: nothing where there is full rank."""
        if self.basis is None:
            return {}
        channels, rank = self.basis.shape
        return {"rank": f"{channels} channels, rank {rank}: projected to {rank} dimensions"}


def _scatters(windows: Windows) -> np.ndarray:
    """Return the covariance of each recording [k, c, c]: of a few windows, and of all where these show a lost dimension."""
    channels, times = len(windows.space), windows.n_times
    number = windows.meta.groupby(_RECORDING, sort=False, dropna=False).ngroup().to_numpy()
    recordings = [rows for rows in _groups(number) if len(rows) * (times - 1) >= 2 * channels]
    wanted = max(_GLANCE, -(-2 * channels // max(1, times - 1)))
    found = []
    for first in range(0, len(recordings), _AT_ONCE):
        some = recordings[first : first + _AT_ONCE]
        chosen = [rows[np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).round().astype(int))] for rows in some]
        C = covariances(windows[np.concatenate(chosen)].X, "scm")
        ends = np.cumsum([len(rows) for rows in chosen])[:-1]
        glances = np.stack([part.mean(axis=0) for part in np.split(C, ends)])
        for rows, of_all, rank in zip(some, glances, _rank(glances), strict=True):
            # a narrow band has few free samples: be sure before a dimension is given up
            found.append(of_all if rank == channels else covariances(windows[rows].X, "scm").mean(axis=0))
    return np.array(found)


def _groups(number: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each number, in order."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _rank(C: np.ndarray) -> np.ndarray:
    values = np.linalg.eigvalsh(C)
    return (values > FULL_RANK * values[..., -1:]).sum(axis=-1)


def _check(F: np.ndarray, why: str) -> None:
    """Refuse matrices that are not positive definite; the pivots of a Cholesky factor tell at a third of the cost of eigenvalues."""
    for block in blocks(F):
        C = np.asarray(F[block])
        if not np.isfinite(C).all():
            row = np.argwhere(~np.isfinite(C).all(axis=(-2, -1)))[0]
            raise BrokenDataError(f"the covariance of window {place(row, block.start)} has NaN or infinite values: drop that window")
        try:
            pivots = np.diagonal(np.linalg.cholesky(C), axis1=-2, axis2=-1) ** 2
        except np.linalg.LinAlgError:
            pivots = np.zeros(1)
        if not (pivots.min(axis=-1) > FULL_RANK * pivots.max(axis=-1)).all():
            values = np.linalg.eigvalsh(C)
            try:
                refuse_rank(values, values[..., 0] > FULL_RANK * values[..., -1], block.start)
            except BrokenDataError as error:
                raise BrokenDataError(f"{error}{why}") from None
