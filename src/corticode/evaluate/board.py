"""A board: everything that a leaderboard says, as plain tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from corticode import store
from corticode.evaluate.record import Failed
from corticode.evaluate.runs import Candidate


@dataclass
class Board:
    """Everything a leaderboard says, as plain tables.

    Attributes
    ----------
    protocols, scores, best, people, tests, ranks : DataFrame
        See the columns of each in the file of the same name (`scores` is leaderboard.csv).
    refused : list of str
        Run folders that cannot take part, and why.
    failed : list of Failed
        Runs of which nothing came, with what was asked and the error.
    notes : list of str
    candidates : list of Candidate
    """

    protocols: pd.DataFrame
    scores: pd.DataFrame
    best: pd.DataFrame
    people: pd.DataFrame
    tests: pd.DataFrame
    ranks: pd.DataFrame
    refused: list[str] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list, repr=False)

    @property
    def hash(self) -> str:
        """16 hex digits over all scores: two boards that agree in it say the same."""
        said = self.scores.drop(columns=["seconds", "energy_kwh", "runs"], errors="ignore")
        return store.key([said.to_csv(index=False), self.tests.to_csv(index=False), self.best.to_csv(index=False)])[:16]
