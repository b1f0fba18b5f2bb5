"""Signals of fewer dimensions than channels: the common subspace that covariance matrices are projected to, C <- P' C P."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError
from corticode.layer.matrix import FULL_RANK, blocks, place, refuse_rank
from corticode.layer.spd import covariances
from corticode.windows import Windows

# Windows of a recording that are looked at first, evenly chosen: a lost dimension is lost in all of them.
_GLANCE = 2
_AT_ONCE = 64  # recordings whose windows are in memory at a time
_RECORDING = ["dataset", "subject", "session", "run", "recording"]
_FLAT = 1e-16  # variance of a channel over that of the strongest one, up to which it is flat
# Power of a direction, over that of the recording's weakest own one, below which the direction is one that it lost.
_LEFT = 0.5
_TOLD = ((1, 2),)  # windows, and samples per channel, from which a recording of the fit rows is judged
# Windows, and samples per channel, from which a person to be tested is judged: one window of a band of 1 Hz lacks dimensions anyway.
_SURE = ((8, 10), (1, 100))
_CURE = "reference and clean all recordings alike (prepare.reference.kind=average gives all the same reference)"


class Subspace:
    """The r directions that all recordings of the fit rows have, where some of c channels follow from the others.

    An average reference, interpolated or duplicated channels and components taken out leave recordings of rank r < c. Their
    covariances have no inverse and no logarithm. Shrunk ones (oas, lwf) have, but what they hold in a lost direction is
    the amount of shrinking alone, so they are projected too. Rank is therefore read from the signal: of each recording
    the covariance of its windows, channels brought to one scale, whose eigenvalues below 1e-11 of the largest (`FULL_RANK`)
    count as lost. P spans what is orthogonal to all directions that any recording lost; directions of two recordings
    are the same where each has, without the other's, at least half the power of its own weakest direction.

    Where each recording lost its own (components taken out one by one) that may leave fewer than half of the usual number of
    dimensions, or fewer than two. Then only the directions that recordings lost most often go, as few as give every recording
    full rank in the rest; and where no half of the dimensions can be saved so, the fit is refused.

    Source: Sabbagh et al. 2019, NeurIPS (projection to a common subspace); here with the fit rows alone.

    Attributes
    ----------
    basis : float64 array [c, r] or None
        P, orthonormal; None where there is full rank, and nothing is done.
    known : bool
        A recording of the fit rows was long enough to tell its rank.
    """

    def __init__(self, basis: np.ndarray | None = None, known: bool = False):
        self.basis, self.known = basis, bool(known)
        self._cost = ""
        self._seen: set[tuple] = set()

    def fit(self, windows: Windows) -> Subspace:
        """Find the subspace of fit rows. A recording of fewer samples than twice its channels tells nothing of its rank.

        Raises
        ------
        BrokenDataError
            Recordings have too few dimensions in common: names who costs most of them.
        """
        self.__init__()
        C, who = _scatters(windows)
        self.known = len(C) > 0
        if not self.known or not (rank := _rank(C)).min() < C.shape[-1] or rank.min() == 0:
            return self  # a recording of nothing but zeros is named where windows are checked
        enough = max(-(-int(np.median(rank)) // 2), min(2, int(np.median(rank))))
        lossy = _Lossy(C, rank)
        P = lossy.common()
        self._cost = lossy.dearest(who, P.shape[1])
        if P.shape[1] < enough:
            P = lossy.compromise(enough)
        if P is None:
            worst = self._cost or f"{_name(who.iloc[int(rank.argmin())])} has the smallest rank, {rank.min()}"
            raise BrokenDataError(
                f"recordings of the fit rows lost different dimensions, and fewer than {enough} of {C.shape[-1]} are common to all ({worst}): "
                f"{_CURE}, or leave that recording out"
            )
        self.basis = np.ascontiguousarray(P)
        return self

    def check(self, windows: Windows) -> None:
        """Refuse a recording, of those to be tested, that lacks a direction which the fit rows have.

        Each recording is looked at once, as soon as it comes with eight windows and ten samples per channel, or with a hundred samples
        per channel; what the fit rows lack too is no matter.

        Raises
        ------
        BrokenDataError
            Names the recording and the cure.
        """
        if not self.known or not _enough(len(windows), windows, _SURE):
            return
        keys = list(zip(*(windows.meta[column].to_numpy() for column in _RECORDING), strict=True))
        new = set(keys) - self._seen
        if not new:
            return
        if len(new) < len(set(keys)):
            windows = windows[np.array([key in new for key in keys])]
        C, who = _scatters(windows, _SURE)
        if len(C):
            P = np.eye(C.shape[-1]) if self.basis is None else self.basis
            self._refuse_lossy(_Lossy(C, _rank(C)).lost(P), P.shape, who)
            self._seen.update(who.itertuples(index=False, name=None))

    def _refuse_lossy(self, lost: np.ndarray, shape: tuple[int, int], who: pd.DataFrame) -> None:
        if lost.any():
            k = int(np.flatnonzero(lost)[0])
            raise BrokenDataError(
                f"the signal of {_name(who.iloc[k])} lacks {lost[k]} of the {shape[1]} dimensions that the fit rows have in {shape[0]} channels "
                f"(another reference, an interpolated or flat channel, components taken out), so answers would be wrong: {_CURE}, "
                "or drop the channels that differ from all"
            )

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

    def project_signal(self, X: np.ndarray) -> np.ndarray:
        """Return P' X of windows [n, c, times], in their own precision."""
        return X if self.basis is None else self.basis.T.astype(np.asarray(X[:0]).dtype) @ np.asarray(X)

    def back(self, patterns: np.ndarray) -> np.ndarray:
        """Return scalp patterns [k, c] of patterns [k, r] in the subspace."""
        return patterns if self.basis is None else patterns @ self.basis.T

    def notes(self) -> dict[str, str]:
        """Return what there is to say about it: nothing where there is full rank."""
        if self.basis is None:
            return {}
        channels, rank = self.basis.shape
        return {"rank": f"{channels} channels, rank {rank}: projected to {rank} dimensions{self._cost and '; ' + self._cost}"}


