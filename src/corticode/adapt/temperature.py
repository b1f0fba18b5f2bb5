"""One number that makes probabilities as sure as they may be, found on people whom the decoder did not learn from."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd

from corticode.adapt.crossfit import fit_both
from corticode.encoder.base import Encoder
from corticode.errors import SentenceError
from corticode.head.base import Head, inner_folds
from corticode.metric.calibration import at_temperature, fit_temperature
from corticode.space import Space


def check_temperature(head: Head) -> None:
    """Refuse to scale what is no probability.

    Raises
    ------
    SentenceError
    """
    if head.yhat_kind != "probability":
        raise SentenceError(
            f"adapt.temperature=true scales class probabilities, and head {type(head).__name__} answers by {head.yhat_kind}"
        )


def inner_temperature(
    encoder: Encoder, head: Head, F: np.ndarray, y: np.ndarray, meta: pd.DataFrame, space: Space, n_outputs: int, length_s: float = 0.0
) -> tuple[float, str]:
    """Fit fresh copies of encoder and head on inner folds (by person where that is possible), and T on what they say of the others.

    Parameters
    ----------
    encoder : Encoder
    head : Head
        Neither is fitted yet; both are left alone.
    F : array [n, ...]
    y : int array [n]
    meta : DataFrame [n]
    space : Space
    n_outputs : int
    length_s : float, s
        Of what a window is made of; 0: windows share no samples.

    Returns
    -------
    T : float
        1 where the fit rows cannot be split.
    held : str
        What was held out, in words.
    """
    y = np.asarray(y)
    folds, by = inner_folds(meta, y, length_s=length_s)
    answered, log_p = [], []
    for fit, held in folds:
        if len(np.unique(y[fit])) < len(np.unique(y)):
            continue
        own_encoder, own_head = copy.deepcopy(encoder), copy.deepcopy(head)
        there, others = meta.iloc[fit].reset_index(drop=True), meta.iloc[held].reset_index(drop=True)
        fit_both(own_encoder, own_head, F[fit], y[fit], there, space, n_outputs, length_s)
        log_p.append(_log(own_head.predict(own_encoder.encode(F[held], others, space))))
        answered.append(y[held])
    if not answered:
        return 1.0, "nothing"
    return fit_temperature(np.concatenate(log_p), np.concatenate(answered)), f"{len(answered)} folds by {by}"


def temperature_of(yhat: np.ndarray, y: np.ndarray) -> float:
    """Return T for probabilities [n, k] of rows that were held back from training; 1 for none."""
    return fit_temperature(_log(yhat), y) if len(y) else 1.0


def scaled(yhat: np.ndarray, temperature: Any) -> np.ndarray:
    """Return probabilities at a fitted temperature; as they are where none was asked for."""
    return yhat if temperature is None else at_temperature(yhat, float(temperature))


def _log(yhat: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(yhat, dtype=float), 1e-300))
