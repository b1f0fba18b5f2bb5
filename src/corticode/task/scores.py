"""The tidy table of scores and the number that a run ends with.

    subject   one row per fold, seed and person: how well each person is read
    fold      one row per fold and seed
    site      one row per seed and site, over all folds
    pooled    one row per seed: all test windows of all folds in one pot (an AUC of people who have one label each)

A metric that is undefined at a level has no row there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.metric.base import Metric
from corticode.predictions import Predictions

LEVELS = ("subject", "site", "fold", "pooled")
FACTS = (
    "fold", "seed", "model", "access", "prepare_sees", "selection", "uses", "samples", "n_classes", "channels", "n_sessions", "time", "window_s",
)  # fmt: skip
_NUMBERS = ("seed", "samples", "n_classes", "channels", "n_sessions", "time", "window_s")
COLUMNS = (
    "dataset", "site", "subject", "session", "fold", "seed", "model", "level", "metric", "score", "access", "prepare_sees", "selection", "uses",
    "samples", "samples_test", "n_classes", "channels", "n_sessions", "time",
)  # fmt: skip

# What tells one unit of a level from another: in predictions, and when rows are averaged.
GROUPS = {"subject": ["dataset", "site", "subject"], "site": ["dataset", "site"], "fold": ["dataset"], "pooled": ["dataset"]}
UNITS = {"subject": ["dataset", "subject"], "site": ["dataset", "site"], "fold": ["dataset", "fold"], "pooled": ["dataset", "seed"]}


def table(predictions: Sequence[Predictions], metrics: Sequence[Metric]) -> pd.DataFrame:
    """Return one row per data set x level x fold x seed x metric, where the metric is defined.

    Parameters
    ----------
    predictions : sequence of Predictions
        One per model, seed and fold, already averaged to the unit of the task.
    metrics : sequence of Metric

    Returns
    -------
    scores : DataFrame
        Columns as in COLUMNS. `samples` counts fit windows, `samples_test` what was scored, `time` is the seconds of the
        fit (of all fits, for rows over all folds).
    """
    rows: list[dict[str, Any]] = []
    for one in predictions:
        rows += [row for level in ("subject", "fold") for row in _rows(one, level, metrics)]
    for pot in together(predictions):
        rows += [row for level in ("site", "pooled") for row in _rows(pot, level, metrics)]
    # a model that no seed changes has none: whole numbers with gaps
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"seed": "Int64"})


def groups(predictions: Predictions, level: str) -> Iterator[tuple[dict[str, str], np.ndarray]]:
    """Give (identity, rows) of each unit of a level that these predictions hold; no unit where sites have no name."""
    meta, columns = predictions.meta, GROUPS[level]
    number = meta.groupby(columns, sort=False).ngroup().to_numpy()
    for i in range(number.max() + 1 if len(number) else 0):
        rows = np.flatnonzero(number == i)
        who = {column: str(meta[column].iloc[rows[0]]) for column in columns}
        if level == "site" and not who["site"]:
            continue
        if level == "subject" and meta["session"].iloc[rows].nunique() == 1:
            who["session"] = str(meta["session"].iloc[rows[0]])
        yield who, rows


def together(predictions: Sequence[Predictions]) -> list[Predictions]:
    """Return one Predictions per model and seed: the test rows of all folds behind each other."""
    pots: dict[tuple[Any, Any], list[Predictions]] = {}
    for one in predictions:
        pots.setdefault((one.fold.get("model", ""), one.fold.get("seed", "")), []).append(one)
    return [
        Predictions(
            np.concatenate([p.yhat for p in parts]),
            parts[0].yhat_kind,
            np.concatenate([p.y for p in parts]),
            pd.concat([p.meta for p in parts], ignore_index=True),
            parts[0].classes,
            {**_over_folds([p.fold for p in parts]), "fold": ""},
        )
        for parts in pots.values()
    ]


def _over_folds(folds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return facts that all folds share; where they differ, seconds add up and the rest stays empty: fold rows have it."""
    facts: dict[str, Any] = {}
    for name in FACTS:
        values = [fold.get(name, None if name in _NUMBERS else "") for fold in folds]
        if name == "time":
            facts[name] = sum(value or 0.0 for value in values)
        elif all(value == values[0] for value in values):
            facts[name] = values[0]
        else:
            facts[name] = None if name in _NUMBERS else ""
    return facts


def _rows(predictions: Predictions, level: str, metrics: Sequence[Metric]) -> Iterator[dict[str, Any]]:
    facts = {name: predictions.fold.get(name, None if name in _NUMBERS else "") for name in FACTS}
    facts["n_classes"] = len(predictions.classes) or None
    for who, rows in groups(predictions, level):
        part = predictions[rows] if len(rows) < len(predictions) else predictions
        for metric in metrics:
            score = metric(part)
            if score is not None:
                identity = {"site": "", "subject": "", "session": "", **who}
                yield {**facts, **identity, "level": level, "metric": metric.name, "score": score, "samples_test": len(rows)}


# -- the headline -------------------------------------------------------------------------------------------------


def per_unit(scores: pd.DataFrame, metric: str, level: str, model: str) -> pd.Series:
    """Return the score of each unit of a level (person, site, fold; seed for 'pooled'), its rows averaged."""
    rows = scores[(scores["level"] == level) & (scores["metric"] == metric) & (scores["model"] == model)]
    return rows.groupby(UNITS[level], sort=False, dropna=False)["score"].mean()


def headline(scores: pd.DataFrame, predictions: Sequence[Predictions], metric: Metric, level: str, model: str) -> dict[str, Any] | None:
    """Return the headline of one model; None where the metric has no row at this level.

    Returns
    -------
    summary : dict
        headline (mean over units), sd (over units; over seeds for 'pooled'; None for one), sd_seeds (of the headline over
        seeds; None for one), n (units; people for 'pooled'), chance, n_left_out (people without a score at this level).
    """
    values = per_unit(scores, metric.name, level, model)
    if not len(values):
        return None
    chosen = scores[(scores["level"] == level) & (scores["metric"] == metric.name) & (scores["model"] == model)]
    by_seed = [per_unit(rows, metric.name, level, model).mean() for _, rows in chosen.groupby("seed", dropna=False)]
    pot = next(pot for pot in together(predictions) if pot.fold.get("model", "") == model)
    n_people = len(pot.meta[UNITS["subject"]].drop_duplicates())
    return {
        "headline": float(values.mean()),
        "sd": _sd(values),
        "sd_seeds": _sd(by_seed),
        "n": n_people if level == "pooled" else len(values),
        "chance": metric.chance(pot),
        "n_left_out": n_people - len(values) if level == "subject" else 0,
    }


def _sd(values: Sequence[float] | pd.Series) -> float | None:
    return float(np.std(np.asarray(values), ddof=1)) if len(values) > 1 else None
