"""Leave one subject out: each person is asked once, by a decoder that never met them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.split.base import Split, people


class LOSO(Split):
    """One fold per person, named after them, in natural order; all others are learned from.

    Parameters
    ----------
    shots : int or float
        Labelled windows per class of the person given to `calibrate`, the earliest first; a share of each session, if below 1.

    Raises
    ------
    SentenceError
        There is one person only.
    """

    unseen = "subject"

    def __init__(self, shots: float = 0):
        super().__init__(shots)

    def pairs(self, meta: pd.DataFrame, y: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Give (person, rows of all others, rows of the person)."""
        everybody = people(meta)
        if len(everybody) < 2:
            raise SentenceError(
                f"split=loso leaves one person out, and there is only {everybody[0][0] if everybody else 'nobody'}: "
                "use split=within_session, or more people with data.subjects="
            )
        for name, rows in everybody:
            yield name, np.setdiff1d(np.arange(len(meta)), rows), rows
