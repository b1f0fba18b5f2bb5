"""Answers of known quality for folds, seeds and models."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.predictions import Predictions
from corticode.split.loso import LOSO


def answered(labelled, classes, skill=0.3, seeds=(0,), models=("m",), split=None, kind="probability", seed=0, **facts):
    """One Predictions per model, seed and fold, as the benchmark gives them."""
    rng = np.random.default_rng(seed)
    predictions = []
    for model in models:
        for s in seeds:
            for fold in (split or LOSO()).folds(labelled.meta, labelled.y):
                test = labelled[fold.test]
                if classes:
                    yhat = rng.random((len(test), len(classes)))
                    yhat[np.arange(len(test)), test.y] += skill
                    yhat /= yhat.sum(axis=1, keepdims=True)
                else:
                    yhat, kind = test.y + rng.standard_normal(len(test)), "value"
                about = {
                    "model": model,
                    "seed": s,
                    "fold": fold.name,
                    "access": fold.unlabelled or "none",
                    "samples": len(fold.fit),
                    "time": 2.0,
                    **facts,
                }
                predictions.append(Predictions(yhat, kind, test.y, test.meta, classes, about))
    return predictions


@pytest.fixture
def answer():
    return answered
