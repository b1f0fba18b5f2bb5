"""Scores of people: a dot per person against what guessing reaches, beside the mean of each model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from corticode.report.svg import BAND, GRID, INK, MUTED, PALETTE, PAPER, look, sheet, shorts
from corticode.report.table import UNITS, lower_is_better, number, of_model, per_seed, per_unit, spoken

_NAMED = 40  # above this many people names are left to the table
_APART = 160  # up to this many dots the models of a person stand side by side


def people(scores: pd.DataFrame, summary: Mapping[str, Any], level: str = "subject", bounds: pd.Series | None = None) -> str | None:
    """Draw the headline metric of each person, best to worst, beside the headline (mean, or pooled) with interval and permutation band.

    Parameters
    ----------
    scores : DataFrame
        Tidy table of scores. Where a model ran with several seeds, each seed is a small dot beside the mean of the person.
    summary : mapping
        metric, level, chance, chance_95, interval, headline, models.
    level : str
        Whose dots: 'subject', 'site' or 'fold'.
    bounds : Series or None
        For each unit the score that 95 % of guessers stay below.

    Returns
    -------
    svg : str or None
        None where the metric has no rows at this level.
    """
    metric = summary["metric"]
    values = by_person(scores, metric, level, list(summary.get("models") or {}))
    if values.empty:
        return None
    seeds = per_seed(scores, level)
    n, k = values.shape
    # names of models stand upright below their means
    with sheet("people", 9.9, (3.9 if n <= _NAMED else 3.5) + (0.09 * min(max(map(len, values)), 26) if k > 1 else 0)) as drawn:
        aside = min(1.0 + 0.5 * (k - 1), 4.5)
        left, right = drawn.figure.subplots(1, 2, sharey=True, width_ratios=[9.9 - aside, aside])
        if bounds is not None and summary.get("chance") is not None:
            _guesses(left, bounds.reindex(values.index), summary["chance"])
        _dots(left, values, seeds[seeds["metric"] == metric], summary.get("chance"))
        _names(left, values.index, level, 110 * (9.9 - aside) / 8.9)
        _means(right, values, summary)
        for ax in (left, right):
            ax.grid(axis="y")
            if summary.get("chance") is not None:
                ax.axhline(summary["chance"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        if summary.get("chance") is not None:
            beside = right.get_yaxis_transform()
            words = f"chance\n{number(summary['chance'])}"
            right.text(1.04, summary["chance"], words, transform=beside, color=MUTED, fontsize=8, va="center")
        left.set_ylabel(spoken(metric) + (" (lower is better)" if lower_is_better(metric) else ""))
    return drawn.svg


def by_person(scores: pd.DataFrame, metric: str, level: str = "subject", order: list[str] | None = None) -> pd.DataFrame:
    """Lay out scores as people (rows, best to worst by their mean) by models (columns, in this order, others behind)."""
    units = per_unit(scores, level)
    values = units[units["metric"] == metric].pivot(index="unit", columns="model", values="score")
    told = [name for name in order or [] if name in values]
    values = values[[*told, *(name for name in values if name not in told)]]
    return values.loc[values.mean(axis=1).sort_values(ascending=lower_is_better(metric), kind="stable").index]


def _guesses(ax, bounds: pd.Series, chance: float) -> None:
    """Fill from chance to the bound of each person."""
    for i, top in enumerate(bounds):
        if np.isfinite(top):
            ax.fill_between([i - 0.5, i + 0.5], chance, top, color=BAND, alpha=0.22, linewidth=0, zorder=0.5)


def _dots(ax, values: pd.DataFrame, seeds: pd.DataFrame, chance: float | None) -> None:
    n, k = values.shape
    apart = min(0.17, 0.72 / k) if n * k <= _APART else 0
    size = (6.5 if n <= 20 else 5 if n <= _NAMED else 3.6) * (1 if k < 3 or not apart else 0.8)
    if k > 1 and not apart:  # a thin line ties the models of one person together
        ax.vlines(np.arange(n), values.min(axis=1), values.max(axis=1), color=GRID, linewidth=3 if n <= _NAMED else 1.5, zorder=1.8)
    for i, model in enumerate(values):
        place, own = np.arange(n) + (i - (k - 1) / 2) * apart, look(i)
        if k == 1 and chance is not None:
            ax.vlines(place, chance, values[model], color=PALETTE[0], linewidth=1.6 if n <= _NAMED else 0.9, alpha=0.45, zorder=1.8)
        of_seeds = seeds[seeds["model"] == model]
        where = pd.Series(place, index=values.index).reindex(of_seeds["unit"])
        ax.plot(where, of_seeds["score"], linestyle="none", marker="o", markersize=0.45 * size, color=own["color"], alpha=0.6, markeredgewidth=0,
                zorder=1.9)  # fmt: skip
        ax.plot(
            place, values[model], linestyle="none", markersize=size, zorder=2 + i / 100, markeredgecolor=PAPER, markeredgewidth=0.6, **own
        )
    if k > 1 and apart:  # so that the dots of two people are not taken for one's
        ax.vlines(np.arange(1, n) - 0.5, 0, 1, transform=ax.get_xaxis_transform(), color=GRID, linewidth=0.7, zorder=1)
    ax.set_xlim(-0.7, n - 0.3)


def _names(ax, units: pd.Index, level: str, letters: float) -> None:
    n, (one, many) = len(units), UNITS[level]
    if n > _NAMED:
        ax.set_xlabel(f"{n} {many}, best to worst (names in the table)")
        tens = range(9, n, 10 if n <= 150 else 50)
        ax.set_xticks([0, *tens], ["1", *(str(i + 1) for i in tens)])
        return
    names = shorts(units)
    upright = n * (max(map(len, names)) + 0.8) <= letters  # about as many as one line holds
    ax.set_xticks(range(n), names, rotation=0 if upright else 90)
    ax.set_xlabel(f"{one}, best to worst" if n > 1 else one)


def _means(ax, values: pd.DataFrame, summary: Mapping[str, Any]) -> None:
    word = "pooled" if summary.get("level") == "pooled" else "mean"
    k = len(values.columns)
    for i, model in enumerate(values):
        facts = of_model(summary, model)
        mean = values[model].mean() if facts.get("headline") is None else facts["headline"]
        if facts.get("chance_95") is not None and summary.get("chance") is not None:
            ax.fill_between([i - 0.42, i + 0.42], summary["chance"], facts["chance_95"], color=BAND, alpha=0.3, linewidth=0, zorder=1)
        low, top = facts.get("interval") or (mean, mean)
        ax.vlines(i, low, top, color=look(i)["color"], linewidth=3, alpha=0.5, zorder=2)
        ax.plot([i], [mean], markersize=8, zorder=3, markeredgecolor=PAPER, markeredgewidth=0.8, **look(i))
        # seven numbers and more would touch
        crowded = {"rotation": 90, "fontsize": 7.5} if k > 6 else {"fontsize": 9, "fontweight": "bold"}
        ax.annotate(number(mean), (i, max(top, mean)), (0, 7), textcoords="offset points", ha="center", va="bottom", color=INK, **crowded)
    ax.set_xlim(-0.6, k - 0.4)
    ax.set_xticks(range(k), [word] if k == 1 else shorts(values, 26), rotation=0 if k == 1 else 90)
    if k > 1:
        ax.set_xlabel(f"{word}, each model" if word == "pooled" else "mean of each model")
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.spines["left"].set_visible(False)
    ax.margins(y=0.12)
