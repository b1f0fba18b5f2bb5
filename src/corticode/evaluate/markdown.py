"""A leaderboard as Markdown: what the screen shows and a README can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import pandas as pd

from corticode.evaluate.board import Board
from corticode.report.table import number, spoken

_MOST_TESTS = 12


def markdown(board: Board, about: Mapping[str, Any]) -> str:
    """Return the whole board: per protocol the best, every candidate and the pairs that differ; then data sets together.

    Parameters
    ----------
    board : Board
    about : mapping
        title, date, hash: what leaderboard.json says.
    """
    lines = [f"# {about['title']}", "", f"{about['date']}, content hash `{about['hash']}`."]
    for _, protocol in board.protocols.iterrows():
        lines += ["", f"## {protocol['title']}", "", *_protocol(board, protocol)]
    for family in [f for f in dict.fromkeys(board.tests["family"]) if f]:
        lines += ["", "## Over data sets", "", *_family(board, family)]
    if board.failed:
        lines += ["", "## Failed", "", *(f"* {one.words or one.folder}: {one.error} ({one.folder})" for one in board.failed)]
    if board.refused:
        lines += ["", "## Refused", "", *(f"* {sentence}" for sentence in board.refused)]
    if board.notes:
        lines += ["", "## Notes", "", *(f"* {sentence}" for sentence in board.notes)]
    return "\n".join([*lines, "", *_EXPLAINED, ""])


_EXPLAINED = (
    "95 %: bootstrap over people (and seeds, where there are several). Chance: what knowing nothing scores, in brackets the binomial 95 % interval",
    "for as many test windows, then the bound below which 95 % of scores with shuffled truths lie. d: mean paired difference / its standard deviation.",
    "Coverage: share of prediction sets that hold the truth, mean over people and worst person; set size: classes that a set holds on average.",
    "p: permutation of signs below 20 people, Wilcoxon from 20 on, two-sided, corrected for all pairs by Holm's method.",
)


def _protocol(board: Board, protocol: pd.Series) -> list[str]:
    rows = board.scores[board.scores["protocol"] == protocol["protocol"]]
    said = f"{spoken(protocol['metric'] or '')}, {_level(protocol['level'])}"
    if protocol["lower_is_better"]:
        said += ", lower is better"
    lines = [said + ".", "", *_best(board, protocol), *_table(rows)]
    tests = board.tests[board.tests["protocol"] == protocol["protocol"]]
    return [*lines, *_tests(tests), *_ranks(board.ranks[board.ranks["protocol"] == protocol["protocol"]])]


def _level(level: str) -> str:
    return {"subject": "mean over people", "site": "mean over sites", "fold": "mean over folds", "pooled": "all answers in one pot"}.get(
        level, level
    )


def _best(board: Board, protocol: pd.Series) -> list[str]:
    best = board.best[board.best["protocol"] == protocol["protocol"]]
    if not len(best):
        return []
    row = best.iloc[0]
    interval = f" [{number(row['nested_low'])}, {number(row['nested_high'])}]" if _known(row["nested_low"]) else ""
    return [
        f"**Best of {row['n_candidates']}: {number(row['nested'])}**{interval}, the winner chosen for each {row['unit']} by the others. "
        f"The highest score, {number(row['maximum'])} ({row['maximum_pipeline']}), was chosen by those who are scored: optimistic by {number(row['optimism'])}.",
        "",
    ]


_HEADER = (
    "pipeline",
    "score",
    "sd",
    "95 %",
    "n",
    "chance",
    "above chance",
    "ECE",
    "Brier",
    "ITR",
    "coverage",
    "worst",
    "set size",
    "fit",
    "",
)


def _table(rows: pd.DataFrame) -> list[str]:
    """Return the table of candidates; columns that say nothing are left out."""
    cells = pd.DataFrame([_cells(row) for _, row in rows.iterrows()], columns=list(_HEADER))
    shown = [name for name in _HEADER if name in ("pipeline", "score") or (cells[name] != "").any()]
    lines = ["| " + " | ".join(shown) + " |", "|" + "---|" * len(shown)]
    return lines + ["| " + " | ".join(row[name] for name in shown) + " |" for _, row in cells.iterrows()]


def _cells(row: pd.Series) -> list[str]:
    chance = number(row["chance"]) if _known(row["chance"]) else ""
    if _known(row["chance_low"]):
        chance += f" [{number(row['chance_low'])}, {number(row['chance_high'])}]"
    if _known(row["chance_95"]):
        chance += f" {number(row['chance_95'])}"
    remarks = []
    if not row["complete"]:
        remarks.append(f"**{row['n_folds']} of {row['n_folds_expected']} folds**")
    if row["n_seeds"] > 1:
        remarks.append(f"{row['n_seeds']} seeds" + (f" (sd {number(row['sd_seeds'])})" if _known(row["sd_seeds"]) else ""))
    if row["error"]:
        remarks.append(f"failed: {' '.join(str(row['error']).split())[:160]}")
    interval = f"{number(row['interval_low'])}–{number(row['interval_high'])}" if _known(row["interval_low"]) else ""
    return [
        str(row["pipeline"]).replace("|", "\\|"),
        number(row["score"]),
        _shown(row["sd"]),
        interval,
        str(int(row["n"])) if row["n"] else "",
        chance,
        f"{int(row['n_above'])} of {int(row['n'])}" if _known(row["n_above"]) else "",
        *(_shown(row[name]) for name in ("ece", "brier", "itr", "coverage", "coverage_worst", "set_size")),
        _duration(row["seconds"]),
        "; ".join(remarks).replace("|", "\\|"),
    ]


def _tests(tests: pd.DataFrame) -> list[str]:
    if not len(tests):
        return []
    found = tests[tests["p_holm"] <= 0.05].sort_values("p_holm", kind="stable")
    lines = ["", f"{len(found)} of {len(tests)} pairs differ (p ≤ 0.05 after correction)" + (":" if len(found) else ".")]
    for _, row in found.head(_MOST_TESTS).iterrows():
        better, worse = (row["first"], row["second"]) if row["p_greater"] <= row["p_less"] else (row["second"], row["first"])
        effect = f", d {abs(row['effect']):.2f}" if _known(row["effect"]) else ""
        lines.append(f"* {better} over {worse}: {number(abs(row['difference']))}{effect}, p {row['p_holm']:.2g} (n {int(row['n'])})")
    if len(found) > _MOST_TESTS:
        lines.append(f"* and {len(found) - _MOST_TESTS} more, in tests.csv")
    return lines


def _ranks(ranks: pd.DataFrame) -> list[str]:
    if not len(ranks):
        return []
    said = ", ".join(f"{row['pipeline']} {row['rank']:.2f}" for _, row in ranks.iterrows())
    friedman = f"; Friedman p {ranks['friedman_p'].iloc[0]:.2g}" if _known(ranks["friedman_p"].iloc[0]) else ""
    return ["", f"Mean ranks: {said} (ranks less than {ranks['critical_difference'].iloc[0]:.2f} apart cannot be told apart{friedman})."]


def _family(board: Board, family: str) -> list[str]:
    rows = board.protocols[board.protocols["family"] == family]
    first = rows.iloc[0]
    names = ", ".join(dict.fromkeys(rows["data"]))
    said = f"{names}: {spoken(first['metric'])}, {first['split']}, access {first['access'] or 'none'}; p by Stouffer's method, d weighted by √n."
    tests, ranks = (table[table["family"] == family] for table in (board.tests, board.ranks))
    return [said, *_tests(tests), *_ranks(ranks)]


def _known(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _shown(value: Any) -> str:
    return number(value) if _known(value) else ""


def _duration(seconds: float) -> str:
    if not _known(seconds) or not seconds:
        return ""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
