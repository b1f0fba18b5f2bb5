"""The neural heads: pooling, norms, probabilities and values."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.errors import SentenceError
from corticode.head.identity import Identity
from corticode.head.linear import Linear

TOKENS = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pool,n_inputs", [("mean", 4), ("first", 4), ("last", 4), ("flatten", 12)])
def test_pools(pool, n_inputs):
    head = Linear(4, 2, 3, pool=pool)
    pooled = {"mean": TOKENS.mean(1), "first": TOKENS[:, 0], "last": TOKENS[:, -1], "flatten": TOKENS.reshape(5, 12)}[pool]
    assert head.layer.in_features == n_inputs
    assert torch.allclose(head(TOKENS), head.layer(pooled))


def test_unknown_words_are_refused():
    with pytest.raises(SentenceError, match="mean, flatten, first"):
        Linear(4, 2, pool="max")
    with pytest.raises(SentenceError, match="'probability' or 'value'"):
        Linear(4, 2, kind="decision")


def test_weights_of_one_output_have_a_largest_norm():
    head = Linear(4, 2, max_norm=0.25)
    with torch.no_grad():
        head.layer.weight.mul_(100)
    shift = head(TOKENS) - head.layer.bias
    unit = head.layer.weight / head.layer.weight.norm(dim=1, keepdim=True)
    assert torch.allclose(shift, 0.25 * TOKENS.mean(1) @ unit.T, atol=1e-5)


def test_probabilities_are_the_softmax():
    head = Linear(4, 3)
    p = head.predict(TOKENS.numpy())
    assert head.yhat_kind == "probability"
    assert np.allclose(p.sum(axis=1), 1, atol=1e-12)
    assert np.allclose(p, head(TOKENS).softmax(1).detach().numpy(), atol=1e-6)
    assert np.allclose(head.predict(TOKENS.mean(1).numpy()), p, atol=1e-6)


def test_dropout_is_for_training_only():
    head = Linear(4, 3, drop_prob=0.5)
    assert np.array_equal(head.predict(TOKENS.numpy()), head.predict(TOKENS.numpy()))
    assert head.training
    assert not torch.equal(head(TOKENS), head(TOKENS))


@pytest.mark.parametrize("make", [lambda: Linear(4, 1, kind="value"), lambda: Identity(kind="value")])
def test_values_come_back_in_the_unit_of_y(make):
    head = make()
    y = np.array([20.0, 30.0, 70.0, 80.0, 50.0])
    head.learn_scale(y)
    target = head.target(torch.from_numpy(y).float())
    assert head.yhat_kind == "value" and target.shape == (5, 1)
    assert abs(target.mean()) < 1e-6 and np.isclose(target.std(correction=0), 1, atol=1e-6)
    assert np.allclose(head.answer(target)[:, 0], y, atol=1e-4)
    twin = make().load_state(head.state())
    assert np.allclose(twin.answer(target)[:, 0], y, atol=1e-4)


def test_a_constant_y_does_not_divide_by_zero():
    head = Linear(4, 1, kind="value")
    head.learn_scale(np.full(7, 3.0))
    assert np.isfinite(head.target(torch.full((7,), 3.0)).numpy()).all()


def test_several_values_have_a_scale_each():
    head = Linear(4, 2, kind="value")
    head.learn_scale(np.array([[0.0, 100.0], [2.0, 300.0]]))
    assert np.allclose(head.y_mean, [1, 200]) and np.allclose(head.y_sd, [1, 100])


def test_classes_have_no_scale():
    head = Linear(4, 2)
    head.learn_scale(np.array([0, 1]))
    assert set(head.state()) == {"layer.weight", "layer.bias"}


def test_there_is_no_closed_form():
    with pytest.raises(SentenceError, match="adapt=full"):
        Linear(4, 2).fit(np.zeros((5, 4)), np.zeros(5, dtype=int), None, 2)


def test_identity_adds_nothing():
    assert torch.equal(Identity()(TOKENS[:, :1]), TOKENS[:, 0])
    assert Identity().n_parameters == 0
