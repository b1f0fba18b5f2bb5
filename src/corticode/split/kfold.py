"""K folds of people (or of sites, or stimuli): each is asked once, by what the other folds taught."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split, people
from corticode.windows import IDENTITY

COLUMNS = {"subject": ("dataset", "subject"), "site": ("dataset", "site")}
# what a fold of these promises never to have met
UNSEEN = {"subject": "subject", "site": "site"}


class KFold(Split):
    """Folds of whole people, sites or values of another column, drawn at random, named '1', '2' ...

    Parameters
    ----------
    n_folds : int or None
        None leaves out one at a time (`by=site`: leave one site out); folds are then named after it.
    by : str
        What stays whole: 'subject', 'site', or another column of the windows' table, such as 'stimulus'.
    stratify : bool
        Give each fold the class shares of the whole, where each person (or site) has one class only.
    random_state : int
        Seed of the draw.
    shots : int or float
        Labelled windows per class of each asked person given to `calibrate`, the earliest first; a share of each session, if
        below 1.

    Raises
    ------
    SentenceError
        There are fewer people (or sites) than folds.

    Source
    ------
    scikit-learn's StratifiedKFold (KFold where classes vary inside people) over people in natural order, so the folds are
    those that scikit-learn makes of a table with one line per person.
    """

    def __init__(self, n_folds: int | None = 10, by: str = "subject", stratify: bool = True, random_state: int = 0, shots: float = 0):
        super().__init__(shots)
        self.n_folds, self.by, self.stratify, self.random_state = n_folds, by, bool(stratify), int(random_state)
        self.unseen = UNSEEN.get(by, "trial")
        if by in IDENTITY and by not in COLUMNS:
            raise SentenceError(f"split.by={by} is unknown: pick one of {', '.join(COLUMNS)}, or a column of one's own such as stimulus")
        if n_folds is not None and int(n_folds) < 2:
            raise SentenceError(f"split.n_folds={n_folds}: wanted 2 or more, or null to leave out one {by} at a time")

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (fold, rows of other groups, rows of the fold's groups)."""
        if self.by not in meta:
            raise SentenceError(
                f"split.by={self.by} is unknown: pick one of subject, site, or a column of the windows ({', '.join(map(str, meta.columns))})"
            )
        groups = people(meta, COLUMNS.get(self.by, (self.by,)))
        if self.by == "site" and meta["site"].eq("").any():
            raise SentenceError(
                "split.by=site needs a site for every person: add the column `site` to recordings.csv, or use split.by=subject"
            )
        twice = meta.groupby(list(COLUMNS["subject"]), sort=False)["site"].nunique() if self.by == "site" else pd.Series(dtype=int)
        if (twice > 1).any():
            raise SentenceError(
                f"split.by=site: {twice.index[twice > 1][0][-1]} was recorded at two sites and would be learned from and asked: use split.by=subject, "
                "or give that person one site"
            )
        if len(groups) < max(2, self.n_folds or 2):
            raise SentenceError(f"{len(groups)} {self.by}s cannot be parted into split.n_folds={self.n_folds}: ask for fewer folds")
        number = np.empty(len(meta), dtype=np.int64)
        for i, (_, rows) in enumerate(groups):
            number[rows] = i
        for name, test in self._draw(groups, y):
            inside = np.isin(number, test)
            yield name, np.flatnonzero(~inside), np.flatnonzero(inside)

    def _draw(self, groups: list[tuple[str, np.ndarray]], y: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Give (name of the fold, numbers of its groups)."""
        from sklearn import model_selection

        if self.n_folds is None:
            yield from ((name, np.array([i])) for i, (name, _) in enumerate(groups))
            return
        labels = np.array([y[rows[0]] for _, rows in groups])
        one_class = np.issubdtype(y.dtype, np.integer) and all((y[rows] == y[rows[0]]).all() for _, rows in groups)
        draw = model_selection.KFold
        if self.stratify and one_class:
            draw = model_selection.StratifiedKFold
            if np.bincount(labels).max() < self.n_folds:
                raise SentenceError(
                    f"no class has split.n_folds={self.n_folds} {self.by}s (the largest has {np.bincount(labels).max()}): ask for fewer folds"
                )
        with warnings.catch_warnings():
            # a class with fewer people than folds is absent from some folds, and scores are pooled
            warnings.filterwarnings("ignore", "The least populated class", UserWarning)
            folds = list(draw(int(self.n_folds), shuffle=True, random_state=self.random_state).split(labels, labels))
        yield from ((str(i + 1), test) for i, (_, test) in enumerate(folds))
