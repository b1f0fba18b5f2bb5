"""Learning curve: the score against what was learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.svg import MUTED, PAPER, look, sheet, short


def learning_curve(points: pd.DataFrame, what: str, metric: str, chance: float | None = None) -> str | None:
    """Draw the mean score of people against the number of people or trials that were learned from, with its standard error.

    Parameters
    ----------
    points : DataFrame
        Columns model, unit, size, score: one row per person and size.
    what : str
        What a size counts: 'people learned from'.
    metric : str
        As it is spoken.
    chance : float or None

    Returns
    -------
    svg : str or None
        None for fewer than two sizes.
    """
    if points["size"].nunique() < 2:
        return None
    models = list(dict.fromkeys(points["model"]))
    with sheet("growth", 4.7, 4.4 + 0.19 * len(models)) as drawn:
        ax = drawn.figure.subplots()
        for i, model in enumerate(models):
            means = (
                points[points["model"] == model]
                .groupby(["size", "unit"])["score"]
                .mean()
                .groupby(level="size")
                .agg(["mean", "std", "size"])
            )
            error = (means["std"] / np.sqrt(means["size"])).fillna(0)
            ax.fill_between(means.index, means["mean"] - error, means["mean"] + error, color=look(i)["color"], alpha=0.16, linewidth=0)
            ax.plot(means.index, means["mean"], markersize=6, markeredgecolor=PAPER, label=short(model), **look(i))
        if chance is not None:
            ax.axhline(chance, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        sizes = np.sort(points["size"].unique())
        if sizes[-1] / max(sizes[0], 1) >= 8:
            ax.set_xscale("log")
            ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
            ax.minorticks_off()
        ax.set(xlabel=what + (" (logarithmic)" if ax.get_xscale() == "log" else ""), ylabel=metric)
        if len(models) > 1:
            ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, borderpad=0)
        ax.grid()
    return drawn.svg
