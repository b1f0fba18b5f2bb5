"""A data set: checkable facts (Card), files on disk, recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corticode import store
from corticode.errors import BrokenDataError, MissingDataError
from corticode.recording import Recording
from corticode.state import Stateful


@dataclass(frozen=True)
class Card:
    """Facts about a data set that a test can check.

    Parameters
    ----------
    title, source, licence, citation : str
        What it is, where it is published (URL or DOI), its terms, the paper.
    kind : str
        'eeg', 'ieeg', 'meg', 'fmri' ...
    n_subjects, n_channels : int or None
    sfreq : float or None, Hz
    classes : tuple of str
        Event names it declares by default.
    notes : tuple of str
        Known traps: bad subjects, wrong units.
    """

    title: str
    source: str
    licence: str
    citation: str
    kind: str = "eeg"
    n_subjects: int | None = None
    n_channels: int | None = None
    sfreq: float | None = None
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def names(subjects: Sequence[str | int] | str | int | None) -> list[str] | None:
    """Return people's names as a list of text: `S001` and `1` are one person each, not letters or digits."""
    if subjects is None:
        return None
    return [str(s) for s in ([subjects] if isinstance(subjects, str | int) else subjects)]


class DataSet(Stateful):
    """Base of all data sets.

    Parameters
    ----------
    root : str or None
        Folder in which the files lie. With it the network is never needed: what lies there is used. Without it the
        files are sought in `paths.data` and the ecosystem's own folders, and fetched when missing.
    subjects : list of str, str or None
        One name is one person. None takes all there are; a person asked for by name and absent is an error.
    unit_factor : float
        Correction of a header that states the wrong unit.

    Attributes
    ----------
    name : str
        Canonical name: the file's name, and the `dataset` column.
    card : Card
    """

    name = ""
    card: Card
    # where the ecosystem keeps these files below its data folder, and the settings that may name that folder
    layouts: tuple[str, ...] = ()
    variables: tuple[str, ...] = ("MNE_DATA",)

    def __init__(self, root: str | None = None, subjects: Sequence[str] | str | None = None, unit_factor: float = 1.0):
        self.root = root
        self.subjects = names(subjects)
        self.unit_factor = float(unit_factor)
        # `experiment` sets the folder under which named data sets live (paths.data) before anything is read
        self.home: Path | None = None
        # lines that the run shows once: absent people, ignored files
        self.notes: list[str] = []

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per run, persons in natural order, without reading signals.

        Raises
        ------
        MissingDataError
            No file was found: the message says which files to put where, and what to run meanwhile.
        """
        raise NotImplementedError

    def fetch(self) -> Path:
        """Download what is missing, with a progress bar; return the folder. Raises MissingDataError offline."""
        raise MissingDataError(f"{self.name} cannot be downloaded by itself: {self.card.source}")

    def recording_of(self, file: Path) -> Recording:
        """Return the recording of one new file, read exactly as the data set's own (for `corticode predict`)."""
        raise NotImplementedError

    @property
    def classes(self) -> dict[str, list[str]]:
        """Labels that the data set declares, by outcome column ('event', 'group')."""
        return {"event": list(self.card.classes)} if self.card.classes else {}

    # -- finding files ----------------------------------------------------------------------------------------

    def folder(self) -> Path:
        """Return the folder to look in: `root`, else <paths.data>/raw/<name>.

        Raises
        ------
        MissingDataError
            `root` was given and does not exist.
        """
        if self.root is not None:
            folder = Path(self.root).expanduser()
            if not folder.is_dir():
                raise MissingDataError(f"data.root={self.root}: there is no such folder (looked from {Path.cwd()})")
            return folder
        return (self.home or Path("data")) / "raw" / self.name

    def bases(self) -> list[Path]:
        """Return the folders in which to look, best first: `root` alone, else `paths.data` and the ecosystem's own."""
        if self.root is not None:
            return [self.folder()]
        from mne import get_config  # reads the environment, then MNE's own settings

        named = [Path(value).expanduser() for value in map(get_config, self.variables) if value]
        return list(dict.fromkeys([self.folder(), *named, Path("~/mne_data").expanduser()]))

    def spots(self, base: Path) -> list[Path]:
        """Return the folders that exist where files may lie: `base` itself, then each layout below it or the rest of it.

        A layout a/b/c is met from above (base holds a) and from inside (base is a, or a/b).
        """
        tails = [Path()] + [Path(*Path(layout).parts[i:]) for layout in self.layouts for i in range(len(Path(layout).parts))]
        return [base / tail for tail in dict.fromkeys(tails) if (base / tail).is_dir()]

    def environment_folder(self, variable: str, default: str) -> Path:
        """Return the folder an ecosystem variable (MNE_DATA, NILEARN_DATA) points at, else its default."""
        return Path(os.environ.get(variable) or default).expanduser()

    def check_distinct(self, recordings: Sequence[Recording], memo: Path | None = None) -> None:
        """Refuse recordings that hold the same signal under two names, such as one session filed under two people.

        What is compared is the largest file of each recording: it holds the signal, while headers and side files are rightly
        alike (channels.tsv) or rightly different (a header that names its own file). Runs cut from one file share a path
        and are no copies.

        Parameters
        ----------
        recordings : sequence of Recording
        memo : Path or None
            Folder in which digests are remembered, see `store.file_digest`.

        Raises
        ------
        BrokenDataError
            Names both recordings and both files.
        """
        first: dict[str, tuple[Recording, Path]] = {}
        there = [(recording, [file for file in recording.files if file.is_file()]) for recording in recordings]
        largest = [(recording, max(files, key=lambda one: one.stat().st_size)) for recording, files in there if files]
        digests = store.file_digests((file for _, file in largest), memo)
        for recording, file in largest:
            other, its_file = first.setdefault(digests[file], (recording, file))
            if its_file != file:
                raise BrokenDataError(
                    f"{other.name} ({its_file.name}) and {recording.name} ({file.name}) hold the same bytes of signal: "
                    "one is a copy of the other and would stand on both sides of a split; remove one"
                )

    def wanted(self, present: Sequence[str]) -> list[str]:
        """Return the people to use out of those on disk; note the absent ones in one line.

        Raises
        ------
        MissingDataError
            A person was asked for by name and is not there.
        """
        present = [str(p) for p in present]
        if self.subjects is None:
            return present
        absent = [s for s in self.subjects if s not in present]
        if absent:
            raise MissingDataError(
                f"data.subjects asks for {', '.join(absent)}, and {self.folder()} has only {', '.join(present) or 'nobody'}"
            )
        return [s for s in present if s in self.subjects]

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments without those that only say where files lie."""
        plain = super().arguments()
        plain.pop("root", None)
        return plain
