"""Which figures a leaderboard can show, and the words that say what is seen in each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from corticode.report import table
from corticode.report.figure import effect, matrix, pair, person, rank, strip
from corticode.report.gallery import Picture
from corticode.report.ranking import Ranking

_DRAWN = 25  # candidates in one figure; the tables have them all
_FEW = 5  # candidates whose people stand side by side
_LEVELS = {"subject": "person", "site": "site", "fold": "fold", "pooled": "person"}


def pictures(ranking: Ranking, protocol: dict[str, Any]) -> Iterator[Picture]:
    """Yield what the tables allow to draw of one protocol, in reading order."""
    rows = scored(ranking, protocol["protocol"]).head(_DRAWN)
    people = ranking.of("people", protocol["protocol"])
    if len(rows):
        yield _candidates(ranking, protocol, rows, people)
    if len(people):
        yield from _few(protocol, rows, people)
        yield from _pairs(protocol, rows, people)
    yield from compared(ranking.of("tests", protocol["protocol"]), ranking.of("ranks", protocol["protocol"]), protocol)


def scored(ranking: Ranking, protocol: str) -> pd.DataFrame:
    """Return the candidates of a protocol that have a score, best first."""
    rows = ranking.of("leaderboard", protocol)
    return rows[rows["score"].notna()].reset_index(drop=True)


def partial(row: dict[str, Any]) -> str:
    """Return '9 of 18 folds' for a candidate that is not complete, and nothing for one that is."""
    if row.get("complete", True) or pd.isna(row.get("n_folds_expected")):
        return ""
    return f"{row['n_folds']:.0f} of {row['n_folds_expected']:.0f} folds"


def _spoken(protocol: dict[str, Any]) -> str:
    return table.spoken(protocol["metric"]) + (" (lower is better)" if protocol.get("lower_is_better") else "")


def _column(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows else pd.Series(np.nan, index=rows.index)


def _chance(rows: pd.DataFrame) -> float | None:
    known = _column(rows, "chance").dropna()
    return float(known.iloc[0]) if len(known) else None


def _candidates(ranking: Ranking, protocol: dict[str, Any], rows: pd.DataFrame, people: pd.DataFrame) -> Picture:
    best = ranking.of("best", protocol["protocol"]).to_dict("records")
    one = _LEVELS[protocol["level"]]
    told = rows.assign(
        partial=[partial(row) for row in rows.to_dict("records")],
        **{name: _column(rows, name) for name in ("interval_low", "interval_high", "chance_95")},
    )
    drawn = strip.candidates(told, people, _spoken(protocol), _chance(rows), best[0] if best else None)
    words = [
        f"A pale dot is one {one}." if len(people) else "",
        "A dark dot is the mean with its 95 % interval" if len(people) else "A dot is the score with its 95 % interval",
    ]
    words[1] += "; hollow where folds are missing." if told["partial"].any() else "."
    if best:
        words.append(f"Orange: the score of choosing, for each {one}, the model that is best on the others.")
    if told["chance_95"].notna().any():
        words.append("Grey: from chance to the bound that 95 % of scores keep when truths are permuted.")
    n = len(scored(ranking, protocol["protocol"]))
    words.append(f"The first {_DRAWN} of {n} are drawn." if n > len(rows) else "")
    return Picture(drawn, "All candidates.", " ".join(filter(None, words)), full=True)


def _few(protocol: dict[str, Any], rows: pd.DataFrame, people: pd.DataFrame) -> Iterator[Picture]:
    """Yield the people of the best few, side by side."""
    rows, level = rows.head(_FEW), "subject" if protocol["level"] == "pooled" else protocol["level"]
    shown = people[people["pipeline"].isin(rows["pipeline"])]
    if shown["unit"].nunique() < 2:
        return
    scores = pd.DataFrame(
        {"level": level, level: shown["unit"], "model": shown["pipeline"], "metric": protocol["metric"], "score": shown["score"]}
    )
    models = {
        row["pipeline"]: {
            "headline": row["score"],
            "interval": None if pd.isna(row.get("interval_low")) else (row["interval_low"], row["interval_high"]),
            "chance_95": None if pd.isna(row.get("chance_95")) else row["chance_95"],
        }
        for row in rows.to_dict("records")
    }
    summary = {
        "metric": protocol["metric"],
        "level": protocol["level"],
        "chance": _chance(rows),
        "models": models,
        "model": next(iter(models)),
    }
    bounds = _column(shown, "chance_bound").groupby(shown["unit"]).max()
    bounded = bool(bounds.notna().any()) and summary["chance"] is not None
    drawn = person.people(scores, summary, level, bounds if bounded else None)
    one = _LEVELS[level]
    apart = (
        "models stand side by side, marked as at the right, where their means and 95 % intervals are"
        if len(models) > 1
        else "at the right the mean"
    )
    words = f"A dot is one {one}; {apart}."
    field = f" The grey field behind a {one} holds 95 % of what guessing scores on as many windows (binomial)." if bounded else ""
    yield Picture(drawn, f"Each {one}." if len(models) == 1 else f"Each {one}, best {len(models)} candidates.", words + field, full=True)


def _pairs(protocol: dict[str, Any], rows: pd.DataFrame, people: pd.DataFrame) -> Iterator[Picture]:
    values = people.pivot_table(index="unit", columns="pipeline", values="score", sort=False)
    values = values[[name for name in rows["pipeline"] if name in values][: _FEW + 1]]
    level = protocol["level"] if protocol["level"] != "pooled" else "subject"
    drawn = pair.pairs(values, table.spoken(protocol["metric"]), bool(protocol.get("lower_is_better")), _chance(rows), level)
    if drawn:
        words = f"A line is one {_LEVELS[level]}: blue where the one with the best mean is the better of the two, orange and dashed where it is not; thick is the mean."
        yield Picture(drawn, "The best mean beside those that follow.", words, full=True)


def compared(tests: pd.DataFrame, ranks: pd.DataFrame, protocol: dict[str, Any], over: str = "") -> Iterator[Picture]:
    """Yield ranks and tests of one protocol, or of a family over data sets.

    Parameters
    ----------
    tests, ranks : DataFrame
        The rows of this protocol.
    protocol : mapping
        metric, level.
    over : str
        What ranks are means over, where it is not the people: 'data sets'.
    """
    units = over or table.UNITS["subject" if protocol["level"] == "pooled" else protocol["level"]][1]
    ranks = ranks.sort_values("rank").head(_DRAWN)
    if len(ranks) > 1:
        yield _ranks(ranks, units)
    if len(tests):
        order = [name for name in ranks["pipeline"] if name in {*tests["first"], *tests["second"]}] or list(
            dict.fromkeys([*tests["first"], *tests["second"]])
        )
        p, difference = _square(tests, order[:_DRAWN])
        drawn = matrix.tests(p, difference, table.spoken(protocol["metric"]), bool(protocol.get("lower_is_better")))
        if drawn:
            words = (
                f"Mean difference over {units}, row less column: blue where the row is better, orange where it is worse, pale from p < 0.05, "
                "middle from 0.01, full from 0.001; without colour: not told apart. Two-sided paired tests, corrected over all pairs (Holm)."
            )
            yield Picture(drawn, "Who differs from whom.", words, full=True)


def _ranks(ranks: pd.DataFrame, units: str) -> Picture:
    members: dict[str, list[str]] = {}
    for row in ranks.to_dict("records"):
        for group in str(row.get("groups", "")).split():
            members.setdefault(group, []).append(row["pipeline"])
    critical = _column(ranks, "critical_difference").dropna()
    drawn = rank.critical_difference(
        ranks.set_index("pipeline")["rank"], list(members.values()), float(critical.iloc[0]) if len(critical) else None
    )
    n, p = _column(ranks, "n").max(), _column(ranks, "friedman_p").dropna()
    said = f" Friedman test over all: p {'< 0.001' if p.iloc[0] < 0.001 else '= ' + table.number(p.iloc[0])}." if len(p) else ""
    count = f"{n:.0f} {units}" if pd.notna(n) else units
    words = f"Mean rank over {count}, 1 is the best. A bar joins those that the Nemenyi test does not tell apart (5 %).{said}"
    return Picture(drawn, "Ranks.", words, full=True)


def _square(tests: pd.DataFrame, order: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay pairs out as matrices of corrected p and of differences, both [models, models]."""
    p, difference = (pd.DataFrame(np.nan, index=order, columns=order) for _ in range(2))
    for row in tests.to_dict("records"):
        first, second = row["first"], row["second"]
        if first in p and second in p:
            p.loc[first, second] = p.loc[second, first] = row["p_holm"]
            difference.loc[first, second], difference.loc[second, first] = row["difference"], -row["difference"]
    return p, difference


