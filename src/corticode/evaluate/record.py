"""One run folder read back and checked: what its summary says, its scores, its answers, its configuration.

What is damaged is refused in a sentence that says what is wrong with which file; no other folder is touched by it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.errors import BrokenDataError
from corticode.predictions import Predictions
from corticode.task.scores import UNITS

_NUMBERS = ("score", "samples", "samples_test", "n_classes", "channels", "n_sessions", "time")
_TEXTS = ("dataset", "site", "subject", "fold", "seed", "model", "level", "metric", "score")
_ANSWERS = ("model", "fold", "seed", "y", "yhat")
_ANSWER_KINDS = (("p_", "probability"), ("d_", "decision"))
_PEOPLE = {"subject": "people", "site": "sites", "fold": "folds"}


class Damaged(BrokenDataError):
    """A run folder that cannot take part.

    Parameters
    ----------
    folder : Path
    reason : str
        What is damaged, and what to do.
    """

    def __init__(self, folder: Path, reason: str):
        super().__init__(f"{folder}: {reason}")
        self.folder = Path(folder)


@dataclass(frozen=True)
class Failed:
    """A run of which nothing came.

    Parameters
    ----------
    folder : Path
    words : str
        What was asked, as on the command line.
    error : str
    """

    folder: Path
    words: str
    error: str


# -- summary.json -----------------------------------------------------------------------------------------------------


def read_summary(folder: Path) -> dict[str, Any]:
    """Return summary.json, its parts of the kind that they should be.

    Raises
    ------
    Damaged
    """
    try:
        summary = store.read_json(folder / "summary.json")
    except (ValueError, OSError) as error:
        raise Damaged(
            folder, "its summary.json cannot be read, it is cut off or damaged: run it again (finished folds are kept)"
        ) from error
    if not isinstance(summary, dict):
        raise Damaged(folder, "its summary.json is none of a run's")
    for name, kind in (("models", dict), ("protocol", dict), ("failures", list)):
        if not isinstance(summary.get(name) or kind(), kind):
            raise Damaged(folder, f"its summary.json is damaged: {name!r} is {summary[name]!r:.40}: run it again (finished folds are kept)")
    inside = [*((summary.get("models") or {}).items()), *(("failures", one) for one in summary.get("failures") or [])]
    for name, facts in inside:
        counts = [facts.get(key) or 0 for key in ("n_folds", "n_folds_expected", "seconds")] if isinstance(facts, dict) else [None]
        if not all(isinstance(one, int | float) for one in counts) or not isinstance(facts.get("seeds") or [], list):
            raise Damaged(folder, f"its summary.json is damaged: what it says of {name!r} is {facts!r:.60}: run it again")
    return summary


def failed(folder: Path, summary: Mapping[str, Any]) -> Failed | None:
    """Return a run that failed before it was known what it asked of whom; None for all others."""
    failures, models = summary.get("failures") or [], summary.get("models") or {}
    known = summary.get("protocol_hash") and models and all(facts.get("config_hash") for facts in models.values())
    if known or not failures or summary.get("n_folds"):
        return None
    asked = [f"{word}={summary[word]}" for word in ("model", "data", "task", "split", "align", "adapt") if summary.get(word)]
    return Failed(folder, str(summary.get("words") or " ".join(asked)), " ".join(str(failures[0].get("error", "")).split()))


def check_hashes(folder: Path, summary: Mapping[str, Any]) -> None:
    """Refuse a run that does not say how it was made.

    Raises
    ------
    Damaged
    """
    models = summary.get("models") or {}
    again = "run it again with this version"
    if not summary.get("config_hash") or not models or any(not facts.get("config_hash") for facts in models.values()):
        raise Damaged(folder, f"it has no configuration hash, so what ran cannot be told: {again} (finished folds are kept)")
    if not summary.get("protocol_hash") or not summary.get("protocol"):
        raise Damaged(folder, f"it has no protocol hash, so it cannot be told what it may be compared with: {again}")


# -- scores.csv -------------------------------------------------------------------------------------------------------


def read_scores(folder: Path, summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return scores.csv, seeds as text; empty where no fold has ended.

    Raises
    ------
    Damaged
        It is missing though folds have ended, cut off, or no table of scores.
    """
    file, n_folds = folder / "scores.csv", sum(facts.get("n_folds") or 0 for facts in summary["models"].values())
    if not file.is_file():
        if n_folds:
            raise Damaged(folder, f"its scores.csv is missing, and {n_folds} folds have ended: run it again (finished folds are kept)")
        return pd.DataFrame()
    try:
        scores = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise Damaged(folder, "its scores.csv is no table: run it again (finished folds are kept)") from error
    absent = [name for name in _TEXTS if name not in scores]
    if absent:
        raise Damaged(folder, f"its scores.csv has no column {', '.join(absent)}: run it again")
    cut = not _ends_in_a_whole_line(file)
    scores = scores.iloc[:-1] if cut else scores
    scores = scores.assign(**{name: _numbers(folder, scores[name]) for name in _NUMBERS if name in scores})
    try:
        scores = scores.assign(seed=[seed_text(value) for value in scores["seed"]])
    except ValueError as error:
        raise Damaged(folder, f"its scores.csv has a seed that is no number ({error}): run it again") from error
    for name, facts in summary["models"].items():
        _check_whole(folder, summary["protocol"], facts, scores[scores["model"] == name], cut)
    return scores


