"""Cross session: each person's decoder learns from some of their sessions and is asked about another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split, people

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
        Nobody has two sessions. People with one session are left out, and `notes` says so.
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
                _refuse_unclear_order(meta, person, mine, sessions)
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


def _refuse_unclear_order(meta: pd.DataFrame, person: str, mine: np.ndarray, sessions: list[np.ndarray]) -> None:
    """Refuse sessions whose names sort otherwise than they stand in the data: the past might be the future.

    Raises
    ------
    SentenceError
    """
    by_name = [str(meta["session"].iloc[rows[0]]) for rows in sessions]
    names = meta["session"].iloc[np.sort(mine)].astype(str).to_numpy()
    as_given = list(names[np.r_[True, names[1:] != names[:-1]]])
    # rows that go to and fro between sessions stand in no order of time
    if by_name != as_given and len(as_given) == len(by_name):
        raise SentenceError(
            f"the sessions of {person} stand in the order {', '.join(as_given)} in the data and {', '.join(by_name)} by name, so the past is unclear: "
            "rename them so that both agree (1_pre, 2_post), or use split.order=all"
        )