def over_data_sets(ranking: Ranking, family: str) -> Iterator[Picture]:
    """Yield what several data sets say together: effects of the best over those that follow, then ranks and tests."""
    members = ranking.protocols[ranking.protocols["family"] == family]
    tests = ranking.tests
    together = tests[(tests["protocol"] == "") & (_column(tests, "family") == family)]
    apart = tests[tests["protocol"].isin(members["protocol"])]
    ranks = ranking.ranks[(ranking.ranks["protocol"] == "") & (_column(ranking.ranks, "family") == family)]
    titles = members.set_index("protocol")["data"].to_dict()
    leader = ranks.sort_values("rank")["pipeline"].iloc[0] if len(ranks) else together["first"].iloc[0] if len(together) else None
    rivals = [name for name in ranks.sort_values("rank")["pipeline"] if name != leader][:4] if len(ranks) else []
    for rival in rivals:
        effects = _effects(apart, together, leader, rival, titles)
        drawn = effect.forest(effects, leader, rival) if len(effects) > 1 else None
        if drawn:
            words = (
                "Standardised mean difference (in standard deviations of the differences) of each data set with its 95 % interval, its number of people "
                "in brackets; orange: combined over data sets, weighted by the root of that number."
            )
            yield Picture(drawn, f"{leader} against {rival}.", words, full=True)
    if len(members):
        yield from compared(together, ranks, {**members.iloc[0].to_dict()}, over="data sets")


