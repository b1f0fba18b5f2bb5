"""Answers of a known quality, for all metrics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.predictions import Predictions


def answers(y, yhat, kind="probability") -> Predictions:
    yhat = np.asarray(yhat, dtype=float)
    classes = () if kind == "value" else tuple("abcdefgh"[: yhat.shape[1]])
    meta = pd.DataFrame({"dataset": "d", "subject": "1"}, index=range(len(yhat)))
    return Predictions(yhat, kind, np.asarray(y), meta, classes, {"window_s": 2.0})


def random_answers(n_classes=2, n=200, seed=0, kind="probability") -> Predictions:
    """Classes of unequal size, answers somewhat better than chance, some of them tied."""
    rng = np.random.default_rng(seed)
    if kind == "value":
        y = rng.standard_normal(n)
        return answers(y, (y + rng.standard_normal(n))[:, None], kind)
    y = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    yhat = rng.random((n, n_classes)).round(2) + 0.05
    yhat[np.arange(n), y] += 0.2
    return answers(y, yhat / yhat.sum(axis=1, keepdims=True) if kind == "probability" else yhat - 0.5, kind)


@pytest.fixture
def make_answers():
    return answers


@pytest.fixture
def make_random():
    return random_answers
