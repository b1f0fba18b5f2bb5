"""The two formats of the Graz motor imagery data: BNCI Horizon's .mat and the competition's GDF, read alike.

.mat  data{run}: X [samples, 25] in uV, trial (first sample of each trial, from 1), y 1..4, artifacts 0/1
.gdf  one signal for all runs, gaps between them, events by code; classes of session E in a label file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, CorticodeError, MissingDataError
from corticode.recording import Signal, check_amplitude, signal_from_raw
from corticode.space import Space

CLASSES = ("left_hand", "right_hand", "feet", "tongue")
_NAMES = "Fz FC3 FC1 FCz FC2 FC4 C5 C3 C1 Cz C2 C4 C6 CP3 CP1 CPz CP2 CP4 P1 Pz P2 POz"
EEG = tuple(_NAMES.split())
EOG = ("EOG1", "EOG2", "EOG3")
N_RUNS = 6

# seconds from the beginning of a trial to the cue, and from the cue to the end of imagination
CUE_S, IMAGERY_S = 2.0, 4.0

# GDF event codes
TRIAL, CUES, UNKNOWN, REJECTED, NEW_RUN = 768, (769, 770, 771, 772), 783, 1023, 32766


def read(file: Path, labels: Path | None = None, run: int | None = None, artifacts: str = "keep", unit_factor: float = 1.0) -> Signal:
    """Read one run, or all runs joined, of a .mat or GDF file.

    Parameters
    ----------
    file : Path
    labels : Path or None
        True labels of a GDF file.
    run : int or None
        Place among the runs with trials; None joins all of them and marks the joints.
    artifacts : str
        'keep' or 'drop'.
    unit_factor : float

    Returns
    -------
    signal : Signal [25, times], uV
        Events at the cue, with the columns `artifact`, and `age` and `sex` where the file knows them.

    Raises
    ------
    MissingDataError
        There is no such file.
    BrokenDataError
        Damaged file, wrong number of runs, channels or labels.
    UnitError
        Implausible amplitudes.
    """
    if not file.is_file():
        raise MissingDataError(f"there is no file {file}")
    stats = [f.stat() for f in (file, labels) if f is not None]
    signals = _session(file, labels, tuple((stat.st_size, stat.st_mtime_ns) for stat in stats))
    if run is not None and len(signals) != N_RUNS:
        raise BrokenDataError(f"{file} has {len(signals)} runs with trials, wanted {N_RUNS}: download it again")
    signal = signals[run] if run is not None else _joined(signals)
    events = signal.events
    if artifacts == "drop":
        events = events[~events["artifact"]].reset_index(drop=True)
    # the product is a copy: what is kept for the next run of this session stays as it is
    signal = signal.replace(X=signal.X * unit_factor, events=events)
    if run in (None, N_RUNS - 1):
        _last.clear()  # runs are read in order: nobody waits for this session any more
    check_amplitude(signal, str(file))
    return signal


_last: dict[tuple, tuple[Signal, ...]] = {}  # a session of 120 MB is let go before the next one is read


def _session(file: Path, labels: Path | None, stamp: tuple) -> tuple[Signal, ...]:
    """Return the runs with trials of one session; kept until the next file, since its six runs are asked for one by one."""
    if (file, labels, stamp) not in _last:
        _last.clear()
        _last[file, labels, stamp] = _read_session(file, labels)
    return _last[file, labels, stamp]


def _read_session(file: Path, labels: Path | None) -> tuple[Signal, ...]:
    try:
        signals = _mat_runs(file) if file.suffix.lower() == ".mat" else _gdf_runs(file, labels)
    except (CorticodeError, MemoryError):
        raise
    except Exception as error:  # damaged bytes raise whatever the parser meets first
        lines = str(error).splitlines() or [""]
        raise BrokenDataError(
            f"{file} cannot be read ({type(error).__name__}: {lines[0][:160]}): it is damaged or cut off, download it again"
        ) from error
    if not signals:
        raise BrokenDataError(f"{file} has no run with trials: it is cut off, or no file of this data set")
    return tuple(signals)


def _mat_runs(file: Path) -> list[Signal]:
    """Return the runs with trials of a BNCI Horizon .mat file (X in uV, trial counts samples from 1)."""
    from scipy.io import loadmat

    if holds(file) != "signals":
        raise BrokenDataError(f"{file} holds labels, not signals")
    cells = np.atleast_1d(loadmat(file, variable_names=["data"], squeeze_me=True, struct_as_record=False)["data"])
    signals, before = [], 0
    for i, cell in enumerate(cells):
        cells[i] = None  # a run at a time becomes float32, and its doubles are given back
        X, trial = np.atleast_2d(cell.X), _integers(cell.trial)
        if trial.size:
            sfreq = float(cell.fs)
            cue = trial - 1 + round(CUE_S * sfreq)
            signals.append(_signal(file, X.T, sfreq, cue, _integers(cell.y), _integers(cell.artifacts), before, _person(cell)))
        before += len(X)
    return signals


def _integers(values: Any) -> np.ndarray:
    """Return [n] as int64: MATLAB stores small unsigned integers, which would wrap around when 500 samples are added."""
    return np.atleast_1d(values).astype(np.int64).ravel()


def _person(cell: Any) -> dict[str, Any]:
    """Return age and sex (M or F, as in BIDS) where the file knows them."""
    facts: dict[str, Any] = {}
    age, gender = getattr(cell, "age", None), str(getattr(cell, "gender", "")).strip().lower()
    if np.size(age) == 1 and np.isfinite(float(age)):
        facts["age"] = float(age)
    if gender[:1] in ("m", "f"):
        facts["sex"] = gender[0].upper()
    return facts


def _gdf_runs(file: Path, labels: Path | None) -> list[Signal]:
    """Return the runs with trials of a competition GDF file, the gaps between runs cut away."""
    import mne

    raw = mne.io.read_raw_gdf(file, stim_channel=None, verbose="ERROR")
    _check_channels(file, len(raw.ch_names))
    kinds = ["eeg"] * len(EEG) + ["eog"] * len(EOG)
    raw.set_channel_types(dict(zip(raw.ch_names, kinds, strict=True)), verbose="ERROR")
    sfreq = raw.info["sfreq"]
    onset = np.round(raw.annotations.onset * sfreq).astype(int)
    code = np.array([int(text) for text in raw.annotations.description])
    X = signal_from_raw(raw, events={}, check_scale=False).X
    gap = _gaps(X)
    cue, y, artifact = _trials(file, onset, code, labels)

    edges = np.unique(np.concatenate([[0, X.shape[1]], onset[code == NEW_RUN], np.flatnonzero(np.diff(gap)) + 1]))
    before = np.concatenate([[0], np.cumsum(~gap)])  # samples recorded before each place
    signals = []
    for first, end in pairwise(edges):
        mine = (cue >= first) & (cue < end)
        if mine.any():
            signals.append(_signal(file, X[:, first:end], sfreq, cue[mine] - first, y[mine], artifact[mine], int(before[first]), {}))
    return signals


def _gaps(X: np.ndarray) -> np.ndarray:
    """Return the samples [times] that are missing: NaN, or the smallest value there is, in all channels at once.

    The files mark them by the smallest integer, which BioSig turns into NaN and MNE into a voltage.
    """
    with np.errstate(invalid="ignore"):
        lowest = np.fmin.reduce(X, axis=1, keepdims=True)
        return (np.isnan(X) | (lowest >= X)).all(axis=0)


def _trials(file: Path, onset: np.ndarray, code: np.ndarray, labels: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return cue sample, class 1..4 (0 = unknown) and mark of each trial [n].

    Raises
    ------
    BrokenDataError
        A trial has no cue or several, or the labels do not fit.
    """
    start = np.sort(onset[code == TRIAL])
    trial = np.searchsorted(start, onset, side="right") - 1
    is_cue = np.isin(code, (*CUES, UNKNOWN)) & (trial >= 0)
    if not np.array_equal(trial[is_cue], np.arange(len(start))):
        raise BrokenDataError(f"{file} has {len(start)} trials and {is_cue.sum()} cues, wanted one cue in each: it is damaged or cut off")
    cue, y = onset[is_cue], np.where(code[is_cue] == UNKNOWN, 0, code[is_cue] - CUES[0] + 1)
    artifact = np.isin(np.arange(len(start)), trial[code == REJECTED])
    if labels is not None:
        true = true_labels(labels)
        if len(true) != len(y):
            raise BrokenDataError(f"{labels} holds {len(true)} labels for the {len(y)} trials of {file}: they do not belong together")
        if np.any((y > 0) & (y != true)):
            raise BrokenDataError(
                f"{labels} contradicts the classes in {file} in {np.sum((y > 0) & (y != true))} trials: they do not belong together"
            )
        y = true
    return cue, y, artifact