def _effects(apart: pd.DataFrame, together: pd.DataFrame, leader: str, rival: str, titles: dict[str, str]) -> pd.DataFrame:
    """Return one row per data set and the combined one, with intervals.

    The variance of a standardised mean d over n differences is about 1 / n + d² / (2 n); the combined one goes with the same weights.
    """
    rows = []
    for row in apart.to_dict("records"):
        if {row["first"], row["second"]} == {leader, rival} and pd.notna(row["effect"]):
            d = row["effect"] if row["first"] == leader else -row["effect"]
            half = 1.96 * np.sqrt(1 / row["n"] + d**2 / (2 * row["n"]))
            rows.append(
                {
                    "title": titles.get(row["protocol"], row["protocol"]),
                    "n": row["n"],
                    "effect": d,
                    "low": d - half,
                    "high": d + half,
                    "combined": False,
                }
            )
    for row in together.to_dict("records"):
        if rows and {row["first"], row["second"]} == {leader, rival} and pd.notna(row["effect"]):
            d = row["effect"] if row["first"] == leader else -row["effect"]
            weights = np.sqrt([r["n"] for r in rows])
            weights = weights / weights.sum()
            half = np.sqrt(np.sum((weights * [(r["high"] - r["effect"]) for r in rows]) ** 2))
            total = sum(r["n"] for r in rows)
            rows.append({"title": "combined", "n": total, "effect": d, "low": d - half, "high": d + half, "combined": True})
    return pd.DataFrame(rows, columns=["title", "n", "effect", "low", "high", "combined"])
