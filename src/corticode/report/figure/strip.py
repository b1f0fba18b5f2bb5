"""All candidates of a leaderboard below each other: people as dots, means with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from corticode.report.svg import BAND, INK, MUTED, PALETTE, PAPER, sheet, shorts
from corticode.report.table import number


def candidates(
    rows: pd.DataFrame, people: pd.DataFrame, metric: str, chance: float | None = None, best: dict[str, Any] | None = None
) -> str:
    """Draw one line per candidate, best first, and above them the nested figure of the best.

    Parameters
    ----------
    rows : DataFrame
        Columns pipeline, score, interval_low, interval_high, chance_95, partial ('9 of 18 folds' or '').
    people : DataFrame
        Columns pipeline, score: a faint dot each.
    metric : str
        As it is spoken, with '(lower is better)' where it is.
    chance : float or None
    best : mapping or None
        nested, nested_low, nested_high: what choosing the best for each person by the others brings.
    """
    k = len(rows)
    with sheet("candidates", 9.9, 0.95 + 0.29 * (k + (best is not None))) as drawn:
        ax = drawn.figure.subplots()
        if chance is not None:
            ax.axvline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        for i, row in enumerate(rows.to_dict("records")):
            _line(ax, i, row, people.loc[people["pipeline"] == row["pipeline"], "score"].to_numpy(float), chance)
        names = [name + (f" ({part})" if part else "") for name, part in zip(shorts(rows["pipeline"], 36), rows["partial"], strict=True)]
        if best is not None:
            _best(ax, best)
            names = ["best, chosen by the others", *names]
        ax.set_yticks(range(-1 if best is not None else 0, k), names)
        ax.set(ylim=(k - 0.4, -1.6 if best is not None else -0.6), xlabel=metric)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="x")
    return drawn.svg


def _line(ax, y: int, row: dict[str, Any], scores: np.ndarray, chance: float | None) -> None:
    if chance is not None and np.isfinite(row["chance_95"]):
        ax.fill_betweenx([y - 0.4, y + 0.4], chance, row["chance_95"], color=BAND, alpha=0.25, linewidth=0, zorder=0.5)
    ax.plot(scores, np.full(len(scores), y), linestyle="none", marker="o", markersize=3.4 if len(scores) <= 40 else 2.4, color=PALETTE[5],
            alpha=0.55, markeredgewidth=0, zorder=2)  # fmt: skip
    ax.hlines(y, row["interval_low"], row["interval_high"], color=PALETTE[0], linewidth=3.2, alpha=0.5, zorder=2.5)
    # hollow: not all folds are in it
    ax.plot([row["score"]], [y], marker="o", markersize=6.5, color=PAPER if row["partial"] else PALETTE[0],
            markeredgecolor=PALETTE[0] if row["partial"] else PAPER, markeredgewidth=1.2, zorder=3)  # fmt: skip
    ax.text(1.01, y, number(row["score"]), transform=ax.get_yaxis_transform(), va="center", fontsize=8.5, color=INK)


def _best(ax, best: dict[str, Any]) -> None:
    ax.hlines(-1, best["nested_low"], best["nested_high"], color=PALETTE[1], linewidth=3.2, alpha=0.5, zorder=2.5)
    ax.plot([best["nested"]], [-1], marker="D", markersize=7, color=PALETTE[1], markeredgecolor=PAPER, zorder=3)
    ax.text(1.01, -1, number(best["nested"]), transform=ax.get_yaxis_transform(), va="center", fontsize=8.5, fontweight="bold", color=INK)
