"""Matrices: which class was taken for which, and which model differs from which."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.answer import classes_of, counts
from corticode.report.svg import GRID, INK, MUTED, PALETTE, sheet, short, shorts

SMALL = 6  # classes of a matrix that needs half of the page
NUMBERED = 12  # classes above which cells have no room for numbers
# text and cells of the matrix keep their own colours in the dark
_CELL_LIGHT, _CELL_DARK, _CELL_INK = np.array([0xEE, 0xF3, 0xF8]), np.array([0x00, 0x4B, 0x87]), "#1c2024"


def confusion(predictions: pd.DataFrame, title: str = "") -> str:
    """Draw the confusion matrix, pooled over folds: share of each true class, and the counts.

    Parameters
    ----------
    predictions : DataFrame
        One row per test window of one model: y, yhat and p_<class> or d_<class> columns.
    title : str
    """
    classes, table = classes_of(predictions), counts(predictions)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    k = len(classes)
    # without numbers the colours must tell small shares apart
    top = 1.0 if k <= NUMBERED else max(0.1, np.ceil(10 * share.max()) / 10)
    size, letters = ((4.7, 4.4), 14) if k <= SMALL else ((9.9, 8.6), 30)
    with sheet("confusion " + title, *size, pad=0.07) as drawn:
        ax = drawn.figure.subplots()
        for i, j in np.ndindex(k, k):
            _cell(ax, i, j, share[i, j], table[i, j], k, top)
        ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="answered", ylabel="true class", title=short(title, 40))
        names = shorts(classes, letters)
        ax.set_xticks(range(k), names, rotation=0 if sum(map(len, names)) <= 36 else 90)
        upright = sum(map(len, names)) <= 36
        ax.set_yticks(range(k), names, rotation=90 if upright and k <= 3 else 0, va="center")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        if k > NUMBERED:
            _scale(drawn.figure, ax, top, "share of the true class, %")
    return drawn.svg


def _cell(ax, i: int, j: int, share: float, count: int, k: int, top: float) -> None:
    from matplotlib.patches import Rectangle

    gap = 0.02
    ax.add_patch(Rectangle((j - 0.5 + gap, i - 0.5 + gap), 1 - 2 * gap, 1 - 2 * gap, facecolor=_shade(share / top), edgecolor="none"))
    if k > NUMBERED:  # no room for numbers: the bar beside the matrix reads the colours
        return
    look = {"ha": "center", "va": "center", "color": "#ffffff" if share > 0.55 else _CELL_INK}
    large = 15 if k == 2 else 12 if k <= 4 else 8.5 if k <= SMALL else 10
    ax.text(j, i - 0.08, f"{100 * share:.0f} %", fontsize=large, **look)
    ax.text(j, i + 0.2, f"{count:,}".replace(",", " "), fontsize=8.5 if k <= 4 else 7, alpha=0.85, **look)


def _shade(share: float) -> tuple[float, ...]:
    return tuple((_CELL_LIGHT + (_CELL_DARK - _CELL_LIGHT) * share) / 255)


def _scale(figure, ax, top: float, words: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    colours = LinearSegmentedColormap.from_list("share", [_shade(0), _shade(1)])
    bar = figure.colorbar(ScalarMappable(Normalize(0, 100 * top), colours), ax=ax, shrink=0.6, label=words)
    bar.outline.set_visible(False)


def tests(p: pd.DataFrame, difference: pd.DataFrame, metric: str = "score", lower_is_better: bool = False) -> str | None:
    """Draw which model differs from which: the difference in each cell, filled where it stands after Holm's correction.

    Parameters
    ----------
    p : DataFrame [models, models]
        Two-sided, corrected; NaN where a pair was not tested.
    difference : DataFrame [models, models]
        Row less column, in the unit of the metric.
    metric : str
        As it is spoken.
    lower_is_better : bool

    Returns
    -------
    svg : str or None
        None for fewer than two models.

    Notes
    -----
    Two colours that colour-blind readers tell apart say whether the row is better or worse, pale from 5 %, strong from 1 %, full from
    0.1 %; cells that do not differ stay empty of colour. The signs repeat it for print without colours.
    """
    k = len(p)
    if k < 2:
        return None
    largest = max(map(len, shorts(p.index, 30)))
    edge = 2.3 + 0.075 * largest + min(7.2, max(0.52 * k, 1.6))
    with sheet("tests", min(edge, 10.4), min(edge, 10.4) - 0.5, pad=0.07) as drawn:
        ax = drawn.figure.subplots()
        for i, j in np.ndindex(k, k):
            _pair(ax, i, j, p.iat[i, j], difference.iat[i, j], -1 if lower_is_better else 1, k)
        names = shorts(p.index, 30)
        ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal")
        ax.set_xticks(range(k), names, rotation=90)
        ax.set_yticks(range(k), names)
        ax.set(xlabel="less this one", ylabel=f"{metric} of this one")
        ax.tick_params(length=0, labelsize=8.5 if k <= 16 else 7.5)
        ax.spines[:].set_visible(False)
    return drawn.svg


def _pair(ax, i: int, j: int, p: float, difference: float, better: int, k: int) -> None:
    from matplotlib.patches import Rectangle

    gap = 0.03
    place = (j - 0.5 + gap, i - 0.5 + gap)
    if i == j or not np.isfinite(p):
        ax.add_patch(Rectangle(place, 1 - 2 * gap, 1 - 2 * gap, facecolor=GRID, edgecolor="none", alpha=0.5))
        return
    strength = 0.9 if p < 0.001 else 0.6 if p < 0.01 else 0.32 if p < 0.05 else 0
    ax.add_patch(Rectangle(place, 1 - 2 * gap, 1 - 2 * gap, facecolor=PALETTE[0 if better * difference > 0 else 1] if strength else "none", edgecolor=GRID,
                           linewidth=0.6, alpha=strength or 1))  # fmt: skip
    colour = "#ffffff" if strength > 0.8 else INK if strength else MUTED
    sign = "+" if difference > 0 else "−" if difference < 0 else ""
    text = f"{sign}{abs(difference):.3f}".replace("0.", ".", 1) if k > 8 else f"{sign}{abs(difference):.3f}"
    if k > 14:  # three decimals would touch: the table has them
        text = sign
    ax.text(j, i, text, ha="center", va="center", color=colour, fontsize=9 if k <= 8 else 7.5)
