"""Who has how many windows of each class: the sentence that refuses fit rows which are too few."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError

_NAMED = 5  # people that a sentence names


def refuse_few(y: np.ndarray, meta: pd.DataFrame, what: str, wanted: str) -> None:
    """Refuse fit rows that are too few to estimate something from.

    Parameters
    ----------
    y : int array [n]
    meta : DataFrame [n]
        Its column `subject`, where there is one, says whose windows they are.
    what, wanted : str
        Who asks, and for what: 'LDA', 'more windows than classes'.

    Raises
    ------
    BrokenDataError
        Always: who has how many windows, what is wanted, and the cure.
    """
    raise BrokenDataError(
        f"{what} needs {wanted}, and the fit rows are {len(y)} windows: {_told(np.asarray(y), meta)}; give more windows of each class "
        "(people, sessions or trials: data.*, split.shots), or take a model that does with one of each, such as mdm or tangent_space"
    )


def _told(y: np.ndarray, meta: pd.DataFrame) -> str:
    """Return 'S1 has 1 of class 0 and 1 of class 1, S2 ...', a few people at most."""
    people = meta["subject"].astype(str).to_numpy() if "subject" in meta else np.full(len(y), "one person")
    names = list(dict.fromkeys(people))
    parts = []
    for name in names[:_NAMED]:
        labels, counts = np.unique(y[people == name], return_counts=True)
        parts.append(f"{name} has " + " and ".join(f"{n} of class {label}" for label, n in zip(labels, counts, strict=True)))
    more = len(names) - _NAMED
    return ", ".join(parts) + (f", and {more} people more" if more > 0 else "")
