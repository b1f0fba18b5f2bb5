"""A head turns a representation into an answer."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.state import Stateful


class Head(Stateful):
    """Representation [n, d] (or [n, c, c]) -> answers [n, k].

    Attributes
    ----------
    yhat_kind : str
        'probability', 'decision' or 'value'.
    neural : bool
        An `nn.Module` that is trained together with its encoder.
    deterministic : bool
        Gives the same answer whatever the seed.
    """

    yhat_kind = "probability"
    neural = False
    deterministic = True

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Learn from representation and target.

        Parameters
        ----------
        Z : array [n, d] or [n, c, c]
        y : int array [n] of class indices below n_outputs, or float array [n]
        meta : DataFrame [n]
            Identity of the fit rows, so that inner choices (C, alpha) can be made across people.
        n_outputs : int
            Number of classes the task declares (1 for regression); a class without a fit row gets probability 0.
        """
        raise NotImplementedError

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return answers [n, n_outputs]."""
        raise NotImplementedError

    def notes(self) -> dict[str, Any]:
        """Return what was chosen inside the fit rows (C, alpha), for the run's table."""
        return {}
