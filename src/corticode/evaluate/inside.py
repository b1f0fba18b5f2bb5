"""Ask only people held out of one fold's fit rows: what a search may hear, since the fold's test people have no part in it.

fold:    fit people ------------------------------------ | test people
inside:  fit people minus some | these are asked           (never asked, never learned from)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.head.base import inner_folds
from corticode.split.base import Fold, Split, people


class Inside(Split):
    """Folds of one fold's fit rows, named '<fold>/1', '<fold>/2' ...

    Whole people are held out where there are three or more, else sessions, recordings, trials; they are given what the fold's own
    test people would be given (windows to align by; with shots, each person is asked by itself, '<fold>/1/<person>').

    Parameters
    ----------
    fold : Fold
    n_folds : int
        At most.
    shots : int or float
        As of the split that made the fold.
    length_s : float, s
        Of what a window is made of; 0: windows share no samples.

    Attributes
    ----------
    by : str
        What is held out: 'subject', 'session', 'recording', 'trial' or 'stretch'; known once folds were made.

    Raises
    ------
    SentenceError
        Too few folds are asked for.
    """

    def __init__(self, fold: Fold, n_folds: int = 3, shots: float = 0, length_s: float = 0.0):
        super().__init__(shots)
        if not isinstance(n_folds, int) or n_folds < 2:
            raise SentenceError(f"evaluate.n_inside={n_folds}: wanted 2 or more")
        self.fold, self.n_folds, self.length_s, self.by = fold, n_folds, float(length_s), ""

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (name, fit rows without those held out, rows held out).

        Raises
        ------
        SentenceError
            A class has one trial only among the fit rows.
        """
        rows = self.fold.fit
        found, self.by = inner_folds(meta.iloc[rows].reset_index(drop=True), np.asarray(y)[rows], self.n_folds, self.length_s)
        if not found:
            raise SentenceError(f"nobody can be held out of the fit rows of fold {self.fold.name}: give more people, sessions or trials")
        self.unseen = self.by if self.by in ("subject", "session") else "trial"
        for i, (fit, held) in enumerate(found):
            name, asked = f"{self.fold.name}/{i + 1}", rows[held]
            if not self.shots:
                yield name, rows[fit], asked
                continue
            # a decoder goes on learning from the labelled windows of one person, not of several at once
            for who, mine in people(meta.iloc[asked].reset_index(drop=True)):
                yield f"{name}/{who}", rows[fit], asked[mine]


def within(folds: Sequence[Fold], number: int, n_folds: int, shots: float, length_s: float) -> tuple[Inside, dict[str, Any]]:
    """Return what asks inside a fold, given by its number from 0, and the facts for summary.json.

    Raises
    ------
    SentenceError
        There is no such fold.
    """
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(folds):
        raise SentenceError(f"evaluate.inside={number} is the number of a fold: this split makes {len(folds)}, 0 to {len(folds) - 1}")
    name = folds[number].name
    said = f"inside fold {name}: asked are some of its fit people, so the headline is for choosing and no result"
    return Inside(folds[number], n_folds, shots, length_s), {"fold": name, "number": number, "of": len(folds), "notes": [said]}
