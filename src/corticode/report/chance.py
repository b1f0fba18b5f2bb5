"""How well a guess can do: the score that 95 % of guessers stay below, from the number of windows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report import table
from corticode.report.answer import classes_of

_WINDOW = ("dataset", "site", "subject", "session", "run", "recording", "trial", "onset_s")  # what tells one window from another
COUNTED = ("accuracy", "balanced_accuracy")  # metrics whose guesses follow a binomial distribution


def bound(counts: np.ndarray, chance: float, confidence: float = 0.95) -> float:
    """Return the score of `counts` windows that a guesser reaches or stays below with this probability.

    Parameters
    ----------
    counts : int array [k]
        Windows of each class, for the mean of the classes' hit rates; one number for plain accuracy.
    chance : float
        Probability that a guess is right.
    confidence : float

    Returns
    -------
    bound : float, same unit as the score
        Classes of unequal size are given the number of windows of equal classes whose mean varies as much: k² / sum(1 / counts).

    Source
    ------
    Combrisson & Jerbi 2015, J. Neurosci. Methods 250, section 2.4: the 95 % quantile of the binomial distribution over n.
    """
    from scipy.stats import binom

    counts = np.atleast_1d(np.asarray(counts, dtype=float))
    n = max(1, round(len(counts) ** 2 / np.sum(1 / counts[counts > 0]))) if (counts > 0).all() else int(counts.sum())
    return float(binom.ppf(confidence, n, chance)) / n if n else float("nan")


def bounds(
    scores: pd.DataFrame, predictions: pd.DataFrame | None, metric: str, chance: float | None, level: str = "subject"
) -> pd.Series | None:
    """Return the bound of each unit of a level, by the name that figures use.

    Parameters
    ----------
    scores : DataFrame
        Tells the number of windows where there are no predictions.
    predictions : DataFrame or None
        One row per scored unit: tells the classes.
    metric : str
    chance : float or None
    level : str
        'subject', 'site' or 'fold'.

    Returns
    -------
    bounds : Series or None
        None where guesses of this metric follow no binomial distribution, or the number of windows is unknown.
    """
    if metric not in COUNTED or chance is None:
        return None
    if metric == "balanced_accuracy" and predictions is not None and level in table.IDENTITY and classes_of(predictions):
        rows = predictions.assign(unit=table.unit_names(predictions, level))
        # models, seeds and sizes of a learning curve are asked about the same windows
        rows = rows.drop_duplicates([name for name in _WINDOW if name in rows])
        counts = rows.groupby(["unit", rows["y"].astype(str)]).size().unstack(fill_value=0)
        return pd.Series({unit: bound(row.to_numpy(), chance) for unit, row in counts.iterrows()})
    units = table.per_unit(scores, level)
    windows = units[units["metric"] == metric].groupby("unit")["windows"].max().dropna()
    return pd.Series({unit: bound(n, chance) for unit, n in windows.items() if n > 0}) if len(windows) else None
