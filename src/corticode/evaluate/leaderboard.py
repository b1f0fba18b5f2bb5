"""All runs below a folder as one table per protocol, with what may be concluded from it.

    runs --find, gather--> candidates --collect--> Board --write--> leaderboard.csv, .md, .html and the tables behind them

One column per protocol: what was asked of whom, and what of the target was available. Nothing is averaged over two of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from corticode import store
from corticode.errors import MissingDataError, SentenceError
from corticode.evaluate.board import Board
from corticode.evaluate.column import Column
from corticode.evaluate.comparison import combined, ranks
from corticode.evaluate.label import family_of, titles
from corticode.evaluate.record import Damaged
from corticode.evaluate.runs import Candidate, Found, find, gather

PROTOCOL_COLUMNS = (
    "protocol", "title", "data", "task", "unit", "split", "split_arguments", "access", "metric", "level", "lower_is_better", "family", "n_pipelines",
)  # fmt: skip


def collect(folders: Path | str | Iterable[Path | str]) -> Board:
    """Read all runs below some folders and compare them.

    Parameters
    ----------
    folders : path or paths
        Run folders, sweeps, or folders of them.

    Returns
    -------
    board : Board

    Raises
    ------
    MissingDataError
        There is no run, or every run failed or was refused.
    """
    found = find(Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders))
    while found.parts:
        try:
            return _collected(found)
        except Damaged as error:  # its answers, which are read last
            found = found._replace(
                parts=[part for part in found.parts if part.folder != error.folder], refused=[*found.refused, str(error)]
            )
    failed = [f"{one.folder}: {one.words} failed: {one.error}" for one in found.failed]
    raise MissingDataError(f"no run can take part: {'; '.join([*failed, *found.refused])}")


def _collected(found: Found) -> Board:
    candidates = gather(found.parts)
    grouped: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        grouped.setdefault(candidate.protocol_hash, []).append(candidate)
    columns = [Column(mine) for mine in grouped.values()]
    protocols, notes = _protocols(columns), []
    tests, places = _over_data_sets(columns, protocols, notes)
    board = Board(
        protocols, _stacked(column.scores() for column in columns), _stacked(column.best() for column in columns),
        _stacked(column.people() for column in columns), _stacked([*(column.tests() for column in columns), *tests]),
        _stacked([*(column.ranks() for column in columns), *places]), found.refused, found.failed, candidates=candidates,
    )  # fmt: skip
    board.notes = [*(note for column in columns for note in column.notes), *notes]
    return board


def _stacked(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    tables = list(tables)
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else tables[0] if tables else pd.DataFrame()


def _protocols(columns: Sequence[Column]) -> pd.DataFrame:
    """Return one row per protocol, with a title that tells it from the others."""
    rows = []
    for column in columns:
        plain = {name: column.protocol.get(name, "") for name in ("data", "task", "unit", "split", "access", "metric", "level")}
        arguments = store.canonical(column.protocol.get("split_arguments") or {})
        rows.append({
            "protocol": column.id, "title": "", **plain, "split_arguments": arguments, "lower_is_better": column.lower_is_better,
            "family": family_of(column.protocol), "n_pipelines": len(column.candidates),
        })  # fmt: skip
    table = pd.DataFrame(rows, columns=list(PROTOCOL_COLUMNS))
    return table.assign(title=titles([column.protocol for column in columns], [column.candidates for column in columns]))


def _over_data_sets(columns: Sequence[Column], protocols: pd.DataFrame, notes: list[str]) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Combine tests and ranks over the data sets of each family that has two or more."""
    tests, places = [], []
    for family, rows in protocols.groupby("family", sort=False):
        mine = [columns[i] for i in rows.index]
        by_data: dict[str, Column] = {}
        for column in sorted(mine, key=lambda c: -c.n_people):
            # two protocols of one data set would count its people twice
            by_data.setdefault(str(column.protocol.get("data")), column)
        if len(by_data) < len(mine):
            left = ", ".join(rows["title"][[c not in by_data.values() for c in mine]])
            notes.append(f"not combined over data sets, since its data stand there already with as many people or more: {left}")
        if len(by_data) < 2:
            continue
        table = combined([column.tests() for column in by_data.values()])
        tests.append(table.assign(protocol="", family=family))
        means = pd.DataFrame({name: column.means() for name, column in by_data.items()}).T.dropna(axis=1)
        if min(means.shape) >= 2:
            places.append(ranks(means, mine[0].lower_is_better).assign(protocol="", family=family))
    return tests, places


