"""EEGMMIDB of PhysioNet: 109 people who imagine or make movements of fists and feet, 64 channels at 160 Hz."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from corticode import store
from corticode.data.base import Card, DataSet
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError, SentenceError
from corticode.progress import progress
from corticode.recording import Recording, Signal, signal_from_raw

N_SUBJECTS = 109

# What T1 and T2 mean, and in which runs: the same pair is imagined three times and executed three times.
PAIRS = {"left_right": ("left_hand", "right_hand"), "fists_feet": ("hands", "feet")}
RUNS = {
    ("left_right", False): (4, 8, 12),
    ("left_right", True): (3, 7, 11),
    ("fists_feet", False): (6, 10, 14),
    ("fists_feet", True): (5, 9, 13),
}

# Left out unless asked for by name.
BAD = {"S088": "128 Hz", "S092": "128 Hz", "S100": "128 Hz", "S104": "too few trials"}

_NAMES = (
    "FC5 FC3 FC1 FCz FC2 FC4 FC6 C5 C3 C1 Cz C2 C4 C6 CP5 CP3 CP1 CPz CP2 CP4 CP6 Fp1 Fpz Fp2 AF7 AF3 AFz AF4 AF8 "
    "F7 F5 F3 F1 Fz F2 F4 F6 F8 FT7 FT8 T7 T8 T9 T10 TP7 TP8 P7 P5 P3 P1 Pz P2 P4 P6 P8 PO7 PO3 POz PO4 PO8 O1 Oz O2 Iz"
)
CHANNELS = tuple(_NAMES.split())

_FILE = re.compile(r"S(\d{3})R(\d{2})\.edf", re.IGNORECASE)


class PhysionetMI(DataSet):
    """EEG Motor Movement/Imagery Database.

    Each file is one run of two minutes: 4 s of rest (T0) and 4 s of movement (T1, T2) in turn, 15 movements in all.
    Rest is kept as the event 'rest'; a task picks the classes it wants.

    Parameters
    ----------
    root : str or None
        Folder that holds S001/S001R04.edf, or any folder of MNE's layout above it. None looks in `paths.data`, then
        where MNE keeps it (MNE_DATASETS_EEGBCI_PATH, MNE_DATA, ~/mne_data), and downloads what is missing.
    subjects : list of str or None
        'S001', '001' or '1'. None takes all but the four in the card's notes.
    imagery : str
        'left_right' (left_hand, right_hand) or 'fists_feet' (hands, feet).
    executed : bool
        Take the runs in which the same movements were made, not imagined.
    unit_factor : float
        Correction of a header that states the wrong unit.

    Raises
    ------
    SentenceError
        `imagery` or a subject's name is unknown.

    Source
    ------
    Schalk et al. 2004, IEEE TBME 51(6); runs and markers as on https://physionet.org/content/eegmmidb/1.0.0/.
    """

    name = "physionet_mi"
    layouts = ("MNE-eegbci-data/files/eegmmidb/1.0.0",)
    variables = ("MNE_DATASETS_EEGBCI_PATH", "MNE_DATA")
    card = Card(
        title="EEG Motor Movement/Imagery Dataset (EEGMMIDB 1.0.0)",
        source="https://physionet.org/content/eegmmidb/1.0.0/",
        licence="ODC-By 1.0",
        citation="Schalk et al. 2004, IEEE TBME 51(6):1034; Goldberger et al. 2000, Circulation 101(23):e215",
        n_subjects=N_SUBJECTS,
        n_channels=64,
        sfreq=160.0,
        classes=("left_hand", "right_hand", "hands", "feet"),
        notes=(
            "left out unless asked for by name, as users report them: S088, S092, S100 (128 Hz, trials of 5.1 s), S104 (too few trials)",
            "T1 and T2 mean left and right fist in runs 3 4 7 8 11 12, both fists and both feet in runs 5 6 9 10 13 14",
            "files of 125 s end in zeros from 124.5 s on; no trial reaches there",
            "age and sex are not published",
        ),
    )

    def __init__(
        self,
        root: str | None = None,
        subjects: Sequence[str] | None = None,
        imagery: str = "left_right",
        executed: bool = False,
        unit_factor: float = 1.0,
    ):
        super().__init__(root, subjects, unit_factor)
        if imagery not in PAIRS:
            raise SentenceError(f"data.imagery={imagery} is unknown: pick one of {', '.join(PAIRS)}")
        self.imagery = imagery
        self.executed = bool(executed)
        if self.subjects is not None:
            self.subjects = [_subject(name) for name in self.subjects]

    @property
    def runs(self) -> tuple[int, ...]:
        """The runs that hold the chosen movements."""
        return RUNS[self.imagery, self.executed]

    @property
    def classes(self) -> dict[str, list[str]]:
        """Labels of the chosen movements."""
        return {"event": list(PAIRS[self.imagery])}

    def recordings(self) -> Iterator[Recording]:
        """Give one Recording per run, people in natural order; no signal is read.

        Raises
        ------
        MissingDataError
            No file, or a person asked for by name has none; the message says what to put where.
        BrokenDataError
            A file is empty or cut off, or two files claim one run.
        """
        files = self._found()
        if self.root is None and self._missing(files):
            self.fetch()
            files = self._found()
        if not files:
            raise MissingDataError(self._put_where(f"no EDF file of runs {_words(self.runs)} lies in {self.folder()}"))
        present = sorted({subject for subject, _ in files if self.subjects is not None or subject not in BAD})
        used = self.wanted(present)
        self._note(files, used)
        return iter([self._recording(files[key], *key) for key in sorted(files) if key[0] in used])

    def recording_of(self, file: Path) -> Recording:
        """Return the recording of one EDF file with this data set's markers; person and run come from its name if they can."""
        file = Path(file)
        match = _FILE.fullmatch(file.name)
        subject, run = (f"S{match[1]}", int(match[2])) if match else (file.stem, None)
        return self._recording(file, subject, run)

    def fetch(self) -> Path:
        """Download the missing files of the chosen people and runs through MNE, which knows their checksums.

        Raises
        ------
        MissingDataError
            There is no way to PhysioNet: the message says what to put where.
        """
        from mne.datasets import eegbci

        # beside what is already there, so that a data set is not scattered over two folders
        target = next((base for base in self.bases() if self._files_in(base)), self.folder())
        missing = self._missing(self._found())
        try:
            for subject, run in progress()(missing, len(missing), "downloading"):
                eegbci.load_data(int(subject[1:]), run, path=str(target), update_path=False, verbose="ERROR")
        except Exception as error:  # pooch, requests and urllib3 each have their own
            mendable = store.explained(error, target / self.name) if isinstance(error, OSError) else error
            if isinstance(mendable, CorticodeError):
                raise mendable from error
            raise MissingDataError(
                self._put_where(f"{len(missing)} files could not be downloaded from PhysioNet ({_short(error)})")
            ) from error
        return target

    # -- finding files ----------------------------------------------------------------------------------------

    def _found(self) -> dict[tuple[str, int], Path]:
        """Return the file of each (subject, run) on disk; where several folders are searched the first wins."""
        files: dict[tuple[str, int], Path] = {}
        for base in self.bases():
            for key, file in self._files_in(base).items():
                files.setdefault(key, file)
        return files

    def _files_in(self, base: Path) -> dict[tuple[str, int], Path]:
        """Return the file of each (subject, run) below one folder. Raises BrokenDataError where two claim one run."""
        files: dict[tuple[str, int], Path] = {}
        for spot in self.spots(base):
            for file in sorted([*spot.glob("S*R*.[eE][dD][fF]"), *spot.glob("S[0-9][0-9][0-9]/S*R*.[eE][dD][fF]")]):
                match = _FILE.fullmatch(file.name)
                if not match or int(match[2]) not in self.runs:
                    continue
                key = (f"S{match[1]}", int(match[2]))
                if key in files and not files[key].samefile(file):
                    raise BrokenDataError(f"two files claim run {key[1]} of {key[0]}: {files[key]} and {file}; remove or rename one")
                files[key] = file
        return files

    def _missing(self, files: Mapping[tuple[str, int], Path]) -> list[tuple[str, int]]:
        everyone = [f"S{i:03d}" for i in range(1, N_SUBJECTS + 1)]
        people = self.subjects if self.subjects is not None else [name for name in everyone if name not in BAD]
        return [(subject, run) for subject in people for run in self.runs if (subject, run) not in files]

    def _note(self, files: Mapping[tuple[str, int], Path], used: Sequence[str]) -> None:
        """Say in one line each who is absent, who lacks runs and who was left out."""
        self.notes = []
        gaps = self._missing(files)
        absent = sorted({subject for subject, _ in gaps} - set(used))
        partly = sorted({subject for subject, _ in gaps} & set(used))
        left_out = sorted({subject for subject, _ in files} - set(used)) if self.subjects is None else []
        if absent:
            self.notes.append(f"{len(absent)} people are not in {self.folder()}: {_spans(absent)}")
        if partly:
            self.notes.append(f"some of the runs {_words(self.runs)} are missing for {_spans(partly)}")
        if left_out:
            why = ", ".join(f"{name} ({BAD[name]})" for name in left_out)
            self.notes.append(f"left out unless data.subjects names them: {why}")

    def _put_where(self, what: str) -> str:
        """Return the paragraph that tells how to go on without a network."""
        first, last = self.runs[0], self.runs[-1]
        return (
            f"{self.name}: {what}. Download runs {_words(self.runs)} from {self.card.source} and keep PhysioNet's folders: "
            f"FOLDER/S001/S001R{first:02d}.edf ... FOLDER/S109/S109R{last:02d}.edf; then add data.root=FOLDER (what lies there is used, "
            f"absent people are skipped). MNE's own folder works as it is, through data.root= or MNE_DATA. "
            "Meanwhile `python train.py data=simulated` runs without any download."
        )

    def _recording(self, file: Path, subject: str, run: int | None) -> Recording:
        check_whole(file)
        events = {"T0": "rest", **dict(zip(("T1", "T2"), PAIRS[_pair(run, self.imagery)], strict=True))}
        return Recording(
            who={"dataset": self.name, "subject": subject, "run": "" if run is None else f"{run:02d}"},
            read=partial(read, file, events, self.unit_factor),
            files=(file,),
            origin={"events": events, "unit_factor": self.unit_factor},
        )


