"""How far a headline can be trusted: what guessing would score, and how it varies with the people (and seeds) drawn.

permutation_bound    truths change places among the test windows of each person: 95 % of such headlines lie below
binomial_interval    as many guesses as there are windows: 95 % of their shares of right answers lie inside
bootstrap_interval   people are drawn anew, with replacement: 95 % of such headlines lie inside
interval_over_units  the same from a table of scores, seeds drawn anew as well where there are several
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from corticode.metric.base import Metric, named
from corticode.predictions import Predictions
from corticode.task.scores import UNITS, groups, together
from corticode.task.shuffle import exchange

# Permuted truths are scored this many labels at a time.
_AT_ONCE = 20_000_000


def permutation_bound(
    predictions: Sequence[Predictions],
    metric: str | Metric,
    level: str = "subject",
    unit: str = "window",
    n_permutations: int = 1000,
    random_state: int = 0,
) -> dict[str, Any]:
    """Return what the headline would be if the truth had nothing to do with the answers.

    The answers stay as they are; truths change places by the rule of `task.shuffle.exchange` (trials inside a person, or
    recordings, or people), the same way for all seeds. Folds are not fitted again.

    Parameters
    ----------
    predictions : sequence of Predictions
        Of one model: one per fold and seed.
    metric : str or Metric
    level : str
        'subject', 'site', 'fold' or 'pooled'.
    unit : str
        Answers are averaged to it first.
    n_permutations : int
    random_state : int

    Returns
    -------
    facts : dict
        chance_95 (the 95 % quantile of permuted headlines; the 5 % quantile where lower is better), chance_mean, p (share of
        permuted headlines at least as good, the observed one counted among them), n_permutations. All but the last are None
        where the headline is undefined.

    Source
    ------
    Ojala & Garriga 2010, JMLR 11, test 1; p as in Phipson & Smyth 2010, (b + 1) / (m + 1).
    """
    metric = named(metric)
    one_model(predictions)
    averaged = [one.average(unit) for one in predictions]
    pot = _all_rows(averaged)
    moving = exchange(pot.y, pot.meta)
    rng = np.random.default_rng(random_state)
    parts = _parts(averaged, level)
    at_once = max(1, _AT_ONCE // max(1, len(pot)))
    permuted = np.concatenate(
        [_headlines(parts, metric, moving.draw(rng, min(at_once, n_permutations - i))) for i in range(0, n_permutations, at_once)]
    )
    observed = _headlines(parts, metric, pot.y[None])[0]
    permuted = permuted[np.isfinite(permuted)]
    if not len(permuted) or not np.isfinite(observed):
        return {"chance_95": None, "chance_mean": None, "p": None, "n_permutations": 0}
    sign = -1.0 if metric.lower_is_better else 1.0
    # equal scores that were summed in another order must count as equal
    as_good = np.sum(sign * permuted >= sign * observed - 1e-12)
    return {
        "chance_95": float(sign * np.quantile(sign * permuted, 0.95)),
        "chance_mean": float(permuted.mean()),
        "p": float((as_good + 1) / (len(permuted) + 1)),
        "n_permutations": len(permuted),
    }


def bootstrap_interval(
    predictions: Sequence[Predictions],
    metric: str | Metric,
    level: str = "subject",
    unit: str = "window",
    n_resamples: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Return the interval in which the headline lies when other people (and seeds) are drawn.

    'subject', 'site' and 'fold': see `interval_over_units`. 'pooled': people are drawn with all of their windows, seeds
    are drawn where there are several, and the metric is computed anew (percentiles).

    Returns
    -------
    interval : (float, float) or None
        None for fewer than three people (or units).
    """
    metric = named(metric)
    one_model(predictions)
    averaged = [one.average(unit) for one in predictions]
    rng = np.random.default_rng(random_state)
    if level == "pooled":
        return _pooled_interval(averaged, metric, n_resamples, rng, confidence)
    seeds = list(dict.fromkeys(one.fold.get("seed", "") for one in averaged))
    by_seed = {}
    for seed in seeds:
        mine = [one for one in averaged if one.fold.get("seed", "") == seed]
        by_seed[seed] = {unit: score[0] for unit, score in _unit_scores(_parts(mine, level), metric, _all_rows(mine).y[None]).items()}
    return interval_over_units(pd.DataFrame(by_seed).to_numpy(), n_resamples, rng, confidence)


