"""Answered against true values of a regression."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.svg import MUTED, PALETTE, sheet, short
from corticode.report.table import number


def scatter(predictions: pd.DataFrame, title: str = "", target: str = "value") -> str:
    """Draw answered against true values with the identity line, mean absolute error and Pearson correlation.

    Parameters
    ----------
    predictions : DataFrame
        One row per test window of one model: y and yhat are numbers.
    title : str
    target : str
        What is predicted, with its unit: 'age, years'.
    """
    y, yhat = predictions["y"].to_numpy(float), predictions["yhat"].to_numpy(float)
    error = np.abs(y - yhat).mean()
    constant = min(y.std(), yhat.std()) == 0
    facts = f"mean absolute error {number(error)}, r {'–' if constant else number(np.corrcoef(y, yhat)[0, 1])}, n {len(y)}"
    low, high = min(y.min(), yhat.min()), max(y.max(), yhat.max())
    pad = 0.04 * (high - low) or 1
    with sheet("scatter " + title, 4.7, 4.6) as drawn:
        ax = drawn.figure.subplots()
        ax.axline((low, low), slope=1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.plot(y, yhat, linestyle="none", marker="o", color=PALETTE[0], markersize=5 if len(y) < 300 else 3, alpha=0.7 if len(y) < 300 else 0.3,
                markeredgewidth=0)  # fmt: skip
        ax.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad), aspect="equal", xlabel=f"true {target}", ylabel=f"answered {target}",
               title=f"{short(title, 40)}\n{facts}" if title else facts)  # fmt: skip
        ax.grid()
    return drawn.svg