def read(file: Path, events: Mapping[str, str], unit_factor: float = 1.0) -> Signal:
    """Read one EDF file.

    Parameters
    ----------
    file : Path
    events : mapping of marker -> event name
    unit_factor : float

    Returns
    -------
    signal : Signal [channels, times], uV
        The 64 channels of EEGMMIDB, or those of them that the file has. Names as in the 10-05 system, positions of `standard_1005`.

    Raises
    ------
    BrokenDataError
        MNE cannot read it, or it has other channels.
    UnitError
        Implausible amplitudes.
    """
    import mne

    try:
        raw = mne.io.read_raw_edf(file, preload=True, verbose="ERROR")
    except Exception as error:  # damaged bytes raise whatever the parser meets first
        raise BrokenDataError(f"{file} cannot be read as EDF ({_short(error)}): {_CURE}") from error
    mne.datasets.eegbci.standardize(raw)
    if not set(CHANNELS) & set(raw.ch_names):
        raise BrokenDataError(
            f"{file} has none of the channels of EEGMMIDB (it has {_words(raw.ch_names[:8])}): it is no file of this data set; "
            "read it with data=folder"
        )
    raw.set_montage("standard_1005", on_missing="ignore", verbose="ERROR")
    return signal_from_raw(raw, events=events, unit_factor_=unit_factor)


