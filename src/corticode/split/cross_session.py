"""Cross session: each person's decoder learns from some of their sessions and is asked about another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split, people
from corticode.split.rows import refuse_unclear_order

ORDERS = ("past_to_future", "all")


class CrossSession(Split):
    """One fold per person and test session, named 'person/session'. Sessions stand in natural order of their names.

    Parameters
    ----------
    order : str
        'past_to_future': a session is asked by what all earlier ones taught, so the first is never asked (two sessions:
        learn from the first, ask the second, as BCI Competition IV did). 'all': by all other sessions, later ones too.
    shots : int or float
        Labelled windows per class of the test session given to `calibrate`, the earliest first; a share of it, if below 1.

    Raises
    ------
    SentenceError
        Nobody has two sessions (people with one are left out, and `notes` says so); or sessions stand in another order than their
        names sort, so that the past is unclear.
    """

    unseen = "session"

    def __init__(self, order: str = "past_to_future", shots: float = 0):
        super().__init__(shots)
        self.order = order
        self.past = order == "past_to_future"
        if order not in ORDERS:
            raise SentenceError(f"split.order={order} is unknown: pick one of {', '.join(ORDERS)}")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (person/session, rows of other sessions, rows of the session)."""
        alone = []
        for person, mine in people(meta):
            sessions = [mine[rows] for _, rows in people(meta.iloc[mine], ("session",))]
            if len(sessions) < 2:
                alone.append(person)
            if self.order == "past_to_future":
                refuse_unclear_order(meta, mine, ("session",), f"sessions of {person}", "split.order=all")
            for i, rows in enumerate(sessions):
                others = sessions[:i] if self.order == "past_to_future" else sessions[:i] + sessions[i + 1 :]
                if others:
                    yield f"{person}/{meta['session'].iloc[rows[0]]}", np.concatenate(others), rows
        if len(alone) == len(people(meta)):
            raise SentenceError(
                "split=cross_session needs two sessions of a person, and everybody has one: use split=within_session or split=loso"
            )
        if alone:
            self.notes.append(f"{len(alone)} people have one session only and are left out: {', '.join(alone)}")
