"""The best of many pipelines is itself fitted: what it is worth on people who had no say in choosing it.

The highest of many means is optimistic, since the people who chose the winner also score it. Here each person (or site,
or fold of people) is scored with the pipeline that is best for all *others*; the mean of these scores is an honest figure
for "the best of these pipelines".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from corticode.evaluate.statistics import interval_over_units
from corticode.metric.base import Metric
from corticode.predictions import Predictions

PERSON = ["dataset", "subject"]


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
    """

    nested: float
    interval: tuple[float, float] | None
    maximum: float
    winner: str
    chosen: pd.Series
    held_out: pd.Series
    unit: str = "person"

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


def nested_best_pooled(
    answers: Mapping[str, Sequence[Predictions]], metric: Metric, n_folds: int = 10, random_state: int = 0, n_resamples: int = 2000
) -> Best:
    """Choose for each fold of people the pipeline with the best pooled score over the other people; pool the winners' answers.

    Where one pipeline wins every fold, the figure is that pipeline's own. Answers of an area under the curve are replaced by
    their ranks within their pipeline, which changes no pipeline's own area and puts all on one scale.

    Parameters
    ----------
    answers : mapping of pipeline -> one Predictions per seed
        All test rows, averaged to the unit of the task, in the same order for all.
    metric : Metric
    n_folds : int
        Folds of people, at most; their truths are spread over them.
    random_state : int
        Deals the people out, and draws them for the interval.
    n_resamples : int
    """
    names = list(answers)
    first = answers[names[0]][0]
    fold = deal_people(first, n_folds, random_state)
    prepared = {name: [on_one_scale(one, metric) for one in seeds] for name, seeds in answers.items()}
    sign = -1.0 if metric.lower_is_better else 1.0
    everything = np.arange(len(first))
    whole = {name: mean_score(prepared[name], metric, everything) for name in names}
    if fold.max() < 1 or not all(np.isfinite(list(whole.values()))):
        raise ValueError("a pooled score is undefined, or there are too few people to choose by others")
    picked = []
    for k in range(fold.max() + 1):
        by_others = [sign * mean_score(prepared[name], metric, np.flatnonzero(fold != k)) for name in names]
        picked.append(names[int(np.nanargmax(np.round(by_others, 12)))])
    stitched = _stitched(prepared, [picked[k] for k in fold])
    top = max(names, key=lambda name: (round(sign * whole[name], 12), -names.index(name)))
    nested = mean_score(stitched, metric, everything)
    interval = pooled_interval(stitched, metric, n_resamples, random_state)
    units = pd.Index([f"fold {k + 1}" for k in range(len(picked))], name="unit")
    return Best(
        nested, interval, whole[top], top, pd.Series(picked, index=units, dtype=object), pd.Series(dtype=float), unit="fold of people"
    )


def on_one_scale(answers: Predictions, metric: Metric) -> Predictions:
    """Return answers that may stand in one pot with those of another pipeline."""
    from scipy.stats import rankdata

    if metric.name != "roc_auc":
        return answers
    k = len(answers.classes)
    yhat = answers.yhat
    if k == 2:  # one answer per row: how far class 1 is ahead
        yhat = (yhat[:, 1] - yhat[:, 0])[:, None] * np.array([[-1.0, 1.0]])
    return Predictions(rankdata(yhat, axis=0) / len(yhat), "decision", answers.y, answers.meta, answers.classes, answers.fold)


def deal_people(answers: Predictions, n_folds: int, random_state: int) -> np.ndarray:
    """Number the fold of each row, int [n]: people stay whole, their (first) truths are spread evenly."""
    person = answers.meta.groupby(PERSON, sort=False).ngroup().to_numpy()
    first = np.unique(person, return_index=True)[1]
    n_people = len(first)
    shuffled = np.random.default_rng(random_state).permutation(n_people)
    order = shuffled[np.argsort(answers.y[first][shuffled], kind="stable")]
    fold = np.empty(n_people, dtype=int)
    fold[order] = np.arange(n_people) % max(1, min(n_folds, n_people // 2))
    return fold[person]


def mean_score(seeds: Sequence[Predictions], metric: Metric, rows: np.ndarray) -> float:
    """Return the mean over seeds of the pooled score of some rows; NaN where it is undefined."""
    scores = [metric(one[rows]) for one in seeds]
    return float(np.mean([np.nan if score is None else score for score in scores]))


def pooled_interval(
    seeds: Sequence[Predictions], metric: Metric, n_resamples: int = 2000, random_state: int = 0
) -> tuple[float, float] | None:
    """Return the 95 % interval of a pooled score when people are drawn anew with all of their rows."""
    from corticode.evaluate.statistics import bootstrap_interval

    named = [Predictions(p.yhat, p.yhat_kind, p.y, p.meta, p.classes, {"model": "best", "seed": i}) for i, p in enumerate(seeds)]
    return bootstrap_interval(named, metric, "pooled", n_resamples=n_resamples, random_state=random_state)


def _stitched(answers: Mapping[str, Sequence[Predictions]], winner: Sequence[str]) -> list[Predictions]:
    """Put together, seed by seed, the rows that each winner answered; a pipeline with fewer seeds gives its own in turn."""
    most = max(len(seeds) for seeds in answers.values())
    winner, result = np.asarray(winner, dtype=object), []
    for seed in range(most):
        chosen = {name: seeds[seed % len(seeds)] for name, seeds in answers.items()}
        first = next(iter(chosen.values()))
        yhat = np.empty_like(first.yhat)
        for name in dict.fromkeys(winner):
            yhat[winner == name] = chosen[name].yhat[winner == name]
        result.append(Predictions(yhat, first.yhat_kind, first.y, first.meta, first.classes, {}))
    return result
