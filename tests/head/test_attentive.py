"""Queries that attend to tokens."""

from __future__ import annotations

import pytest
import torch

from corticode.errors import SentenceError
from corticode.head.attentive import Attentive


def test_weights_depend_on_what_tokens_hold():
    head = Attentive(8, 3, n_queries=2, n_heads=2).eval()
    tokens = torch.randn(4, 5, 8)
    assert head(tokens).shape == (4, 3)
    normed = torch.nn.functional.layer_norm(tokens, (8,), head.norm.weight, head.norm.bias)
    key, value = (normed @ head.key_value.weight.T + head.key_value.bias).split(8, dim=-1)
    found = []
    for query in head.query:
        parts = []
        for h in (slice(0, 4), slice(4, 8)):
            share = (key[..., h] @ query[h] / 2).softmax(dim=1)
            parts.append((share[..., None] * value[..., h]).sum(dim=1))
        found.append(torch.cat(parts, dim=1))
    assert torch.allclose(head(tokens), head.layer(torch.cat(found, dim=1)), atol=1e-6)


def test_places_do_not_matter_and_their_number_is_free():
    head = Attentive(8, 2).eval()
    tokens = torch.randn(2, 6, 8)
    assert torch.allclose(head(tokens), head(tokens.flip(1)), atol=1e-6) and head(tokens[:, :2]).shape == (2, 2)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(SentenceError, match="n_heads=3"):
        Attentive(8, 2, n_heads=3)