def interval_over_units(
    scores: np.ndarray, n_resamples: int = 2000, random_state: int | np.random.Generator = 0, confidence: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval in which the mean score lies when other people (and seeds) are drawn.

    One column: people are drawn with replacement (BCa, by SciPy). Several columns are seeds of a network: people and seeds
    are drawn independently of each other (percentiles), so that both kinds of luck widen the interval.

    Parameters
    ----------
    scores : float array [units] or [units, seeds]
        NaN where a seed has no score; units without any are left out.

    Returns
    -------
    interval : (float, float) or None
        None for fewer than three units.

    Source
    ------
    Owen 2007, The pigeonhole bootstrap, Annals of Applied Statistics 1:386.
    """
    from scipy.stats import bootstrap

    scores = np.asarray(scores, dtype=float)
    scores = scores.reshape(len(scores), -1)
    scores = scores[np.isfinite(scores).any(axis=1)]
    rng = np.random.default_rng(random_state)
    if len(scores) < 3:
        return None
    if np.nanmin(scores) == np.nanmax(scores):
        return float(np.nanmin(scores)), float(np.nanmax(scores))
    if scores.shape[1] > 1:
        return _quantiles(_people_and_seeds(scores, n_resamples, rng), confidence)
    values = scores[:, 0]
    found = bootstrap((values,), np.mean, n_resamples=n_resamples, confidence_level=confidence, method="BCa", rng=rng).confidence_interval
    return float(found.low), float(found.high)


def _people_and_seeds(scores: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return n means over drawn people and drawn seeds."""
    there = np.isfinite(scores)
    drawn = [rng.multinomial(size, np.full(size, 1 / size), size=n).astype(float) for size in scores.shape]  # how often each was drawn
    total, count = (np.einsum("ns,ns->n", drawn[0] @ table, drawn[1]) for table in (np.where(there, scores, 0.0), there.astype(float)))
    return np.divide(total, count, out=np.full(n, np.nan), where=count > 0)


def _quantiles(values: np.ndarray, confidence: float) -> tuple[float, float] | None:
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


# -- guesses --------------------------------------------------------------------------------------------------------


def binomial_interval(n: float, chance: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the shares of right answers between which n guesses fall.

    Parameters
    ----------
    n : float
        Answers, each independent of the others: averaged to the unit of the task. See `guesses` for skewed classes.
    chance : float
        Probability that a guess is right.
    confidence : float

    Returns
    -------
    low, high : float
        Smallest and largest share that are not in the outer (1 - confidence) / 2 at either side.
    """
    from scipy.stats import binom

    n, tail = max(1, int(n)), (1 - confidence) / 2
    return float(binom.ppf(tail, n, chance) / n), float(binom.isf(tail, n, chance) / n)


def binomial_bound(n: float, chance: float, alpha: float = 0.05) -> float:
    """Return the share of right answers that n guesses exceed with a probability of `alpha` at most.

    Source
    ------
    Combrisson & Jerbi 2015, J. Neurosci. Methods 250:126; equal to moabb.analysis.chance_level.adjusted_chance_level.
    """
    from scipy.stats import binom

    n = max(1, int(n))
    return float(binom.isf(alpha, n, chance) / n)


def guesses(counts: Sequence[int], metric: str) -> int | None:
    """Return how many guesses a score is worth, or None for a metric that counts no right answers.

    Accuracy: all of them. Balanced accuracy averages the recalls of k classes, whose variance is that of
    k^2 / (1/n_1 + ... + 1/n_k) guesses: fewer than all where classes are skewed.

    Parameters
    ----------
    counts : sequence of int
        Test windows of each class.
    metric : str
    """
    counts = np.array([count for count in counts if count > 0], dtype=float)
    if metric == "accuracy":
        return int(counts.sum())
    if metric == "balanced_accuracy" and len(counts) > 1:
        return int(len(counts) ** 2 / np.sum(1 / counts) + 1e-9)
    return None


def one_model(predictions: Sequence[Predictions]) -> None:
    """Refuse predictions of several models, whose headlines are separate numbers.

    Raises
    ------
    ValueError
    """
    models = {one.fold.get("model", "") for one in predictions}
    if len(models) != 1:
        raise ValueError(f"wanted the predictions of one model, got {len(models)}: {', '.join(sorted(map(str, models)))}")


# -- scores of many truths ------------------------------------------------------------------------------------------


def _all_rows(predictions: Sequence[Predictions]) -> Predictions:
    """Put all folds of all seeds behind each other."""
    return together([Predictions(p.yhat, p.yhat_kind, p.y, p.meta, p.classes) for p in predictions])[0]


def _parts(predictions: Sequence[Predictions], level: str) -> list[tuple[tuple, Predictions, np.ndarray]]:
    """Return (unit, its answers, their rows among all rows) for each row that the table of scores has at this level."""
    first = np.cumsum([0, *(len(one) for one in predictions)])
    rows_of: dict[Any, list[np.ndarray]] = {}
    for i, one in enumerate(predictions):
        # site and pooled go over all folds of a seed, subject and fold are made per fold
        pot = one.fold.get("seed", "") if level in ("site", "pooled") else i
        rows_of.setdefault(pot, []).append(np.arange(first[i], first[i + 1]))
    everything = _all_rows(predictions)
    parts = []
    for pot, pieces in rows_of.items():
        rows = np.concatenate(pieces)
        fold = predictions[pot].fold.get("fold", "") if level in ("subject", "fold") else ""
        seed = pot if level in ("site", "pooled") else ""
        for who, inside in groups(everything[rows], level):
            named_by = {**who, "fold": fold, "seed": seed}
            parts.append((tuple(str(named_by[column]) for column in UNITS[level]), everything[rows[inside]], rows[inside]))
    return parts


def _unit_scores(parts: list, metric: Metric, Y: np.ndarray) -> dict[tuple, np.ndarray]:
    """Return the scores of each unit (its rows averaged) for each truth, float [truths], NaN where undefined."""
    units: dict[tuple, list[np.ndarray]] = {}
    for unit, answers, rows in parts:
        if answers.yhat_kind in metric.kinds:
            units.setdefault(unit, []).append(metric.many(answers, Y[:, rows]))
    return {unit: _mean(np.array(scores)) for unit, scores in units.items()}


def _headlines(parts: list, metric: Metric, Y: np.ndarray) -> np.ndarray:
    """Return the mean over units for each truth: float [truths]."""
    scores = list(_unit_scores(parts, metric, Y).values())
    return _mean(np.array(scores).reshape(len(scores), len(Y)))


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis of what is defined; NaN where nothing is."""
    there = np.isfinite(values)
    return np.divide(
        np.where(there, values, 0).sum(axis=0), there.sum(axis=0), out=np.full(values.shape[1], np.nan), where=there.any(axis=0)
    )


# -- people drawn anew ----------------------------------------------------------------------------------------------


def _pooled_interval(
    predictions: Sequence[Predictions], metric: Metric, n: int, rng: np.random.Generator, confidence: float
) -> tuple[float, float] | None:
    """Draw people with all of their rows, and seeds; score each drawn seed's pot, average over them."""
    everything = _all_rows(predictions)
    seeds = np.concatenate([np.full(len(one), i) for i, one in _numbered_seeds(predictions)])
    n_seeds = seeds.max() + 1
    person = everything.meta.groupby(UNITS["subject"], sort=False).ngroup().to_numpy()
    rows = pd.Series(np.arange(len(person))).groupby(person).apply(np.asarray).tolist()
    if len(rows) < 3:
        return None
    scores, answers = [], replace(everything, meta=everything.meta[[]])  # a draw need not copy who and when
    for _ in range(n):
        drawn = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        times = np.bincount(rng.integers(n_seeds, size=n_seeds), minlength=n_seeds) if n_seeds > 1 else np.ones(1)
        per_seed = [_score(answers, metric, drawn[seeds[drawn] == seed]) for seed in np.flatnonzero(times)]
        scores.append(np.average(per_seed, weights=times[times > 0]))
    return _quantiles(np.array(scores), confidence)


def _numbered_seeds(predictions: Sequence[Predictions]) -> list[tuple[int, Predictions]]:
    order = list(dict.fromkeys(one.fold.get("seed", "") for one in predictions))
    return [(order.index(one.fold.get("seed", "")), one) for one in predictions]


def _score(answers: Predictions, metric: Metric, rows: np.ndarray) -> float:
    score = metric(answers[rows])
    return np.nan if score is None else score
