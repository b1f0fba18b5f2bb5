"""Figures of a run: scores of people against chance, confusions, calibration, ROC, regression, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from corticode.report.svg import BAND, GRID, INK, MARKERS, MUTED, PALETTE, PAPER, sheet
from corticode.report.table import UNITS, lower_is_better, number, of_model, per_unit, spoken

# text and cells of the confusion matrix keep their own colours in the dark
_CELL_LIGHT, _CELL_DARK, _CELL_INK = np.array([0xEE, 0xF3, 0xF8]), np.array([0x00, 0x4B, 0x87]), "#1c2024"
_NAMED = 40  # above this many people names are left to the table


def _look(i: int) -> dict[str, Any]:
    return {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[(i + i // len(PALETTE)) % len(MARKERS)]}


def _short(name: str, length: int = 22) -> str:
    name = str(name)
    return name if len(name) <= length else name[: length - 1] + "…"


# -- scores of people ---------------------------------------------------------------------------------------------


def people(scores: pd.DataFrame, summary: Mapping[str, Any], level: str = "subject") -> str | None:
    """Draw the headline metric of each person, best to worst, beside the headline (mean, or pooled) with interval and permutation band.

    Parameters
    ----------
    scores : DataFrame
        Tidy table of scores.
    summary : mapping
        metric, level, chance, chance_95, interval, headline, models.
    level : str
        Whose dots: 'subject', 'site' or 'fold'.

    Returns
    -------
    svg : str or None
        None where the metric has no rows at this level.
    """
    metric = summary["metric"]
    units = per_unit(scores, level)
    values = units[units["metric"] == metric].pivot(index="unit", columns="model", values="score")
    if values.empty:
        return None
    told = [name for name in (summary.get("models") or {}) if name in values]
    values = values[[*told, *(name for name in values if name not in told)]]
    values = values.loc[values.mean(axis=1).sort_values(ascending=lower_is_better(metric), kind="stable").index]
    n, k = values.shape
    # names of models stand upright below their means
    with sheet("people", 9.9, (3.9 if n <= _NAMED else 3.5) + (0.09 * min(max(map(len, values)), 26) if k > 1 else 0)) as drawn:
        aside = min(1.0 + 0.5 * (k - 1), 4.5)
        left, right = drawn.figure.subplots(1, 2, sharey=True, width_ratios=[9.9 - aside, aside])
        _dots(left, values, summary.get("chance"), level)
        _means(right, values, summary)
        for ax in (left, right):
            ax.grid(axis="y")
            if summary.get("chance") is not None:
                ax.axhline(summary["chance"], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
        if summary.get("chance") is not None:
            beside = right.get_yaxis_transform()
            right.text(
                1.04, summary["chance"], f"chance\n{number(summary['chance'])}", transform=beside, color=MUTED, fontsize=8, va="center"
            )
        better = " (lower is better)" if lower_is_better(metric) else ""
        left.set_ylabel(spoken(metric) + better)
    return drawn.svg


def _dots(ax, values: pd.DataFrame, chance: float | None, level: str) -> None:
    n, k = values.shape
    place = np.arange(n)
    size = 6.5 if n <= 20 else 5 if n <= _NAMED else 3.6
    if k > 1:  # a thin line ties the models of one person together
        ax.vlines(place, values.min(axis=1), values.max(axis=1), color=GRID, linewidth=3 if n <= _NAMED else 1.5, zorder=1.8)
    for i, model in enumerate(values):
        if k == 1 and chance is not None:
            ax.vlines(place, chance, values[model], color=PALETTE[0], linewidth=1.6 if n <= _NAMED else 0.9, alpha=0.45, zorder=1.8)
        ax.plot(
            place,
            values[model],
            linestyle="none",
            markersize=size,
            zorder=2 + i / 100,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            **_look(i),
        )
    ax.set_xlim(-0.7, n - 0.3)
    one, many = UNITS[level]
    if n <= _NAMED:
        names = [_short(name) for name in values.index]
        upright = n * max(map(len, names)) <= 110  # about as many letters as one line holds
        ax.set_xticks(place, names, rotation=0 if upright else 90)
        ax.set_xlabel(f"{one}, best to worst" if n > 1 else one)
    else:
        ax.set_xlabel(f"{n} {many}, best to worst (names in the table)")
        ax.set_xticks([0, *range(9, n, 10 if n <= 150 else 50)], ["1", *(str(i + 1) for i in range(9, n, 10 if n <= 150 else 50))])


def _means(ax, values: pd.DataFrame, summary: Mapping[str, Any]) -> None:
    word = "pooled" if summary.get("level") == "pooled" else "mean"
    for i, model in enumerate(values):
        facts = of_model(summary, model)
        mean = facts.get("headline")
        mean = values[model].mean() if mean is None else mean
        if facts.get("chance_95") is not None and summary.get("chance") is not None:
            ax.fill_between([i - 0.42, i + 0.42], summary["chance"], facts["chance_95"], color=BAND, alpha=0.3, linewidth=0, zorder=1)
        top = mean
        if facts.get("interval"):
            low, top = facts["interval"]
            ax.vlines(i, low, top, color=_look(i)["color"], linewidth=3, alpha=0.5, zorder=2)
        ax.plot([i], [mean], markersize=8, zorder=3, markeredgecolor=PAPER, markeredgewidth=0.8, **_look(i))
        ax.annotate(
            number(mean),
            (i, max(top, mean)),
            (0, 7),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            fontweight="bold",
            color=INK,
        )
    ax.set_xlim(-0.6, len(values.columns) - 0.4)
    names = [word] if len(values.columns) == 1 else [_short(name, 26) for name in values]
    ax.set_xticks(range(len(names)), names, rotation=0 if len(names) == 1 else 90)
    if len(names) > 1:
        for i, label in enumerate(ax.get_xticklabels()):
            label.set_color(_look(i)["color"])
        ax.set_xlabel(f"{word}, each model" if word == "pooled" else "mean of each model")
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.spines["left"].set_visible(False)
    ax.margins(y=0.12)


# -- classes ------------------------------------------------------------------------------------------------------


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """Return the names of the classes in the task's order; empty for regression."""
    for prefix in ("p_", "d_"):
        names = [str(name)[2:] for name in predictions if str(name).startswith(prefix)]
        if names and set(predictions["y"].astype(str)) <= set(names):
            return names
    return []


