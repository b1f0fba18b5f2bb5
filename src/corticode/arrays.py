"""The door for one's own arrays and epochs: what they must be before they become windows.

X, y, who, when --checked--> X in the unit of the house, Space, one line of meta per window
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, SentenceError
from corticode.space import HOUSE_UNIT, Space, unit_factor

# Which channels of epochs are decoded: the first kind that is there.
_EPOCH_KINDS = (("eeg", ["eeg"]), ("ieeg", ["seeg", "ecog", "dbs"]), ("meg", ["mag", "grad"]))


def checked(
    X: np.ndarray, sfreq: float, ch_names: Sequence[str] | None, unit: str, kind: str, positions: np.ndarray | None
) -> tuple[np.ndarray, Space]:
    """Return arrays [n, channels, times] float32 in the unit of the house, and their Space.

    Raises
    ------
    BrokenDataError
        Wrong shape, no real numbers, NaN or infinite values.
    UnitError
        Amplitudes that cannot be EEG in µV.
    """
    X = np.asarray(X)
    if X.ndim != 3:
        raise BrokenDataError(f"X is {list(X.shape)}: wanted [n, channels, times]")
    if not np.issubdtype(X.dtype, np.number) or np.iscomplexobj(X):
        raise BrokenDataError(f"X holds {X.dtype}: wanted real numbers")
    names = tuple(ch_names) if ch_names is not None else tuple(f"{kind.upper()}{i + 1:03d}" for i in range(X.shape[1]))
    if len(names) != X.shape[1]:
        raise BrokenDataError(f"X is {list(X.shape)} but space names {len(names)} channels: wanted [n, channels, times]")
    house = "fT/m" if unit == "T/m" else HOUSE_UNIT.get(kind, unit)
    factor = unit_factor(unit, house)
    X = X.astype(np.float32) if factor == 1 else (X * factor).astype(np.float32)
    space = Space(kind=kind, names=names, unit=house, sfreq=sfreq, positions=positions)
    check_finite(X, "X")
    if kind == "eeg" and len(X):
        from corticode.recording import Signal, check_amplitude

        # some hundred windows are enough for a median
        check_amplitude(Signal(np.concatenate(list(X[:: max(1, len(X) // 200)]), axis=1), space), "X")
    return X, space


def table(
    y: Sequence | None, meta: pd.DataFrame | None, n: int, seconds: float, **who: Sequence | str
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return one line per window, and the classes that y declares.

    Parameters
    ----------
    y, meta
        As given to `Windows.from_arrays`; columns of `meta` win over `who`.
    n : int
    seconds : float, s
        Length of a window; where no onset is known, windows of a recording stand one behind the other.
    who : one value per window, or one for all
        dataset, site, subject, session, run.

    Raises
    ------
    BrokenDataError
        Not one line, or not one label, per window.
    """
    lines = pd.DataFrame(who, index=range(n))
    if meta is not None:
        if len(meta) != n:
            raise BrokenDataError(f"meta has {len(meta)} lines for {n} windows: wanted one line per window")
        lines = lines.assign(**{str(c): np.asarray(meta[c]) for c in meta.columns})
    target, classes = _target(y, n)
    return _placed(lines.assign(**target), seconds), classes