def true_labels(file: Path) -> np.ndarray:
    """Return the true classes 1..4 [n]."""
    from scipy.io import loadmat

    true = np.asarray(loadmat(file)["classlabel"]).ravel()
    if not np.isin(true, range(1, 1 + len(CLASSES))).all():
        raise BrokenDataError(f"{file} holds classes other than 1 2 3 4: {np.unique(true).tolist()}")
    return true.astype(int)


def _signal(
    file: Path, X: np.ndarray, sfreq: float, cue: np.ndarray, y: np.ndarray, artifact: np.ndarray, before: int, facts: Mapping[str, Any]
) -> Signal:
    """Return one run: X [25, times] in uV, cue samples [n], classes [n] with 0 = unknown, marks [n]."""
    _check_channels(file, len(X))
    if not len(cue) == len(y) == len(artifact):
        raise BrokenDataError(f"{file} has a run of {len(cue)} trials, {len(y)} classes and {len(artifact)} marks: wanted as many of each")
    if cue.min() < 0 or cue.max() >= X.shape[1] or y.min() < 0 or y.max() > len(CLASSES):
        raise BrokenDataError(f"{file} has a run with cues beyond its {X.shape[1]} samples or classes beyond 1 2 3 4: it is damaged")
    events = pd.DataFrame(
        {
            "onset_s": cue / sfreq,
            "duration_s": IMAGERY_S,
            "event": [("unknown", *CLASSES)[k] for k in y],
            "artifact": artifact.astype(bool),
            **facts,
        }
    )
    return Signal(np.ascontiguousarray(X, dtype=np.float32), _space(sfreq), events, start_s=before / sfreq)


