"""Read Lab Streaming Layer recordings (.xdf): the EEG stream as an MNE Raw, marker streams as annotations."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from corticode.errors import BrokenDataError, MissingDataError

if TYPE_CHECKING:
    import mne

# Volts per unit, by what recorders write in the channel's `unit`. LSL's EEG convention is microvolts when nothing is said.
_VOLTS = {
    "microvolts": 1e-6,
    "microvolt": 1e-6,
    "uv": 1e-6,
    "µv": 1e-6,
    "μv": 1e-6,
    "": 1e-6,
    "millivolts": 1e-3,
    "mv": 1e-3,
    "volts": 1.0,
    "v": 1.0,
}
_TYPES = {"eeg": "eeg", "eog": "eog", "ecg": "ecg", "ekg": "ecg", "emg": "emg", "": "eeg"}


def read_xdf(file: Path, stream: str | None = None, rate: str = "nominal") -> mne.io.BaseRaw:
    """Return the EEG stream of an XDF file, in volts.

    Samples stand back to back at one rate; where the recorder lost samples or its clock was reset there is
    an 'EDGE boundary'. Markers go to the sample that is nearest in time.

    Parameters
    ----------
    file : Path
    stream : str or None
        Name of the stream; needed only when several are of type EEG.
    rate : str
        'nominal' takes the rate that the stream declares, and refuses a stream whose samples came more than 5 % faster or
        slower; 'measured' takes the rate at which they came.

    Raises
    ------
    MissingDataError
        No stream of type EEG with samples, or no stream of that name: lists what is there.
    BrokenDataError
        The samples did not come at the declared rate.

    Source
    ------
    Streams are loaded by pyxdf, which also aligns clocks and removes jitter.
    """
    import mne
    import pyxdf

    logging.getLogger("pyxdf").setLevel(logging.ERROR)  # it comments on every clock
    streams, _ = pyxdf.load_xdf(str(file))
    eeg = _choose(file, streams, stream)
    segments = [(int(a), int(b) + 1) for a, b in eeg["info"].get("segments") or [(0, len(eeg["time_stamps"]) - 1)]]
    sfreq = _rate(file, eeg, segments, rate)
    names, types, volts = _channels(eeg)
    raw = mne.io.RawArray(
        np.asarray(eeg["time_series"], dtype=float).T * volts[:, None], mne.create_info(names, sfreq, types), verbose="ERROR"
    )
    rows = [(a / sfreq, "EDGE boundary") for a, _ in segments if a > 0]
    for other in streams:
        if other is not eeg and _first(other, "channel_format") == "string":
            rows += _markers(other, eeg["time_stamps"], sfreq)
    raw.set_annotations(mne.Annotations([row[0] for row in rows], 0.0, [row[1] for row in rows]), verbose="ERROR")
    return raw


def _first(stream: dict[str, Any], key: str) -> str:
    return str((stream["info"].get(key) or [""])[0] or "")


def _choose(file: Path, streams: list[dict[str, Any]], name: str | None) -> dict[str, Any]:
    there = "; ".join(f"{_first(s, 'name')} (type {_first(s, 'type') or '-'}, {len(s['time_stamps'])} samples)" for s in streams) or "none"
    if name is not None:
        found = [s for s in streams if _first(s, "name") == name and len(s["time_stamps"])]
    else:
        found = [s for s in streams if _first(s, "type").lower() == "eeg" and len(s["time_stamps"])]
    if not found:
        wanted = f"no stream named {name!r}" if name else "no stream of type EEG"
        raise MissingDataError(
            f"{file} has {wanted} with samples in it; streams there: {there}. Name one with data.options={{stream: NAME}}"
        )
    if len(found) > 1:
        raise BrokenDataError(f"{file} has {len(found)} EEG streams ({there}): name one with data.options={{stream: NAME}}")
    return found[0]


def _rate(file: Path, stream: dict[str, Any], segments: list[tuple[int, int]], rate: str) -> float:
    """Return the samples per second: declared, or measured on the longest stretch without a gap."""
    if rate not in ("nominal", "measured"):
        raise BrokenDataError(f"data.options={{rate: {rate}}} is unknown: say nominal or measured")
    first, last = max(segments, key=lambda segment: segment[1] - segment[0])
    times = stream["time_stamps"][first:last]
    measured = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0
    declared = float(_first(stream, "nominal_srate") or 0)
    if rate == "measured":
        return float(f"{measured:.6g}")
    if not declared > 0 or abs(measured / declared - 1) > 0.05:
        raise BrokenDataError(
            f"{file}: the stream {_first(stream, 'name')} declares {declared:g} Hz but its samples came at {measured:.4g} Hz: "
            "its frequencies would be wrong; trust the clock with data.options={rate: measured}, or record again"
        )
    return declared


def _channels(stream: dict[str, Any]) -> tuple[list[str], list[str], np.ndarray]:
    """Return names, MNE types and volts per unit [channels]."""
    n = int(_first(stream, "channel_count"))
    described: list[Any] = []
    for level in stream["info"].get("desc") or []:
        for channels in (level or {}).get("channels") or []:
            described += (channels or {}).get("channel") or []
    if len(described) != n:
        described = [{} for _ in range(n)]

    def tell(i: int, key: str) -> str:
        return str((described[i].get(key) or [""])[0] or "")

    names = [tell(i, "label") or f"EEG{i + 1:03d}" for i in range(n)]
    if len(set(names)) != n:
        names = [f"{name}-{i}" for i, name in enumerate(names)]
    types = [_TYPES.get(tell(i, "type").lower(), "misc") for i in range(n)]
    volts = np.array([_VOLTS.get(tell(i, "unit").lower(), 1.0 if types[i] == "misc" else 1e-6) for i in range(n)])
    return names, types, volts


def _markers(stream: dict[str, Any], clock: np.ndarray, sfreq: float) -> list[tuple[float, str]]:
    """Return (onset in s, text) of the markers that fall on samples, at the nearest sample."""
    found = []
    for time, values in zip(stream["time_stamps"], stream["time_series"], strict=True):
        if len(clock) and clock[0] - 0.5 / sfreq <= time <= clock[-1] + 0.5 / sfreq:
            after = min(int(np.searchsorted(clock, time)), len(clock) - 1)
            nearest = after - 1 if after and time - clock[after - 1] < clock[after] - time else after
            found.append((nearest / sfreq, str(values[0])))
    return found
