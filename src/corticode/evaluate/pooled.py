"""Scores of all answers in one pot (an area under the curve of people with one label each): tests and the nested best.

A pooled score has no value per person, so people take part with all of their answers: two pipelines exchange whole people
(the permutation test), or a fold of people is answered by the pipeline that is best for all others (the nested best).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from corticode.evaluate.best import Best
from corticode.evaluate.comparison import corrected, two_sided
from corticode.evaluate.statistics import bootstrap_interval
from corticode.metric.base import Metric
from corticode.predictions import Predictions

PERSON = ["dataset", "subject"]

# Exchanged answers are scored this many at a time.
_AT_ONCE = 5_000_000


def pairs_pooled(
    answers: Mapping[str, Sequence[Predictions]], metric: Metric, n_permutations: int = 1000, random_state: int = 0
) -> pd.DataFrame:
    """Compare every two pipelines by a pooled score: in each permutation some people's answers change sides.

    Were the two pipelines alike, it would not matter which of them answered for a person. For a mean over people the same
    rule is the sign-flip test of `comparison.pairs`.

    Parameters
    ----------
    answers : mapping of pipeline -> one Predictions per seed
        All test rows, averaged to the unit of the task, in the same order for all.
    metric : Metric
    n_permutations : int
    random_state : int

    Returns
    -------
    table : DataFrame
        Columns as of `comparison.pairs`; effect and p_wilcoxon need a score per person and are NaN.
    """
    prepared = {name: [on_one_scale(one, metric) for one in seeds] for name, seeds in answers.items()}
    sign = -1.0 if metric.lower_is_better else 1.0
    rows = []
    for first, second in itertools.combinations(prepared, 2):
        seeds = _paired_seeds(prepared[first], prepared[second])
        person = seeds[0][0].meta.groupby(PERSON, sort=False).ngroup().to_numpy()
        # an exchange need not copy who and when
        seeds = [tuple(replace(answers, meta=answers.meta[[]]) for answers in pair) for pair in seeds]
        draws = np.random.default_rng(random_state).random((n_permutations, person.max() + 1)) < 0.5
        observed = float(_exchanged(seeds, metric, np.zeros((1, len(person)), dtype=bool))[0])
        at_once = max(1, _AT_ONCE // len(person))
        drawn = np.concatenate([_exchanged(seeds, metric, draws[i : i + at_once, person]) for i in range(0, n_permutations, at_once)])
        drawn = sign * drawn[np.isfinite(drawn)]
        greater, less = (
            (int(np.sum(side)) + 1) / (len(drawn) + 1) for side in (drawn >= sign * observed - 1e-12, drawn <= sign * observed + 1e-12)
        )
        greater, less = (min(p, 1 - 1 / (len(drawn) + 2)) for p in (greater, less))
        p = two_sided(greater, less)
        rows.append({
            "first": first, "second": second, "n": person.max() + 1, "n_datasets": 1, "difference": observed, "effect": np.nan,
            "p_permutation": p, "p_wilcoxon": np.nan, "p_greater": greater, "p_less": less, "p": p,
        })  # fmt: skip
    return corrected(rows)


def _paired_seeds(first: Sequence[Predictions], second: Sequence[Predictions]) -> list[tuple[Predictions, Predictions]]:
    """Pair seeds; the pipeline with fewer gives its own in turn."""
    return [(first[i % len(first)], second[i % len(second)]) for i in range(max(len(first), len(second)))]


def _exchanged(seeds: Sequence[tuple[Predictions, Predictions]], metric: Metric, swap: np.ndarray) -> np.ndarray:
    """Return the difference of two pooled scores, averaged over seeds, for each choice of rows [p, n] that change sides."""
    differences = []
    for one, other in seeds:
        sides = [_pooled_scores(a, b, metric, swap) for a, b in ((one, other), (other, one))]
        differences.append(sides[0] - sides[1])
    return np.mean(differences, axis=0)


def _pooled_scores(mine: Predictions, others: Predictions, metric: Metric, swap: np.ndarray) -> np.ndarray:
    """Return the score of `mine` with some rows answered by `others`, float [p]; NaN where it is undefined."""
    if metric.name == "roc_auc" and len(mine.classes) == 2:
        return _areas(np.where(swap, others.yhat[:, 1], mine.yhat[:, 1]), mine.y)
    scores = (metric(replace(mine, yhat=np.where(rows[:, None], others.yhat, mine.yhat))) for rows in swap)
    return np.array([np.nan if score is None else score for score in scores])


def _areas(answers: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the area under the curve of each row of answers [p, n], all at once, by the rank sum."""
    from scipy.stats import rankdata

    ones = int(np.sum(y == 1))
    pairs = ones * (len(y) - ones)
    if not pairs:
        return np.full(len(answers), np.nan)
    return (rankdata(answers, axis=1)[:, y == 1].sum(axis=1) - ones * (ones + 1) / 2) / pairs


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
        nested, interval, whole[top], top, pd.Series(picked, index=units, dtype=object), pd.Series(dtype=float), "fold of people",
        tuple(stitched),
    )  # fmt: skip


def difference_interval(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    metric: Metric,
    confidence: float = 0.95,
    n_resamples: int = 2000,
    random_state: int = 0,
) -> tuple[float, float]:
    """Return the interval of how far one pooled score is ahead of another when people, and seeds, are drawn anew (percentiles).

    Parameters
    ----------
    first, second : sequence of Predictions
        Answers to the same rows in the same order, one per seed; the one with fewer seeds gives its own in turn.
    metric : Metric
    confidence : float
    n_resamples, random_state : int
    """
    seeds = _paired_seeds(first, second)
    person = seeds[0][0].meta.groupby(PERSON, sort=False).ngroup().to_numpy()
    rows = [np.flatnonzero(person == k) for k in range(person.max() + 1)]
    rng, drawn = np.random.default_rng(random_state), []
    for _ in range(n_resamples):
        mine = np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])
        asked = [seeds[k] for k in rng.integers(len(seeds), size=len(seeds))]
        drawn.append(np.mean([mean_score([one], metric, mine) - mean_score([other], metric, mine) for one, other in asked]))
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


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
