"""Scores as text: one line per person for the screen, and the headline that ends a run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

SPOKEN = {
    "balanced_accuracy": "balanced accuracy",
    "kappa": "Cohen's κ",
    "cohen_kappa": "Cohen's κ",
    "macro_f1": "macro F1",
    "f1_macro": "macro F1",
    "auc": "ROC AUC",
    "roc_auc": "ROC AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error",
    "itr": "information transfer rate, bit/min",
    "mcc": "Matthews correlation",
    "nmcc": "normalised Matthews correlation",
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "r2": "R²",
    "pearson": "Pearson r",
    "pearson_r": "Pearson r",
}
ERRORS = ("mae", "mse", "rmse")  # mean something for a single answer, in the unit of the target
LOWER_IS_BETTER = (*ERRORS, "log_loss", "brier", "ece")
_NUMBER = re.compile(r"\d+")
# what tells one unit of a level from another
IDENTITY = {"subject": ("dataset", "subject"), "site": ("dataset", "site"), "fold": ("dataset", "fold"), "pooled": ("dataset",)}
UNITS = {"subject": ("person", "people"), "site": ("site", "sites"), "fold": ("fold", "folds"), "pooled": ("data set", "data sets")}


def spoken(metric: str) -> str:
    """Return a metric's name as one says it."""
    return SPOKEN.get(metric, metric.replace("_", " "))


def lower_is_better(metric: str) -> bool:
    """Tell whether a smaller score is the better one."""
    return metric in LOWER_IS_BETTER


def transductive(access: str | None) -> bool:
    """Tell whether the decoder saw the test windows as a whole, without labels, before it answered."""
    words = re.split(r"[^a-z]+", str(access or "").lower())
    return "transductive" in words or "all" in words


def told_access(access: str) -> str:
    """Return the words for what was available of the target, with 'transductive' where they do not say it themselves."""
    return access + (" (transductive)" if transductive(access) and "transductive" not in access else "")


def number(value: float | None, like: float | None = None) -> str:
    """Return a score with three decimals, fewer where it (or `like`, the largest beside it) is large; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value if like is None else like)
    text = f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def natural(name: str) -> list[tuple[int, int | str]]:
    """Return a key that sorts S2 before S10."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", str(name)) if part]


def per_unit(scores: pd.DataFrame, level: str = "subject") -> pd.DataFrame:
    """Average the rows of one level over sessions, folds and seeds: one row per unit, model and metric.

    Parameters
    ----------
    scores : DataFrame
        Tidy table of scores.
    level : str
        'subject', 'site', 'fold' or 'pooled'.

    Returns
    -------
    table : DataFrame
        Columns unit, model, metric, score, windows (tested in one seed; NaN where unknown), rows (that were averaged).
        Units are named by what tells them apart: 'S01', or 'physionet_mi S01' where there are several data sets.
    """
    rows = scores[(scores["level"] == level) & scores["score"].notna()]
    rows = rows.assign(unit=unit_names(rows, level))
    rows = rows.assign(**{name: rows.get(name, "") for name in ("model", "seed")})
    tested = pd.to_numeric(rows["samples_test"], errors="coerce") if "samples_test" in rows else np.nan
    rows = rows.assign(windows=tested)
    by_seed = rows.groupby(["unit", "model", "metric", "seed"], sort=False, dropna=False)["windows"].sum(min_count=1)
    by = ["unit", "model", "metric"]
    table = rows.groupby(by, sort=False)["score"].agg(score="mean", rows="size").reset_index()
    windows = by_seed.groupby(level=by, sort=False).max().rename("windows").reset_index()
    return table.merge(windows, on=by, how="left").sort_values("unit", key=lambda c: c.map(natural), kind="stable", ignore_index=True)


def per_seed(scores: pd.DataFrame, level: str = "subject") -> pd.DataFrame:
    """Return `per_unit` of each seed alone, with a column seed; empty where no model ran with several seeds."""
    rows = scores[scores["level"] == level]
    rows = rows[rows["seed"].astype(str) != ""] if "seed" in rows else rows[:0].assign(seed="")
    if rows["seed"].nunique() < 2:
        return pd.DataFrame(columns=["unit", "model", "metric", "score", "windows", "rows", "seed"])
    return pd.concat([per_unit(part, level).assign(seed=seed) for seed, part in rows.groupby("seed", sort=False)], ignore_index=True)


def unit_names(rows: pd.DataFrame, level: str) -> pd.Series:
    """Return the name of the unit that each row belongs to, as long as it takes to tell units apart."""
    columns = [name for name in IDENTITY[level] if name in rows]
    told = [name for name in columns[:-1] if rows[name].nunique(dropna=False) > 1] + columns[-1:]
    names = (
        rows[told].astype(str).agg(lambda parts: " ".join(part for part in parts if part), axis=1) if len(rows) else pd.Series(dtype=str)
    )
    return names.replace("", "all")


