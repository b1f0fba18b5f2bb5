"""Regression: a number about the window or the person, such as age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import MissingDataError
from corticode.metric.base import Metric
from corticode.task.base import Task
from corticode.windows import Windows


class Regression(Task):
    """Answer with a number.

    Parameters
    ----------
    target : str
        The column that holds the numbers.
    metrics, headline_metric, headline_level, unit, shuffle, shuffle_seed, uses, made_of
        See `task.base.Task`. By default answers are averaged over a recording and scored with all people together, since a
        fact about a person does not vary inside them.
    """

    yhat_kind = "value"
    default_head: dict[str, Any] = {"_target_": "corticode.head.ridge.Ridge"}

    def __init__(
        self,
        target: str = "age",
        metrics: Sequence[str | Metric] = ("mae", "r2", "pearson"),
        headline_metric: str = "r2",
        headline_level: str = "pooled",
        unit: str = "recording",
        shuffle: bool = False,
        shuffle_seed: int = 0,
        uses: Sequence[str] = (),
        made_of: Sequence[str] = (),
    ):
        super().__init__(target, metrics, headline_metric, headline_level, unit, shuffle, shuffle_seed, uses, made_of)

    def label(self, windows: Windows) -> Windows:
        """Return the windows whose target is a number, with y float64 [n].

        Raises
        ------
        MissingDataError
            No such column; no number in it; the same number everywhere.
        """
        column = self._column(windows)
        values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        keep = np.isfinite(values)
        if not keep.any():
            example = next((repr(v) for v in column if pd.notna(v)), "nothing")
            raise MissingDataError(f"task.target={self.target} holds no number (but {example}): for labels use task=classification")
        y = values[keep]
        if np.ptp(y) == 0:
            raise MissingDataError(f"task.target={self.target} is {y[0]:g} in all {len(y)} windows: there is nothing to regress")
        notes = [] if keep.all() else [f"{int((~keep).sum())} windows have no number as {self.target} and are left out"]
        return self._asked(windows, keep, y, notes)
