"""The supervised loss equals the textbook's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.errors import SentenceError
from corticode.head.linear import Linear
from corticode.objective.supervised import Supervised

X = torch.randn(6, 1, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def encoder(x, space=None):
    return x


def test_cross_entropy():
    head = Linear(4, 3)
    with torch.no_grad():
        got = Supervised()(encoder, head, X, LABELS)
        p = head(X).softmax(1).numpy()
    assert np.isclose(got["loss"], -np.log(p[np.arange(6), LABELS]).mean(), atol=1e-6)
    assert np.isclose(got["accuracy"], (p.argmax(1) == LABELS.numpy()).mean())


def test_label_smoothing_spreads_the_target():
    head = Linear(4, 3)
    with torch.no_grad():
        got = Supervised(label_smoothing=0.3)(encoder, head, X, LABELS)["loss"]
        log_p = head(X).log_softmax(1).numpy()
    target = 0.7 * np.eye(3)[LABELS] + 0.1
    assert np.isclose(got, -(target * log_p).sum(1).mean(), atol=1e-6)


@pytest.mark.parametrize("loss", ["auto", "mse", "huber"])
def test_values_are_compared_standardised(loss):
    head = Linear(4, 1, kind="value")
    y = torch.tensor([10.0, 20.0, 30.0, 40.0, 50.0, 60.0])
    head.learn_scale(y.numpy())
    with torch.no_grad():
        got = Supervised(loss=loss)(encoder, head, X, y)
        error = (head(X)[:, 0] - (y - 35) / y.std(correction=0)).numpy()
    wanted = np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5) if loss == "huber" else error**2
    assert np.isclose(got["loss"], wanted.mean(), atol=1e-5)
    assert "accuracy" not in got


def test_probabilities_of_classes_are_compared_whole():
    head, generator = Linear(4, 3), torch.Generator().manual_seed(0)
    y = torch.rand(6, 3, generator=generator)
    y /= y.sum(1, keepdim=True)
    with torch.no_grad():
        got = Supervised(label_smoothing=0.1)(encoder, head, X, y)
        log_p = head(X).log_softmax(1)
        hard = Supervised()(encoder, head, X, torch.eye(3)[LABELS])
        same = Supervised()(encoder, head, X, LABELS)
    assert np.isclose(got["loss"], -((0.9 * y + 0.1 / 3) * log_p).sum(1).mean(), atol=1e-6)
    assert torch.isclose(hard["loss"], same["loss"]) and hard["accuracy"] == same["accuracy"]
    assert np.isclose(got["accuracy"], (log_p.argmax(1) == y.argmax(1)).float().mean())


def test_several_values_are_no_probabilities():
    head, generator = Linear(4, 2, kind="value"), torch.Generator().manual_seed(0)
    y = 5 + torch.rand(6, 2, generator=generator)
    head.learn_scale(y.numpy())
    with torch.no_grad():
        got = Supervised()(encoder, head, X, y)
        wanted = ((head(X) - (y - y.mean(0)) / y.std(0, correction=0)) ** 2).mean()
    assert torch.isclose(got["loss"], wanted) and "accuracy" not in got


def test_values_for_a_head_of_classes_are_refused():
    with pytest.raises(SentenceError, match="kind='value'"):
        Supervised()(encoder, Linear(4, 3), X, LABELS.float())


def test_a_loss_that_does_not_fit_y_is_refused():
    with pytest.raises(SentenceError, match="names classes"):
        Supervised(loss="mse")(encoder, Linear(4, 3), X, LABELS)
    with pytest.raises(SentenceError, match="is a value"):
        Supervised(loss="cross_entropy")(encoder, Linear(4, 1, kind="value"), X, LABELS.float())
    with pytest.raises(SentenceError, match="hinge"):
        Supervised(loss="hinge")
