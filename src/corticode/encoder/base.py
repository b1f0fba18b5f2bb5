"""An encoder turns windows into a representation: one interface for classical and neural ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.space import Space
from corticode.state import Stateful


class Encoder(Stateful):
    """Windows [n, channels, times] -> features (per window, cached) -> representation [n, d] (learns in the fold).

    Attributes
    ----------
    spd : bool
        Features are symmetric positive definite matrices [n, ..., c, c]: aligners may act on them.
    neural : bool
        Trained by gradients (an `nn.Module`).
    deterministic : bool
        Gives the same answer whatever the seed.
    learns_labels : bool
        `fit` reads y: the representation of rows that were fitted knows something of their labels, so a head makes its inner
        choices on representations by encoders that were fitted without the rows it is asked about.
    window_arguments : tuple of str
        The constructor arguments on which `per_window` depends: the rest does not change cached features.
    uses : tuple of str
        Outcome columns of meta that `encode` may read at test (age for a conditional model); never the target.
    """

    spd = False
    neural = False
    deterministic = True
    learns_labels = False
    window_arguments: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    def per_window(self, X: np.ndarray, space: Space) -> np.ndarray:
        """Compute what depends on one window alone; a pure function, row i of the result from row i of X only.

        Parameters
        ----------
        X : float32 array [n, channels, times], space.unit
        space : Space

        Returns
        -------
        features : array [n, ...]
        """
        return X

    def settle(self, ask: Callable[[Encoder], np.ndarray], loss: Callable[[Encoder, np.ndarray], float]) -> Self:
        """Settle, before `fit`, an argument that changes `per_window` (an order, a lag) on this fold's fit rows.

        Nothing to do for most. The choice is written into the argument, so that features are cached under it.

        Parameters
        ----------
        ask : function (encoder) -> features [n, ...]
            The fit rows' features by another encoder, from the store where it has them; aligned where they are matrices.
        loss : function (encoder, features) -> float
            Of this encoder with the decoder's head on inner held-out fit rows.
        """
        return self

    def notes(self) -> dict[str, Any]:
        """Return what was chosen inside the fit rows, for the run's table."""
        return {}

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Learn this fold's statistics from fit rows."""
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return the representation [n, d] (or [n, c, c]); `meta` is blind."""
        return features

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return scalp patterns of a linear decoder, for maps: what each answer looks like at the channels.

        Weights say how to read an answer out, not where it comes from: a pattern is the covariance of the
        representation times the weights (Haufe et al. 2014, NeuroImage 87), brought back to the channels.

        Parameters
        ----------
        head : Head
            Fitted on this encoder's representation.

        Returns
        -------
        dict or None
            'patterns' float array [k, channels]; 'labels' list of k str (band or source, may be ''); 'outputs' list of k
            int (the column of yhat that a pattern speaks for) or None; 'bands' list of k int (for `Align.back`), None where
            a pattern is not that of a source. Nothing at all (None) where the decoder has no such maps.
        """
        return None