class _Lossy(NamedTuple):
    """Recordings, by their scatter [k, c, c] and rank [k]."""

    C: np.ndarray
    rank: np.ndarray

    def lost(self, P: np.ndarray) -> np.ndarray:
        """Return how many directions of P [c, r] each recording has lost, [k]; none where it has full rank."""
        some = np.flatnonzero(self.rank < self.C.shape[-1])
        count = np.zeros(len(self.C), dtype=int)
        if len(some):
            weakest = np.linalg.eigvalsh(self.C[some])[np.arange(len(some)), self.C.shape[-1] - self.rank[some]]
            count[some] = (np.linalg.eigvalsh(P.T @ self.C[some] @ P) < _LEFT * weakest[:, None]).sum(axis=1)
        return count

    def common(self) -> np.ndarray:
        """Return what is orthogonal to all lost directions, [c, r]: those of the recording that lost most go first."""
        P = np.eye(self.C.shape[-1])
        while P.shape[1] and (lost := self.lost(P)).any():
            k = int(lost.argmax())
            null = np.linalg.eigh(self.C[k])[1][:, : self.C.shape[-1] - self.rank[k]]
            P = P @ np.linalg.svd(P.T @ null)[0][:, lost[k] :]  # without what of P is most in the null space
        return P

    def compromise(self, enough: int) -> np.ndarray | None:
        """Return what the fewest of the most often lost directions leave [c, r], every recording of full rank in it, r >= enough."""
        channels, some = self.C.shape[-1], np.flatnonzero(self.rank < self.C.shape[-1])
        vectors = np.linalg.eigh(self.C[some])[1]
        nulls = vectors * (np.arange(channels) < channels - self.rank[some, None])[:, None]
        kept = np.linalg.eigh((nulls @ nulls.swapaxes(-1, -2)).sum(axis=0))[1]  # the seldom lost ones come first
        low, high = enough, int(self.rank.min())
        if low > high or self.lost(kept[:, :low]).any():
            return None
        while low < high:  # a part of a subspace without loss is without loss
            middle = (low + high + 1) // 2
            low, high = (low, middle - 1) if self.lost(kept[:, :middle]).any() else (middle, high)
        return kept[:, :low]

    def dearest(self, who: pd.DataFrame, left: int) -> str:
        """Return which person (of one person: which recording) alone costs most dimensions, in words; '' where none does."""
        columns = ["dataset", "subject"] if len(who[["dataset", "subject"]].drop_duplicates()) > 1 else _RECORDING
        number = who.groupby(columns, sort=False, dropna=False).ngroup().to_numpy()
        if number.max() == 0:
            return ""
        costs = np.zeros(number.max() + 1, dtype=int)
        for n in np.unique(number[self.rank < self.C.shape[-1]]):
            others = number != n
            if self.rank[others].min() > left:  # else those lost as many without this one
                costs[n] = _Lossy(self.C[others], self.rank[others]).common().shape[1] - left
        if not costs.any():
            return ""
        first = who[columns].iloc[int(np.flatnonzero(number == costs.argmax())[0])]
        return f"{_name(first)} alone costs {costs.max()}"


