"""Scores in MOABB's columns, so that moabb.analysis can plot and test them: one metric, one row per person, session and pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.evaluate.label import conformal
from corticode.evaluate.record import Damaged
from corticode.evaluate.runs import Candidate
from corticode.metric.base import Metric, named
from corticode.predictions import Predictions

# As moabb.analysis.results.Results.to_dataframe gives them.
MOABB_COLUMNS = (
    "score",
    "time",
    "samples",
    "samples_test",
    "n_classes",
    "subject",
    "session",
    "channels",
    "n_sessions",
    "dataset",
    "pipeline",
)

_SESSION = ["dataset", "subject", "session"]


def to_moabb(candidates: Sequence[Candidate], metric: str) -> pd.DataFrame:
    """Return one metric as MOABB's table of results.

    MOABB's functions average silently over whatever metrics a table holds, so a table holds one. Scores are those of
    each session, made from the answers: per fold, then averaged over folds and seeds. `time` is the seconds of a fit.

    Parameters
    ----------
    candidates : sequence of Candidate
    metric : str

    Returns
    -------
    table : DataFrame
        Columns as in MOABB_COLUMNS. A session in which the metric is undefined has no row; `attrs['notes']` says what has none,
        and why.

    Raises
    ------
    SentenceError
        A data set stands there under two protocols (which MOABB would average), or there is no such metric.
    """
    try:
        measure = named(metric)
    except SentenceError as error:
        raise SentenceError(f"--moabb {metric}: {str(error).removeprefix('task.metrics: ')}") from error
    scored = [c for c in candidates if len(c.scores)]
    protocols: dict[str, dict[str, str]] = {}
    for c in scored:
        for dataset in c.scores["dataset"].unique():
            protocols.setdefault(dataset, {})[c.protocol_hash] = _said(c)
    for dataset, there in protocols.items():
        if len(there) > 1:
            raise SentenceError(
                f"--moabb: {dataset} was asked under {len(there)} protocols ({'; '.join(dict.fromkeys(there.values()))}), and MOABB's columns have "
                "no place for that: give the folders of one of them"
            )
    notes: list[str] = [f"{c.label} is not in it: none of its folds has ended" for c in candidates if not len(c.scores)]
    tables = [table for c in scored if len(table := _rows(c, measure, notes))]
    found = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(MOABB_COLUMNS))
    found.attrs["notes"] = notes
    return found


def _said(c: Candidate) -> str:
    protocol = c.first.summary["protocol"]
    words = [f"split {protocol.get('split')}", f"access {protocol.get('access') or 'none'}", f"metric {protocol.get('metric')}"]
    return ", ".join(word for word in [*words, str(protocol.get("level")), conformal(protocol)] if word)


def _answers(c: Candidate, notes: list[str]) -> list[Predictions]:
    """Return what a candidate answered; where answers are lost, say so."""
    try:
        answers = c.answers()
    except Damaged as error:
        notes.append(f"{c.label} is not in it: {error}")
        return []
    if c.without_answers:
        left = f"{len({str(one.fold['seed']) for one in answers})} of its {len(c.seeds)} seeds are" if answers else "it is not"
        notes.append(f"{c.label}: {left} in it, since {'; '.join(map(str, c.without_answers))} holds no predictions.parquet")
    return answers


def _undefined(c: Candidate, metric: Metric, answers: Sequence[Predictions]) -> str:
    """Say why a metric has no value in any session."""
    kind = answers[0].yhat_kind
    if kind not in metric.kinds:
        return f"{c.label}: {metric.name} is defined for answers of the kind {' or '.join(metric.kinds)}, and these are of the kind {kind}"
    own = c.first.summary["protocol"]
    there = f"; its {own.get('level')} {own.get('metric')} stands in leaderboard.csv" if own.get("level") == "pooled" else ""
    return f"{c.label}: {metric.name} is undefined in every single session, and MOABB's tables have a row per session{there}"


def _rows(c: Candidate, metric: Metric, notes: list[str]) -> pd.DataFrame:
    """Return the rows of one candidate; none, and a note, where it has no answers or no session has a value."""
    unit, found, asked = str(c.first.summary["protocol"].get("unit") or "window"), [], set()
    every = _answers(c, notes)
    for one in every:
        answers = one.average(unit)
        for (dataset, subject, session), rows in answers.meta.groupby(_SESSION, sort=False).indices.items():
            score = metric(answers[np.asarray(rows)])
            asked.add((dataset, subject, session))
            if score is not None:
                found.append((dataset, subject, session, str(one.fold["seed"]), score, len(rows)))
    if not found:
        notes.extend([_undefined(c, metric, every)] if every else [])
        return pd.DataFrame(columns=list(MOABB_COLUMNS))
    there = len({one[:3] for one in found})
    if there < len(asked):
        notes.append(f"{c.label}: {metric.name} is undefined in {len(asked) - there} of {len(asked)} sessions, which have no row")
    table = pd.DataFrame(found, columns=[*_SESSION, "seed", "score", "samples_test"])
    # folds of a session first, then seeds: each seed weighs the same
    by_seed = table.groupby([*_SESSION, "seed"], sort=False).agg(score=("score", "mean"), samples_test=("samples_test", "sum"))
    result = by_seed.groupby(level=_SESSION, sort=False).mean().reset_index()
    facts = (
        c.scores[c.scores["level"] == "subject"]
        .groupby(["dataset", "subject"])[["time", "samples", "n_classes", "channels", "n_sessions"]]
        .mean()
    )
    result = result.join(facts, on=["dataset", "subject"]).assign(pipeline=c.label)
    # MOABB's sessions have names
    result["session"] = result["session"].replace("", "0")
    return result[list(MOABB_COLUMNS)]
