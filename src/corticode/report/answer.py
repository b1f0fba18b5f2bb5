"""Predictions as a table: classes, what was said about each, and how well its probabilities are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """Return the names of the classes in the task's order; empty for regression."""
    for prefix in ("p_", "d_"):
        names = [str(name)[2:] for name in predictions if str(name).startswith(prefix)]
        if names and set(predictions["y"].astype(str)) <= set(names):
            return names
    return []


def answers(predictions: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """Return what was said about each class [n, k], and whether these are probabilities."""
    classes = classes_of(predictions)
    prefix = "p_" if f"p_{classes[0]}" in predictions else "d_"
    return predictions[[prefix + name for name in classes]].to_numpy(float), prefix == "p_"


def counts(predictions: pd.DataFrame) -> np.ndarray:
    """Return how often each true class (rows) was answered by each class (columns): int array [k, k]."""
    classes = classes_of(predictions)
    place = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(table, (predictions["y"].astype(str).map(place), predictions["yhat"].astype(str).map(place)), 1)
    return table


def calibration(predictions: pd.DataFrame, n_bins: int = 15) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return mean confidence, share right and number of windows of each filled bin, and the expected calibration error.

    Source
    ------
    Guo et al. 2017, ICML, eq. 3: sum over bins of (share of windows) |share right - mean confidence|.
    """
    sure = answers(predictions)[0].max(axis=1)
    right = (predictions["y"].astype(str) == predictions["yhat"].astype(str)).to_numpy()
    place = np.clip(np.ceil(sure * n_bins).astype(int) - 1, 0, n_bins - 1)
    place = np.unique(place, return_inverse=True)[1]
    n = np.bincount(place)
    confidence, accuracy = np.bincount(place, sure) / n, np.bincount(place, right) / n
    return confidence, accuracy, n, float(np.sum(n / n.sum() * np.abs(accuracy - confidence)))


def roc_curve(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return false-alarm and hit rates [m] of the second class, from (0, 0) to (1, 1); equal answers make one step."""
    said = answers(predictions)[0]
    said = said[:, 1] - said[:, 0]
    positive = (predictions["y"].astype(str) == classes_of(predictions)[1]).to_numpy()
    order = np.argsort(-said, kind="stable")
    last = np.append(np.flatnonzero(np.diff(said[order])), len(said) - 1)
    hits, wrong = np.cumsum(positive[order])[last], np.cumsum(~positive[order])[last]
    return np.append(0, wrong / max(wrong[-1], 1)), np.append(0, hits / max(hits[-1], 1))


def by_model(predictions: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return (model, its rows of predictions.parquet) in the order of the table; one nameless model where there is no column."""
    return list(predictions.groupby("model", sort=False)) if "model" in predictions else [("", predictions)]
