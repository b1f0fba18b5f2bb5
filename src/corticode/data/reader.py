"""How files become signals: events, channel types, positions and unit, the same for every entry that reads files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corticode.data.format import explained, open_raw
from corticode.errors import BrokenDataError, CorticodeError, SentenceError
from corticode.recording import Signal, signal_from_raw

if TYPE_CHECKING:
    import mne

# Samples per second between which a recording can be EEG.
PLAUSIBLE_HZ = (20.0, 100_000.0)

# 'EEG Fp1-REF', 'Fc5.', 'CZ-A2' name the electrode in their middle.
_ELECTRODE = re.compile(r"^(?:eeg[ _-]*)?([a-z]+\d*h?)\.*(?:[ _-]+(?:ref|le|re|avg|car|a1|a2|m1|m2|a1a2))?$")
_NOT_BRAIN = re.compile(r"^[vh]?(eog|ecg|ekg|emg)", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """Everything that decides how a file becomes a Signal; plain values, part of the cache key.

    Parameters
    ----------
    kind : str
        'eeg', 'ieeg' or 'meg': the channels that are decoded.
    events : mapping of annotation text -> event name, sequence of annotation texts, or None
        None keeps every annotation under its own name. Without annotations the stim channel is read.
    montage : str or None
        MNE's name of a standard montage for files that bring no positions; None leaves positions unknown.
    types : mapping of channel name -> 'eeg', 'eog', 'ecg', 'emg' or 'misc', or None
        For formats that do not say what a channel is.
    unit_factor : float
        Correction of a header that states the wrong unit.
    options : mapping or None
        Arguments for MNE's reader of the format.
    """

    kind: str = "eeg"
    events: Mapping[str, str] | Sequence[str] | None = None
    montage: str | None = "standard_1005"
    types: Mapping[str, str] | None = None
    unit_factor: float = 1.0
    options: Mapping[str, Any] | None = None

    def __post_init__(self):
        if self.kind not in ("eeg", "ieeg", "meg"):
            raise SentenceError(f"data.kind={self.kind} is unknown: say eeg, ieeg or meg")
        events = self.events
        if events is not None:
            pairs = events.items() if isinstance(events, Mapping) else ((name, name) for name in events)
            events = {str(text): str(name) for text, name in pairs}
        object.__setattr__(self, "events", events)
        for name in ("types", "options"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else dict(value))

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)

    def __call__(self, file: Path) -> Signal:
        """Read a file.

        Raises
        ------
        MissingDataError, BrokenDataError, UnitError
            See `format.open_raw` and `recording.signal_from_raw`; the message names the file.
        """
        raw, notes = open_raw(file, self.options)
        return self.signal(raw, file, notes)

    def signal(self, raw: mne.io.BaseRaw, file: Path, notes: Sequence[str] = ()) -> Signal:
        """Turn an opened Raw into a Signal; what there is to say about it goes to `events.attrs['notes']`."""
        import mne

        notes = list(notes)
        with explained(file), mne.utils.use_log_level("ERROR"):
            try:
                self._set_types(raw, file, notes)
                if not len(raw.annotations):
                    _annotate_from_stim(raw)
                _check_rate(raw)
                if self.kind == "eeg" and self.montage is not None:
                    set_positions(raw, self.montage)
                signal = signal_from_raw(raw, self.events, self.kind, self.unit_factor)
            except CorticodeError as error:
                text = str(error).removeprefix("the recording: ")  # a Raw made from arrays does not know its file
                raise type(error)(text if Path(file).name in text else f"{file}: {text}") from error
        if self.events and not len(signal.events):
            there = ", ".join(sorted(set(map(str, raw.annotations.description)))[:20]) or "none"
            notes.append(f"no annotation is one of data.events ({', '.join(self.events)}); annotations there: {there}")
        if raw.info["bads"]:
            notes.append(f"marked bad by the file and kept: {', '.join(raw.info['bads'])}")
        signal.events.attrs["notes"] = notes
        return signal

    def _set_types(self, raw: mne.io.BaseRaw, file: Path, notes: list[str]) -> None:
        declared = dict(self.types or {})
        absent = [name for name in declared if name not in raw.ch_names]
        if len(absent) == len(declared) and declared:
            raise BrokenDataError(
                f"{file} has none of the channels in data.types ({', '.join(absent)}); it has {', '.join(raw.ch_names[:40])}"
            )
        types = {name: type_ for name, type_ in declared.items() if name in raw.ch_names}
        found = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
        if self.kind == "ieeg" and not {"seeg", "ecog", "dbs"} & set(found.values()):
            # EDF and its like know no intracranial contacts: the user's word counts
            types = {**{name: "seeg" for name, type_ in found.items() if type_ == "eeg"}, **types}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the unit that a type implies
            raw.set_channel_types(types, verbose="ERROR")
        suspects = [name for name, type_ in found.items() if type_ == "eeg" and name not in declared and _NOT_BRAIN.match(name)]
        if suspects and self.kind == "eeg":
            likely = _NOT_BRAIN.match(suspects[0]).group(1).lower().replace("ekg", "ecg")
            notes.append(
                f"read as EEG although the names say otherwise: {', '.join(suspects)} (declare them: data.types={{{suspects[0]}: {likely}}})"
            )


def _check_rate(raw: mne.io.BaseRaw) -> None:
    low, high = PLAUSIBLE_HZ
    sfreq = raw.info["sfreq"]
    if not low <= sfreq <= high:
        raise BrokenDataError(
            f"the header says {sfreq:g} samples per second, outside {low:g}-{high:g} Hz: that is no EEG, or the header is wrong; write the right rate with the recorder's software"
        )


def _annotate_from_stim(raw: mne.io.BaseRaw) -> None:
    """Make annotations of the codes on a stim channel, named by their number."""
    import mne

    if "stim" not in raw.get_channel_types():
        return
    # BioSemi keeps status flags above the 16 trigger bits
    events = mne.find_events(raw, shortest_event=1, mask=0xFFFF, mask_type="and", initial_event=False, verbose="ERROR")
    if len(events):
        names = {int(code): str(code) for code in np.unique(events[:, 2])}
        marks = mne.annotations_from_events(
            events, raw.info["sfreq"], names, first_samp=raw.first_samp, orig_time=raw.info["meas_date"], verbose="ERROR"
        )
        raw.set_annotations(marks, verbose="ERROR")


# -- positions ------------------------------------------------------------------------------------------------------


def electrode(name: str) -> str:
    """Return the electrode that a channel name means, in lower case: 'EEG Fp1-Ref' and 'Fp1.' are both 'fp1'."""
    match = _ELECTRODE.match(name.strip().lower())
    return match.group(1) if match else name.strip().lower()


def set_positions(raw: mne.io.BaseRaw, montage: str) -> None:
    """Place the channels of a standard montage when the file places none, and names at least half as the montage does.

    Half, because amplifiers have names of their own: BioSemi's A1 is not the left ear lobe.

    Raises
    ------
    SentenceError
        MNE knows no montage of that name.
    """
    import mne

    eeg = [i for i, type_ in enumerate(raw.get_channel_types()) if type_ == "eeg"]
    placed = np.array([raw.info["chs"][i]["loc"][:3] for i in eeg], dtype=float)
    if len(placed) and np.any(np.nan_to_num(placed) != 0):
        return
    standard = _standard_montage(montage)
    known = {name.lower(): position for name, position in standard.get_positions()["ch_pos"].items()}
    found = {raw.ch_names[i]: known[electrode(raw.ch_names[i])] for i in eeg if electrode(raw.ch_names[i]) in known}
    if 2 * len(found) < len(eeg) or not found:
        return
    frame = standard.get_positions()
    own = mne.channels.make_dig_montage(found, frame["nasion"], frame["lpa"], frame["rpa"], coord_frame=frame["coord_frame"])
    raw.set_montage(own, on_missing="ignore", verbose="ERROR")


def _standard_montage(name: str) -> mne.channels.DigMontage:
    import mne

    renamed = {"standard_1005": "colin27_1005", "standard_1020": "colin27_1020"}  # MNE 1.14 knows the new names only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for known in (name, renamed.get(name, name)):
            try:
                return mne.channels.make_standard_montage(known)
            except ValueError:
                continue
    raise SentenceError(f"data.montage={name}: MNE has no such montage; it has {', '.join(mne.channels.get_builtin_montages())}")