def _joined(signals: Sequence[Signal]) -> Signal:
    """Return all runs as one signal with joints; onsets count from its first sample."""
    first, sfreq = signals[0], signals[0].space.sfreq
    begins = np.cumsum([0] + [signal.X.shape[1] for signal in signals])
    tables = [s.events.assign(onset_s=s.events["onset_s"] + begin / sfreq) for s, begin in zip(signals, begins, strict=False)]
    X = np.concatenate([signal.X for signal in signals], axis=1)
    return first.replace(X=X, events=pd.concat(tables, ignore_index=True), joints=tuple(int(b) for b in begins[1:-1]))


@lru_cache(maxsize=4)
def _space(sfreq: float) -> Space:
    """Return the 22 EEG and 3 EOG channels, with 10-05 positions in metres where there are any."""
    import mne

    info = mne.create_info([*EEG, *EOG], sfreq, ["eeg"] * len(EEG) + ["eog"] * len(EOG), verbose="ERROR")
    info.set_montage("standard_1005", on_missing="ignore", verbose="ERROR")
    positions = np.array([channel["loc"][:3] for channel in info["chs"]])
    positions[len(EEG) :] = np.nan
    return Space("eeg", (*EEG, *EOG), "uV", sfreq, positions, ("eeg",) * len(EEG) + ("eog",) * len(EOG))


def _check_channels(file: Path, n: int) -> None:
    if n != len(EEG) + len(EOG):
        raise BrokenDataError(f"{file} has {n} channels, wanted {len(EEG)} EEG + {len(EOG)} EOG: it is no file of this data set")


def holds(file: Path) -> str:
    """Return what a .mat file holds, 'signals' or 'labels', told by the variables that its header names.

    Raises
    ------
    BrokenDataError
        Neither, or not a .mat file.
    """
    from scipy.io import whosmat

    try:
        names = {name for name, _, _ in whosmat(str(file))}
    except Exception as error:  # damaged bytes raise whatever the parser meets first
        size = file.stat().st_size
        raise BrokenDataError(
            f"{file} is no MATLAB file ({f'{size} bytes' if size else 'it is empty'}): delete it and download it again"
        ) from error
    if "data" in names:
        return "signals"
    if "classlabel" in names:
        return "labels"
    raise BrokenDataError(
        f"{file} holds {', '.join(sorted(names)) or 'nothing'}, wanted `data` (BNCI Horizon) or `classlabel` (true labels)"
    )
