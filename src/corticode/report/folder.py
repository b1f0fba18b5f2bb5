"""A run folder as plain tables: what is there, checked; what is missing stays empty."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

_NEEDED = ("level", "metric", "score")
_NUMBERS = ("score", "samples", "samples_test", "n_classes", "channels", "n_sessions", "time")


@dataclass(frozen=True)
class Run:
    """What a run folder says.

    Parameters
    ----------
    path : Path
    summary : dict
        summary.json.
    scores : DataFrame
        scores.csv: names are text, scores are numbers.
    predictions, history : DataFrame or None
        predictions.parquet, history.csv.
    config : str
        config.yaml as it stands; '' where there is none.
    environment : dict
        environment.json, nested names joined by dots.
    figures : dict
        figures/<name>.svg: name -> (SVG, caption from figures/<name>.txt).
    notes : list of str
        What could not be read, one sentence each.
    """

    path: Path
    summary: dict[str, Any]
    scores: pd.DataFrame
    predictions: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    config: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, tuple[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(path: str | Path) -> Run:
    """Read a run folder.

    Raises
    ------
    FileNotFoundError
        No such folder, or no scores.csv or summary.json in it.
    ValueError
        One of these two cannot be read, or says nothing.
    """
    path = Path(path)
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder: give the run folder that holds scores.csv and summary.json")
    notes: list[str] = []
    return Run(
        path=path,
        summary=_summary(path),
        scores=_scores(path),
        predictions=_optional(path / "predictions.parquet", _predictions, notes),
        history=_optional(path / "history.csv", _history, notes),
        config=_optional(path / "config.yaml", lambda file: file.read_text(encoding="utf-8"), notes) or "",
        environment=_optional(path / "environment.json", _environment, notes) or {},
        figures={file.stem: (file.read_text(encoding="utf-8"), _caption(file)) for file in sorted((path / "figures").glob("*.svg"))},
        notes=notes,
    )


def _present(path: Path, name: str) -> Path:
    if not (path / name).is_file():
        raise FileNotFoundError(f"{path} holds no {name}: it is not a run folder, or the run ended before its first fold was scored")
    return path / name


def _summary(path: Path) -> dict[str, Any]:
    file = _present(path, "summary.json")
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not readable JSON ({error}): run the command again, finished folds are not repeated") from error
    if not isinstance(summary, dict) or not {"headline", "metric"} <= set(summary):
        raise ValueError(f"{file} names no headline and metric: run the command again, finished folds are not repeated")
    return summary


def _scores(path: Path) -> pd.DataFrame:
    file = _present(path, "scores.csv")
    try:
        # a person may be called 'NA' or '007'
        scores = pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{file} is not a readable table: {error}") from error
    absent = [name for name in _NEEDED if name not in scores]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}: its columns are {', '.join(scores)}")
    for name in set(_NUMBERS) & set(scores):
        scores[name] = pd.to_numeric(scores[name].replace("", None), errors="coerce")
    if "seed" in scores:  # beside a model that has none the others' become fractions
        scores["seed"] = scores["seed"].str.removesuffix(".0")
    if not scores["score"].notna().any():
        raise ValueError(f"{file} holds no score: no fold has finished")
    return scores


def _optional(file: Path, reader: Any, notes: list[str]) -> Any:
    if not file.is_file():
        return None
    try:
        return reader(file)
    except (ValueError, OSError) as error:
        notes.append(f"{file.name} could not be read and is left out: {str(error).splitlines()[0]}")
        return None


def _predictions(file: Path) -> pd.DataFrame:
    table = pd.read_parquet(file)
    if not {"y", "yhat"} <= set(table):
        raise ValueError("it has no columns y and yhat")
    if "seed" in table:  # a model that is deterministic has none
        table = table.assign(
            seed=["" if pd.isna(seed) else f"{seed:g}" if isinstance(seed, float) else str(seed) for seed in table["seed"]]
        )
    return table.dropna(subset=["y", "yhat"])


def _history(file: Path) -> pd.DataFrame:
    table = pd.read_csv(file, dtype={"model": str, "fold": str, "seed": str}, keep_default_na=True)
    if not {"epoch", "train_loss"} <= set(table):
        raise ValueError("it has no columns epoch and train_loss")
    return table


def _environment(file: Path) -> dict[str, Any]:
    return _flat(json.loads(file.read_text(encoding="utf-8")))


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: ", ".join(map(str, value)) if isinstance(value, list) else value}
    return {k: v for key, inner in value.items() for k, v in _flat(inner, f"{name}.{key}" if name else str(key)).items()}


def _caption(file: Path) -> str:
    text = file.with_suffix(".txt")
    return text.read_text(encoding="utf-8").strip() if text.is_file() else ""
