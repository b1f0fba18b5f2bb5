"""Your own recordings: any folder of files that MNE reads, and a table that says whose they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corticode.data import table as tables
from corticode.data.base import Card, DataSet
from corticode.data.companion import companions
from corticode.data.format import check_file
from corticode.data.reader import Reading
from corticode.errors import BrokenDataError, MissingDataError
from corticode.recording import Recording

_WHO = ("site", "subject", "session", "run")
# Columns of the table that say how a file is read, not what it holds.
_HOW = ("file", "unit_factor", "data_format")
_EXAMPLE = """  file,subject,session,label
  anna/morning.edf,anna,1,rest
  ben/morning.bdf,ben,1,task"""


class Folder(DataSet):
    """A folder with a table of recordings.

    The table (`recordings.csv`) has one line per file. Columns:

    `file, subject`
        Required. Paths count from the table's folder and stay inside it; an absolute path may lead anywhere.
    `site, session, run`
        Identity. Needed as soon as one subject has two files.
    `label`
        An outcome for the whole file, always text: `task.target=label`.
    `unit_factor, data_format`
        Reading overrides for one file.
    anything else
        A fact (age, sex, diagnosis): an outcome column of the same name. Numbers are numbers, n/a and empty are missing.

    Parameters
    ----------
    root : str or None
        The folder; None is `<paths.data>/raw/folder`.
    subjects : list of str or None
        None takes all in the table.
    table : str
        Name of the table inside the folder.
    events : mapping of annotation text -> event name, list of annotation texts, or None
        Which annotations are events. None keeps all. Files without annotations give the codes of their stim channel.
    kind : str
        'eeg', 'ieeg' or 'meg'.
    montage : str or None
        Standard montage for files without positions, when at least half of the channel names are in it.
    types : mapping of channel name -> 'eog', 'ecg', 'emg', 'misc', or None
        For formats that do not say what a channel is.
    unit_factor : float
        Correction of headers that state the wrong unit (0.001 for mV labelled V).
    options : mapping or None
        Arguments for MNE's reader of the format, such as `data_format: int16` (Neuroscan) or `stream: NAME` (XDF).
    """

    name = "folder"
    card = Card(
        title="Your own recordings",
        source="a folder on your disk",
        licence="yours",
        citation="the papers that describe your recordings",
        notes=(
            "formats without a unit or with a wrong one are refused, with the factor to declare",
            "a copy of one file under two names is refused: it would stand on both sides of a split",
        ),
    )

    def __init__(
        self,
        root: str | None = None,
        subjects: Sequence[str] | None = None,
        table: str = "recordings.csv",
        events: Mapping[str, str] | Sequence[str] | None = None,
        kind: str = "eeg",
        montage: str | None = "standard_1005",
        types: Mapping[str, str] | None = None,
        unit_factor: float = 1.0,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__(root, subjects, unit_factor)
        self.table = table
        self.events = events
        self.kind = kind
        self.montage = montage
        self.types = types
        self.options = options
        self.reading = Reading(kind, events, montage, types, self.unit_factor, options)

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per line of the table, people in natural order; no signal is read.

        Raises
        ------
        MissingDataError
            No table, no line in it, a file or a person that is not there.
        BrokenDataError
            A column is missing, two lines claim one recording or one file, a path leaves the folder, a file is empty.
        """
        lines = self._lines()
        facts = tables.typed([{k: v for k, v in line.items() if k not in (*_WHO, *_HOW)} for line in lines], text=("label",))
        people = sorted(dict.fromkeys(line["subject"] for line in lines), key=tables.natural)
        wanted = set(self.wanted(people))
        chosen = [(line, fact) for line, fact in zip(lines, facts, strict=True) if line["subject"] in wanted]
        _refuse_clashes(self.table, [line for line, _ in chosen])
        made = [self._recording(line, fact) for line, fact in chosen]
        yield from sorted(
            made, key=lambda r: (tables.natural(r.who["subject"]), tables.natural(r.who["session"]), tables.natural(r.who["run"]))
        )

    def recording_of(self, file: Path) -> Recording:
        """Return the recording of one new file; its stem stands for the person. The table is not needed."""
        check_file(file)
        return self._make(Path(file), {"subject": Path(file).stem}, {}, self.reading)

    @property
    def classes(self) -> dict[str, list[str]]:
        """Event names given by `events`, and the levels of each text column in the lines of the chosen people."""
        found = {"event": list(dict.fromkeys(self.reading.events.values()))} if self.reading.events else {}
        lines = self._lines()
        rows = tables.typed([{k: v for k, v in line.items() if k not in (*_WHO, *_HOW)} for line in lines], text=("label",))
        wanted = set(self.wanted(list(dict.fromkeys(line["subject"] for line in lines))))
        rows = [row for line, row in zip(lines, rows, strict=True) if line["subject"] in wanted]
        for column in rows[0] if rows else ():
            levels = tables.levels([row[column] for row in rows])
            if levels:
                found[column] = levels
        return found

    # -- one line of the table ----------------------------------------------------------------------------------

    def _lines(self) -> list[dict[str, str]]:
        """Return the lines of the table with their columns in lower case where the house knows them."""
        file = self.folder() / self.table
        if not file.is_file():
            raise MissingDataError(
                f"{file} is not there: it says which file belongs to whom, one line each (session, run, site, label and any fact are optional):\n{_EXAMPLE}\n"
                "Meanwhile data=simulated runs without any file"
            )
        known = (*_WHO, *_HOW, "label")
        lines = [{(k.lower() if k.lower() in known else k): v for k, v in line.items()} for line in tables.rows(file)]
        if not lines:
            raise MissingDataError(f"{file} has no line below its header:\n{_EXAMPLE}")
        for column in ("file", "subject"):
            if column not in lines[0]:
                raise BrokenDataError(
                    f"{file} has no column {column!r} (columns there: {', '.join(k for k in lines[0] if k)}). Wanted at least:\n{_EXAMPLE}"
                )
            empty = [line[""] for line in lines if not line[column]]
            if empty:
                raise BrokenDataError(f"{file} line {empty[0]} has no {column}: fill it in or delete the line")
        return lines

    def _recording(self, line: Mapping[str, str], facts: Mapping[str, Any]) -> Recording:
        file = self._path(line)
        try:
            check_file(file)
        except MissingDataError as error:
            raise MissingDataError(f"{self.table} line {line['']}: {error}: put it there, or delete the line") from error
        who = {name: line.get(name, "") for name in _WHO}
        return self._make(file, who, facts, self._reading(line))

    def _make(self, file: Path, who: Mapping[str, str], facts: Mapping[str, Any], reading: Reading) -> Recording:
        from functools import partial

        return Recording({"dataset": self.name, **who}, partial(reading, file), facts, companions(file), {"reading": reading.plain()})

    def _path(self, line: Mapping[str, str]) -> Path:
        folder = self.folder().resolve()
        named = Path(line["file"]).expanduser()
        if not named.is_absolute() and not (folder / named).exists():
            named = Path(line["file"].replace("\\", "/"))  # tables are written on Windows too
        if named.is_absolute():
            return named
        # `..` is judged by the letters, so that a link inside the folder may point to another disk
        if ".." in named.parts:
            raise BrokenDataError(
                f"{self.table} line {line['']}: {line['file']} leaves the folder {folder}: move the file inside, or give its absolute path"
            )
        return folder / named

    def _reading(self, line: Mapping[str, str]) -> Reading:
        reading = self.reading
        if not tables.missing(line.get("unit_factor")):
            try:
                reading = replace(reading, unit_factor=float(line["unit_factor"]))
            except ValueError:
                raise BrokenDataError(
                    f"{self.table} line {line['']}: unit_factor {line['unit_factor']!r} is not a number such as 0.001"
                ) from None
        if not tables.missing(line.get("data_format")):
            reading = replace(reading, options={**(reading.options or {}), "data_format": line["data_format"]})
        return reading


def _refuse_clashes(table: str, lines: Sequence[Mapping[str, str]]) -> None:
    """Refuse two lines with one (subject, session, run), or with one file."""
    claimed: dict[tuple[str, ...], Mapping[str, str]] = {}
    for line in lines:
        subject, session, run = (line.get(name, "") for name in ("subject", "session", "run"))
        for claim in (("recording", subject, session, run), ("file", str(Path(line["file"].replace("\\", "/"))))):
            first = claimed.setdefault(claim, line)
            if first is line:
                continue
            if claim[0] == "file":
                raise BrokenDataError(f"{table} lines {first['']} and {line['']} name one file, {line['file']}: delete one")
            raise BrokenDataError(
                f"{table} lines {first['']} and {line['']} both claim subject {subject}, session {session or '-'}, run {run or '-'} "
                f"({first['file']} and {line['file']}): tell them apart in a column session or run"
            )
