"""Anybody's network goes the same road, and its faults are named."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from corticode.encoder.own import OwnNetwork
from corticode.errors import SentenceError
from corticode.head.identity import Identity
from corticode.train import infer


class Net(nn.Module):
    def __init__(self, n_outputs=2, shape=None):
        super().__init__()
        self.layer, self.shape = nn.Linear(6, n_outputs), shape

    def forward(self, x):
        answers = self.layer(x.var(dim=2).log())
        return answers if self.shape is None else answers.reshape(self.shape)


X = np.random.default_rng(0).normal(size=(5, 6, 64)).astype(np.float32)


def test_answers_are_the_network_s_own():
    net = Net().eval()
    with torch.no_grad():
        wanted = net(torch.from_numpy(X)).double().softmax(dim=1).numpy()
    assert np.array_equal(infer.predict(OwnNetwork(net), Identity(), X), wanted)


def test_log_probabilities_are_as_good_as_logits():
    class LogSoftmax(Net):
        def forward(self, x):
            return super().forward(x).log_softmax(dim=1)

    net, twin = Net(), LogSoftmax()
    twin.load_state_dict(net.state_dict())
    assert np.allclose(infer.predict(OwnNetwork(twin), Identity(), X), infer.predict(OwnNetwork(net), Identity(), X), atol=1e-6)


def test_the_given_network_stays_as_it_is():
    net = Net()
    encoder = OwnNetwork(net)
    with torch.no_grad():
        encoder.net.layer.weight.zero_()
    assert net.layer.weight.abs().sum() > 0


def test_state_makes_a_twin():
    encoder = OwnNetwork(Net())
    twin = OwnNetwork(Net()).load_state(encoder.state())
    assert np.array_equal(twin.encode(X), encoder.encode(X))
    assert encoder.own.endswith("Net") and encoder.own.count(".")


@pytest.mark.parametrize("shape", [(-1, 2, 1), (10, 1)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(SentenceError, match=r"wanted \[5, n_outputs\]"):
        infer.predict(OwnNetwork(Net(shape=shape)), Identity(), X)


def test_a_tuple_is_named():
    class Pair(Net):
        def forward(self, x):
            return super().forward(x), None

    with pytest.raises(SentenceError, match="a tuple"):
        infer.predict(OwnNetwork(Pair()), Identity(), X)


def test_one_value_per_window_may_come_flat():
    assert infer.predict(OwnNetwork(Net(1, shape=(-1,))), Identity("value"), X).shape == (5, 1)
