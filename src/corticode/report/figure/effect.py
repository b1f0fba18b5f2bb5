"""Effects over data sets: each with its interval, and all of them together."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.svg import INK, MUTED, PALETTE, PAPER, sheet, short


def forest(effects: pd.DataFrame, first: str, second: str) -> str | None:
    """Draw the standardised effect of one model over another in each data set, and combined.

    Parameters
    ----------
    effects : DataFrame
        Columns title (of the data set), n (people), effect, low, high (95 % interval; NaN where none), combined (true for the last).
    first, second : str
        The effect is positive where `first` is better.

    Returns
    -------
    svg : str or None
        None where no data set has an effect.
    """
    effects = effects[effects["effect"].notna()].reset_index(drop=True)
    if effects.empty:
        return None
    k = len(effects)
    with sheet(f"effect {first} {second}", 9.9, 1.25 + 0.3 * k) as drawn:
        ax = drawn.figure.subplots()
        ax.axvline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for i, row in effects.iterrows():
            combined = bool(row["combined"])
            colour = PALETTE[1] if combined else PALETTE[0]
            ax.hlines(i, row["low"], row["high"], color=colour, linewidth=2, alpha=0.6)
            size = 9 if combined else 3.5 + 5 * np.sqrt(row["n"] / effects["n"].max())
            ax.plot([row["effect"]], [i], marker="D" if combined else "s", markersize=size, color=colour, markeredgecolor=PAPER)
            interval = f" [{row['low']:+.2f}, {row['high']:+.2f}]" if np.isfinite(row["low"]) else ""
            ax.text(
                1.01,
                i,
                f"{row['effect']:+.2f}{interval}".replace("-", "−"),
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=8.5,
                color=INK,
            )
        ax.set_yticks(range(k), [f"{short(row['title'], 44)} ({row['n']:.0f})" for _, row in effects.iterrows()])
        ax.set(
            ylim=(k - 0.4, -0.6),
            xlabel=f"standardised effect (no unit): right of 0 {short(first, 26)} is better, left of it {short(second, 26)}",
        )
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    return drawn.svg
