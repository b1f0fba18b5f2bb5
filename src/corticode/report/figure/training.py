"""Losses and accuracy of networks by epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from corticode.report.svg import PALETTE, PAPER, sheet, short


def training(history: pd.DataFrame, title: str = "") -> str:
    """Draw losses (and validation accuracy) by epoch: a thin line per fold, their median, a mark at the epoch kept.

    Parameters
    ----------
    history : DataFrame
        Columns fold, seed, epoch, train_loss and, where there are any, val_loss, val_accuracy, selected (true at the epoch
        that was kept; without it the epoch of the lowest val_loss is marked).
    title : str
    """
    second = "val_accuracy" in history and history["val_accuracy"].notna().any()
    with sheet("training " + title, 9.9 if second else 6.5, 3.4) as drawn:
        axes = np.atleast_1d(drawn.figure.subplots(1, 2 if second else 1))
        for i, (column, word) in enumerate((("train_loss", "training rows"), ("val_loss", "validation rows"))):
            _curves(axes[0], history, column, word, i)
        axes[0].set(ylabel="loss", title=short(title, 60))
        # above the axes, where no curve runs
        axes[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
        if second:
            _curves(axes[1], history, "val_accuracy", "validation rows", 1)
            axes[1].set_ylabel("accuracy on validation rows")
        for ax in axes:
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid()
    return drawn.svg


def _curves(ax, history: pd.DataFrame, column: str, word: str, look: int) -> None:
    if column not in history or not history[column].notna().any():
        return
    colour = PALETTE[look]
    by = [name for name in ("fold", "seed", "member") if name in history]
    runs = [run.sort_values("epoch") for _, run in history.groupby(by, sort=False, dropna=False)] if by else [history.sort_values("epoch")]
    for run in runs:
        ax.plot(run["epoch"], run[column], color=colour, linewidth=0.7, alpha=0.3 if len(runs) > 1 else 1)
        kept = chosen_epoch(run)
        if kept is not None and column != "train_loss":
            ax.plot(
                *run.loc[kept, ["epoch", column]],
                marker="o",
                markersize=4.5,
                color=colour,
                markeredgecolor=PAPER,
                markeredgewidth=0.6,
                zorder=3,
            )
    # where most folds have stopped, the rest are the hard ones: the median ends with half of them
    table = pd.concat([run.set_index("epoch")[column] for run in runs], axis=1)
    table = table[table.notna().sum(axis=1) >= max(1, len(runs) / 2)].sort_index()
    ax.plot(table.index, table.median(axis=1), color=colour, linewidth=2, label=word)


def chosen_epoch(run: pd.DataFrame) -> Any:
    """Return the index of the epoch that was kept in one training, or None where that is not known."""
    if "selected" in run and run["selected"].notna().any():
        marked = run.index[run["selected"].astype(str).str.lower().isin(("true", "1", "1.0"))]
        return marked[0] if len(marked) else None
    if "val_loss" in run and run["val_loss"].notna().any():
        return run["val_loss"].idxmin()
    return None