def wide(scores: pd.DataFrame, metric: str | None = None, level: str = "subject") -> pd.DataFrame:
    """Lay scores out with one row per unit; columns are metrics, or models where there are several.

    Parameters
    ----------
    scores : DataFrame
    metric : str or None
        The metric to show where there are several models, and the first column where there is one.
    level : str

    Returns
    -------
    table : DataFrame
        Index: unit; columns: 'windows', then metrics (one model) or models (several). Empty where the level has no rows.
    """
    table = per_unit(scores, level)
    several = table["model"].nunique() > 1
    if several:
        metric = metric_shown(scores, metric, level)
        chosen, columns = table[table["metric"] == metric], "model"
    else:
        chosen, columns = table, "metric"
    order = list(dict.fromkeys(chosen[columns]))
    if not several and metric in order:
        order.insert(0, order.pop(order.index(metric)))
    units = list(dict.fromkeys(chosen["unit"]))
    laid = chosen.pivot(index="unit", columns=columns, values="score").reindex(index=units, columns=order)
    laid.columns.name = None
    laid.insert(0, "windows", chosen.groupby("unit")["windows"].max().reindex(units), allow_duplicates=True)
    return laid


def finest(scores: pd.DataFrame, metric: str | None = None) -> str | None:
    """Return the finest level at which a metric (or any, where it has no rows) says something: people, else sites, else folds, else None.

    A level whose units have a single scored window each says nothing: accuracy would be 0 or 1. Errors of a regression do.
    """
    known = scores[scores["level"].isin(["subject", "site", "fold"])]
    rows = known[known["metric"] == metric]
    rows = rows if len(rows) else known
    there = [level for level in ("subject", "site", "fold") if (rows["level"] == level).any()]
    return next((level for level in there if set(rows["metric"]) & set(ERRORS) or not _lone(rows, level)), None)


def _lone(scores: pd.DataFrame, level: str) -> bool:
    """Tell whether each unit of a level, where there are several, has one scored window."""
    units = per_unit(scores, level)
    return units["unit"].nunique() > 1 and bool((units["windows"] == 1).all())


def metric_shown(scores: pd.DataFrame, metric: str | None, level: str) -> str:
    """Return the metric, or the first that exists at a level where this one does not."""
    there = list(dict.fromkeys(scores.loc[scores["level"] == level, "metric"]))
    return metric if metric in there else there[0]


