"""What does not fit a GPU is cut: the step stays the same, the notes say it, and a single window that does not fit is an error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.errors import SentenceError
from corticode.objective.supervised import Supervised
from corticode.train import infer
from corticode.train.memory import Parts, cut, too_large


class Small(Supervised):
    """A GPU that holds so many windows, and notices only after it has begun."""

    def __init__(self, holds):
        super().__init__()
        self.holds, self.sizes = holds, []

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        losses = super().__call__(encoder, head, x, y, space)
        if len(x) > self.holds:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        if encoder.training:
            self.sizes.append(len(x))
        return losses


def test_gradients_of_parts_make_the_same_step(train, network):
    whole, _, one = train(parts=network(norm=False, drop_prob=0.0), weight_decay=0.0)
    objective = Small(7)
    parts, _, two = train(parts=network(norm=False, drop_prob=0.0), weight_decay=0.0, objective=objective)
    torch.testing.assert_close(parts.net.line.weight, whole.net.line.weight, rtol=1e-4, atol=1e-6)
    assert set(objective.sizes) == {6}  # 24, 12, then 6 to the end
    assert [line["train_loss"] for line in two["history"]] == pytest.approx([line["train_loss"] for line in one["history"]], rel=1e-5)
    assert [line["val_loss"] for line in two["history"]] == pytest.approx([line["val_loss"] for line in one["history"]], rel=1e-5)
    assert two["memory"] == "a batch of 24 windows did not fit the GPU: it went through in 4 parts"
    assert "memory" not in one


def test_a_step_that_is_repeated_leaves_no_batch_statistics(train):
    class Once(Small):
        def __call__(self, *batch, **more):
            losses = super().__call__(*batch, **more)
            self.holds = 1000 if self.holds == 0 else self.holds
            return losses

    train_once, seen = Small(12), []
    encoder, _, _ = train(objective=train_once, max_epochs=1, validation=0.0)
    seen.append(encoder.net.norm.num_batches_tracked.item())
    assert seen == [len(train_once.sizes)]


def test_one_window_that_does_not_fit_is_an_error(train, network):
    with pytest.raises(SentenceError, match=r"the GPU does not hold one window of 6 x 128 .*20\.00 MiB.*: use .* trainer=cpu"):
        train(objective=Small(0), parts=network(norm=False))


def test_an_optimiser_that_does_not_fit_is_an_error(train, monkeypatch):
    def step(self, closure=None):
        closure()
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(SentenceError, match="does not hold the network and what its optimiser remembers"):
        train()


def test_the_figure_is_told_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**28, 2**33))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**30)
    assert "(3.00 GiB were taken by this training, 0.25 of 8.00 GiB are free)" in too_large("one window", "CUDA out of memory")


def test_several_processes_never_cut():
    parts = Parts()
    parts.fixed = True

    def act(n):
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(torch.cuda.OutOfMemoryError):
        parts(act, (9, 2, 3))


def test_answers_are_asked_in_parts(rows, network, monkeypatch):
    X, _, _, space = rows
    encoder, head = network()
    whole = infer.predict(encoder, head, X, space)
    forward = type(encoder).forward

    def small(self, x, space=None, subject=None):
        if len(x) > 30:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return forward(self, x, space, subject)

    monkeypatch.setattr(type(encoder), "forward", small)
    assert np.allclose(infer.predict(encoder, head, X, space), whole, atol=1e-7)


def test_parts_are_equal_to_one_row():
    x, y = torch.arange(10.0)[:, None], torch.arange(10)
    for n in (1, 3, 7, 10):
        pieces = cut([x, y], n)
        assert len(pieces) == n and {len(x) for x, _ in pieces} <= {10 // n, 10 // n + 1}
        assert torch.equal(torch.cat([x for x, _ in pieces]), x) and torch.equal(torch.cat([y for _, y in pieces]), y)


def test_parts_are_kept_for_the_batches_to_come():
    parts, asked = Parts(), []

    def act(n):
        asked.append(n)
        if n < 4:
            raise torch.cuda.OutOfMemoryError
        return n

    assert [parts(act, (9, 2, 3)) for _ in range(2)] == [4, 4]
    assert asked == [1, 2, 4, 4]
