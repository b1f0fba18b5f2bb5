"""Whether a decoder is as sure as it may be: reliability of its probabilities, coverage of its prediction sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from corticode.report.answer import answers, by_model, calibration, classes_of
from corticode.report.svg import INK, MUTED, PALETTE, PAPER, look, named, sheet, short, shorts
from corticode.report.table import number

_ENOUGH = 5  # windows in a bin that is drawn where several models share a figure


def reliability(predictions: pd.DataFrame, n_bins: int = 15) -> str | None:
    """Draw how often the answer was right against how sure the decoder was, with the expected calibration error and the size of each bin.

    Parameters
    ----------
    predictions : DataFrame
        One row per test window; column `model` where there are several.
    n_bins : int
        Bins of equal width between 0 and 1.

    Returns
    -------
    svg : str or None
        None where the answers are no probabilities.
    """
    if not classes_of(predictions) or not answers(predictions)[1]:
        return None
    parts = by_model(predictions)
    with sheet("reliability", 4.7, 4.4 + 0.19 * len(parts)) as drawn:
        top, bottom = drawn.figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        lowest = floor = 1.0
        for i, (model, rows) in enumerate(parts):
            sure, right, n, ece = calibration(rows, n_bins)
            if len(parts) == 1:  # what so few windows can tell of a share
                low, high = _wilson(right * n, n)
                top.vlines(sure, low, high, color=PALETTE[0], linewidth=2.5, alpha=0.3, zorder=1.8)
                floor = min(floor, low.min())
            enough = (n >= _ENOUGH) | (len(parts) == 1) | (n.max() < _ENOUGH)
            lowest, floor = min(lowest, np.floor(10 * sure.min()) / 10), min(floor, right[enough].min())
            top.plot(sure[enough], right[enough], markersize=5, markeredgecolor=PAPER, label=named(model, f"ECE {number(ece)}"), **look(i))
            _sizes(bottom, sure, n, i, n_bins, len(parts) == 1)
        top.plot([lowest, 1], [lowest, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        top.set(xlim=(lowest - 0.02, 1.02), ylabel="share that was right", ylim=(min(lowest, floor) - 0.02, 1.02))
        bottom.set(xlabel="probability of the answer", ylabel="windows")
        bottom.set_ylim(bottom=0)
        # above the axes, where no curve runs
        top.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, borderpad=0)
        for ax in (top, bottom):
            ax.grid()
    return drawn.svg


def _sizes(ax, sure: np.ndarray, n: np.ndarray, i: int, n_bins: int, alone: bool) -> None:
    if not alone:
        ax.plot(sure, n, markersize=3, linewidth=1, **look(i))
        return
    left = (np.ceil(sure * n_bins) - 1) / n_bins
    ax.bar(left, n, width=1 / n_bins, align="edge", color=PALETTE[0], alpha=0.6, edgecolor=PAPER, linewidth=0.8)
    ax.margins(y=0.45)
    # long numbers stand upright where bars are narrow, or neighbours would touch
    size = {"fontsize": 6.5, "rotation": 90 if n.max() > 99 and len(n) > 8 else 0}
    for x, count in zip(left, n, strict=True):
        ax.annotate(str(count), (x + 0.5 / n_bins, count), (0, 2), textcoords="offset points", ha="center", va="bottom", color=INK, **size)


def _wilson(right: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Return the 95 % interval of shares: Wilson 1927, JASA 22."""
    share = right / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def coverage(conformal: Mapping[str, Any], title: str = "") -> str | None:
    """Draw how often the prediction sets of each person held the truth, worst first, against what was promised over people.

    Parameters
    ----------
    conformal : mapping
        alpha (or wanted, 1 - alpha), coverage and per_person: [{subject, coverage, n (windows), size (mean classes in a set)}].
    title : str

    Returns
    -------
    svg : str or None
        None where no person has a coverage.
    """
    people = pd.DataFrame(conformal.get("per_person") or [])
    if people.empty or "coverage" not in people or not people["coverage"].notna().any():
        return None
    people = people.dropna(subset=["coverage"]).sort_values("coverage", kind="stable")
    n, promised = len(people), wanted(conformal)
    with sheet("coverage " + title, 9.9, 3.3) as drawn:
        ax = drawn.figure.subplots()
        ax.axhline(promised, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.vlines(range(n), promised, people["coverage"], color=PALETTE[0], linewidth=1.6 if n <= 40 else 0.9, alpha=0.45)
        ax.plot(range(n), people["coverage"], linestyle="none", marker="o", color=PALETTE[0], markersize=6 if n <= 40 else 3.6,
                markeredgecolor=PAPER, markeredgewidth=0.6)  # fmt: skip
        ax.plot([0], [people["coverage"].iloc[0]], marker="s", color=PALETTE[1], markersize=7, markeredgecolor=PAPER, markeredgewidth=0.6)
        names = shorts(people.get("subject", pd.Series(range(1, n + 1))).astype(str))
        upright = n * max(map(len, names)) <= 110
        if n <= 40:
            ax.set_xticks(range(n), names, rotation=0 if upright else 90)
        ax.set(xlim=(-0.7, n - 0.3), xlabel="person, worst to best" if n <= 40 else f"{n} people, worst to best", title=short(title, 60))
        ax.set_ylabel("share of sets that hold the truth")
        ax.text(1.008, promised, f"wanted\n{number(promised)}", transform=ax.get_yaxis_transform(), color=MUTED, fontsize=8, va="center")
        ax.grid(axis="y")
        ax.margins(y=0.12)
    return drawn.svg


def wanted(conformal: Mapping[str, Any]) -> float:
    """Return the share of sets that were to hold the truth."""
    return float(conformal["wanted"]) if conformal.get("wanted") is not None else 1 - float(conformal["alpha"])
