"""Windows with artefacts found by the Riemannian potato: covariances too far from what is usual in the recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, SentenceError
from corticode.layer import spd
from corticode.prepare.base import Reject, check_choice, number
from corticode.space import Space

# Windows that equal each other have no distance whose logarithm could be taken, and no deviation to divide by.
_NEAR = 1e-6  # least distance from the mean: a millionth of the power
_SPREAD = 0.01  # least deviation of log distances: a hundredth of the distance; recordings have ten times that and more


class Potato(Reject):
    """z = (log d - mean) / standard deviation of the log distances d of clean windows from their Riemannian mean; clean is z < threshold.

    Mean and deviation are those of the windows that are clean, found by rejecting and measuring again until nothing changes,
    within each recording by itself. With a field, several potatoes of few channels each, every one has its own z; the
    probabilities of so large a z are combined by Fisher's method, and a window is clean where the result is above `p_threshold`.

    Distances count as 1e-6 at least and the deviation as 0.01 at least: windows that equal each other (a stuck amplifier) are all
    clean instead of undefined, and what differs from them by rounding alone is too; what really differs is an artefact.

    Which windows are left must not flatter a score. `keep='marked'` keeps them all: those with artefacts are marked in the
    column `rejected`, no decoder learns from them (`fit`, `calibrate`), and all of them are tested and aligned by, since blind
    rows carry no mark. `keep='clean'` drops them on both
    sides, the test side too: the score is then that of clean windows alone, and the run's notes count what was dropped.

    Parameters
    ----------
    threshold : float or None
        z from which a window holds an artefact. None: off.
    estimator : str
        Of the covariances: see `corticode.layer.spd.covariances`.
    learn : str
        'recording': from all windows of the recording. 'past': from the first `n_first`, which are taken to be usable, then
        every clean window moves mean and deviation by `alpha`; each is judged before it is learned from.
    n_first : int
    alpha : float
        Above 0 and below 1, where one window would be all that is remembered and its deviation nothing.
    field : list of lists of channel names, or None
        One potato per list; None: one of all channels.
    p_threshold : float
        For a field.
    keep : str
        'marked' or 'clean'.

    Raises
    ------
    SentenceError
        An unknown choice, or a number out of range.
    BrokenDataError
        Every window was rejected, fewer windows than `n_first`, or covariances without full rank.

    Source
    ------
    Barachant et al. 2013, TOBI Workshop IV; field: Barthelemy et al. 2019, IEEE TNSRE 27(2). Checked against pyriemann's Potato and
    PotatoField to 1e-6.
    """

    def __init__(
        self,
        threshold: float | None = None,
        estimator: str = "oas",
        learn: str = "recording",
        n_first: int = 20,
        alpha: float = 0.1,
        field: Sequence[Sequence[str]] | None = None,
        p_threshold: float = 0.01,
        keep: str = "marked",
    ):
        self.threshold, self.estimator = number(threshold), check_choice(estimator, spd.ESTIMATORS, "prepare.reject.estimator")
        self.learn = check_choice(learn, ("recording", "past"), "prepare.reject.learn")
        self.n_first, self.alpha, self.p_threshold = int(n_first), float(alpha), float(p_threshold)
        self.field = None if field is None else [[str(name) for name in names] for names in field]
        self.keep = check_choice(keep, ("marked", "clean"), "prepare.reject.keep")
        if not (self.n_first > 2 and 0 < self.alpha < 1 and 0 < self.p_threshold < 1):
            raise SentenceError(
                f"prepare.reject has n_first={self.n_first}, alpha={self.alpha:g}, p_threshold={self.p_threshold:g}: wanted n_first above 2, alpha "
                "above 0 and below 1 (at 1 each window would be all that the next is judged by; 0.1 is usual), and p_threshold between 0 and 1"
            )

    @property
    def off(self) -> bool:
        """True unless there is a threshold."""
        return self.threshold is None

    @property
    def sees(self) -> str:
        """'recording', or 'past'."""
        return "window" if self.off else self.learn

    def __call__(self, X: np.ndarray, table: pd.DataFrame, space: Space) -> tuple[np.ndarray, pd.DataFrame]:
        """Return windows [n, channels, times] and their table, cleaned or with the column `rejected`."""
        notes = list(table.attrs.get("notes", []))
        clean = self.clean(X, space, table["onset_s"].to_numpy(dtype=float)) if len(X) else np.ones(0, dtype=bool)
        if (~clean).any():
            done = "marked: not learned from, but tested" if self.keep == "marked" else "dropped, also where they would be tested"
            notes.append(f"{(~clean).sum()} of {len(X)} windows hold artefacts (potato) and were {done}")
        if self.keep == "clean":
            X, table = X[clean], table[clean].reset_index(drop=True)
        else:
            table = table.assign(rejected=~clean)
        table.attrs["notes"] = notes
        return X, table

    def clean(self, X: np.ndarray, space: Space, onset_s: np.ndarray) -> np.ndarray:
        """Return which windows are clean, bool [n]."""
        from scipy.stats import combine_pvalues, norm

        mine = [i for i, kind in enumerate(space.channel_types) if kind == space.kind]
        groups = [mine] if self.field is None else [space.index(names) for names in self.field]
        order = np.argsort(onset_s, kind="stable")
        z = np.empty((len(groups), len(X)))
        for k, channels in enumerate(groups):
            z[k, order] = self.scores(spd.check_spd(spd.covariances(X[np.ix_(order, channels)], self.estimator)))
        if self.field is None:
            return z[0] < self.threshold
        p = np.maximum(norm.sf(z), np.finfo(float).tiny)  # so that a sure artefact has a logarithm
        return combine_pvalues(p, axis=0).pvalue > self.p_threshold

    def scores(self, C: np.ndarray) -> np.ndarray:
        """Return z of covariances [n, c, c] in order of time."""
        first = len(C) if self.learn == "recording" else self.n_first
        if len(C) < max(3, first):
            raise BrokenDataError(
                f"a recording of {len(C)} windows is too short for a potato of {max(3, first)}: leave it out with prepare.reject.threshold=null"
            )
        M, mean, deviation = shape(C[:first], self.threshold)
        z = np.empty(len(C))
        z[:first] = (_log_distance(C[:first], M) - mean) / deviation
        for i in range(first, len(C)):
            z[i] = (_log_distance(C[i], M) - mean) / deviation
            if z[i] < self.threshold:
                M = spd.geodesic(M, C[i], self.alpha)
                d = _log_distance(C[i], M)
                mean = (1 - self.alpha) * mean + self.alpha * d
                deviation = max(_SPREAD, np.sqrt((1 - self.alpha) * deviation**2 + self.alpha * (d - mean) ** 2))
        if self.learn == "past":
            z[:first] = np.minimum(z[:first], np.nextafter(self.threshold, -np.inf))  # nothing came before, to judge them by
        return z


def shape(C: np.ndarray, threshold: float, max_iter: int = 100) -> tuple[np.ndarray, float, float]:
    """Return the mean of the clean matrices among C [n, c, c], and mean and deviation of their log distances from it.

    Raises
    ------
    BrokenDataError
        None is clean.
    """
    clean = np.ones(len(C), dtype=bool)
    for _ in range(max_iter):
        if not clean.any():
            raise BrokenDataError(f"the potato rejects every window with prepare.reject.threshold={threshold:g}: choose a higher one")
        M = spd.mean_riemann(C[clean])
        d = _log_distance(C, M)
        mean, deviation = d[clean].mean(), max(_SPREAD, d[clean].std())
        # what was rejected once stays out
        still = clean & ((d - mean) / deviation < threshold)
        if np.array_equal(still, clean):
            break
        clean = still
    return M, float(mean), float(deviation)


def _log_distance(C: np.ndarray, M: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(spd.distance(C, M), _NEAR))
