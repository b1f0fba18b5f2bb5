"""How well an encoder and a head do on people held out of the fit rows: what settles a choice between encoders."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd

from corticode.adapt.crossfit import fit_both
from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError
from corticode.head.base import Head, inner_folds
from corticode.space import Space


def held_out_loss(
    encoder: Encoder,
    head: Head,
    F: np.ndarray,
    y: np.ndarray,
    meta: pd.DataFrame,
    space: Space,
    n_outputs: int,
    n_splits: int = 3,
    length_s: float = 0.0,
) -> float:
    """Return the mean loss on inner held-out rows: log loss of classes, squared error of values.

    Encoder and head are copied for each fold and fitted on its other rows; those given stay as they are. What the head chooses
    (C), it chooses inside those other rows.

    Parameters
    ----------
    encoder, head
    F : array [n, ...]
        Aligned features of all fit rows.
    y : array [n, ...]
    meta : DataFrame [n]
    space : Space
    n_outputs : int
    n_splits : int
        Inner folds at most; whole people where there are three, else sessions, recordings, trials (see `inner_folds`).
    length_s : float, s
        Of what a window is made of; 0: windows share no samples.

    Raises
    ------
    BrokenDataError
        A class has one trial only, so that none can be held out.
    """
    folds, _ = inner_folds(meta, y, n_splits, length_s)
    if not folds:
        raise BrokenDataError("the choice of an encoder is made on held-out fit rows, and a class has one trial only: fix it, or add data")
    losses = np.full(len(y), np.nan)  # where windows share samples, not every row is asked
    for fit, held_out in folds:
        chosen, judge = copy.deepcopy(encoder), copy.deepcopy(head)
        fit_both(chosen, judge, F[fit], y[fit], meta.iloc[fit], space, n_outputs, length_s)
        yhat = judge.predict(chosen.encode(F[held_out], meta.iloc[held_out], space))
        losses[held_out] = _loss(yhat, y[held_out], judge.yhat_kind)
    return float(np.nanmean(losses))


def _loss(yhat: np.ndarray, y: np.ndarray, kind: str) -> np.ndarray:
    if kind == "value":
        return ((yhat - np.asarray(y, dtype=float).reshape(len(y), -1)) ** 2).mean(axis=1)
    return -np.log(np.maximum(yhat[np.arange(len(y)), y.astype(int)], np.finfo(float).eps))
