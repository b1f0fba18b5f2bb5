"""Critical-difference diagram: mean ranks of many models, and which of them cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.report.svg import INK, MUTED, PALETTE, sheet, shorts

_LINE, _BAR = 0.24, 0.16  # inch: between two names, between two bars


def critical_difference(ranks: pd.Series, groups: Sequence[Sequence[str]] = (), difference: float | None = None) -> str | None:
    """Draw mean ranks on an axis (best at the right), names at both sides, and a bar over those that do not differ.

    Parameters
    ----------
    ranks : Series
        Mean rank of each model over people or data sets, 1 is the best.
    groups : sequence of sequences of names
        Sets within which no two differ; those of one member are not drawn.
    difference : float or None
        The critical difference: drawn above the axis as a ruler.

    Returns
    -------
    svg : str or None
        None for fewer than two models.

    Source
    ------
    Demšar 2006, JMLR 7, section 3.2.2 and figure 1.
    """
    ranks = ranks.dropna().sort_values(kind="stable")
    k = len(ranks)
    if k < 2:
        return None
    bars = _levels([(ranks[list(group)].min(), ranks[list(group)].max()) for group in groups if len(group) > 1])
    n_right = (k + 1) // 2  # the better half is named at the right
    under = _BAR * (max((level for *_, level in bars), default=-1) + 1) + 0.22
    over = 0.75 if difference is not None else 0.4
    height = over + under + _LINE * n_right + 0.1
    with sheet("ranks", 9.9, height) as drawn:
        ax = drawn.figure.subplots()
        low, high = int(np.floor(ranks.min())), int(np.ceil(ranks.max()))
        high += low == high
        pad = (high - low) * 0.5  # a side's names take a quarter of the width
        ax.set(xlim=(high + pad, low - pad), ylim=(-(under + _LINE * n_right + 0.1), over))
        ax.axis("off")
        _axis(ax, low, high)
        for start, end, level in bars:
            y = -0.14 - _BAR * level
            ax.plot(
                [start - 0.012 * (high - low), end + 0.012 * (high - low)],
                [y, y],
                color=PALETTE[1],
                linewidth=4,
                solid_capstyle="round",
                zorder=3,
            )
        for i, (name, rank) in enumerate(zip(shorts(ranks.index, 30), ranks, strict=True)):
            place = i if i < n_right else k - 1 - i
            _name(ax, name, rank, -(under + _LINE * place), low - 0.04 * pad if i < n_right else high + 0.04 * pad, right=i < n_right)
        if difference is not None:
            _ruler(ax, high, difference, high - low + pad)
    return drawn.svg


def _levels(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Give each bar the highest line on which it touches no other."""
    ends: list[float] = []
    placed = []
    for start, end in sorted(spans):
        level = next((i for i, taken in enumerate(ends) if start > taken + 1e-9), len(ends))
        ends[level : level + 1] = [end]
        placed.append((start, end, level))
    return placed


def _axis(ax, low: int, high: int) -> None:
    ax.plot([low, high], [0, 0], color=INK, linewidth=1, zorder=2)
    step = max(1, int(np.ceil((high - low) / 12)))
    for tick in {*range(low, high + 1, step), high} - ({high - 1} if step > 1 and (high - low) % step == 1 else set()):
        ax.plot([tick, tick], [0, 0.07], color=INK, linewidth=1, zorder=2)
        ax.text(tick, 0.1, str(tick), ha="center", va="bottom", fontsize=8.5)


def _name(ax, name: str, rank: float, y: float, x: float, right: bool) -> None:
    ax.plot([rank, rank, x], [0, y, y], color=MUTED, linewidth=0.8, zorder=1)
    words = f"{rank:.2f}  {name}" if right else f"{name}  {rank:.2f}"
    ax.annotate(
        words, (x, y), (4 if right else -4, 0), textcoords="offset points", ha="left" if right else "right", va="center", fontsize=8.5
    )


def _ruler(ax, high: int, difference: float, room: float) -> None:
    width = min(difference, room)
    ax.plot([high, high - width], [0.48, 0.48], color=INK, linewidth=1.4, marker="|", markersize=6)
    ax.text(high - width / 2, 0.53, f"critical difference {difference:.2f}", ha="center", va="bottom", fontsize=8.5, color=INK)
