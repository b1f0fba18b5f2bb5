"""Open one recording of any format that MNE reads; what cannot be opened gets a sentence that names the cure."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corticode.data.companion import events_beside, extension_of, whole_of
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError
from corticode.recording import PLAUSIBLE_UV

if TYPE_CHECKING:
    import mne

# Extension -> what people call it. Where two programs share one, the first bytes decide.
FORMATS = {
    ".edf": "EDF", ".bdf": "BDF", ".gdf": "GDF", ".vhdr": "BrainVision", ".ahdr": "BrainVision", ".fif": "FIF", ".fif.gz": "FIF",
    ".set": "EEGLAB", ".cnt": "CNT", ".mff": "EGI MFF", ".lay": "Persyst", ".eeg": "Nihon Kohden", ".xdf": "XDF", ".xdfz": "XDF",
    ".cdt": "Curry", ".mefd": "MEF3", ".nxe": "eXimia", ".nedf": "NEDF", ".data": "Nicolet", ".ds": "CTF", ".con": "KIT",
    ".sqd": "KIT", ".dat": "BCI2000 or Curry", ".dap": "Curry", ".ns3": "Blackrock NSx",
}  # fmt: skip

# What readers say when a package of theirs is not installed.
_NEEDS = re.compile(r"the module (\w+) is needed|No module named '(\w+)'|the (\w+) (?:module|package) is required")


def open_raw(file: Path, options: Mapping[str, Any] | None = None) -> tuple[mne.io.BaseRaw, list[str]]:
    """Return an MNE Raw in volts, not yet loaded, and what the reader warned about.

    Epoched files come back as one signal with an 'EDGE boundary' at every joint.

    Parameters
    ----------
    file : Path
    options : mapping or None
        Passed to MNE's reader of the format (`data_format` for Neuroscan .cnt, `stream` for .xdf, `encoding` for EDF).

    Raises
    ------
    MissingDataError
        The file or one it refers to is absent, or a package that reads it is not installed.
    BrokenDataError
        Empty, truncated, not a continuous recording, or not what its name says.
    """
    check_file(file)
    extension = extension_of(file)
    reader = _READERS.get(extension, _by_mne)
    with explained(file), _caught() as notes:
        raw = reader(Path(file), **dict(options or {}))
        if not len(raw.times):
            raise BrokenDataError(f"{file} holds no sample: fetch or export it again")
    notes += _uneven_rates(file) if extension in (".edf", ".bdf") else []
    return raw, _relevant(notes)


def check_file(file: Path) -> None:
    """Refuse what can be seen to be unusable without reading the signal.

    Raises
    ------
    MissingDataError, BrokenDataError
    """
    file = Path(file)
    if not file.exists():
        if file.is_symlink():
            raise MissingDataError(
                f"{file} is a link to content that is not on this disk: fetch it (`datalad get` or `git annex get`) first"
            )
        raise MissingDataError(f"{file} is not there")
    extension = extension_of(file)
    whole = whole_of(file)
    if whole is not None:
        raise BrokenDataError(f"{file} is only a part of a recording: name {whole.name} instead")
    if extension not in FORMATS:
        ways = "export it as EDF, BrainVision or FIF, or give arrays to corticode.Windows.from_arrays"
        raise BrokenDataError(
            f"{file} has the extension {extension or '(none)'}, which no reader knows: {ways}. Known: {' '.join(FORMATS)}"
        )
    if file.is_file() and file.stat().st_size == 0:
        raise BrokenDataError(f"{file} is empty (0 bytes): fetch or export it again")
    if extension in (".edf", ".bdf"):
        check_edf(file)


# -- truncation -----------------------------------------------------------------------------------------------------


def check_edf(file: Path) -> None:
    """Refuse an EDF or BDF file that is shorter than its header promises; MNE would read what is left without a word.

    A header that promises -1 records is of a recording that was not stopped properly: what is there is the recording.

    Raises
    ------
    BrokenDataError
        Names promised and present seconds.

    Source
    ------
    https://www.edfplus.info/specs/edf.html
    """
    header_bytes, promised, record_s, per_record = _edf_header(file)
    width = 3 if extension_of(file) == ".bdf" else 2
    present = (Path(file).stat().st_size - header_bytes) / max(1, sum(per_record.values()) * width)
    if promised > 0 and present < promised:
        raise BrokenDataError(
            f"{file} is truncated: its header promises {promised * record_s:g} s and {max(0.0, present) * record_s:.4g} s are there: fetch or copy it again"
        )


def _edf_header(file: Path) -> tuple[int, int, float, dict[str, int]]:
    """Return bytes of the header, number of records, seconds per record, and samples per record of each signal."""
    with Path(file).open("rb") as stream:
        head = stream.read(256)
        try:
            n = int(head[252:256])
            labels, _, counts = stream.read(16 * n), stream.seek(256 + 216 * n), stream.read(8 * n)
            # signals may share a label: their place makes the key unique
            per_record = {f"{i} {labels[16 * i : 16 * i + 16].decode('latin-1').strip()}": int(counts[8 * i : 8 * i + 8]) for i in range(n)}
            return int(head[184:192]), int(head[236:244]), float(head[244:252]), per_record
        except ValueError:
            name = FORMATS[extension_of(file)]
            raise BrokenDataError(
                f"{file} does not start with a whole {name} header: it is damaged, or not {name}; fetch or export it again"
            ) from None


def _uneven_rates(file: Path) -> list[str]:
    """Say it when an EDF file samples its signals at different rates: MNE brings all to the highest."""
    _, _, record_s, per_record = _edf_header(file)
    rates = sorted({count / record_s for label, count in per_record.items() if "Annotations" not in label}) if record_s else []
    return (
        [f"signals have unequal rates ({', '.join(f'{rate:g}' for rate in rates)} Hz) and were brought to {rates[-1]:g} Hz"]
        if len(rates) > 1
        else []
    )


# -- readers that need more than MNE's own ---------------------------------------------------------------------------


def _by_mne(file: Path, **options: Any) -> mne.io.BaseRaw:
    import mne

    return mne.io.read_raw(file, **options)


def _fif(file: Path, **options: Any) -> mne.io.BaseRaw:
    import mne

    if re.search(r"[-_](eve|ave|evo|cov|fwd|inv|src|proj|ica|trans)\.fif(\.gz)?$", file.name):
        raise BrokenDataError(
            f"{file} is by its name not a continuous recording (events, averages, matrices): name the file that ends in raw.fif"
        )
    if re.search(r"[-_]epo\.fif(\.gz)?$", file.name):
        return epochs_as_raw(mne.read_epochs(file))
    raw = mne.io.read_raw_fif(file, **options)
    beside = events_beside(file)
    if beside is not None and not len(raw.annotations):
        events = mne.read_events(beside)
        codes = {int(code): str(code) for code in np.unique(events[:, 2])}
        raw.set_annotations(
            mne.annotations_from_events(events, raw.info["sfreq"], codes, first_samp=raw.first_samp, orig_time=raw.info["meas_date"])
        )
    return raw


def _eeglab(file: Path, **options: Any) -> mne.io.BaseRaw:
    import mne

    try:
        return mne.io.read_raw_eeglab(file, **options)
    except TypeError as error:
        if "read_epochs_eeglab" not in str(error):
            raise
        return epochs_as_raw(mne.io.read_epochs_eeglab(file))


def epochs_as_raw(epochs: mne.BaseEpochs) -> mne.io.BaseRaw:
    """Return epochs back to back, with an 'EDGE boundary' at each joint and each event where its time zero was."""
    import mne

    X = epochs.get_data()
    n, _, times = X.shape
    raw = mne.io.RawArray(np.concatenate(list(X), axis=1), epochs.info.copy())
    sfreq, zero = epochs.info["sfreq"], int(np.argmin(np.abs(epochs.times)))
    names = {code: name for name, code in epochs.event_id.items()}
    joints = [(i * times / sfreq, "EDGE boundary") for i in range(1, n)]
    cues = [((i * times + zero) / sfreq, names.get(code, str(code))) for i, code in enumerate(epochs.events[:, 2])]
    rows = joints + cues
    orig_time = raw.info["meas_date"]
    return raw.set_annotations(mne.Annotations([r[0] for r in rows], 0.0, [r[1] for r in rows], orig_time=orig_time))


def _cnt(file: Path, data_format: str = "auto", **options: Any) -> mne.io.BaseRaw:
    """Read .cnt of ANT (a RIFF file) or of Neuroscan, whose sample width its header does not always tell."""
    import mne

    with file.open("rb") as stream:
        magic = stream.read(16)
    if magic[:4] in (b"RIFF", b"RF64"):
        return mne.io.read_raw_ant(file, **options)
    if not magic.startswith(b"Version"):
        raise BrokenDataError(f"{file} starts neither like a Neuroscan nor like an ANT file: it is damaged, or not a .cnt recording")
    try:
        raw = mne.io.read_raw_cnt(file, data_format=data_format, **options)
    except RuntimeError:
        if data_format != "auto":
            raise
        tried = "; ".join(_cnt_outcome(file, width, options)[1] for width in ("int16", "int32"))
        raise BrokenDataError(
            f"{file}: the header does not tell whether samples have 16 or 32 bits ({tried}): declare it with "
            "data.options={data_format: int16} or {data_format: int32}, or in the column data_format of the table"
        ) from None
    used = "int32" if raw._raw_extras[0]["n_bytes"] == 4 else "int16"
    other = "int16" if used == "int32" else "int32"
    if not _plausible(_typical_uv(raw)):
        good, outcome = _cnt_outcome(file, other, options)
        if good:
            raise BrokenDataError(
                f"{file}: read as {used} the typical amplitude is {_typical_uv(raw):.3g} µV, which is no EEG; {outcome}: "
                f"declare data.options={{data_format: {other}}}, or {other} in the column data_format of the table"
            )
    return raw


def _cnt_outcome(file: Path, data_format: str, options: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether a sample width gives EEG, and what it gives in words."""
    import mne

    try:
        raw = mne.io.read_raw_cnt(file, data_format=data_format, **options)
        typical = _typical_uv(raw)
    except Exception as error:  # any failure is an answer here: this width does not read
        return False, f"{data_format} fails ({type(error).__name__})"
    return _plausible(typical), f"{data_format} gives {len(raw.times) / raw.info['sfreq']:.3g} s of {typical:.3g} µV"


