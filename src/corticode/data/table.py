"""Read tables of facts: numbers as numbers, n/a as missing, whatever separator the spreadsheet wrote."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corticode.errors import BrokenDataError

# Cells that say "not known", without regard to case.
MISSING = {"", "n/a", "na", "nan"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_CODE = re.compile(r"0\d+")  # 007 is a name, not seven


def rows(file: Path) -> list[dict[str, str]]:
    """Return the lines of a CSV or TSV file as text, with the line number under the key ''.

    Commas, semicolons and tabs all occur in files named .csv: the one that the header uses most is taken.

    Raises
    ------
    BrokenDataError
        Not text, a line with more cells than the header, or a header that names a column twice.
    """
    file = Path(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrokenDataError(f"{file} is not UTF-8 text ({error.reason} at byte {error.start}): save the table as CSV UTF-8") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip(" ,;\t")]
    if not lines:
        return []
    separator = max(",;\t", key=lines[0][1].count)
    cells = list(csv.reader((line for _, line in lines), delimiter=separator, skipinitialspace=True))
    header = [cell.strip() for cell in cells[0]]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BrokenDataError(f"{file} names the column {', '.join(twice)} twice: rename one")
    found = []
    for (number, _), values in zip(lines[1:], cells[1:], strict=False):
        if len(values) > len(header):
            raise BrokenDataError(
                f"{file} line {number} has {len(values)} cells for {len(header)} columns: put text with {separator!r} in it into quotes"
            )
        # a short line lacks its last cells
        padded = values + [""] * (len(header) - len(values))
        found.append({"": str(number), **{name: value.strip() for name, value in zip(header, padded, strict=True) if name}})
    return found


def missing(cell: str | None) -> bool:
    """Return whether a cell says nothing."""
    return cell is None or cell.strip().lower() in MISSING


def typed(lines: Sequence[Mapping[str, str]], text: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the lines with plain values: a column is numbers, booleans or text as a whole; None where missing.

    Parameters
    ----------
    lines : sequence of mapping of column -> cell
    text : sequence of str
        Columns that stay text even when every cell looks like a number (class labels).
    """
    columns = dict.fromkeys(name for line in lines for name in line if name)
    typed_columns = {name: _column([line.get(name) for line in lines], name in text) for name in columns}
    return [{name: values[i] for name, values in typed_columns.items()} for i in range(len(lines))]


def levels(values: Sequence[Any]) -> list[str]:
    """Return the different texts of a column in order of the alphabet; empty when it holds numbers."""
    known = {value for value in values if value is not None}
    return sorted(known) if known and all(isinstance(value, str) for value in known) else []


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a sorting key that puts S2 before S10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _column(cells: list[str | None], as_text: bool) -> list[Any]:
    known = [cell.strip() for cell in cells if not missing(cell)]
    if as_text or not known:
        return [None if missing(cell) else cell.strip() for cell in cells]
    if all(_NUMBER.fullmatch(cell) and not _CODE.fullmatch(cell) for cell in known):
        number = int if all(cell.lstrip("+-").isdigit() for cell in known) else float
        return [None if missing(cell) else number(cell) for cell in cells]
    if {cell.lower() for cell in known} <= {"true", "false"}:
        return [None if missing(cell) else cell.strip().lower() == "true" for cell in cells]
    return [None if missing(cell) else cell.strip() for cell in cells]
