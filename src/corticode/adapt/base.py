"""Learning from labels: how encoder and head come to fit the source, and the target's few labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.head.base import Head
from corticode.space import Space
from corticode.state import Stateful


class Adapt(Stateful):
    """Base: what happens when `Decoder.fit` and `Decoder.calibrate` are called.

    Attributes
    ----------
    deterministic : bool
        Gives the same answer whatever the seed (with deterministic parts).
    """

    deterministic = True

    def check(self, encoder: Encoder, head: Head) -> None:
        """Refuse pairs that cannot work, when the decoder is built.

        Raises
        ------
        SentenceError
            Names the cure.
        """

    def fit(
        self, encoder: Encoder, head: Head, F: np.ndarray, y: np.ndarray, meta: pd.DataFrame, space: Space, n_outputs: int, seed: int
    ) -> dict[str, Any]:
        """Fit encoder and head in place on aligned features F [n, ...] of the source.

        Returns
        -------
        notes : dict
            Plain facts for the table and the report: 'selection' (how the checkpoint was chosen), 'history'
            (list of dicts per epoch), chosen hyper-parameters.
        """
        raise NotImplementedError

    def calibrate(
        self, encoder: Encoder, head: Head, F: np.ndarray, y: np.ndarray, meta: pd.DataFrame, space: Space, n_outputs: int, seed: int
    ) -> dict[str, Any]:
        """Go on from `fit` with few labelled windows of the target."""
        raise NotImplementedError

    def predict(self, encoder: Encoder, head: Head, F: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return answers [n, n_outputs] to aligned features F [n, ...]; `meta` is blind."""
        return head.predict(encoder.encode(F, meta, space))