def of_model(summary: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return headline, sd, interval and chance_95 of one model; a bound that was made for another is never lent."""
    models = summary.get("models") or {}
    own = {key: summary.get(key) for key in ("headline", "sd", "interval", "chance_95")}
    mine = own if len(models) < 2 or name == summary.get("model") else {}
    return {**mine, **models.get(name, {})}


def subject_table(scores: pd.DataFrame, metric: str | None = None, level: str | None = None) -> str:
    """Return scores as aligned lines: one per person, then mean and standard deviation.

    Parameters
    ----------
    scores : DataFrame
        Tidy table of scores.
    metric : str or None
        The headline's metric: first column, or the one shown where several models stand side by side.
    level : str or None
        Whose lines: 'subject', 'site' or 'fold'; None takes the finest that there is.

    Returns
    -------
    text : str
        Lines without a newline at the end; one sentence where the level has no rows.
    """
    level = level or finest(scores, metric)
    if level is None:
        return f"no table: {nothing_by_unit(scores)}"
    laid = wide(scores, metric, level)
    if laid.empty:
        return f"no scores by {UNITS[level][0]}: see scores.csv for the levels at which the metrics exist"
    windows = laid.iloc[:, 0]
    first = [*map(str, laid.index), "mean", "sd"]
    second = [*map(_count, windows), _count(windows.sum(min_count=1)), ""]
    cells = [[UNITS[level][0], *map(str, laid.columns)]]
    cells += [[name, count, *row] for name, count, row in zip(first, second, shown(laid), strict=False)]
    return "\n".join(_aligned(cells, rule_before=len(laid) + 1))


def nothing_by_unit(scores: pd.DataFrame) -> str:
    """Return why no level can be laid out by its units."""
    if scores["level"].isin(["subject", "fold"]).any():
        return "each person and fold has one scored window, of which a score says nothing; scores.csv has the pooled scores"
    return "no metric is defined by person or fold; scores.csv has the pooled scores"


def shown(laid: pd.DataFrame) -> list[list[str]]:
    """Return the scores of `wide` as text, equal decimals in a column; then, for two units or more, mean and sd."""
    values = laid.iloc[:, 1:]
    likes = values.abs().max()
    rows = [*values.itertuples(index=False)]
    if len(values) > 1:
        rows += [values.mean(), values.std(ddof=1)]
    return [[number(value, like) for value, like in zip(row, likes, strict=True)] for row in rows]


def _count(value: float) -> str:
    return f"{value:.0f}" if pd.notna(value) else "–"


def _aligned(cells: Sequence[Sequence[str]], rule_before: int) -> list[str]:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    # names to the left, numbers to the right
    lines = [
        "  ".join([line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]).rstrip()
        for line in cells
    ]
    lines.insert(1, rule)
    if len(lines) > rule_before + 1:
        lines.insert(rule_before + 1, rule)
    return lines


def headline_line(summary: Mapping[str, Any]) -> str:
    """Return the last line of a run: the number with its spread and chance, then what it is a number of.

    Parameters
    ----------
    summary : mapping
        As in summary.json: headline, metric, level, model, data, split, access, chance, chance_95, sd, n (units that the
        mean goes over), n_folds, n_folds_expected, models ({name: {headline, sd}}). All but headline and metric may be
        absent or None.
    """
    models = summary.get("models") or {}
    if len(models) > 1:
        score = f"{spoken(summary['metric'])}: {_of_models(summary)}"
    else:
        score = f"{spoken(summary['metric'])} {plus_minus(summary)}"
    # with several models the bound of one is not that of all
    line = score + over(summary) + chances({**summary, "chance_95": None} if len(models) > 1 else summary)
    what = " on ".join(
        joined(summary[word]) for word in ("model", "data") if summary.get(word) and not (word == "model" and len(models) > 1)
    )
    how = [joined(summary[word]) for word in ("split", "access") if summary.get(word) not in (None, "", "none")]
    if transductive(summary.get("access")):
        how[-1] = how[-1] if "transductive" in how[-1] else f"{how[-1]} (transductive)"
    if partial(summary):
        how.append(f"{summary['n_folds']} of {summary['n_folds_expected']} folds")
    rest = ", ".join(part for part in (what, *how) if part)
    return f"{line} | {rest}" if rest else line


def _of_models(summary: Mapping[str, Any]) -> str:
    """Return each model's number; of more than four the best three, since this is one line."""
    models = list(summary["models"].items())
    if len(models) > 4:
        sign = 1 if lower_is_better(summary["metric"]) else -1
        models.sort(key=lambda item: sign * item[1]["headline"])
    named = [f"{name} {plus_minus(facts)}" for name, facts in models]
    return ", ".join(named if len(named) <= 4 else [*named[:3], f"{len(named) - 3} models below"])


def plus_minus(facts: Mapping[str, Any]) -> str:
    """Return 'headline ± sd', without the spread where there is none."""
    spread = f" ± {number(facts['sd'])}" if facts.get("sd") is not None and math.isfinite(facts["sd"]) else ""
    return number(facts.get("headline")) + spread


def over(summary: Mapping[str, Any]) -> str:
    """Return ' over 16 subjects', ' pooled over 16 subjects', or nothing where the number of units is not told."""
    level, n = summary.get("level"), summary.get("n")
    if level == "pooled":  # its spread can only be that of seeds
        seeds = " over seeds," if summary.get("sd") is not None else ""
        return f"{seeds} pooled" + (f" over {n} subject{'' if n == 1 else 's'}" if n else "")
    return f" over {n} {level}{'' if n == 1 else 's'}" if n and level else ""


def chances(summary: Mapping[str, Any]) -> str:
    """Return ' (chance 0.500, 95 % permutation bound 0.531)', as far as it is known."""
    known = [("chance", "chance"), ("chance_95", "95 % permutation bound")]
    facts = [f"{word} {number(summary[key])}" for key, word in known if summary.get(key) is not None]
    return f" ({', '.join(facts)})" if facts else ""


def condensed(texts: Iterable[str]) -> str:
    """Return texts that differ in numbers alone as one, each number that differs as a range; other texts stay apart.

    Examples
    --------
    >>> condensed(["best val_loss at epoch 8 of 18", "best val_loss at epoch 17 of 27"])
    'best val_loss at epochs 8 to 17'
    """
    alike: dict[str, list[str]] = {}
    for text in filter(None, texts):
        alike.setdefault(_NUMBER.sub("0", text), []).append(text)
    lines = []
    for same in alike.values():
        columns = zip(*([int(n) for n in _NUMBER.findall(text)] for text in same), strict=True)
        ranges = iter([f"{min(column)} to {max(column)}" if len(set(column)) > 1 else f"{column[0]}" for column in columns])
        line = _NUMBER.sub(lambda _, ranges=ranges: next(ranges), same[0])
        # of how many epochs only matters where it is the same for all
        lines.append(re.sub(r"epoch (\d+ to \d+)( of \d+ to \d+)?", r"epochs \1", line))
    return "; ".join(lines)


def partial(summary: Mapping[str, Any]) -> bool:
    """Tell whether folds are missing."""
    done, expected = summary.get("n_folds"), summary.get("n_folds_expected")
    return done is not None and expected is not None and done < expected


def joined(value: Any) -> str:
    """Return one name, or several joined by ' + '."""
    return " + ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
