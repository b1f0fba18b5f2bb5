"""A loss that is no number ends training: the best weights stay, and it is said where it happened and on whose windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.errors import BrokenDataError, SentenceError
from corticode.objective.supervised import Supervised
from corticode.split.inner import Inner, inner_validation
from corticode.train import infer


class Breaks(Supervised):
    """The loss is no number from the nth training step on, or on the nth time that held-back rows are judged."""

    def __init__(self, step=None, judged=None, error=False):
        super().__init__()
        self.step, self.judged, self.error, self.n, self.m = step, judged, error, 0, 0

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        losses = super().__call__(encoder, head, x, y, space)
        self.n += encoder.training
        self.m += not encoder.training
        if (encoder.training and self.step and self.n >= self.step) or (not encoder.training and self.judged and self.m >= self.judged):
            if self.error:
                raise torch.linalg.LinAlgError("linalg.eigh: the input matrix contained non-finite values")
            return {**losses, "loss": losses["loss"] * float("nan")}
        return losses


@pytest.mark.parametrize(
    "objective,said",
    [
        (Breaks(step=11), "the loss is nan in epoch 4, batch 2 of 3"),
        (Breaks(judged=4), "the loss is nan in epoch 4"),
        (Breaks(step=11, error=True), "linalg.eigh: the input matrix contained non-finite values in epoch 4, batch 2 of 3"),
        (Breaks(judged=4, error=True), "linalg.eigh: the input matrix contained non-finite values in epoch 4"),
    ],
    ids=["step", "judged", "step-error", "judged-error"],
)
def test_the_best_weights_stay(train, rows, objective, said):
    X, y, meta, space = rows
    encoder, head, notes = train(objective=objective)
    assert [line["epoch"] for line in notes["history"]] == [1, 2, 3]
    best = min(notes["history"], key=lambda line: line["val_loss"])
    assert notes["diverged"] == f"{said}: training stopped there, and the weights of epoch {best['epoch']} stay"
    assert notes["selection"] == f"inner validation: 1 of 4 people, best val_loss at epoch {best['epoch']} of 3"
    held = inner_validation(meta, y, 0.2, 0).validation
    yhat = infer.predict(encoder, head, X[held], space)
    assert -np.log(yhat[np.arange(len(held)), y[held]]).mean() == pytest.approx(best["val_loss"], abs=1e-5)


def test_nothing_is_learned_after_it(train):
    objective = Breaks(step=2)
    with pytest.raises(BrokenDataError):
        train(objective=objective)
    assert (objective.n, objective.m) == (2, 0)


def test_without_good_weights_it_is_an_error_that_names_the_windows(train, rows):
    X, y, meta, space = rows
    X = X.copy()
    X[30] = 1e25  # a constant window, whose variance is 0 and whose logarithm is infinite
    match = r"in epoch 1, batch \d of 4 \(windows of .*; the largest amplitude there is 1e\+25 uV, in S2 session 0 recording S2_0\): lower model"
    with pytest.raises(BrokenDataError, match=match):
        train(data=(X, y, meta, space), validation=0.0)


def test_it_names_the_batch_that_held_the_window(train, rows, network):
    X, y, meta, space = rows
    X = X.copy()
    X[30] = np.nan
    seen = []

    class Looks(Supervised):
        def __call__(self, encoder, head, x, y, space=None, subject=None):
            seen.append(bool(x.isnan().any()))
            return super().__call__(encoder, head, x, y, space)

    with pytest.raises(BrokenDataError, match="is a value that is nan, in S2") as error:
        train(objective=Looks(), data=(X, y, meta, space), validation=0.0)
    assert seen.index(True) == len(seen) - 1
    assert f"batch {len(seen)} of 4" in str(error.value)


def test_a_batch_of_one_class_teaches(train, rows):
    order = np.argsort(rows[1], kind="stable")
    only = Inner(order[:20], order[-20:], "the other class")
    encoder, _, notes = train(inner=only, batch_size=20, max_epochs=3)
    assert np.isfinite([line["train_loss"] for line in notes["history"]]).all()
    assert torch.isfinite(encoder.net.line.weight).all()


def test_a_batch_of_one_window_needs_a_network_without_batch_statistics(train, network):
    with pytest.raises(SentenceError, match=r"a batch of one window \[6, 128\]: use train\.batch_size=2"):
        train(batch_size=1, max_epochs=1)
    _, _, notes = train(batch_size=1, max_epochs=1, parts=network(norm=False))
    assert np.isfinite(notes["history"][0]["train_loss"])
