"""What a decoder said about the test windows, kept whole: never only a score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.windows import PERSON, RECORDING, TRIAL

KINDS = ("probability", "decision", "value", "embedding", "image", "volume", "text")


@dataclass(frozen=True)
class Predictions:
    """Answers for n windows.

    Parameters
    ----------
    yhat : float array [n, k]
        k class probabilities or decision values, or k regressed values.
    yhat_kind : str
        'probability' (rows sum to 1; the only kind with log loss, Brier and ECE), 'decision', 'value', ...
    y : array [n]
        Truth: class index (int) or value (float).
    meta : DataFrame [n]
        Identity of each window; further columns are kept.
    classes : tuple of str
        Names of the k classes; empty for regression.
    fold : dict
        Plain facts of the fold, on every score row: fold, seed, model, access, selection, samples, time ...
    """

    yhat: np.ndarray
    yhat_kind: str
    y: np.ndarray
    meta: pd.DataFrame
    classes: tuple[str, ...] = ()
    fold: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        yhat = np.asarray(self.yhat, dtype=float)
        object.__setattr__(self, "yhat", yhat[:, None] if yhat.ndim == 1 else yhat)
        object.__setattr__(self, "y", np.asarray(self.y))
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "meta", self.meta.reset_index(drop=True))
        if self.yhat_kind not in KINDS:
            raise ValueError(f"yhat_kind {self.yhat_kind!r} is unknown: pick one of {', '.join(KINDS)}")
        if not len(self.yhat) == len(self.y) == len(self.meta):
            raise ValueError(f"{len(self.yhat)} answers, {len(self.y)} truths, {len(self.meta)} lines of meta: wanted as many of each")
        if not np.isfinite(self.yhat).all():
            raise ValueError("the decoder answered NaN or infinity: its fit did not converge, or a window holds NaN")

    def __len__(self) -> int:
        return len(self.yhat)

    @property
    def decided(self) -> np.ndarray:
        """Class index with the highest value [n], or the values themselves [n] for regression."""
        return self.yhat.argmax(axis=1) if self.classes else self.yhat[:, 0]

    def __getitem__(self, rows: np.ndarray) -> Predictions:
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64)
        return Predictions(self.yhat[rows], self.yhat_kind, self.y[rows], self.meta.iloc[rows], self.classes, self.fold)

    def average(self, unit: str) -> Predictions:
        """Average answers over the windows of one `unit` ('trial', 'recording', 'subject', 'stimulus').

        'window' gives back the same object. Windows are grouped with all coarser identity columns, so that trial 3 of
        two runs stays two trials.

        Raises
        ------
        SentenceError
            The truth differs inside a unit: to part its windows by truth would answer with the help of the truth.
        """
        if unit == "window":
            return self
        number = units(self.meta, self.y, unit)
        first = np.unique(number, return_index=True)[1]
        total = np.zeros((len(first), self.yhat.shape[1]))
        np.add.at(total, number, self.yhat)
        mean = total / np.bincount(number, minlength=len(first))[:, None]
        return Predictions(mean, self.yhat_kind, self.y[first], self.meta.iloc[first], self.classes, self.fold)

    # -- tables -----------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """Return one row per window: identity, facts of the fold, y, one column per class `p_<class>` (or `value`)."""
        table = self.meta.copy()
        for name in ("model", "fold", "seed", "access"):
            if name in self.fold:
                table[name] = self.fold[name]
        if self.classes:
            names = np.array([*self.classes], dtype=object)
            table["y"] = names[self.y.astype(int)]
            table["yhat"] = names[self.decided]
            prefix = "p" if self.yhat_kind == "probability" else "d"
            for k, name in enumerate(self.classes):
                table[f"{prefix}_{name}"] = self.yhat[:, k]
        else:
            table["y"] = self.y.astype(float)
            table["yhat"] = self.yhat[:, 0]
            for k in range(1, self.yhat.shape[1]):
                table[f"yhat_{k}"] = self.yhat[:, k]
        return table


_COARSER = {"trial": TRIAL, "recording": RECORDING, "subject": PERSON, "stimulus": (*PERSON, "stimulus")}


def units(meta: pd.DataFrame, y: np.ndarray, unit: str) -> np.ndarray:
    """Number the units that windows belong to, int [n], in order of first appearance.

    Raises
    ------
    SentenceError
        The truth differs inside a unit.
    """
    number, names = pd.factorize(meta[list(_COARSER[unit])].astype(str).agg("\x1f".join, axis=1))
    first = np.unique(number, return_index=True)[1]
    differs = np.flatnonzero(np.asarray(y) != np.asarray(y)[first][number])
    if len(differs):
        example = names[number[differs[0]]].replace("\x1f", " ").strip()
        raise SentenceError(
            f"task.unit={unit}: the target differs between windows of one {unit} ({example}), so there is no one answer to give: use task.unit=window"
        )
    return number
