"""The best of many pipelines is itself fitted: what it is worth on people who had no say in choosing it.

The highest of many means is optimistic, since the people who chose the winner also score it. Here each person (or site,
or fold of people) is scored with the pipeline that is best for all *others*; the mean of these scores is an honest figure
for "the best of these pipelines".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from corticode.evaluate.statistics import interval_over_units
from corticode.predictions import Predictions


@dataclass(frozen=True)
class Best:
    """What the best of several pipelines is worth.

    Parameters
    ----------
    nested : float
        Mean of the held-out scores of winners that others chose (pooled metrics: the score of their answers in one pot).
    interval : (float, float) or None
        95 % bootstrap over the held-out units, winners as they were chosen.
    maximum : float
        The highest score, by all units: optimistic.
    winner : str
        The pipeline that has it.
    chosen : Series [units] of str
        Which pipeline was chosen for each unit.
    held_out : Series [units] of float
        Its score there; empty for pooled metrics.
    unit : str
        What was held out, as a word.
    answers : tuple of Predictions
        Pooled metrics: what the winners answered where others had chosen them, one per seed; else empty.
    """

    nested: float
    interval: tuple[float, float] | None
    maximum: float
    winner: str
    chosen: pd.Series
    held_out: pd.Series
    unit: str = "person"
    answers: tuple[Predictions, ...] = ()

    def share(self, pipeline: str) -> float:
        """Return the share of units for which a pipeline was chosen."""
        return float((self.chosen == pipeline).mean())


def nested_best(scores: pd.DataFrame, lower_is_better: bool = False, unit: str = "person") -> Best:
    """Choose for each unit the pipeline with the best mean over the other units, and score it on this one.

    Parameters
    ----------
    scores : DataFrame [units, pipelines]
        Seeds averaged; no NaN. Equal means: the pipeline that stands first.
    lower_is_better : bool
    unit : str
        What a row is: 'person', 'site' or 'fold of people'.

    Returns
    -------
    best : Best

    Raises
    ------
    ValueError
        Fewer than two units or two pipelines, or a pipeline lacks a unit.
    """
    values = scores.to_numpy(dtype=float)
    if min(values.shape) < 2:
        raise ValueError(f"{values.shape[0]} units and {values.shape[1]} pipelines: to choose by others takes two of each")
    if not np.isfinite(values).all():
        raise ValueError("a pipeline has no score for some unit: choose among those that answered for all")
    better = -values if lower_is_better else values
    # rounded, so that sums in another order do not decide between equals
    others = np.round((better.sum(axis=0) - better) / (len(better) - 1), 12)
    picked = others.argmax(axis=1)
    top = int(np.round(better.mean(axis=0), 12).argmax())
    held_out = pd.Series(values[np.arange(len(values)), picked], index=scores.index)
    chosen = pd.Series(np.asarray(scores.columns, dtype=object)[picked], index=scores.index)
    interval = interval_over_units(held_out.to_numpy())
    return Best(float(held_out.mean()), interval, float(values[:, top].mean()), str(scores.columns[top]), chosen, held_out, unit)