_CURE = "download it again (delete it, and run without data.root=), or leave that person out with data.subjects=[...]"


def check_whole(file: Path) -> None:
    """Refuse an EDF file that is shorter than its header says: MNE would fill the end with what it finds.

    Raises
    ------
    BrokenDataError
        Empty, no EDF header, or cut off; says by how much.
    MissingDataError
        There is no such file.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(256)
            n_signals = int(head[252:256])
            # after the fixed part each field is stored for all signals in turn; samples per record begin at byte 216 of a signal
            stream.seek(256 + 216 * n_signals)
            counts = [int(stream.read(8)) for _ in range(n_signals)]
        n_header, n_records = int(head[184:192]), int(head[236:244])
    except FileNotFoundError as error:
        raise MissingDataError(f"there is no file {file}") from error
    except ValueError as error:
        what = "is empty (0 bytes)" if size == 0 else f"has no EDF header in its {size} bytes"
        raise BrokenDataError(f"{file} {what}: {_CURE}") from error
    wanted = n_header + 2 * n_records * sum(counts)
    # -1 records: the recorder never said how many
    if n_records >= 0 and size < wanted:
        raise BrokenDataError(f"{file} is cut off: {size} bytes of {wanted} ({size / wanted:.0%}): {_CURE}")


def _subject(name: str) -> str:
    match = re.fullmatch(r"[sS]?(\d{1,3})", name.strip())
    if not match or not 1 <= int(match[1]) <= N_SUBJECTS:
        raise SentenceError(f"data.subjects names {name!r}: wanted S001 ... S{N_SUBJECTS} (001 and 1 are understood too)")
    return f"S{int(match[1]):03d}"


def _pair(run: int | None, default: str) -> str:
    """Return what T1 and T2 mean in a run: a new file's number tells, else what was asked for."""
    return next((pair for (pair, _), runs in RUNS.items() if run in runs), default)


def _spans(names: Sequence[str]) -> str:
    """Return sorted names with neighbours drawn together: S001-S003, S007."""
    groups: list[list[str]] = []
    for name in names:
        if groups and int(name[1:]) == int(groups[-1][-1][1:]) + 1:
            groups[-1].append(name)
        else:
            groups.append([name])
    return ", ".join(group[0] if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups)


def _words(values: Sequence) -> str:
    return ", ".join(str(value) for value in values)


def _short(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
