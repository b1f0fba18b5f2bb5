"""The activation stands between the mean and the linear layer."""

from __future__ import annotations

import pytest
import torch

from corticode.errors import SentenceError
from corticode.head.activated import Activated


def test_it_is_what_it_says():
    head = Activated(3, 2, activation="relu", drop_prob=0.9).eval()
    tokens = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
    wanted = torch.relu(tokens.mean(dim=1)) @ head.layer.weight.T + head.layer.bias
    assert torch.allclose(head(tokens), wanted, atol=1e-6)
    assert not torch.allclose(head.train()(tokens), wanted, atol=1e-3)


def test_unknown_activations_are_refused():
    with pytest.raises(SentenceError, match="elu, gelu, relu, silu"):
        Activated(3, 2, activation="tanh")


def test_arguments_make_a_twin():
    head = Activated(3, 2, activation="gelu", drop_prob=0.1)
    assert Activated(**head.arguments()).state().keys() == head.state().keys()