def answers(predictions: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """Return what was said about each class [n, k], and whether these are probabilities."""
    classes = classes_of(predictions)
    prefix = "p_" if f"p_{classes[0]}" in predictions else "d_"
    return predictions[[prefix + name for name in classes]].to_numpy(float), prefix == "p_"


def counts(predictions: pd.DataFrame) -> np.ndarray:
    """Return how often each true class (rows) was answered by each class (columns): int array [k, k]."""
    classes = classes_of(predictions)
    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(table, (predictions["y"].astype(str).map(place), predictions["yhat"].astype(str).map(place)), 1)
    return table


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
    with sheet("confusion " + title, 4.7, 4.4) as drawn:
        ax = drawn.figure.subplots()
        for i, j in np.ndindex(k, k):
            _cell(ax, i, j, share[i, j], table[i, j], k)
        ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="answered", ylabel="true class", title=_short(title, 40))
        names = [_short(name, 14) for name in classes]
        ax.set_xticks(range(k), names, rotation=0 if sum(map(len, names)) <= 36 else 90)
        upright = sum(map(len, names)) <= 36
        ax.set_yticks(range(k), names, rotation=90 if upright and k <= 3 else 0, va="center")
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    return drawn.svg


def _cell(ax, i: int, j: int, share: float, count: int, k: int) -> None:
    from matplotlib.patches import Rectangle

    gap = 0.02
    ax.add_patch(Rectangle((j - 0.5 + gap, i - 0.5 + gap), 1 - 2 * gap, 1 - 2 * gap, facecolor=_shade(share), edgecolor="none"))
    colour = "#ffffff" if share > 0.55 else _CELL_INK
    if k > 12:
        return
    ax.text(
        j,
        i - (0.08 if k <= 6 else 0),
        f"{100 * share:.0f}" + (" %" if k <= 6 else ""),
        ha="center",
        va="center",
        color=colour,
        fontsize=15 if k == 2 else 12 if k <= 4 else 8.5,
    )
    if k <= 6:
        ax.text(
            j, i + 0.2, f"{count:,}".replace(",", " "), ha="center", va="center", color=colour, fontsize=8.5 if k <= 4 else 7, alpha=0.85
        )


def _shade(share: float) -> tuple[float, ...]:
    return tuple((_CELL_LIGHT + (_CELL_DARK - _CELL_LIGHT) * share) / 255)


