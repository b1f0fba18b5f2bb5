"""Any BIDS data set of EEG, iEEG or MEG: people, facts and events as its tables have them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from corticode import store
from corticode.data import table as tables
from corticode.data.base import Card, DataSet, names
from corticode.data.companion import companions
from corticode.data.format import check_file, explained
from corticode.data.reader import Reading
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.recording import Recording, Signal

DATATYPES = ("eeg", "ieeg", "meg")
_EXTENSIONS = {
    "eeg": (".vhdr", ".edf", ".bdf", ".set"),
    "ieeg": (".vhdr", ".edf", ".set", ".mefd"),
    "meg": (".fif", ".ds", ".con", ".sqd"),
}
# entities of a file name -> the words of mne_bids.BIDSPath
_ENTITIES = {
    "sub": "subject",
    "ses": "session",
    "task": "task",
    "acq": "acquisition",
    "run": "run",
    "proc": "processing",
    "rec": "recording",
    "desc": "description",
    "split": "split",
}
_SIDECAR = re.compile(r"_?(events|channels|electrodes|coordsystem|eeg|ieeg|meg)\.(tsv|json)$")


@dataclass(frozen=True)
class Run:
    """One file of a BIDS folder: its path, what its name says, and its datatype."""

    file: Path
    entities: Mapping[str, str]
    datatype: str

    def get(self, entity: str) -> str:
        """Return an entity of the name ('' when absent)."""
        return self.entities.get(entity, "")

    @property
    def run(self) -> str:
        """All that tells files of one session apart, the task first: 'rest', 'rest_01'."""
        return "_".join(self.get(entity) for entity in ("task", "acq", "run", "proc", "rec", "desc") if self.get(entity))


class Bids(DataSet):
    """A folder in the Brain Imaging Data Structure.

    Columns of participants.tsv, sessions.tsv and scans.tsv become facts (numbers as numbers, n/a as missing); `site` becomes
    identity, the entity `task` an outcome column. Events are the trial types of events.tsv; 'BAD boundary' and 'EDGE
    boundary' are joints. The run of a recording is its place in the session (by acq_time of scans.tsv, else by `order`, else by name), since
    its task may be what is asked, and identity must not give that away.

    Parameters
    ----------
    root : str or None
        The folder with dataset_description.json; None is `<paths.data>/raw/<name>`.
    subjects : list of str or None
        With or without 'sub-'. None takes all there are.
    task, session : str, list of str or None
        Which to take; None takes all.
    datatype : str or None
        'eeg', 'ieeg' or 'meg'; needed when the folder has several.
    events : mapping of trial type -> event name, list of trial types, or None
        None keeps all.
    exclude : mapping of fact -> value or list of values, or None
        Recordings to leave out, such as {excluded_by_authors: true}.
    unit_factor : float
        Correction of headers that state the wrong unit.

    Source
    ------
    https://bids-specification.readthedocs.io; files are read by mne_bids.read_raw_bids.
    """

    name = "bids"
    # tasks in the order in which they were recorded, where scans.tsv does not tell
    order: tuple[str, ...] = ()
    card = Card(
        title="Any BIDS data set",
        source="https://bids-specification.readthedocs.io",
        licence="see its dataset_description.json",
        citation="Pernet 2019 (Sci Data 6:103), Holdgraf 2019 (Sci Data 6:102), Niso 2018 (Sci Data 5:180110), Appelhoff 2019 (JOSS 4:1896)",
        notes=("channels that channels.tsv marks bad are kept, and the run says so",),
    )

    def __init__(
        self,
        root: str | None = None,
        subjects: Sequence[str] | None = None,
        task: str | Sequence[str] | None = None,
        session: str | Sequence[str] | None = None,
        datatype: str | None = None,
        events: Mapping[str, str] | Sequence[str] | None = None,
        exclude: Mapping[str, Any] | None = None,
        unit_factor: float = 1.0,
    ):
        asked = None if subjects is None else [name.removeprefix("sub-") for name in names(subjects)]
        super().__init__(root, asked, unit_factor)
        self.task = task
        self.session = session
        self.datatype = datatype
        self.events = events
        self.exclude = exclude
        if datatype is not None and datatype not in DATATYPES:
            raise SentenceError(f"data.datatype={datatype} is unknown: say eeg, ieeg or meg")

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per file, people in natural order; only names and tables are read.

        Raises
        ------
        MissingDataError
            Not a BIDS folder, or a person, task or session that is not there.
        BrokenDataError
            Two files claim one run; a table cannot be read.
        """
        root, found = self.folder(), self._listed()
        facts = self._facts(root, found)
        wanted = set(self.wanted(list(dict.fromkeys(run.get("sub") for run in found))))
        tasks, sessions = self._asked("task", found), self._asked("session", found)
        dropped: list[str] = []
        places = self._places(found, facts)
        for run, known in zip(found, facts, strict=True):
            if run.get("sub") not in wanted or run.get("task") not in tasks or run.get("ses") not in sessions:
                continue
            recording = self._recording(root, run, known, places[run.file])
            if self._excluded(known, run):
                dropped.append(run.file.name)
            else:
                yield recording
        if dropped:
            rule = ", ".join(f"{fact}={value}" for fact, value in (self.exclude or {}).items())
            self._note(f"{len(dropped)} recordings left out by data.exclude ({rule}): {', '.join(dropped)}")

    def recording_of(self, file: Path) -> Recording:
        """Return the recording of one new file: read through BIDS when it lies in a BIDS folder, by itself otherwise."""
        file = Path(file).absolute()  # not resolved: a link to an annex would lose its BIDS name
        check_file(file)
        run = _run_of(file)
        root = next((folder for folder in file.parents if (folder / "dataset_description.json").is_file()), None)
        if run is not None and root is not None:
            return self._recording(root, run, {})
        reading = self._reading(self.datatype or "eeg")
        who = {"dataset": self.name, "subject": file.stem}
        return Recording(who, partial(reading, file), {}, companions(file), {"reading": reading.plain()})

    @property
    def classes(self) -> dict[str, list[str]]:
        """Event names given by `events`, the tasks, and the levels of text columns that describe groups of people."""
        found = self._listed()
        classes: dict[str, list[str]] = {}
        if self.events is not None:
            classes["event"] = list(dict.fromkeys(Reading(events=self.events).events.values()))
        elif self.card.classes:
            classes["event"] = list(self.card.classes)
        tasks = self._asked("task", found)
        if len(tasks) > 1:
            classes["task"] = tasks
        described = _described(self.folder() / "participants.json")
        rows = self._facts(self.folder(), found)
        for column in rows[0]:
            levels = tables.levels([row[column] for row in rows])
            # a text that differs for nearly everybody is a name, not a class
            if column not in ("task", "site") and 2 <= len(levels) <= max(2, len(rows) // 2):
                declared = described.get(column, [])
                classes[column] = declared if set(levels) <= set(declared) else levels
        return classes

    # -- finding files ------------------------------------------------------------------------------------------

    def _listed(self) -> list[Run]:
        """Return the files of the chosen datatype, in natural order."""
        root = self.folder()
        if not root.is_dir():
            raise MissingDataError(
                f"{self.name}: there is no folder {root}. Get the data ({self.card.source}) as a BIDS folder, put it there or point data.root= at it; "
                "meanwhile data=simulated runs without any file"
            )
        found = [run for folder in _folders(root) for file in sorted(folder.iterdir()) if (run := _run_of(file)) is not None]
        if not found:
            inner = sorted(path.parent.name for path in root.glob("*/dataset_description.json"))
            near = (
                f"; did you mean {root / inner[0]}?"
                if inner
                else ": use data=folder with a table of recordings for files in no standard order"
            )
            raise MissingDataError(
                f"{root} is not a BIDS folder of EEG, iEEG or MEG (wanted sub-*/[ses-*/]eeg/sub-*_task-*_eeg.edf or the like){near}"
            )
        there = [datatype for datatype in DATATYPES if any(run.datatype == datatype for run in found)]
        if self.datatype is None and len(there) > 1:
            raise SentenceError(f"{root} has {' and '.join(there)}: choose with data.datatype={there[0]}")
        datatype = self.datatype or there[0]
        found = [run for run in found if run.datatype == datatype]
        if not found:
            raise MissingDataError(f"data.datatype={datatype}: {root} has only {', '.join(there)}")
        _refuse_clashes(found)
        return sorted(found, key=lambda run: tuple(tables.natural(part) for part in (run.get("sub"), run.get("ses"), run.run)))

    def _asked(self, word: str, found: Sequence[Run]) -> list[str]:
        """Return the tasks or sessions to take; refuse one that was asked for and is not there."""
        entity = {"task": "task", "session": "ses"}[word]
        there = list(dict.fromkeys(run.get(entity) for run in found))
        asked = getattr(self, word)
        if asked is None:
            return there
        asked = [str(one).removeprefix(f"{entity}-") for one in ([asked] if isinstance(asked, str | int) else asked)]
        absent = [one for one in asked if one not in there]
        if absent:
            raise MissingDataError(
                f"data.{word} asks for {', '.join(absent)}, and {self.folder()} has only {', '.join(t for t in there if t) or 'none'}"
            )
        return asked

    def _facts(self, root: Path, found: Sequence[Run]) -> list[dict[str, Any]]:
        """Return the facts of each run, out of participants.tsv, sessions.tsv and scans.tsv; a later one wins."""
        people = _by_key(root / "participants.tsv", "participant_id")
        unknown = sorted({run.get("sub") for run in found if people and f"sub-{run.get('sub')}" not in people}, key=tables.natural)
        if unknown:
            self._note(f"participants.tsv has no line for {', '.join(unknown)}: their facts are missing")
        cache: dict[Path, dict[str, dict[str, str]]] = {}

        def look(file: Path, column: str, key: str) -> dict[str, str]:
            if file not in cache:
                cache[file] = _by_key(file, column)
            return cache[file].get(key, {})

        lines = []
        for run in found:
            person, session = f"sub-{run.get('sub')}", f"ses-{run.get('ses')}"
            home = root / person / session if run.get("ses") else root / person
            scans = home / ("_".join([person, session] if run.get("ses") else [person]) + "_scans.tsv")
            lines.append({
                **people.get(person, {}),
                **look(root / person / f"{person}_sessions.tsv", "session_id", session),
                **look(scans, "filename", f"{run.datatype}/{run.file.name}"),
                "task": run.get("task"),
            })  # fmt: skip
        return tables.typed(lines, text=("task", "site"))

    def _places(self, found: Sequence[Run], facts: Sequence[Mapping[str, Any]]) -> dict[Path, str]:
        """Return each file's place among the recordings of its session, in the order in which they were made: '1', '2' ..."""
        sessions: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        for run, known in zip(found, facts, strict=True):
            when = str(known.get("acq_time") or "")
            place = self.order.index(run.get("task")) if run.get("task") in self.order else len(self.order)
            sessions.setdefault((run.get("sub"), run.get("ses")), []).append((when, place, tables.natural(run.run), run.file))
        places = {}
        for made in sessions.values():
            timed = all(when for when, *_ in made)
            made = sorted(made, key=lambda one: (one[0] if timed else "", *one[1:3]))
            places.update({file: str(k + 1) for k, (*_, file) in enumerate(made)})
        return places

    def _excluded(self, facts: Mapping[str, Any], run: Run) -> bool:
        for fact, values in (self.exclude or {}).items():
            if fact not in facts and fact not in ("subject", "session", "run"):
                raise SentenceError(
                    f"data.exclude names the fact {fact}, and {self.folder()} has only {', '.join(facts)}, subject, session, run"
                )
            value = {"subject": run.get("sub"), "session": run.get("ses"), "run": run.run, **facts}[fact]
            if value in (values if isinstance(values, Sequence) and not isinstance(values, str) else [values]):
                return True
        return False

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    # -- one recording ------------------------------------------------------------------------------------------

    def _reading(self, datatype: str) -> Reading:
        return Reading(datatype, self.events, unit_factor=self.unit_factor)

    def _recording(self, root: Path, run: Run, facts: Mapping[str, Any], place: str = "") -> Recording:
        who = {"dataset": self.name, "site": facts.get("site") or "", "subject": run.get("sub"), "session": run.get("ses"), "run": place}
        reading = self._reading(run.datatype)
        files = (*companions(run.file), *_sidecars(root, run))
        read = partial(read_bids, root, run, reading)
        return Recording(
            who, read, {k: v for k, v in facts.items() if k != "site"}, tuple(dict.fromkeys(files)), {"reading": reading.plain()}
        )


def read_bids(root: Path, run: Run, reading: Reading) -> Signal:
    """Read one file through mne-bids: its events, channel types, bad channels and electrodes come from the side files.

    Raises
    ------
    MissingDataError, BrokenDataError, UnitError
        The message names the file.
    """
    import warnings

    check_file(run.file)
    notes: list[str] = []
    with explained(run.file), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from mne_bids import BIDSPath, read_raw_bids

        words = {word: run.entities.get(entity) for entity, word in _ENTITIES.items()}
        path = BIDSPath(root=root, datatype=run.datatype, suffix=run.datatype, extension=run.file.suffix.lower(), check=False, **words)
        raw = read_raw_bids(path, verbose="WARNING")
        notes += [
            " ".join(str(one.message).split())[:300]
            for one in caught
            if issubclass(one.category, RuntimeWarning) and _matters(str(one.message))
        ]
    return reading.signal(raw, run.file, notes)


def _matters(message: str) -> bool:
    # mne-bids mentions every optional side file that a data set does without
    return not re.search(r"Did not find any|No (electrodes|BIDS)|participants|Unable to map|not found", message)


def _folders(root: Path) -> list[Path]:
    return [
        path
        for datatype in DATATYPES
        for pattern in (f"sub-*/{datatype}", f"sub-*/ses-*/{datatype}")
        for path in sorted(root.glob(pattern))
    ]


def _run_of(file: Path) -> Run | None:
    """Return what a file's name says, or None when it is no recording (a side file, a later part of a split one)."""
    stem, datatype = file.name.split(".")[0].rpartition("_")[::2]
    if not stem.startswith("sub-") or datatype not in DATATYPES or file.suffix.lower() not in _EXTENSIONS[datatype]:
        return None
    entities = dict(part.split("-", 1) for part in stem.split("_") if "-" in part)
    if entities.get("split", "1").lstrip("0") not in ("", "1"):
        return None
    return Run(file, entities, datatype)


def _refuse_clashes(found: Sequence[Run]) -> None:
    claimed: dict[tuple[str, ...], Run] = {}
    for run in found:
        claim = (run.get("sub"), run.get("ses"), run.run)
        first = claimed.setdefault(claim, run)
        if first is not run:
            who = f"subject {claim[0]}, session {claim[1] or '-'}, run {claim[2] or '-'}"
            raise BrokenDataError(f"two files claim {who}: {first.file.name} and {run.file.name}: remove one")


def _by_key(file: Path, column: str) -> dict[str, dict[str, str]]:
    """Return the lines of a table by one of its columns; empty when there is no such file."""
    if not file.is_file():
        return {}
    found: dict[str, dict[str, str]] = {}
    for line in tables.rows(file):
        key = line.get(column)
        if key is None:
            raise BrokenDataError(f"{file} has no column {column} (columns there: {', '.join(k for k in line if k)}): that is not BIDS")
        if key in found:
            raise BrokenDataError(f"{file} has two lines for {key} (the second is line {line['']}): delete one")
        found[key] = {name: cell for name, cell in line.items() if name and name != column}
    return found


def _described(file: Path) -> dict[str, list[str]]:
    """Return the levels, in the order in which participants.json describes them."""
    try:
        plain = store.read_json(file)
        return {column: [str(level) for level in about.get("Levels", {})] for column, about in plain.items() if isinstance(about, dict)}
    except (OSError, ValueError, AttributeError):
        return {}


def _sidecars(root: Path, run: Run) -> list[Path]:
    """Return the side files that speak about a run: same entities or fewer, in its folder or above (BIDS inheritance)."""
    own = set(run.file.name.split(".")[0].split("_")[:-1])
    folders = [folder for folder in (run.file.parent, *run.file.parents) if folder == root or root in folder.parents]
    found = []
    for folder in dict.fromkeys(folders):
        for file in sorted(folder.glob("*.tsv")) + sorted(folder.glob("*.json")):
            match = _SIDECAR.search(file.name)
            if match and set(file.name[: match.start()].split("_")) - {""} <= own:
                found.append(file)
    return found
