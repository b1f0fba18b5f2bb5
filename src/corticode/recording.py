"""One recording: who was recorded, and a way to read the signal when it is needed.

    Recording (lazy: who, facts, files) --read()--> Signal (X in house units, space, events, joints)

Preparation steps turn a Signal into a Signal; the last one cuts it into windows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, UnitError
from corticode.space import HOUSE_UNIT, Space, unit_factor

if TYPE_CHECKING:
    import mne

EVENT_COLUMNS = ("onset_s", "duration_s", "event")

# A typical absolute deviation from the channel's median outside this range is not scalp EEG in microvolts.
PLAUSIBLE_UV = (0.5, 500.0)


@dataclass(frozen=True)
class Signal:
    """What was read from one recording.

    Parameters
    ----------
    X : float array [channels, times], space.unit
        Float64 while it is being prepared; windows are float32.
    space : Space
    events : DataFrame
        One row per event: onset_s, duration_s, event (str), and any further outcome column (`artifact`, `stimulus`).
        onset_s counts from the first sample of X.
    joints : tuple of int
        Samples at which X is not continuous with the sample before: nothing may be filtered or windowed across.
    start_s : float
        Time of the first sample in the session, for ordering runs cut from one file.
    """

    X: np.ndarray
    space: Space
    events: pd.DataFrame = field(default_factory=lambda: no_events())
    joints: tuple[int, ...] = ()
    start_s: float = 0.0

    def __post_init__(self):
        if self.X.ndim != 2 or self.X.shape[0] != len(self.space):
            raise BrokenDataError(f"X is {list(self.X.shape)} but space names {len(self.space)} channels: wanted [channels, times]")

    def replace(self, **changes: Any) -> Signal:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def pieces(self) -> list[tuple[int, int]]:
        """Return the continuous stretches as (first sample, one past the last)."""
        edges = sorted({0, *[j for j in self.joints if 0 < j < self.X.shape[1]], self.X.shape[1]})
        return list(itertools.pairwise(edges))


def no_events() -> pd.DataFrame:
    """Return an empty table of events."""
    return pd.DataFrame({"onset_s": pd.Series(dtype=float), "duration_s": pd.Series(dtype=float), "event": pd.Series(dtype=object)})


@dataclass(frozen=True)
class Recording:
    """One file's (or one run's) recording, read only when asked.

    Parameters
    ----------
    who : mapping
        Identity: dataset, site, subject, session, run (strings; '' where there is none). `recording` is derived.
    read : function () -> Signal
        Reads the files. Picklable by cloudpickle, since recordings are prepared in worker processes.
    facts : mapping
        What is known about the person or the session: age, sex, diagnosis. Outcome columns of the windows.
    files : tuple of Path
        The files whose bytes make this recording; their digests are part of the cache key.
    origin : mapping
        Plain values that make the recording where there is no file (the arguments of a simulation), and reader options.
    """

    who: Mapping[str, str]
    read: Callable[[], Signal]
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        known = ("dataset", "site", "subject", "session", "run")
        who = {name: str(self.who.get(name, "")) for name in known}
        object.__setattr__(self, "who", who)
        object.__setattr__(self, "files", tuple(Path(file) for file in self.files))

    @property
    def name(self) -> str:
        """Subject, session and run in one word, unique within a data set."""
        return "_".join(part for part in (self.who["subject"], self.who["session"], self.who["run"]) if part)


# -- from MNE -----------------------------------------------------------------------------------------------------


def signal_from_raw(
    raw: mne.io.BaseRaw,
    events: Mapping[str, str] | None = None,
    kind: str = "eeg",
    unit_factor_: float = 1.0,
    check_scale: bool = True,
) -> Signal:
    """Turn an MNE Raw into a Signal: volts become microvolts here and nowhere else.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        Data in volts (tesla for MEG), as MNE keeps them.
    events : mapping of annotation -> event name, or None
        None keeps every annotation under its own name (but 'BAD boundary' and 'EDGE boundary', which become joints).
    kind : str
        'eeg', 'ieeg' or 'meg': the kind of the channels that are decoded.
    unit_factor_ : float
        Declared correction of a file whose header states the wrong unit (1e-3 for mV labelled V).
    check_scale : bool
        Refuse amplitudes that cannot be EEG in µV.

    Raises
    ------
    UnitError
        The typical amplitude is implausible: the message names the factor to declare.
    """
    types = _channel_types(raw, kind)
    keep = [i for i, kind_ in enumerate(types) if kind_ is not None]
    if not any(types[i] == kind for i in keep):
        raise BrokenDataError(
            f"{_file_name(raw)} has no {kind.upper()} channel (types there: {', '.join(sorted(set(raw.get_channel_types())))})"
        )
    unit = HOUSE_UNIT[kind]
    factor = unit_factor("T" if kind == "meg" else "V", unit) * float(unit_factor_)
    X = raw.get_data(picks=keep)
    X *= factor
    info = raw.info
    positions = np.array([info["chs"][i]["loc"][:3] for i in keep], dtype=float)
    positions[np.all(np.nan_to_num(positions) == 0, axis=1)] = np.nan
    space = Space(
        kind=kind,
        names=tuple(info["ch_names"][i] for i in keep),
        unit=unit,
        sfreq=info["sfreq"],
        positions=None if np.isnan(positions).all() else positions,
        types=tuple(types[i] for i in keep),
    )
    table, joints = _annotations(raw, events)
    signal = Signal(X, space, table, joints)
    if check_scale and kind == "eeg":
        check_amplitude(signal, _file_name(raw))
    return signal


def check_amplitude(signal: Signal, source: str) -> None:
    """Refuse EEG whose typical amplitude is not between 0.5 and 500 µV.

    The measure is the median over channels of the median |x - channel median|, so that the millivolt offsets of
    DC-coupled amplifiers and single broken channels do not matter.

    Raises
    ------
    UnitError
        Names the likely factor.
    """
    eeg = [i for i, kind in enumerate(signal.space.channel_types) if kind == signal.space.kind]
    # every sample of a long recording is not needed for a median
    X = signal.X[eeg, :: max(1, signal.X.shape[1] // 4000)]
    if not X.size:
        return
    X = np.where(np.isfinite(X), X, np.nan)
    if np.isnan(X).all():
        raise BrokenDataError(f"{source}: every sample is NaN")
    with np.errstate(all="ignore"):
        typical = float(np.nanmedian(np.nanmedian(np.abs(X - np.nanmedian(X, axis=1, keepdims=True)), axis=1)))
    low, high = PLAUSIBLE_UV
    if low <= typical <= high:
        return
    if typical == 0:
        raise BrokenDataError(f"{source}: most EEG channels are constant: there is no signal to decode")
    guess = next((f for f in (1e-3, 1e3, 1e-6, 1e6, 1e-9, 1e9) if low <= typical * f <= high), None)
    cure = f"declare it with data.unit_factor={guess:g}" if guess else "find out the unit and declare it with data.unit_factor="
    raise UnitError(
        f"{source}: the typical amplitude is {typical:.3g} µV, outside {low:g}-{high:g} µV for EEG, "
        f"so the unit in the file cannot be right: {cure}"
    )


# MNE's channel types that travel with the decoded ones (EOG regression needs them); all others stay behind.
_COMPANIONS = {"eog": "eog", "ecg": "ecg", "emg": "emg"}
_KINDS = {"eeg": ("eeg",), "ieeg": ("seeg", "ecog", "dbs"), "meg": ("mag", "grad")}


def _channel_types(raw: mne.io.BaseRaw, kind: str) -> list[str | None]:
    wanted = _KINDS[kind]
    return [kind if t in wanted else _COMPANIONS.get(t) for t in raw.get_channel_types()]


def _file_name(raw: mne.io.BaseRaw) -> str:
    return str(raw.filenames[0]) if raw.filenames and raw.filenames[0] else "the recording"


def _annotations(raw: mne.io.BaseRaw, events: Mapping[str, str] | None) -> tuple[pd.DataFrame, tuple[int, ...]]:
    sfreq = raw.info["sfreq"]
    rows, joints = [], set()
    for onset, duration, text in zip(raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True):
        # MNE counts from the start of the recorder, also where no date says when that was
        onset = float(onset) - raw.first_time
        if text in ("BAD boundary", "EDGE boundary", "boundary"):
            joints.add(round(onset * sfreq))
            continue
        name = str(text) if events is None else events.get(str(text))
        if name is not None:
            rows.append((onset, float(duration), name))
    table = pd.DataFrame(rows, columns=list(EVENT_COLUMNS)) if rows else no_events()
    return table.sort_values("onset_s", kind="stable", ignore_index=True), tuple(sorted(joints - {0}))
