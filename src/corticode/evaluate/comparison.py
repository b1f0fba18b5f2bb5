"""Is one pipeline better than another: paired tests over people, combined over data sets, corrected for all pairs, and ranks.

scores [people, pipelines], seeds averaged      all functions take this table
pairs     permutation test, Wilcoxon, effect    one row per pair of pipelines on one data set
combined  Stouffer, weighted effects            one row per pair over several data sets
ranks     Friedman test, Nemenyi distance       the critical-difference diagram
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# Below this many people every sign pattern is tried (2^19 at most); from here on MOABB, too, trusts Wilcoxon's test.
EXACT_BELOW = 20

PAIR_COLUMNS = (
    "first", "second", "n", "n_datasets", "difference", "effect", "p_permutation", "p_wilcoxon", "p_greater", "p_less", "p", "p_holm",
)  # fmt: skip
RANK_COLUMNS = ("pipeline", "rank", "n", "critical_difference", "friedman_chi2", "friedman_p", "groups")


def pairs(scores: pd.DataFrame, lower_is_better: bool = False, random_state: int = 0) -> pd.DataFrame:
    """Compare every two pipelines on one data set, person by person.

    Parameters
    ----------
    scores : DataFrame [people, pipelines]
        One number per person, seeds averaged; NaN where a pipeline has none (the pair then stands on the people of both).
    lower_is_better : bool
        Turns the tests around: 'better' then means a smaller score.
    random_state : int
        Draws the sign patterns where there are 20 people or more.

    Returns
    -------
    table : DataFrame
        One row per unordered pair. difference (mean of first - second, in the metric's unit); effect (mean / standard
        deviation of the differences, Cohen's d_z; positive: first is better); p_permutation and p_wilcoxon (two-sided);
        p_greater, p_less (one-sided, first or second is better: permutation below 20 people, Wilcoxon from 20 on, as in
        MOABB); p (two-sided of these); p_holm (corrected for all pairs of the table).

    Source
    ------
    The rule and the effect are those of moabb.analysis.meta_analysis; equal to its functions to 1e-10
    (tests/evaluate/test_comparison.py). Cohen's d_z: Lakens 2013, Frontiers in Psychology 4:863.
    """
    sign = -1.0 if lower_is_better else 1.0
    rows = []
    for first, second in itertools.combinations(scores.columns, 2):
        differences = (scores[first] - scores[second]).dropna().to_numpy(dtype=float)
        n = len(differences)
        better = sign * differences
        permutation = permutation_test(better, random_state)
        wilcoxon = wilcoxon_test(better)
        greater, less = permutation if n < EXACT_BELOW else wilcoxon
        rows.append({
            "first": first, "second": second, "n": n, "n_datasets": 1, "difference": float(differences.mean()) if n else np.nan,
            "effect": effect(better), "p_permutation": two_sided(*permutation), "p_wilcoxon": two_sided(*wilcoxon),
            "p_greater": greater, "p_less": less, "p": two_sided(greater, less),
        })  # fmt: skip
    return corrected(rows)


def combined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Combine what several data sets say about each pair that stands in two of them or more.

    p-values by Stouffer's method, effects by their mean, both weighted by the square root of the number of people.

    Parameters
    ----------
    tables : sequence of DataFrame
        What `pairs` gave, one per data set; metrics must be the same.

    Returns
    -------
    table : DataFrame
        Columns as of `pairs`; n counts people over all data sets, difference is the mean over data sets.

    Source
    ------
    Stouffer 1949; weights as in moabb.analysis.meta_analysis, Jayaram & Barachant 2018, J. Neural Eng. 15:066011.
    """
    found: dict[tuple[str, str], list[dict]] = {}
    for row in itertools.chain.from_iterable(table.to_dict("records") for table in tables):
        # a pair may stand the other way round in another data set
        pair = (row["first"], row["second"])
        if pair not in found and pair[::-1] in found:
            row, pair = _turned(row), pair[::-1]
        found.setdefault(pair, []).append(row)
    rows = []
    for (first, second), parts in found.items():
        parts = [part for part in parts if np.isfinite(part["p_greater"])]
        if len(parts) < 2:
            continue
        n = np.array([part["n"] for part in parts], dtype=float)
        greater, less = (stouffer([part[side] for part in parts], n) for side in ("p_greater", "p_less"))
        rows.append({
            "first": first, "second": second, "n": int(n.sum()), "n_datasets": len(parts),
            "difference": float(np.mean([part["difference"] for part in parts])),
            "effect": combined_effect([part["effect"] for part in parts], n),
            "p_permutation": np.nan, "p_wilcoxon": np.nan, "p_greater": greater, "p_less": less, "p": two_sided(greater, less),
        })  # fmt: skip
    return corrected(rows)


def _turned(row: Mapping) -> dict:
    return {
        **row,
        "first": row["second"],
        "second": row["first"],
        "difference": -row["difference"],
        "effect": -row["effect"],
        "p_greater": row["p_less"],
        "p_less": row["p_greater"],
    }


def corrected(rows: list[dict]) -> pd.DataFrame:
    """Return rows of pairs as a table with Holm's correction over all of them."""
    table = pd.DataFrame(rows, columns=list(PAIR_COLUMNS))
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    return table


# -- one pair -------------------------------------------------------------------------------------------------------


def permutation_test(differences: np.ndarray, random_state: int = 0, n_permutations: int = 20_000) -> tuple[float, float]:
    """Return how often chance alone gives a mean difference as large (and as small): signs of whole people are flipped.

    All 2^n patterns below 20 people; drawn ones from there on, p = (b + 1) / (m + 1). A one-sided p of 1, which is all of
    the patterns, is brought down by one pattern, so that Stouffer's method stays finite.

    Returns
    -------
    p_greater, p_less : float
        NaN for no person.
    """
    d = np.asarray(differences, dtype=float)
    if not len(d):
        return np.nan, np.nan
    if len(d) < EXACT_BELOW:
        return _all_signs(d)
    signs = np.random.default_rng(random_state).choice(np.array([-1.0, 1.0]), size=(n_permutations, len(d)))
    return _beyond(signs @ d, d, extra=1)


def _all_signs(d: np.ndarray) -> tuple[float, float]:
    """Return the shares of all 2^n sign patterns whose sum is at least (and at most) the observed one."""
    sums = np.zeros(1)
    for one in d:
        sums = np.concatenate([sums + one, sums - one])
    return _beyond(sums, d)


def _beyond(sums: np.ndarray, d: np.ndarray, extra: int = 0) -> tuple[float, float]:
    # equal sums that were added up in another order must count as equal
    observed, slack = d.sum(), 1e-12 * max(1.0, np.abs(d).sum())
    n = len(sums) + extra
    greater, less = (min(int(np.sum(side)) + extra, n - 1) / n for side in (sums >= observed - slack, sums <= observed + slack))
    return greater, less


def wilcoxon_test(differences: np.ndarray) -> tuple[float, float]:
    """Return one-sided p-values of Wilcoxon's signed-rank test, half of SciPy's two-sided one on the side of the mean.

    People without a difference are left out, as SciPy does; where nobody has one, both are 1/2.
    """
    from scipy.stats import rankdata, wilcoxon

    d = np.asarray(differences, dtype=float)
    if not len(d):
        return np.nan, np.nan
    if not d.any():
        return 0.5, 0.5
    there = d[d != 0]
    if len(d) <= 13 and len(np.unique(np.abs(there))) < len(d):
        # zeros and ties in a few people: all sign patterns, which is what SciPy tries here, one at a time
        half = min(0.5, *_all_signs(np.sign(there) * rankdata(np.abs(there))))
    else:
        half = float(wilcoxon(d)[1]) / 2
    # strictly inside (0, 1), for Stouffer's method
    low, high = (float(np.clip(p, np.nextafter(0, 1), np.nextafter(1, 0))) for p in (half, 1 - half))
    return (low, high) if d.mean() >= 0 else (high, low)


def effect(differences: np.ndarray) -> float:
    """Return mean / standard deviation (n - 1) of paired differences; infinite where they are all the same, 0 where all are 0."""
    d = np.asarray(differences, dtype=float)
    if not len(d):
        return np.nan
    if np.all(d == d[0]):
        return float(np.copysign(np.inf, d[0])) if d[0] else 0.0
    return float(d.mean() / d.std(ddof=1))


def two_sided(greater: float, less: float) -> float:
    """Return the two-sided p-value of two one-sided ones."""
    return float(min(1.0, 2 * min(greater, less))) if np.isfinite(greater) else np.nan


# -- many pairs, many data sets -------------------------------------------------------------------------------------


def holm(p: Sequence[float]) -> np.ndarray:
    """Return p-values corrected for their number: the chance of one false finding among all stays below the level.

    NaN stays NaN and counts as no test.

    Source
    ------
    Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    p = np.asarray(p, dtype=float)
    there = np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there], kind="stable")]
    result = np.full(len(p), np.nan)
    result[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return result


def stouffer(p: Sequence[float], n: Sequence[float]) -> float:
    """Return the one-sided p-value of several data sets together, weighted by the square root of their people."""
    from scipy.stats import combine_pvalues

    return float(p[0]) if len(p) == 1 else float(combine_pvalues(np.asarray(p), method="stouffer", weights=np.sqrt(n))[1])


def combined_effect(effects: Sequence[float], n: Sequence[float]) -> float:
    """Return the mean effect of several data sets, weighted by the square root of their people."""
    weights = np.sqrt(np.asarray(n, dtype=float))
    return float(np.sum(weights / weights.sum() * np.asarray(effects)))


# -- ranks ----------------------------------------------------------------------------------------------------------


def ranks(scores: pd.DataFrame, lower_is_better: bool = False, alpha: float = 0.05) -> pd.DataFrame:
    """Rank pipelines for each person (or data set) and say which mean ranks cannot be told apart.

    Parameters
    ----------
    scores : DataFrame [blocks, pipelines]
        No NaN. Blocks are people, or data sets with their mean scores.
    lower_is_better : bool
    alpha : float

    Returns
    -------
    table : DataFrame
        One row per pipeline, best first: rank (mean, ties shared, 1 is best), n (blocks), critical_difference (two mean
        ranks nearer than this do not differ by Nemenyi's test), friedman_chi2, friedman_p (NaN below three pipelines),
        groups (numbers of the maximal sets of pipelines that cannot be told apart, which a diagram draws as bars).

    Source
    ------
    Demsar 2006, JMLR 7:1, sections 3.2.2 and 3.2.4.
    """
    from scipy.stats import friedmanchisquare, rankdata

    values = scores.to_numpy(dtype=float) * (1.0 if lower_is_better else -1.0)
    # scores that differ by rounding alone are ties
    mean = rankdata(np.round(values, 12), axis=1).mean(axis=0)
    n, k = values.shape
    if k >= 3 and n >= 2 and np.ptp(values, axis=1).any():
        chi2, p = friedmanchisquare(*np.round(values, 12).T)
    else:
        chi2, p = np.nan, np.nan
    distance = critical_difference(k, n, alpha)
    order = np.argsort(mean, kind="stable")
    member = cliques(mean[order], distance)
    rows = [
        (scores.columns[column], float(mean[column]), n, distance, float(chi2), float(p), " ".join(map(str, member[i])))
        for i, column in enumerate(order)
    ]
    return pd.DataFrame(rows, columns=list(RANK_COLUMNS))


def critical_difference(n_pipelines: int, n_blocks: int, alpha: float = 0.05) -> float:
    """Return how far two mean ranks must lie apart to differ by Nemenyi's test; NaN for one pipeline.

    q_alpha sqrt(k (k + 1) / 6 n), q_alpha: studentized range over infinitely many degrees of freedom, divided by sqrt(2)
    """
    from scipy.stats import studentized_range

    if n_pipelines < 2 or n_blocks < 1:
        return np.nan
    q = studentized_range.ppf(1 - alpha, n_pipelines, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_pipelines * (n_pipelines + 1) / (6 * n_blocks)))


def cliques(mean_ranks: Sequence[float], distance: float) -> list[list[int]]:
    """Return for each of the sorted mean ranks the numbers (from 1) of the maximal sets whose ranks span less than `distance`."""
    mean_ranks = np.asarray(mean_ranks)
    member: list[list[int]] = [[] for _ in mean_ranks]
    reached, number = 0, 0
    for start in range(len(mean_ranks)):
        stop = int(np.searchsorted(mean_ranks, mean_ranks[start] + distance, side="left")) if np.isfinite(distance) else start + 1
        if stop - start > 1 and stop > reached:
            number, reached = number + 1, stop
            for i in range(start, stop):
                member[i].append(number)
    return member
