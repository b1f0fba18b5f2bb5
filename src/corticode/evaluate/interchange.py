"""Scores in MOABB's columns, so that moabb.analysis can plot and test them: one metric, one row per person, session and pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.evaluate.runs import Candidate
from corticode.metric.base import Metric, named

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
        Columns as in MOABB_COLUMNS. A session in which the metric is undefined has no row.

    Raises
    ------
    SentenceError
        A data set stands there under two protocols (which MOABB would average), or there is no such metric.
    """
    measure = named(metric)
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
    tables = [_rows(c, measure) for c in scored]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(MOABB_COLUMNS))


def _said(c: Candidate) -> str:
    protocol = c.first.summary["protocol"]
    return f"split {protocol.get('split')}, access {protocol.get('access') or 'none'}, metric {protocol.get('metric')}, {protocol.get('level')}"


def _rows(c: Candidate, metric: Metric) -> pd.DataFrame:
    """Return the rows of one candidate."""
    unit, found = str(c.first.summary["protocol"].get("unit") or "window"), []
    for one in c.answers():
        answers = one.average(unit)
        for (dataset, subject, session), rows in answers.meta.groupby(_SESSION, sort=False).indices.items():
            score = metric(answers[np.asarray(rows)])
            if score is not None:
                found.append((dataset, subject, session, str(one.fold["seed"]), score, len(rows)))
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
