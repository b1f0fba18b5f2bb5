"""Rows and what they are made of: who was recorded, when, and which samples a window reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.windows import PERSON, RECORDING, SESSION, TRIAL, natural

__all__ = ["PERSON", "RECORDING", "SESSION", "TRIAL", "Spans", "codes", "in_time", "people", "refuse_unclear_order", "said"]

# Onsets are seconds in floating point: windows that touch within a microsecond do not overlap.
_SLACK_S = 1e-6


def codes(meta: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Number the distinct combinations of some columns, int [n], in natural order of their names."""
    total = np.zeros(len(meta), dtype=np.int64)
    for column in columns:
        values, names = pd.factorize(meta[column], use_na_sentinel=False)
        order = np.argsort(names) if pd.api.types.is_numeric_dtype(names) else sorted(range(len(names)), key=lambda i: natural(names[i]))
        rank = np.empty(len(names), dtype=np.int64)
        rank[order] = np.arange(len(names))
        # kept small after each column, so that the product never overflows
        total = np.unique(total * max(1, len(names)) + rank[values], return_inverse=True)[1]
    return total


def in_time(meta: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Return rows in the order in which they were recorded, person by person, session by session."""
    rows = np.asarray(rows, dtype=np.int64)
    part = meta.iloc[rows]
    return rows[np.lexsort((part["onset_s"].to_numpy(), codes(part, RECORDING)))]


def people(meta: pd.DataFrame, columns: Sequence[str] = PERSON) -> list[tuple[str, np.ndarray]]:
    """Return (name, rows) of each person (or other group of identity columns), in natural order.

    The name leaves out columns that are the same for all.
    """
    number = codes(meta, columns)
    order = np.argsort(number, kind="stable")
    edges = np.flatnonzero(np.diff(number[order])) + 1
    telling = [c for c in columns if meta[c].nunique() > 1] or [columns[-1]]
    groups = np.split(order, edges) if len(meta) else []
    return [("/".join(str(meta[c].iloc[rows[0]]) for c in telling), rows) for rows in groups]


def refuse_unclear_order(meta: pd.DataFrame, rows: np.ndarray, columns: Sequence[str], what: str, cure: str) -> None:
    """Refuse parts (sessions, runs) whose names sort otherwise than they stand in the data: the past might be the future.

    Parameters
    ----------
    rows : int array
        Of one person, or one session.
    columns : sequence of str
        What names a part, the coarsest first.
    what : str
        'sessions of S1', for the message.
    cure : str
        What else can be done than to rename them.

    Raises
    ------
    SentenceError
    """
    part = meta.iloc[np.sort(rows)].reset_index(drop=True)
    number = codes(part, columns)
    begins = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
    # rows that go to and fro between parts stand in no order of time
    if len(begins) != len(np.unique(number)) or (np.diff(number[begins]) > 0).all():
        return
    telling = next((c for c in columns if part[c].iloc[begins].nunique() == len(begins)), columns[-1])
    as_given = part[telling].iloc[begins].astype(str).to_numpy()
    by_name = as_given[np.argsort(number[begins])]
    raise SentenceError(
        f"the {what} stand in the order {', '.join(as_given)} in the data and {', '.join(by_name)} by name, so the past is unclear: "
        f"rename them so that both agree (1_pre, 2_post), or use {cure}"
    )


# -- samples ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spans:
    """Which stretch of which recording each row is made of.

    Parameters
    ----------
    recording : int array [n]
    start_s, stop_s : float array [n], s
        In the time of the recording.
    """

    recording: np.ndarray
    start_s: np.ndarray
    stop_s: np.ndarray

    @classmethod
    def of(cls, meta: pd.DataFrame, reach_s: tuple[float, float], context: tuple[int, int] = (0, 0)) -> Spans:
        """Return the spans of all rows.

        Parameters
        ----------
        reach_s : (from, to), s
            What a window is made of, relative to its onset: [0, length], or wider with a baseline.
        context : (before, after)
            Neighbouring windows of the recording that a decoder looks at together with a row.
        """
        recording, onset = codes(meta, RECORDING), meta["onset_s"].to_numpy(dtype=float)
        start, stop = onset + reach_s[0], onset + reach_s[1]
        if any(context):
            order = np.lexsort((onset, recording))
            first = np.searchsorted(recording[order], recording[order], side="left")
            last = np.searchsorted(recording[order], recording[order], side="right") - 1
            place = np.arange(len(order))
            start, stop = start.copy(), stop.copy()
            wide_start, wide_stop = start[order], stop[order]
            start[order] = wide_start[np.maximum(place - context[0], first)]
            stop[order] = wide_stop[np.minimum(place + context[1], last)]
        return cls(recording, start, stop)

    def touching(self, one: np.ndarray, other: np.ndarray, gap_s: float = 0.0) -> np.ndarray:
        """Return which rows of `one` share samples with a row of `other`, or come nearer than `gap_s`: bool [len(one)]."""
        touch = np.zeros(len(one), dtype=bool)
        for recording in np.intersect1d(self.recording[one], self.recording[other]):
            mine = np.flatnonzero(self.recording[one] == recording)
            theirs = other[self.recording[other] == recording]
            theirs = theirs[np.argsort(self.start_s[theirs], kind="stable")]
            # of those that begin before a row ends, the one that ends last tells whether any of them reaches it
            begun = np.searchsorted(self.start_s[theirs], self.stop_s[one[mine]] + gap_s - _SLACK_S)
            furthest = np.maximum.accumulate(self.stop_s[theirs])
            touch[mine] = (begun > 0) & (furthest[np.maximum(begun - 1, 0)] + gap_s > self.start_s[one[mine]] + _SLACK_S)
        return touch


def said(meta: pd.DataFrame, row: int, columns: Sequence[str] = TRIAL) -> str:
    """Return a row's identity in words, for a message: 'dataset d, subject 1, trial 3'."""
    line = meta.iloc[int(row)]
    return ", ".join(f"{column} {line[column]}" for column in columns if str(line[column]))