def _ends_in_a_whole_line(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(-1, os.SEEK_END)
        return opened.read(1) == b"\n"


def _numbers(folder: Path, column: pd.Series) -> pd.Series:
    found = pd.to_numeric(column.replace("", None), errors="coerce")
    wrong = column[found.isna() & (column != "")]
    wrong = wrong[wrong.notna() & (wrong.str.lower() != "nan")] if len(wrong) else wrong
    if len(wrong):
        raise Damaged(folder, f"its scores.csv has {wrong.iloc[0]!r:.40} where a number should be ({column.name}): run it again")
    return found


def _check_whole(folder: Path, protocol: Mapping[str, Any], facts: Mapping[str, Any], rows: pd.DataFrame, cut: bool) -> None:
    """Refuse scores of which the end is missing: what is scored person by person is also scored in one pot, and that stands last."""
    keys = ["seed", "metric"]
    pooled = rows["level"] == "pooled"
    single, together = (rows.loc[chosen, keys].drop_duplicates() for chosen in (~pooled, pooled))
    if not cut and len(single.merge(together, on=keys)) == len(single) and (len(rows) or not facts.get("n_folds")):
        return
    level, said = str(protocol.get("level")), ""
    if level in _PEOPLE and facts.get("n"):
        there = rows[(rows["level"] == level) & (rows["metric"] == protocol.get("metric"))]
        said = f", scores for {len(there[UNITS[level]].drop_duplicates())} of {facts['n']} {_PEOPLE[level]} are there"
    raise Damaged(folder, f"its scores.csv is cut off{said}: run it again (finished folds are kept)")


def seed_text(value: Any) -> str:
    """Return a seed as text: 0, 0.0 and '0' are one; '' where there is none."""
    if value is None or str(value).strip().lower() in ("", "nan", "none", "<na>"):
        return ""
    return str(int(float(value)))


# -- predictions.parquet ----------------------------------------------------------------------------------------------


def check_answers(folder: Path) -> None:
    """Refuse answers that were cut off; nothing of them is read but the end of the file.

    Raises
    ------
    Damaged
    """
    import pyarrow
    import pyarrow.parquet

    file = folder / "predictions.parquet"
    if not file.is_file():
        return
    try:
        there = set(pyarrow.parquet.read_schema(file).names)
    except (pyarrow.ArrowException, OSError) as error:
        raise Damaged(folder, "its predictions.parquet is cut off or damaged: run it again (finished folds are kept)") from error
    absent = [name for name in _ANSWERS if name not in there]
    if absent:
        raise Damaged(folder, f"its predictions.parquet has no column {', '.join(absent)}: run it again")


def read_answers(file: Path, model: str, seeds: Sequence[str], facts: Mapping[str, Any]) -> list[Predictions]:
    """Return predictions.parquet as Predictions again, one per fold and seed; nothing where there is no such file.

    Raises
    ------
    Damaged
    """
    import pyarrow

    if not file.is_file() or not len(seeds):
        return []
    try:
        frame = pd.read_parquet(file)
    except (pyarrow.ArrowException, OSError) as error:
        raise Damaged(file.parent, "its predictions.parquet is damaged: run it again (finished folds are kept)") from error
    frame = frame[frame["model"] == model]
    frame = frame.assign(seed="" if facts.get("deterministic") else [seed_text(value) for value in frame["seed"]])
    frame = frame[frame["seed"].isin(seeds)]
    found = []
    for (seed, fold), rows in frame.groupby(["seed", "fold"], sort=False):
        found.append(as_predictions(rows, {"model": model, "fold": fold, "seed": int(seed) if seed else None}))
    return found


def as_predictions(frame: pd.DataFrame, fold: Mapping[str, Any]) -> Predictions:
    """Turn rows of `Predictions.to_frame` back."""
    columns = list(frame.columns)
    meta = frame[[name for name in columns[: columns.index("y")] if name not in ("model", "fold", "seed", "access")]]
    for prefix, kind in _ANSWER_KINDS:
        mine = [name for name in columns[columns.index("yhat") + 1 :] if name.startswith(prefix) and frame[name].notna().all()]
        classes = tuple(name.removeprefix(prefix) for name in mine)
        if mine and set(frame["y"]) <= set(classes):
            index = {name: i for i, name in enumerate(classes)}
            y = frame["y"].map(index).to_numpy(dtype=np.int64)
            return Predictions(frame[mine].to_numpy(dtype=float), kind, y, meta, classes, dict(fold))
    return Predictions(frame["yhat"].to_numpy(dtype=float), "value", frame["y"].to_numpy(dtype=float), meta, (), dict(fold))


# -- config.yaml ------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=4096)
def _read_config(file: Path, changed: float) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_config(folder: Path) -> dict[str, Any]:
    """Return config.yaml of a run; nothing where it cannot be read, since it only gives names."""
    file = folder / "config.yaml"
    return _read_config(file, file.stat().st_mtime) if file.is_file() else {}
