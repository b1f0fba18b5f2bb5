"""Models against each other on the same people: a line per person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.svg import INK, MUTED, PALETTE, PAPER, sheet, shorts
from corticode.report.table import UNITS, number

_OTHERS = 5  # panels of one row


def pairs(
    values: pd.DataFrame, metric: str, lower_is_better: bool = False, chance: float | None = None, level: str = "subject"
) -> str | None:
    """Draw the best model beside each other one, a line per person: blue where the best is better, orange and dashed where it is not.

    Parameters
    ----------
    values : DataFrame [people, models]
        Scores; people without both scores of a panel are left out of it.
    metric : str
        As it is spoken.
    lower_is_better : bool
    chance : float or None
    level : str
        Whose lines: 'subject', 'site' or 'fold'.

    Returns
    -------
    svg : str or None
        None for fewer than two models or people.
    """
    order = values.mean().sort_values(ascending=lower_is_better, kind="stable").index
    if len(order) < 2 or len(values) < 2:
        return None
    others = list(order[1 : 1 + _OTHERS])
    names = dict(zip([order[0], *others], shorts([order[0], *others], 24), strict=True))
    with sheet("pairs", min(9.9, 1.6 + 2.1 * len(others)), 3.3 + 0.07 * max(map(len, names.values()))) as drawn:
        panels = np.atleast_1d(drawn.figure.subplots(1, len(others), sharey=True))
        for ax, other in zip(panels, others, strict=True):
            both = values[[other, order[0]]].dropna()
            _panel(ax, both, [names[other], names[order[0]]], lower_is_better, level)
            if chance is not None and _near(chance, values):
                ax.axhline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
            ax.grid(axis="y")
        longest = max(len(names[other]) for other in others) + len(names[order[0]])
        for ax in panels:
            ax.tick_params(axis="x", rotation=0 if longest <= 16 else 90)
        panels[0].set_ylabel(metric + (" (lower is better)" if lower_is_better else ""))
    return drawn.svg


def _near(chance: float, values: pd.DataFrame) -> bool:
    """Tell whether chance can be drawn without pressing the scores of all people into one line."""
    low, high = np.nanmin(values), np.nanmax(values)
    return low - 1.5 * (high - low) <= chance <= high + 1.5 * (high - low)


def _panel(ax, both: pd.DataFrame, names: list[str], lower_is_better: bool, level: str) -> None:
    sign = -1 if lower_is_better else 1
    change = sign * (both.iloc[:, 1] - both.iloc[:, 0])
    few = len(both) <= 40
    for (left, right), gain in zip(both.to_numpy(), change, strict=True):
        colour, line = (PALETTE[0], "-") if gain > 0 else (PALETTE[1], (0, (3, 2))) if gain < 0 else (MUTED, ":")
        ax.plot([0, 1], [left, right], color=colour, linewidth=1.1 if few else 0.6, alpha=0.55, zorder=2, linestyle=line, marker="o",
                markersize=3.2 if few else 2, markeredgewidth=0)  # fmt: skip
    ax.plot([0, 1], both.mean(), color=INK, linewidth=2, marker="D", markersize=5.5, markeredgecolor=PAPER, zorder=3)
    ax.set_xlim(-0.35, 1.35)
    ax.set_xticks([0, 1], names)
    ahead = sign * (both.iloc[:, 1].mean() - both.iloc[:, 0].mean())
    who = UNITS[level][len(both) != 1]
    ax.set_title(f"{number(ahead)} better,\n{int((change > 0).sum())} of {len(both)} {who}", loc="center", fontsize=8.5)
