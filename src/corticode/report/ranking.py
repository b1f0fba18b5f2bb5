"""The plain tables of a leaderboard, checked: what is there; what is missing stays empty."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

_TABLES = {
    "protocols": ("protocol", "title", "metric", "level"),
    "leaderboard": ("protocol", "pipeline", "score"),
    "best": ("protocol", "nested", "maximum"),
    "people": ("protocol", "pipeline", "unit", "score"),
    "tests": ("protocol", "first", "second", "p_holm"),
    "ranks": ("protocol", "pipeline", "rank"),
}
_NEEDED = ("protocols", "leaderboard")
_TEXT = {
    "protocol", "family", "title", "data", "task", "unit", "split", "split_arguments", "access", "metric", "level", "pipeline", "model",
    "config_hash", "error", "prepare_sees", "selection", "align", "adapt", "runs", "maximum_pipeline", "first", "second", "groups",
}  # fmt: skip
_TRUTH = {"lower_is_better", "deterministic", "complete", "ranked"}


@dataclass(frozen=True)
class Ranking:
    """What the tables of a leaderboard say.

    Parameters
    ----------
    path : Path
    about : dict
        leaderboard.json: title, date, hash, command, sources, refused, notes.
    protocols, leaderboard, best, people, tests, ranks : DataFrame
        The CSV files of these names; names are text, scores are numbers, truths are bool. Empty where there is no file.
    """

    path: Path
    about: dict[str, Any]
    protocols: pd.DataFrame
    leaderboard: pd.DataFrame
    best: pd.DataFrame
    people: pd.DataFrame
    tests: pd.DataFrame
    ranks: pd.DataFrame

    def of(self, name: str, protocol: str) -> pd.DataFrame:
        """Return the rows of one table that belong to one protocol."""
        rows = getattr(self, name)
        return rows[rows["protocol"] == protocol].reset_index(drop=True)


def read(path: str | Path) -> Ranking:
    """Read the tables of a leaderboard.

    Raises
    ------
    FileNotFoundError
        No such folder, or no protocols.csv or leaderboard.csv in it.
    ValueError
        A table cannot be read, or lacks a column.
    """
    path = Path(path)
    absent = [f"{name}.csv" for name in _NEEDED if not (path / f"{name}.csv").is_file()]
    if absent:
        raise FileNotFoundError(f"{path} holds no {' and no '.join(absent)}: write the tables with `corticode leaderboard {path}`")
    return Ranking(path=path, about=_about(path / "leaderboard.json"), **{name: _table(path, name) for name in _TABLES})


def _about(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not readable JSON ({error}): write the tables again") from error
    if not isinstance(about, dict):
        raise ValueError(f"{file} is a {type(about).__name__} and not a mapping: write the tables again")
    return about


def _table(path: Path, name: str) -> pd.DataFrame:
    file = path / f"{name}.csv"
    if not file.is_file():
        return pd.DataFrame(columns=list(_TABLES[name]))
    try:
        # a person may be called 'NA' or '007'
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except ValueError as error:
        raise ValueError(f"{file} is not a readable table: {error}") from error
    absent = [column for column in _TABLES[name] if column not in table]
    if absent:
        raise ValueError(f"{file} has no column {', '.join(absent)}: its columns are {', '.join(table)}")
    return table.assign(**{column: _typed(name, column, table[column]) for column in table})


def _typed(name: str, column: str, values: pd.Series) -> pd.Series:
    # of leaderboard.csv `maximum` is a truth and of best.csv a score; `chosen` is a share there and a truth in people.csv
    if column in _TRUTH or (name, column) in {("leaderboard", "maximum"), ("people", "chosen")}:
        return values.str.lower() == "true"
    if column in _TEXT or (column == "unit"):
        return values
    return pd.to_numeric(values.replace("", None), errors="coerce")
