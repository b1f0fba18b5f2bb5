"""The MLP has the layers it is told to have."""

from __future__ import annotations

import pytest
import torch

from corticode.errors import SentenceError
from corticode.head.mlp import MLP


def test_conformer_s_classifier():
    head = MLP(40, 4, n_tokens=61)
    assert head.n_parameters == 2440 * 256 + 256 + 256 * 32 + 32 + 32 * 4 + 4
    assert [module.p for module in head.modules() if isinstance(module, torch.nn.Dropout)] == [0.5, 0.3]


def test_it_is_what_it_says():
    head = MLP(3, 2, n_tokens=4, hidden=(5,), drop_prob=0.9, activation="relu").eval()
    tokens = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))
    first, last = head.layers[0], head.layers[-1]
    wanted = torch.relu(tokens.reshape(6, 12) @ first.weight.T + first.bias) @ last.weight.T + last.bias
    assert torch.allclose(head(tokens), wanted, atol=1e-6)
    assert not torch.allclose(head.train()(tokens), wanted, atol=1e-3)


def test_without_hidden_layers_it_is_linear():
    assert MLP(3, 2, n_tokens=4, hidden=(), drop_prob=()).n_parameters == 12 * 2 + 2


def test_bad_arguments_are_named():
    with pytest.raises(SentenceError, match="elu, gelu, relu, silu"):
        MLP(3, 2, activation="tanh")
    with pytest.raises(SentenceError, match="one for each"):
        MLP(3, 2, hidden=(8, 8), drop_prob=(0.1,))


def test_arguments_make_a_twin():
    head = MLP(3, 2, n_tokens=4, hidden=[5, 6], drop_prob=[0.1, 0.2])
    assert MLP(**head.arguments()).layers[3].weight.shape == (6, 5)
