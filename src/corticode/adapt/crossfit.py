"""Fit an encoder, then a head whose inner choices never see a representation that knew the answers."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError
from corticode.head.base import Head, Inner, inner_folds
from corticode.space import Space


def fit_both(
    encoder: Encoder, head: Head, F: np.ndarray, y: np.ndarray, meta: pd.DataFrame, space: Space, n_outputs: int, length_s: float = 0.0
) -> np.ndarray:
    """Fit encoder and head in place on all rows; return the representation Z [n, ...].

    Parameters
    ----------
    encoder, head
    F : array [n, ...]
        Aligned features.
    y : array [n, ...]
    meta : DataFrame [n]
    space : Space
    n_outputs : int
    length_s : float, s
        Of what a window is made of; 0: windows share no samples.
    """
    inner = crossfit(encoder, head, F, y, meta, space, length_s)
    Z = encoder.fit(F, y, meta).encode(F, meta, space)
    fit_head(head, Z, y, meta, n_outputs, inner)
    return Z


def fit_head(head: Head, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int, inner: Inner | None) -> None:
    """Fit a head, with inner folds if it has something to choose."""
    head.fit(Z, y, meta, n_outputs, *([inner] if head.selects else []))


def crossfit(
    encoder: Encoder,
    head: Head,
    F: np.ndarray,
    y: np.ndarray,
    meta: pd.DataFrame,
    space: Space,
    length_s: float = 0.0,
    n_source: int | None = None,
) -> Inner | None:
    """Return the inner folds that a head chooses on; None if it has nothing to choose.

    An encoder that learns from labels is copied and fitted anew for each fold, on its fit rows alone: what the held-out rows
    then look like is what a stranger's will. Folds whose rows are too few for the encoder are left out.

    Parameters
    ----------
    n_source : int or None
        The encoder learns from these first rows only; None: from all. For the others, see `fit_both`.
    """
    if not head.selects:
        return None
    y = np.asarray(y)
    folds, by = inner_folds(meta, y, length_s=length_s)
    if not encoder.learns_labels:
        return Inner(folds, by)
    kept, represented = [], []
    for fit, held_out in folds:
        own, learned = copy.deepcopy(encoder), fit if n_source is None else fit[fit < n_source]
        try:
            own.fit(F[learned], y[learned], meta.iloc[learned])
        except BrokenDataError:  # a class left with one trial, or none: enough for all rows, not for a fold
            continue
        kept.append((fit, held_out))
        represented.append(own.encode(F, meta, space))
    return Inner(kept, by, represented)