# -- on disk --------------------------------------------------------------------------------------------------------

_FILES = {
    "protocols": "protocols.csv",
    "scores": "leaderboard.csv",
    "best": "best.csv",
    "people": "people.csv",
    "tests": "tests.csv",
    "ranks": "ranks.csv",
}


def write(board: Board, folder: Path, sources: Sequence[Path | str] = (), command: str = "", title: str = "Leaderboard") -> Path:
    """Write the tables, leaderboard.json, leaderboard.md and leaderboard.html; return the folder.

    Raises
    ------
    StoreError
        The folder cannot be written.
    """
    from corticode.evaluate.markdown import markdown

    folder = Path(folder)
    for name, file in _FILES.items():
        _write_text(folder / file, getattr(board, name).to_csv(index=False, lineterminator="\n"))
    about = {
        "title": title, "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}", "hash": board.hash, "command": command,
        "sources": [str(source) for source in sources], "refused": board.refused, "notes": board.notes,
        "failed": [{"folder": str(one.folder), "words": one.words, "error": one.error} for one in board.failed],
    }  # fmt: skip
    store.write_json(folder / "leaderboard.json", about)
    _write_text(folder / "leaderboard.md", markdown(board, about))
    from corticode.report import board as page

    page.write(folder)
    return folder


def _write_text(path: Path, text: str) -> None:
    with store.writing(path) as tmp:
        tmp.write_text(text, encoding="utf-8", newline="\n")


# -- the verb -------------------------------------------------------------------------------------------------------


def main(argv: Sequence[str]) -> int:
    """`corticode leaderboard FOLDER... [--moabb METRIC] [--output FOLDER]`: print the table and write all files."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="corticode leaderboard", description="compare all runs below some folders, one table per protocol"
    )
    parser.add_argument("folders", nargs="*", default=["outputs"], help="run folders, sweeps, or folders of them (default: outputs)")
    parser.add_argument("--output", default=None, metavar="FOLDER", help="where to write (default: the first folder)")
    parser.add_argument("--moabb", default=None, metavar="METRIC", help="also write moabb.csv: this metric in MOABB's columns")
    chosen = parser.parse_args(list(argv))
    folder = Path(chosen.output or chosen.folders[0])
    board = collect(chosen.folders)
    tables = _moabb_tables(board, chosen.moabb) if chosen.moabb is not None else {}
    write(board, folder, chosen.folders, " ".join(["corticode leaderboard", *argv]))
    for name, (_, table) in tables.items():
        _write_text(folder / name, table.to_csv(index=False, lineterminator="\n"))
    print((folder / "leaderboard.md").read_text(encoding="utf-8"))
    for name, (said, table) in tables.items():
        print(f"{name}: {chosen.moabb} of {said}")
        for note in table.attrs["notes"]:
            print(f"  {note}")
    print(f"{', '.join(['leaderboard.csv', 'leaderboard.md', 'leaderboard.html', *tables])} are in {folder}")
    return 0


def _moabb_tables(board: Board, metric: str) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return file name -> (its protocols, one metric in MOABB's columns): a file per family, since those columns name no protocol."""
    from corticode.evaluate.interchange import to_moabb

    about = board.protocols.set_index("protocol")
    groups: dict[str, list[Candidate]] = {}
    for candidate in board.candidates:
        groups.setdefault(about.loc[candidate.protocol_hash[:8], "family"], []).append(candidate)
    tables = {name: to_moabb(mine, metric) for name, mine in groups.items()}
    found = {name: table for name, table in tables.items() if len(table)}
    if not found:
        why = dict.fromkeys(note for table in tables.values() for note in table.attrs["notes"])
        raise SentenceError(f"--moabb {metric}: there is nothing to write: {'; '.join(why)}")
    said = {name: "; ".join(about.loc[about["family"] == name, "title"]) for name in found}
    return {"moabb.csv" if len(found) == 1 else f"moabb-{name}.csv": (said[name], table) for name, table in found.items()}
