"""Cut a signal into windows: around cues, or one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.prepare.base import Cut, number, words
from corticode.recording import EVENT_COLUMNS, Signal


class Cue(Cut):
    """One window per event, from `start_s` to `stop_s` after its onset, end point excluded.

    A window has round((stop_s - start_s) * sfreq) samples (4 s at 250 Hz: 1000), the first is
    round((onset_s + start_s) * sfreq). Windows that leave the recording or cross a joint are dropped and counted.

    Parameters
    ----------
    start_s, stop_s : float, s
        Relative to the onset; start_s may be negative.
    events : list of str or None
        Only these; None takes all.
    baseline : [from_s, to_s] or None
        Each channel's mean over this stretch, relative to the onset, is subtracted.
    reject_uv : float or None, µV
        Drop windows in which a channel's highest and lowest sample are further apart than this.
    flat_uv : float or None, µV
        Drop windows in which they are closer than this.

    Returns
    -------
    X : float32 array [n, channels, times]
    table : DataFrame [n]
        trial (number of the event in the recording, whichever `events` are chosen), onset_s (of the event, in the
        session), event, and every further column of the events.

    Raises
    ------
    SentenceError
        stop_s is not above start_s, or reject_uv meets a signal that is not in µV.
    """

    def __init__(
        self,
        start_s: float = 0.5,
        stop_s: float = 3.5,
        events: Sequence[str] | None = None,
        baseline: Sequence[float] | None = None,
        reject_uv: float | None = None,
        flat_uv: float | None = None,
    ):
        self.start_s = float(start_s)
        self.stop_s = float(stop_s)
        self.events = words(events)
        self.baseline = None if baseline is None else [float(second) for second in baseline]
        self.reject_uv = number(reject_uv)
        self.flat_uv = number(flat_uv)
        if not self.stop_s > self.start_s:
            raise SentenceError(f"prepare.window from start_s={start_s} to stop_s={stop_s}: wanted stop_s above start_s")
        if self.baseline is not None and (len(self.baseline) != 2 or not self.baseline[1] > self.baseline[0]):
            raise SentenceError(f"prepare.window.baseline={baseline}: wanted [from_s, to_s] relative to the cue, such as [-0.5, 0]")

    @property
    def sees(self) -> str:
        """'window'; 'past' with a baseline that begins before it, 'recording' with one that ends after it."""
        if self.baseline is None or self.start_s <= self.baseline[0] < self.baseline[1] <= self.stop_s:
            return "window"
        return "past" if self.baseline[1] <= self.stop_s else "recording"

    @property
    def reach_s(self) -> tuple[float, float]:
        """From the beginning of window or baseline to the end of both, relative to the onset."""
        first, last = self.baseline or (self.start_s, self.stop_s)
        return min(self.start_s, first), max(self.stop_s, last)

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame]:
        sfreq = signal.space.sfreq
        table = _outcomes(signal.events)
        if self.events:
            table = table[table["event"].isin(self.events)]
        onsets = table["onset_s"].to_numpy(dtype=float)
        table = table.assign(onset_s=onsets + signal.start_s)
        n_times = _samples(self.stop_s - self.start_s, sfreq)
        first = _places(onsets + self.start_s, sfreq)
        whole, notes = _within(signal, *self._reach(onsets, first, n_times, sfreq))
        if len(first) == 0:
            notes.append(
                f"no window: no event {'named ' + ' or '.join(self.events) if self.events else 'at all'} ({_names(signal.events)})"
            )
        table, first, onsets = table[whole], first[whole], onsets[whole]
        X = _gathered(signal, first, n_times)
        if self.baseline is not None and len(X):
            rest = _gathered(signal, _places(onsets + self.baseline[0], sfreq), _samples(self.baseline[1] - self.baseline[0], sfreq))
            X -= rest.mean(axis=2, keepdims=True)
        if len(first) > 1 and (np.diff(np.sort(first)) < n_times).any():
            notes.append("some windows share samples with the next one, since cues follow closely: split by session or subject")
        return _judged(signal, X, table, self.reject_uv, self.flat_uv, notes)

    def _reach(self, onsets: np.ndarray, first: np.ndarray, n_times: int, sfreq: float) -> tuple[np.ndarray, np.ndarray]:
        """Return first sample and one past the last of all that a window is made of."""
        if self.baseline is None:
            return first, first + n_times
        start = _places(onsets + self.baseline[0], sfreq)
        stop = start + _samples(self.baseline[1] - self.baseline[0], sfreq)
        return np.minimum(first, start), np.maximum(first + n_times, stop)


class Sliding(Cut):
    """Windows of one length at equal steps, anew after each joint; what is left at the end of a stretch is left out.

    Parameters
    ----------
    length_s, step_s : float, s
        Windows share samples when step_s is shorter: a recording is then never split between fit and test.
    start_s : float, s
        What is left out at the beginning of the recording.
    stop_s : float or None, s
        Where to stop; None takes all.
    events : list of str or None
        Only windows that lie inside one of these events (a sleep stage, a block of a task); None takes all windows. With
        `idle` no window is left out: `events` are those that count, and all else is idle.
    reject_uv, flat_uv : float or None, µV
        Drop windows in which a channel's highest and lowest sample are further apart, or closer, than this.
    idle : str or None
        Name of the class of windows in which nothing asked for happens, as a decoder in use meets them: every window bears
        the event that fills at least `share` of it (the one that fills most; the later one of two alike), else this.
    share : float
        Of a window, above 0 and up to 1. Looked at only with `idle`.
    after_s : [from_s, to_s] or None, s
        With `idle`: what of an event counts, from its onset (a cue's imagery: [0.5, 3.5]); None takes its own duration.

    Returns
    -------
    X : float32 array [n, channels, times]
    table : DataFrame [n]
        trial (number of the window), onset_s (of the window, in the session); where events last as long as a window,
        event and its further columns, of the shortest event that the window lies in (None outside of any). With `idle`, a
        trial is a run of windows that bear one and the same event, or of idle ones between two events.

    Raises
    ------
    SentenceError
        A length or step not above 0, or reject_uv meets a signal that is not in µV.
    """

    def __init__(
        self,
        length_s: float = 10.0,
        step_s: float = 10.0,
        start_s: float = 0.0,
        stop_s: float | None = None,
        events: Sequence[str] | None = None,
        reject_uv: float | None = None,
        flat_uv: float | None = None,
        idle: str | None = None,
        share: float = 0.5,
        after_s: Sequence[float] | None = None,
    ):
        self.length_s = float(length_s)
        self.step_s = float(step_s)
        self.start_s = float(start_s)
        self.stop_s = number(stop_s)
        self.events = words(events)
        self.reject_uv = number(reject_uv)
        self.flat_uv = number(flat_uv)
        if not (self.length_s > 0 and self.step_s > 0):
            raise SentenceError(f"prepare.window has length_s={length_s} and step_s={step_s}: wanted both above 0")
        self.idle = None if idle is None else str(idle)
        self.share = float(share)
        self.after_s = None if after_s is None else [float(second) for second in after_s]
        if not 0 < self.share <= 1:
            raise SentenceError(f"prepare.window.share={share}: wanted a share of the window above 0 and up to 1")
        if self.after_s is not None and (len(self.after_s) != 2 or not self.after_s[1] > self.after_s[0]):
            raise SentenceError(f"prepare.window.after_s={after_s}: wanted [from_s, to_s] after the onset, such as [0.5, 3.5]")

    @property
    def overlap(self) -> bool:
        """True when the step is shorter than the window."""
        return self.step_s < self.length_s

    @property
    def reach_s(self) -> tuple[float, float]:
        """The window itself."""
        return 0.0, self.length_s

    def __call__(self, signal: Signal) -> tuple[np.ndarray, pd.DataFrame]:
        sfreq = signal.space.sfreq
        n_times = _samples(self.length_s, sfreq)
        first = self._grid(signal, n_times)
        notes = []
        if not len(first):
            longest = max((stop - start for start, stop in signal.pieces()), default=0) / sfreq
            notes.append(f"no window: the longest continuous stretch lasts {longest:g} s, a window {self.length_s:g} s")
        table = pd.DataFrame({"trial": np.arange(len(first)), "onset_s": first / sfreq + signal.start_s})
        events = signal.events[signal.events["event"].isin(self.events)] if self.events else signal.events
        if self.idle is not None:
            table, said = self._with_idle(table, events, first / sfreq)
            return _judged(signal, _gathered(signal, first, n_times), table, self.reject_uv, self.flat_uv, [*notes, *said])
        around = _spanning(_outcomes(events), events["duration_s"].to_numpy(dtype=float), first / sfreq, self.length_s, sfreq)
        table = table.join(around)
        if self.events:
            inside = table["event"].notna().to_numpy() if "event" in table else np.zeros(len(table), dtype=bool)
            if not inside.any():
                notes.append(f"no window lies inside an event named {' or '.join(self.events)} ({_names(signal.events)})")
            table, first = table[inside], first[inside]
        return _judged(signal, _gathered(signal, first, n_times), table, self.reject_uv, self.flat_uv, notes)

    def _with_idle(self, table: pd.DataFrame, events: pd.DataFrame, start_s: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
        """Return the table with trial and event of every window, and what there is to say."""
        onset, duration = events["onset_s"].to_numpy(dtype=float), np.nan_to_num(events["duration_s"].to_numpy(dtype=float))
        first, stop = (onset, onset + duration) if self.after_s is None else (onset + self.after_s[0], onset + self.after_s[1])
        notes = []
        if self.after_s is None and len(events) and not duration.any():
            notes.append("all windows are idle, since no event lasts: say what of an event counts with prepare.window.after_s=[0.5,3.5]")
        bearer = _filling(first, stop, start_s, self.length_s, self.share)
        outcome = _outcomes(events).drop(columns=["trial", "onset_s"]).reset_index(drop=True)
        borne = outcome.reindex(bearer).set_axis(table.index)
        table = table.join(borne).assign(event=borne["event"].where(bearer >= 0, self.idle))
        # idle stretches before and after an event are two trials
        changed = np.diff(bearer, prepend=bearer[:1]) != 0
        return table.assign(trial=np.cumsum(changed)), notes

    def _grid(self, signal: Signal, n_times: int) -> np.ndarray:
        """Return the first sample of each window; steps are rounded one by one, so that no error adds up."""
        sfreq = signal.space.sfreq
        begin = round(self.start_s * sfreq)
        end = signal.X.shape[1] if self.stop_s is None else min(round(self.stop_s * sfreq), signal.X.shape[1])
        places = []
        for start, stop in signal.pieces():
            start, stop = max(start, begin), min(stop, end)
            count = max(0, int((stop - start - n_times) / (self.step_s * sfreq) + 1e-9) + 1) if stop - start >= n_times else 0
            steps = start + _places(np.arange(count) * self.step_s, sfreq)
            places.append(steps[steps + n_times <= stop])
        return np.concatenate(places) if places else np.zeros(0, dtype=int)


# -- what both share ----------------------------------------------------------------------------------------------


def _samples(seconds: float, sfreq: float) -> int:
    """Return a length in samples, at least one."""
    return max(1, round(seconds * sfreq))


def _places(seconds: np.ndarray, sfreq: float) -> np.ndarray:
    """Return times in seconds as samples."""
    # a hundredth of a microsample first: 0.5 * 3 steps of 1 / 3 must not fall to either side by the last bit
    return np.round(np.round(np.asarray(seconds, dtype=float) * sfreq, 8)).astype(int)


def _outcomes(events: pd.DataFrame) -> pd.DataFrame:
    """Return trial, onset_s, event and all further columns of the events; the duration is no outcome."""
    others = [column for column in events.columns if column not in (*EVENT_COLUMNS, "trial")]
    table = events[["onset_s", "event", *others]].copy()
    table.insert(0, "trial", np.arange(len(table)))
    return table


def _names(events: pd.DataFrame) -> str:
    return "events there: " + (", ".join(sorted(set(events["event"].astype(str)))) or "none")


def _within(signal: Signal, first: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return which spans lie in one continuous stretch, and sentences about those that do not."""
    inside = (first >= 0) & (stop <= signal.X.shape[1])
    joints = np.array([start for start, _ in signal.pieces()][1:])
    # a joint at the first sample of a span does no harm
    crossed = np.searchsorted(joints, first, side="right") != np.searchsorted(joints, stop, side="left")
    notes = []
    if (~inside).any():
        notes.append(f"{(~inside).sum()} of {len(first)} windows leave the recording and were dropped")
    if (inside & crossed).any():
        notes.append(f"{(inside & crossed).sum()} of {len(first)} windows cross a joint of the recording and were dropped")
    return inside & ~crossed, notes


def _gathered(signal: Signal, first: np.ndarray, n_times: int) -> np.ndarray:
    """Return float32 [n, channels, times], windows that begin at these samples."""
    X = np.empty((len(first), len(signal.space), n_times), dtype=np.float32)
    for row, start in enumerate(first):
        X[row] = signal.X[:, start : start + n_times]
    return X


def _spanning(events: pd.DataFrame, duration_s: np.ndarray, start_s: np.ndarray, length_s: float, sfreq: float) -> pd.DataFrame:
    """Return for each window the outcome columns of the shortest event it lies in; no columns if none lies in any."""
    outcome = events.drop(columns=["trial", "onset_s"])
    onset = events["onset_s"].to_numpy(dtype=float)
    duration_s = np.nan_to_num(duration_s)
    chosen = np.full(len(start_s), -1)
    slack = 0.5 / sfreq
    # long events first, so that shorter ones within them win
    for row in np.argsort(-duration_s, kind="stable"):
        chosen[(start_s >= onset[row] - slack) & (start_s + length_s <= onset[row] + duration_s[row] + slack)] = row
    if not (chosen >= 0).any():
        return pd.DataFrame(index=range(len(start_s)))
    inside = np.flatnonzero(chosen >= 0)
    return outcome.iloc[chosen[inside]].set_axis(inside).reindex(range(len(start_s)))


def _filling(first_s: np.ndarray, stop_s: np.ndarray, start_s: np.ndarray, length_s: float, share: float) -> np.ndarray:
    """Return for each window the event that fills most of it, if that is at least `share`: its row, or -1."""
    bearer, most = np.full(len(start_s), -1), np.full(len(start_s), share * length_s - 1e-9)
    # few windows meet an event: only those between its ends are looked at; later events win a tie
    order = np.argsort(start_s, kind="stable")
    for row in np.argsort(first_s, kind="stable"):
        near = order[slice(*np.searchsorted(start_s[order], [first_s[row] - length_s, stop_s[row]]))]
        filled = np.minimum(stop_s[row], start_s[near] + length_s) - np.maximum(first_s[row], start_s[near])
        won = filled >= most[near] - 1e-9
        bearer[near[won]], most[near[won]] = row, filled[won]
    return bearer


def _judged(
    signal: Signal, X: np.ndarray, table: pd.DataFrame, reject_uv: float | None, flat_uv: float | None, notes: list[str]
) -> tuple[np.ndarray, pd.DataFrame]:
    """Drop windows with NaN, too large or too flat channels; every count becomes a sentence."""
    if (reject_uv is not None or flat_uv is not None) and signal.space.unit != "uV":
        raise SentenceError(
            f"prepare.window.reject_uv and flat_uv are in µV, and the signal is in {signal.space.unit}: "
            "take one of rejection and prepare.scale, or leave the scale to the model"
        )
    mine = [i for i, kind in enumerate(signal.space.channel_types) if kind == signal.space.kind]
    good = np.isfinite(X).all(axis=(1, 2))
    notes = [*notes, *_counted(~good, "hold NaN or infinite samples")]
    if (reject_uv is not None or flat_uv is not None) and len(X):
        span = np.ptp(X[:, mine], axis=2)  # [n, channels]
        large = good & (span > (np.inf if reject_uv is None else reject_uv)).any(axis=1)
        flat = good & ~large & (span < (-np.inf if flat_uv is None else flat_uv)).any(axis=1)
        notes += _counted(large, f"have a channel above {reject_uv} µV from peak to peak")
        notes += _counted(flat, f"have a channel below {flat_uv} µV from peak to peak")
        good &= ~large & ~flat
    if not good.all():
        X, table = X[good], table[good]
    table = table.reset_index(drop=True)
    table.attrs["notes"] = notes
    return X, table


def _counted(bad: np.ndarray, what: str) -> list[str]:
    return [f"{bad.sum()} of {len(bad)} windows {what} and were dropped"] if bad.any() else []
