"""A task says what is asked: target, classes, metrics, unit, headline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.metric.base import Metric
from corticode.predictions import Predictions
from corticode.windows import Windows


class Task:
    """Windows -> Windows with y; Predictions -> scores.

    Attributes
    ----------
    unit : str
        Answers are averaged to it before scoring: 'window', 'trial', 'recording', 'subject'.
    headline : (metric, level)
        The number that a run ends with: mean over `level`s ('subject', 'fold', 'site'), or 'pooled'.
    uses : tuple of str
        Outcome columns that a decoder may see at test; never the target.
    default_head : dict
        `_target_` of the head for encoders that bring none.
    """

    unit = "window"
    metrics: Sequence[Metric] = ()
    headline: tuple[str, str] = ("balanced_accuracy", "subject")
    yhat_kind = "probability"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes after `label`; empty for regression."""
        return ()

    @property
    def n_outputs(self) -> int:
        """Columns of yhat."""
        return len(self.classes) or 1

    def label(self, windows: Windows) -> Windows:
        """Return the windows that are asked about, with y. Settles `classes` from what the data set declares.

        Raises
        ------
        MissingDataError
            The target column or all of its labels are missing.
        """
        raise NotImplementedError

    def score(self, predictions: Sequence[Predictions]) -> pd.DataFrame:
        """Return the tidy table of scores: one row per data set x level x fold x seed x metric."""
        raise NotImplementedError

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments for keys and files."""
        raise NotImplementedError


LEVELS = ("subject", "site", "fold", "pooled")


def groups_of(predictions: Predictions, level: str) -> list[tuple[dict[str, str], np.ndarray]]:
    """Return (identity of the group, its rows) for one level of one fold's predictions."""
    meta = predictions.meta
    if level == "fold":
        return [({}, np.arange(len(meta)))]
    columns = {"subject": ["dataset", "site", "subject", "session"], "site": ["dataset", "site"]}[level]
    return [(dict(zip(columns, name, strict=True)), rows) for name, rows in meta.groupby(columns, sort=False).indices.items()]