def reliability(predictions: pd.DataFrame, n_bins: int = 15) -> str | None:
    """Draw how often the answer was right against how sure the decoder was, with the expected calibration error.

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
    with sheet("reliability", 4.7, 4.4) as drawn:
        top, bottom = drawn.figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        lowest = floor = 1.0
        for i, (model, rows) in enumerate(_by_model(predictions)):
            sure, right, share, ece = calibration(rows, n_bins)
            lowest, floor = min(lowest, np.floor(10 * sure.min()) / 10), min(floor, right.min())
            top.plot(sure, right, markersize=5, markeredgecolor=PAPER, label=_named(model, f"ECE {number(ece)}"), **_look(i))
            bottom.plot(sure, 100 * share, markersize=3, linewidth=1, **_look(i))
        top.plot([lowest, 1], [lowest, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        top.set(xlim=(lowest - 0.02, 1.02), ylabel="share that was right", ylim=(min(lowest, floor) - 0.02, 1.02))
        bottom.set(xlabel="probability of the answer", ylabel="windows, %")
        bottom.set_ylim(bottom=0)
        top.legend(loc="upper left" if lowest >= 0.4 else "best")
        for ax in (top, bottom):
            ax.grid()
    return drawn.svg


def calibration(predictions: pd.DataFrame, n_bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return mean confidence, share right and share of windows of each filled bin, and the expected calibration error.

    Source
    ------
    Guo et al. 2017, ICML, eq. 3: sum over bins of (share of windows) |share right - mean confidence|.
    """
    sure = answers(predictions)[0].max(axis=1)
    right = (predictions["y"].astype(str) == predictions["yhat"].astype(str)).to_numpy()
    place = np.clip(np.ceil(sure * n_bins).astype(int) - 1, 0, n_bins - 1)
    place = np.unique(place, return_inverse=True)[1]
    n = np.bincount(place)
    confidence, accuracy = np.bincount(place, sure) / n, np.bincount(place, right) / n
    return confidence, accuracy, n / n.sum(), float(np.sum(n / n.sum() * np.abs(accuracy - confidence)))


def roc(predictions: pd.DataFrame) -> str | None:
    """Draw the ROC curve of two classes, pooled over folds; one line per seed, the area is the mean over seeds.

    Returns
    -------
    svg : str or None
        None where there are not two classes, or one of them never occurred.
    """
    classes = classes_of(predictions)
    if len(classes) != 2 or predictions["y"].astype(str).nunique() != 2:
        return None
    with sheet("roc", 4.7, 4.4) as drawn:
        ax = drawn.figure.subplots()
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for i, (model, rows) in enumerate(_by_model(predictions)):
            curves = [roc_curve(part) for _, part in (rows.groupby("seed") if "seed" in rows else [("", rows)]) if part["y"].nunique() == 2]
            area = np.mean([np.sum(np.diff(wrong) * (right[1:] + right[:-1]) / 2) for wrong, right in curves])
            for s, (wrong, right) in enumerate(curves):
                ax.plot(wrong, right, color=PALETTE[i % len(PALETTE)], linewidth=1.8 if len(curves) == 1 else 1, alpha=1 if len(curves) == 1 else 0.6,
                        label=_named(model, f"AUC {number(area)}") if s == 0 else None)  # fmt: skip
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel=f"false alarms: {_short(classes[0], 18)} taken for {_short(classes[1], 18)}",
               ylabel=f"hits: {_short(classes[1], 18)} found")  # fmt: skip
        ax.grid()
        ax.legend(loc="lower right")
    return drawn.svg


def roc_curve(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return false-alarm and hit rates [m] of the second class, from (0, 0) to (1, 1); equal answers make one step."""
    said = answers(predictions)[0]
    said = said[:, 1] - said[:, 0]
    positive = (predictions["y"].astype(str) == classes_of(predictions)[1]).to_numpy()
    order = np.argsort(-said, kind="stable")
    last = np.append(np.flatnonzero(np.diff(said[order])), len(said) - 1)
    hits, wrong = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    return np.append(0, wrong / max(wrong[-1], 1)), np.append(0, hits / max(hits[-1], 1))


def _by_model(predictions: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return list(predictions.groupby("model", sort=False)) if "model" in predictions else [("", predictions)]


def _named(model: str, fact: str) -> str:
    return f"{_short(model)}: {fact}" if model else fact


# -- values -------------------------------------------------------------------------------------------------------


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
               title=f"{_short(title, 40)}\n{facts}" if title else facts)  # fmt: skip
        ax.grid()
    return drawn.svg


# -- training -----------------------------------------------------------------------------------------------------


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
        axes[0].set(ylabel="loss", title=_short(title, 60))
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
    by = [name for name in ("fold", "seed") if name in history]
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
