"""EEG-Conformer equals the published network with the published weights, and its two convolutions are one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.conformer import Conformer
from corticode.errors import SentenceError
from corticode.head.mlp import MLP


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    front = "patch_embedding.shallownet."
    encoder = {f"norm.{n}": published[f"{front}2.{n}"] for n in ("weight", "bias", "running_mean", "running_var")}
    for n in ("weight", "bias"):
        encoder |= {f"temporal.{n}": published[f"{front}0.{n}"], f"spatial.{n}": published[f"{front}1.{n}"]}
        encoder[f"projection.{n}"] = published[f"patch_embedding.projection.0.{n}"]
        for i in range(6):
            attention, feedforward, ours = f"transformer.{i}.0.fn", f"transformer.{i}.1.fn", f"blocks.{i}"
            parts = [published[f"{attention}.1.{part}.{n}"] for part in ("queries", "keys", "values")]
            encoder |= {
                f"{ours}.attention_norm.{n}": published[f"{attention}.0.{n}"],
                f"{ours}.attention.query_key_value.{n}": torch.cat(parts),
                f"{ours}.attention.mix.{n}": published[f"{attention}.1.projection.{n}"],
                f"{ours}.feedforward_norm.{n}": published[f"{feedforward}.0.{n}"],
                f"{ours}.widen.{n}": published[f"{feedforward}.1.0.{n}"],
                f"{ours}.narrow.{n}": published[f"{feedforward}.1.3.{n}"],
            }
    head = {}
    for n in ("weight", "bias"):
        head |= {f"layers.0.{n}": published[f"fc.fc.0.{n}"], f"layers.3.{n}": published[f"fc.fc.3.{n}"]}
        head[f"layers.6.{n}"] = published[f"final_layer.{n}"]
    return encoder, head


def test_it_equals_the_published_network():
    known, weights = golden.read("conformer"), golden.weights("conformer")
    encoder = Conformer(*known["input"], 250.0, scale=0.5).eval()  # heads of 4 numbers
    head = MLP(encoder.n_features, 4, encoder.n_tokens).eval()
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 789_572


def test_attention_is_scaled_as_in_the_paper_s_code():
    assert {block.attention.scale for block in Conformer(2, 500, 250.0).blocks} == {40**-0.5}
    assert {block.attention.scale for block in Conformer(2, 500, 250.0, scale=0.5).blocks} == {0.5}


def test_tokens_equal_the_paper_s_layers_in_training():
    """Filters in time, filters over channels, batch norm, ELU, overlapping means: one after the other, with their gradients."""
    encoder = Conformer(5, 300, 250.0, n_layers=0, drop_prob=0.0).double().train()
    x = torch.randn(7, 5, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = functional.conv2d(x[:, None], encoder.temporal.weight[:, :, None], encoder.temporal.bias)
    z = functional.conv2d(z, encoder.spatial.weight[..., None], encoder.spatial.bias)
    z = functional.elu(functional.batch_norm(z, None, None, encoder.norm.weight, encoder.norm.bias, training=True))
    z = encoder.projection(functional.avg_pool2d(z, (1, 75), (1, 15))[:, :, 0].transpose(1, 2))
    tokens = encoder(x)
    assert torch.allclose(tokens, z, atol=1e-9)
    weights = list(encoder.parameters())
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-9)


def test_durations_follow_the_rate():
    slow, fast = Conformer(3, 400, 100.0), Conformer(3, 1000, 250.0)
    assert slow.temporal.kernel_size == (10,) and fast.temporal.kernel_size == (25,)
    assert (slow.n_tokens, fast.n_tokens) == (61, 61)


def test_the_shortest_window():
    assert Conformer(1, 99, 250.0).n_tokens == 1
    with pytest.raises(SentenceError, match="99 samples or more"):
        Conformer(1, 98, 250.0)