def _name(recording: pd.Series) -> str:
    """Return a recording in words: 'S4, session 1'."""
    words = [f"{column} {value}" for column, value in recording.items() if column not in ("dataset", "subject") and str(value)]
    return ", ".join([f"subject {recording['subject']}", *words])


def _scatters(windows: Windows, least: tuple[tuple[int, int], ...] = _TOLD) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the covariance of each recording [k, c, c], of a few windows, and of all where these show a lost dimension; and whose it is.

    Recordings of fewer windows and samples per channel than `least` are left out, and those that are not finite.
    """
    channels, times = len(windows.space), windows.n_times
    number = windows.meta.groupby(_RECORDING, sort=False, dropna=False).ngroup().to_numpy()
    recordings = [rows for rows in _groups(number) if _enough(len(rows), windows, least)]
    wanted = max(_GLANCE, -(-least[0][1] * channels // max(1, times - 1)))
    found, first_rows = [], []
    for first in range(0, len(recordings), _AT_ONCE):
        some = recordings[first : first + _AT_ONCE]
        chosen = [rows[np.unique(np.linspace(0, len(rows) - 1, min(wanted, len(rows))).round().astype(int))] for rows in some]
        C = covariances(windows[np.concatenate(chosen)].X, "scm")
        ends = np.cumsum([len(rows) for rows in chosen])[:-1]
        glances = np.stack([part.mean(axis=0) for part in np.split(C, ends)])
        finite = np.isfinite(glances).all(axis=(1, 2))  # a window that is not is named where windows are checked
        for rows, of_all, good in zip(some, glances, finite, strict=True):
            if good:
                # a narrow band has few free samples: be sure before a dimension is given up
                of_all = of_all if _rank(of_all) == channels else covariances(windows[rows].X, "scm").mean(axis=0)
            if np.isfinite(of_all).all():
                found.append(of_all)
                first_rows.append(rows[0])
    return np.array(found), windows.meta[_RECORDING].iloc[first_rows]


def _enough(n: int, windows: Windows, least: tuple[tuple[int, int], ...]) -> bool:
    """Return whether n of these windows are enough by any of these counts of windows and samples per channel."""
    samples = n * (windows.n_times - 1) / len(windows.space)
    return any(n >= count and samples >= per_channel for count, per_channel in least)


def _groups(number: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each number, in order."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1)


def _rank(C: np.ndarray) -> np.ndarray:
    """Return the rank of covariances [..., c, c], whatever the scale of each channel."""
    variance = np.diagonal(C, axis1=-2, axis2=-1)
    alive = variance > _FLAT * variance.max(axis=-1, keepdims=True)
    scale = np.where(alive, 1 / np.sqrt(np.where(alive, variance, 1.0)), 0.0)
    values = np.linalg.eigvalsh(C * scale[..., :, None] * scale[..., None, :])
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
