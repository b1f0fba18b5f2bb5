"""Train, then add validation: what the second stage learns from, how fast, and when it ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.objective.supervised import Supervised
from corticode.split.inner import inner_validation


class Windows(Supervised):
    """Remembers which windows each training step saw."""

    def __init__(self):
        super().__init__()
        self.seen, self.weights = [], []

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        if encoder.training:
            self.seen.append(set(x[:, 0, 0].tolist()))
            self.weights.append(encoder.net.line.weight.detach().clone())
        return super().__call__(encoder, head, x, y, space)


def test_held_back_rows_are_learned_from_in_the_end(train, rows):
    X, y, meta, _ = rows
    spy = Windows()
    encoder, _, notes = train(objective=spy, max_epochs=4, second_stage_epochs=3, lr=0.005)
    held = set(X[inner_validation(meta, y, 0.2, 0).validation, 0, 0].astype(np.float32).tolist())
    first, second = spy.seen[:12], spy.seen[12:]
    assert not held & set().union(*first)
    assert held <= set().union(*second)
    lines = notes["history"]
    n_second = sum(line.get("stage") == 2 for line in lines)
    assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1)) and n_second == len(lines) - 4 > 0
    best = notes["best_epoch"]
    assert notes["selection"] == (
        f"inner validation: 1 of 4 people, best val_loss at epoch {best} of 4, then {n_second} epochs with the held-back rows too (of 3 at most)"
    )
    assert {line["lr"] for line in lines[4:]} == {lines[best - 2]["lr"]}
    # what stays is where the second stage ended
    assert not any(torch.equal(encoder.net.line.weight, weights) for weights in spy.weights)


def test_it_goes_on_from_the_best_epoch(train):
    plain, spy = Windows(), Windows()
    best, _, notes = train(objective=plain, max_epochs=12, lr=0.5, schedule="constant")
    assert notes["best_epoch"] < 12
    train(objective=spy, max_epochs=12, lr=0.5, schedule="constant", second_stage_epochs=2)
    assert torch.equal(spy.weights[len(plain.weights)], best.net.line.weight)


def test_it_ends_once_the_loss_is_down(train):
    _, _, notes = train(max_epochs=6, second_stage_epochs=40, lr=0.01)
    lines = notes["history"]
    target = lines[notes["best_epoch"] - 1]["train_loss"]
    second = [line["val_loss"] for line in lines if line.get("stage") == 2]
    assert 0 < len(second) < 40 and second[-1] <= target < min(second[:-1], default=np.inf)


def test_it_goes_back_where_it_diverges(train):
    class Breaks(Windows):
        def __call__(self, *batch, **more):
            losses = super().__call__(*batch, **more)
            return {**losses, "loss": losses["loss"] * float("nan")} if len(self.seen) == 14 else losses

    best, _, _ = train(max_epochs=4, lr=0.005)
    encoder, _, notes = train(objective=Breaks(), max_epochs=4, lr=0.005, second_stage_epochs=3)
    assert torch.equal(encoder.net.line.weight, best.net.line.weight)
    assert notes["diverged"].startswith("the loss is nan in epoch 5, batch 2")
    assert notes["selection"].endswith("of 4")


def test_without_rows_to_hold_back_there_is_no_second_stage(train, rows):
    X, y, meta, space = rows
    two = np.flatnonzero(meta["subject"] == "S1")[:2]
    _, _, notes = train(data=(X[two], y[two], meta.iloc[two].reset_index(drop=True), space), max_epochs=2, second_stage_epochs=3)
    assert notes["selection"] == "last epoch of 2, no inner validation"


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_last_rate_of_a_cosine_is_not_where_it_goes_on(train, epochs):
    _, _, notes = train(max_epochs=epochs, second_stage_epochs=1, lr=0.001)
    assert all(line["lr"] > 0 for line in notes["history"] if line.get("stage") == 2)