def of_epochs(epochs: Any, subject: Sequence | str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the arguments of `Windows.from_arrays` that `mne.Epochs` give, and what there is to say.

    Raises
    ------
    BrokenDataError
        No EEG, iEEG or MEG channel.
    SentenceError
        Magnetometers and gradiometers together.
    """
    types = np.array(epochs.get_channel_types())
    kind, wanted = next(((k, t) for k, t in _EPOCH_KINDS if np.isin(types, t).any()), (None, []))
    if kind is None:
        raise BrokenDataError(f"the epochs hold no EEG, iEEG or MEG channel (types there: {', '.join(sorted(set(types)))})")
    if kind == "meg" and {"mag", "grad"} <= set(types):
        raise SentenceError(
            "the epochs hold magnetometers (T) and gradiometers (T/m): pick one with epochs.pick('mag') or epochs.pick('grad')"
        )
    bads = [name for name in epochs.info["bads"] if name in epochs.ch_names]
    picks = np.flatnonzero(np.isin(types, wanted) & ~np.isin(epochs.ch_names, bads))
    code_names = {code: name for name, code in epochs.event_id.items()}
    locations = np.array([epochs.info["chs"][i]["loc"][:3] for i in picks], dtype=float)
    locations[np.all(np.nan_to_num(locations) == 0, axis=1)] = np.nan
    meta = epochs.metadata.reset_index(drop=True) if epochs.metadata is not None else pd.DataFrame(index=range(len(epochs)))
    if "onset_s" not in meta:
        meta = meta.assign(onset_s=epochs.events[:, 0] / epochs.info["sfreq"])
    if subject is None:
        about = epochs.info.get("subject_info") or {}
        subject = str(about.get("his_id") or about.get("id") or "1")
    given = {
        "X": epochs.get_data(picks=picks),
        "y": [code_names[code] for code in epochs.events[:, 2]],
        "sfreq": epochs.info["sfreq"],
        "subject": subject,
        "ch_names": [epochs.ch_names[i] for i in picks],
        "unit": ("T/m" if "grad" in types else "T") if kind == "meg" else "V",
        "kind": kind,
        "positions": None if np.isnan(locations).all() else locations,
        "meta": meta,
    }
    return given, [f"bad channels left out: {', '.join(bads)}"] if bads else []


def check_finite(X: np.ndarray, source: str) -> None:
    """Refuse NaN and infinite values in [n, channels, times]; the first is named.

    Raises
    ------
    BrokenDataError
    """
    # one sum is cheaper than a mask; only a bad array pays for the search
    if X.size and not np.isfinite(np.sum(X, dtype=np.float64)):
        bad = np.argwhere(~np.isfinite(X))
        if len(bad):
            n, channel, time = bad[0]
            raise BrokenDataError(
                f"{source} has {len(bad)} NaN or infinite values, the first in window {n}, channel {channel}, sample {time}: drop those windows or interpolate"
            )


def _target(y: Sequence | None, n: int) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the outcome column of one's own y (`event` for labels, `value` for floats), and the classes it declares."""
    if y is None:
        return {}, {}
    y = np.asarray(y)
    if y.dtype == object and any(label is None or label != label for label in y.ravel()):
        raise BrokenDataError("y has missing labels (None or NaN): drop those windows")
    if y.ndim != 1 or len(y) != n:
        raise BrokenDataError(f"y is {list(y.shape)} for {n} windows: wanted one label per window")
    if np.issubdtype(y.dtype, np.floating):
        return {"value": y.astype(float)}, {}
    return {"event": [str(label) for label in y]}, {"event": [str(label) for label in np.unique(y)]}


def _numbered(trial: pd.Series) -> np.ndarray:
    """Return trials as numbers: names that are none are counted in order of first appearance.

    Raises
    ------
    BrokenDataError
        A window without a trial.
    """
    missing = np.flatnonzero(trial.isna())
    if len(missing):
        raise BrokenDataError(
            f"meta has no trial for {len(missing)} of {len(trial)} windows, the first is window {missing[0]}: give each window the number or the name of "
            "its trial, or leave the column out where every window is a trial of its own"
        )
    try:
        return pd.to_numeric(trial).to_numpy()
    except (ValueError, TypeError):
        return pd.factorize(trial)[0]


def _placed(table: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Return the table with recording, trial and onset_s, where it has none: rows stand in the order in which they were recorded."""
    who = [c for c in ("subject", "session", "run") if table[c].astype(str).ne("").any()]
    if "recording" not in table:
        table["recording"] = table[who].astype(str).agg("_".join, axis=1) if len(table) else ""
    table["trial"] = _numbered(table["trial"]) if "trial" in table else np.arange(len(table))
    if "onset_s" not in table:
        table["onset_s"] = table.groupby("recording").cumcount() * seconds if len(table) else 0.0
    return table