def _typical_uv(raw: mne.io.BaseRaw) -> float:
    X = raw.get_data()[:, :: max(1, len(raw.times) // 20000)]
    return float(np.median(np.median(np.abs(X - np.median(X, axis=1, keepdims=True)), axis=1))) * 1e6


def _plausible(typical_uv: float) -> bool:
    return PLAUSIBLE_UV[0] <= typical_uv <= PLAUSIBLE_UV[1]


def _mff(file: Path, **options: Any) -> mne.io.BaseRaw:
    import mne

    if not file.is_dir() or not list(file.glob("signal*.bin")):
        raise BrokenDataError(f"{file} is no MFF recording (a folder with signal1.bin in it): copy the whole folder again")
    categories = file / "categories.xml"
    if categories.is_file() and b"<name>Average</name>" in categories.read_bytes():
        raise BrokenDataError(
            f"{file} holds averages (evoked responses), not a recording: single trials cannot be had from it; export the continuous MFF"
        )
    return mne.io.read_raw_egi(file, **options)


def _xdf(file: Path, **options: Any) -> mne.io.BaseRaw:
    from corticode.data.xdf import read_xdf

    return read_xdf(file, **options)


_READERS = {".fif": _fif, ".fif.gz": _fif, ".set": _eeglab, ".cnt": _cnt, ".mff": _mff, ".xdf": _xdf, ".xdfz": _xdf}


# -- what readers say -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turn whatever a reading library raises into a typed error that names the file and a cure.

    Raises
    ------
    MissingDataError, BrokenDataError
    """
    try:
        yield
    except (CorticodeError, MemoryError):
        raise
    except Exception as error:
        # readers raise all kinds of exceptions on a file they did not expect: none of them may reach the user raw
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")[:200]
        name = FORMATS.get(extension_of(file), "a recording")
        package = _NEEDS.search(str(error))
        if package:
            module = next(group for group in package.groups() if group)
            raise MissingDataError(f"{file}: reading {name} needs the package {module}: pip install {module}") from error
        if isinstance(error, FileNotFoundError):
            raise MissingDataError(
                f"{file} refers to a file that is not there ({first}): put it beside, under the name it had at recording"
            ) from error
        if isinstance(error, TypeError) and "unexpected keyword argument" in str(error):
            raise BrokenDataError(f"{file}: the reader of {name} does not know that option ({first}): mend data.options") from error
        raise BrokenDataError(
            f"{file} cannot be read as {name} ({type(error).__name__}: {first}): it is truncated, damaged or something else; fetch or export it again"
        ) from error


@contextlib.contextmanager
def _caught() -> Iterator[list[str]]:
    """Collect warnings instead of printing them, and swallow what readers print."""
    import mne

    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught, mne.utils.use_log_level("WARNING"), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        try:
            yield notes
        finally:
            notes += [
                " ".join(str(one.message).split()) for one in caught if not issubclass(one.category, DeprecationWarning | FutureWarning)
            ]


# Said by MNE about nearly every file, or about what does not matter for decoding.
_CHATTER = re.compile(
    r"does not conform to MNE naming|channel name .*(truncated|unique)|highpass|lowpass|birthdate|meas(urement)? date|Online software filter|impedances|electrode positions",
    re.IGNORECASE,
)


def _relevant(notes: list[str]) -> list[str]:
    return [note[:300] for note in dict.fromkeys(notes) if not _CHATTER.search(note)]
