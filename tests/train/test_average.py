"""Averages of weights: what they are, that they are what is judged, and that they stay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.objective.supervised import Supervised
from corticode.split.inner import inner_validation
from corticode.train import infer


class Spy(Supervised):
    """Remembers the weights at the beginning of each training step, and those that are judged."""

    def __init__(self):
        super().__init__()
        self.steps, self.judged, self.batches = [], [], []

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        weights = encoder.net.line.weight.detach().clone()
        (self.steps if encoder.training else self.judged).append(weights)
        if encoder.training:
            self.batches.append(x)
        return super().__call__(encoder, head, x, y, space)


def n_steps(rows, inner, size=24):
    return len(inner.fit) // size


def test_moving_average_is_judged_and_kept(train, rows):
    spy = Spy()
    encoder, _, notes = train(objective=spy, max_epochs=6, ema_decay=0.8, lr=0.1)
    per_epoch = len(spy.steps) // 6
    shadow, expected = spy.steps[0].clone(), []
    after = [*spy.steps[1:], None]
    for n, weights in enumerate(after):
        if weights is None:
            break
        decay = min(0.8, (1 + n) / (10 + n))
        shadow = decay * shadow + (1 - decay) * weights
        if (n + 1) % per_epoch == 0:
            expected.append(shadow.clone())
    for wanted, judged in zip(expected, spy.judged, strict=False):
        torch.testing.assert_close(judged, wanted)
    assert not torch.allclose(spy.judged[0], spy.steps[per_epoch])  # else nothing was averaged
    torch.testing.assert_close(encoder.net.line.weight.detach(), spy.judged[notes["best_epoch"] - 1])
    assert notes["selection"].startswith("moving average of the weights (0.8), inner validation: 1 of 4 people")


def test_moving_average_takes_batch_statistics_with_it(train, rows):
    X, y, meta, space = rows
    encoder, head, notes = train(ema_decay=0.9, lr=0.1)
    held = inner_validation(meta, y, 0.2, 0).validation
    yhat = infer.predict(encoder, head, X[held], space)
    best = min(line["val_loss"] for line in notes["history"])
    assert -np.log(yhat[np.arange(len(held)), y[held]]).mean() == pytest.approx(best, abs=1e-5)


def test_moving_average_stays_where_nothing_is_held_back(train):
    plain, _, _ = train(validation=0.0, max_epochs=3, lr=0.1)
    moving, _, notes = train(validation=0.0, max_epochs=3, lr=0.1, ema_decay=0.9)
    assert not torch.equal(plain.net.line.weight, moving.net.line.weight)
    assert notes["selection"] == "moving average of the weights (0.9), last epoch of 3, no inner validation"


def test_mean_over_the_last_epochs(train, rows):
    X, y, meta, space = rows
    spy = Spy()
    encoder, head, notes = train(objective=spy, max_epochs=8, average_from=0.5, lr=0.1, schedule="constant")
    # weights at the end of epochs 5, 6, 7 are those at the start of 6, 7, 8; those at the end of 8 were judged last but once
    per_epoch = len(spy.steps) // 8
    ends = [spy.steps[per_epoch * k] for k in (5, 6, 7)] + [spy.judged[-2]]
    torch.testing.assert_close(encoder.net.line.weight.detach(), torch.stack(ends).mean(dim=0))
    held = inner_validation(meta, y, 0.2, 0).validation
    yhat = infer.predict(encoder, head, X[held], space)
    loss = -np.log(yhat[np.arange(len(held)), y[held]]).mean()
    assert notes["selection"] == f"mean of the weights of epochs 5 to 8; inner validation: 1 of 4 people, val_loss {loss:.4f}"


def test_batch_statistics_are_those_of_the_fit_rows(train, rows):
    X, y, meta, _ = rows
    encoder, _, _ = train(average_from=0.5, batch_size=72)
    fit = inner_validation(meta, y, 0.2, 0).fit
    features = np.log(X[fit].astype(np.float64).var(axis=2, ddof=1))
    assert len(fit) == 72
    np.testing.assert_allclose(encoder.net.norm.running_mean.numpy(), features.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(encoder.net.norm.running_var.numpy(), features.var(axis=0, ddof=1), rtol=1e-4)
    assert encoder.net.norm.momentum == 0.1


def test_an_average_goes_to_the_last_epoch(train):
    _, _, notes = train(max_epochs=12, patience=1, lr=0.5, average_from=0.75)
    assert len(notes["history"]) == 12
