"""BCI Competition IV 2a (BNCI 001-2014): 9 people imagine left hand, right hand, feet and tongue on two days."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from corticode.data.base import Card, DataSet
from corticode.data.download import download
from corticode.data.graz import CLASSES, N_RUNS, holds, read
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.recording import Recording

SESSIONS = {"T": "0train", "E": "1test"}
URLS = ("https://lampx.tugraz.at/~bci/database/001-2014/", "https://bnci-horizon-2020.eu/database/data-sets/001-2014/")

_FILE = re.compile(r"(A0[1-9])([TE])\.(mat|gdf)", re.IGNORECASE)


class BNCI2014_001(DataSet):
    """BCI Competition IV data set 2a, from BNCI Horizon's .mat files or from the competition's GDF files.

    Both formats give the same recordings: 6 runs of 48 trials a session, events at the cue, the gaps between runs cut
    away. Runs without trials (eye movements, at the start of a session) are not recordings.

    Parameters
    ----------
    root : str or None
        Folder that holds A01T.mat ... A09E.mat, or A01T.gdf ... A09E.gdf with the true labels (A01E.mat ...) beside them
        or in a folder below. None looks in `paths.data`, then where MOABB keeps it (MNE_DATASETS_BNCI_PATH, MNE_DATA,
        ~/mne_data), and downloads what is missing.
    subjects : list of str or None
        'A01', '01' or '1'.
    artifacts : str
        'keep' all trials, as MOABB does, or 'drop' those that the experts marked. The column `artifact` has the marks.
    unit_factor : float
        Correction of a file in the wrong unit.

    Raises
    ------
    SentenceError
        `artifacts` or a subject's name is unknown.

    Source
    ------
    Brunner, Leeb, Mueller-Putz, Schloegl, Pfurtscheller: "BCI Competition 2008 - Graz data set A"; Tangermann et al.
    2012, Frontiers in Neuroscience 6:55.
    """

    name = "bnci2014_001"
    layouts = ("MNE-bnci-data/~bci/database/001-2014", "MNE-bnci-data/database/data-sets/001-2014")
    variables = ("MNE_DATASETS_BNCI_PATH", "MNE_DATA")
    card = Card(
        title="BNCI Horizon 2020, 001-2014: four class motor imagery (BCI Competition IV 2a)",
        source="https://bnci-horizon-2020.eu/database/data-sets",
        licence="CC BY-ND 4.0",
        citation="Tangermann et al. 2012, Frontiers in Neuroscience 6:55, doi 10.3389/fnins.2012.00055",
        n_subjects=9,
        n_channels=22,
        sfreq=250.0,
        classes=CLASSES,
        notes=(
            "sessions 0train (T) and 1test (E) were recorded on different days",
            "the GDF files of session E hold no classes: they need the true labels",
            ".mat files are in uV and count samples from 1; GDF gaps of 100 missing samples read as the smallest value",
            "A04T has fewer runs without trials than the others",
        ),
    )

    def __init__(
        self,
        root: str | None = None,
        subjects: Sequence[str] | None = None,
        artifacts: str = "keep",
        unit_factor: float = 1.0,
    ):
        super().__init__(root, subjects, unit_factor)
        if artifacts not in ("keep", "drop"):
            raise SentenceError(f"data.artifacts={artifacts} is unknown: pick keep or drop")
        self.artifacts = artifacts
        if self.subjects is not None:
            self.subjects = [_subject(name) for name in self.subjects]

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per run with trials, people and sessions in order; no signal is read.

        Raises
        ------
        MissingDataError
            No file, no labels for a GDF file of session E, or a person asked for by name is absent.
        BrokenDataError
            A file is no data of this set, or two files claim one session.
        """
        files, labels = self._found()
        if self.root is None and self._missing(files):
            self.fetch()
            files, labels = self._found()
        if not files:
            raise MissingDataError(self._put_where(f"neither A01T.mat nor A01T.gdf, nor any other session, lies in {self.folder()}"))
        used = self.wanted(sorted({subject for subject, _ in files}))
        gaps = [f"{subject}{letter}" for subject, letter in self._missing(files)]
        self.notes = [f"sessions not in {self.folder()}: {', '.join(gaps)}"] if gaps else []
        order = sorted((key for key in files if key[0] in used), key=lambda key: (key[0], SESSIONS[key[1]]))
        return iter([self._recording(key, files[key], labels.get(key), run) for key in order for run in range(N_RUNS)])

    def recording_of(self, file: Path) -> Recording:
        """Return one recording of all runs in a new .mat or GDF file; the joints between runs are marked.

        Cues of unknown class (a GDF file of session E without labels beside it) are events named 'unknown'.
        """
        file = Path(file)
        match = _FILE.fullmatch(file.name)
        key = (match[1].upper(), match[2].upper()) if match else (file.stem, "")
        labels = None
        if file.suffix.lower() == ".gdf":
            labels = next((f for f in _nearby(file.parent, f"{file.stem}.mat") if holds(f) == "labels"), None)
        return self._recording(key, file, labels, None)

    def fetch(self) -> Path:
        """Download the missing sessions from BNCI Horizon 2020, with a progress bar.

        The provider publishes no checksums: the sha256 of the first download is kept in SHA256SUMS beside the files,
        and a later download must match it.

        Raises
        ------
        MissingDataError
            There is no way to the provider: the message says what to put where.
        BrokenDataError
            The download differs from the recorded one.
        """
        target = next((spot for base in self.bases() for spot in self.spots(base) if self._sessions_in([spot])[0]), self.folder())
        missing = self._missing(self._found()[0])
        for subject, letter in missing:
            try:
                download(URLS, f"{subject}{letter}.mat", target, _wants_signals)
            except MissingDataError as error:
                raise MissingDataError(self._put_where(f"{subject}{letter}.mat could not be downloaded ({error})")) from error
        return target

    # -- finding files ----------------------------------------------------------------------------------------

    def _found(self) -> tuple[dict, dict]:
        """Return the signal file and the label file of each (subject, 'T' or 'E'); the first folder that has one wins."""
        files: dict[tuple[str, str], Path] = {}
        labels: dict[tuple[str, str], Path] = {}
        for base in self.bases():
            for mine, new in zip((files, labels), self._sessions_in(self.spots(base)), strict=True):
                mine.update({key: file for key, file in new.items() if key not in mine})
        return files, labels

    def _sessions_in(self, spots: Sequence[Path]) -> tuple[dict, dict]:
        """Return signal files and label files of some folders and the folders just below them.

        Raises
        ------
        BrokenDataError
            Two files hold the same session.
        """
        files: dict[tuple[str, str], Path] = {}
        labels: dict[tuple[str, str], Path] = {}
        for file in sorted({f.resolve(): f for spot in spots for f in _nearby(spot, "[aA]0[1-9][tTeE].*")}.values()):
            match = _FILE.fullmatch(file.name)
            if not match:
                continue
            key = (match[1].upper(), match[2].upper())
            held = labels if match[3].lower() == "mat" and holds(file) == "labels" else files
            if key in held:
                what = "the labels of" if held is labels else "the signals of"
                raise BrokenDataError(f"two files hold {what} {key[0]}{key[1]}: {held[key]} and {file}; remove or rename one")
            held[key] = file
        return files, labels

    def _missing(self, files: Mapping[tuple[str, str], Path]) -> list[tuple[str, str]]:
        people = self.subjects if self.subjects is not None else [f"A{i:02d}" for i in range(1, 10)]
        return [(subject, letter) for subject in people for letter in SESSIONS if (subject, letter) not in files]

    def _put_where(self, what: str) -> str:
        """Return the paragraph that tells how to go on without a network."""
        return (
            f"{self.name}: {what}. Download A01T.mat, A01E.mat ... A09T.mat, A09E.mat (data set 001-2014, 18 files, about 750 MB) from "
            f"{self.card.source} into one folder and add data.root=FOLDER; MOABB's folder works as it is, through data.root= or MNE_DATA. "
            "The competition's A01T.gdf ... A09E.gdf with the true labels A01E.mat ... beside them work too. "
            "Meanwhile `python train.py data=simulated` runs without any download."
        )

    def _recording(self, key: tuple[str, str], file: Path, labels: Path | None, run: int | None) -> Recording:
        gdf = file.suffix.lower() == ".gdf"
        if run is not None and gdf and key[1] == "E" and labels is None:
            raise MissingDataError(
                f"{file} holds no classes (session E of the competition): put {file.stem}.mat of "
                "https://www.bbci.de/competition/iv/results/ds2a/true_labels.zip beside it or in a folder true_labels/"
            )
        labels = labels if gdf else None
        return Recording(
            who={"dataset": self.name, "subject": key[0], "session": SESSIONS.get(key[1], ""), "run": "" if run is None else str(run)},
            read=partial(read, file, labels, run, self.artifacts, self.unit_factor),
            files=(file,) if labels is None else (file, labels),
            # six recordings share one file: without the run they would look like copies of each other
            origin={"run": run, "artifacts": self.artifacts, "unit_factor": self.unit_factor},
        )


def _nearby(folder: Path, pattern: str) -> list[Path]:
    """Return files of a folder and of the folders just below it."""
    return [*folder.glob(pattern), *folder.glob(f"*/{pattern}")]


def _wants_signals(file: Path) -> None:
    if holds(file) != "signals":
        raise BrokenDataError(f"{file} as downloaded holds labels, not signals")


def _subject(name: str) -> str:
    match = re.fullmatch(r"[aA]?0?([1-9])", name.strip())
    if not match:
        raise SentenceError(f"data.subjects names {name!r}: wanted A01 ... A09 (01 and 1 are understood too)")
    return f"A0{match[1]}"
