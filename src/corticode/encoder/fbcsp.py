"""Filter-bank common spatial patterns: of many bands' sources, those that say most about the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from corticode.encoder.csp import CSP
from corticode.layer.counts import refuse_few
from corticode.space import Space

BANDS = ((8, 12), (12, 16), (16, 20), (20, 24), (24, 28), (28, 32))


class FBCSP(CSP):
    """Windows -> covariances per band -> log-variances of each band's sources -> the `n_features` most informative ones.

    Input: windows [n, channels, times] of any kind, not filtered more narrowly than the bands.
    Representation: [n, n_features], log unit².
    Parameters: n_components filters per band, and which features are kept.
    Source: Ang et al. 2012, Front. Neurosci. 6:39. Departures from the paper: as in MOABB, the features with the largest
    mutual information are kept one by one, without the partners of their pairs, and a support vector machine follows.

    Parameters
    ----------
    n_components : int
        Sources per band.
    n_features : int
        Kept; all of them where there are fewer.
    estimator, bands_hz, order, scale
        As in `Covariance`.
    metric, contrast : str
        As in `CSP`.

    Attributes
    ----------
    kept_ : int array [n_features]
        Columns of the log-variances of all bands, in their order.
    """

    def __init__(
        self,
        n_components: int = 4,
        n_features: int = 10,
        estimator: str = "oas",
        bands_hz: Sequence[Sequence[float]] | None = BANDS,
        order: int = 4,
        scale: str = "none",
        metric: str = "euclid",
        contrast: str = "others",
    ):
        super().__init__(n_components, estimator, bands_hz, order, scale, metric, contrast)
        self.n_features = int(n_features)
        self.kept_: np.ndarray | None = None

    def fit(self, features: np.ndarray, y: np.ndarray, meta: pd.DataFrame) -> Self:
        """Find each band's sources, then keep those whose log-variance tells most about the class of the fit rows.

        Raises
        ------
        BrokenDataError
            The fit rows hold one class only, or a class has one window, which has no neighbour of its class.
        """
        from sklearn.feature_selection import mutual_info_classif

        super().fit(features, y, meta)
        if np.unique(y, return_counts=True)[1].min() < 2:
            refuse_few(y, meta, "FBCSP", "two windows of each class to tell which features say most about it")
        power = self._log_variances(features)
        # the estimate breaks ties between equal values by noise: of a fixed seed, so that the choice is no draw
        information = mutual_info_classif(power, y, random_state=0)
        best = np.argsort(-information, kind="stable")[: self.n_features]
        self.kept_ = np.sort(best)
        return self

    def encode(self, features: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return the kept log-variances [n, n_features]."""
        return self._log_variances(features)[:, self.kept_]

    def _log_variances(self, features: np.ndarray) -> np.ndarray:
        return super().encode(features, None, None)

    def patterns(self, head: Any) -> dict[str, Any] | None:
        """Return the kept sources' patterns, whatever the head."""
        found = super().patterns(head)
        return {
            "patterns": found["patterns"][self.kept_],
            "labels": [found["labels"][k] for k in self.kept_],
            "outputs": None,
            "bands": [found["bands"][k] for k in self.kept_],
        }
