"""CTNet equals the published network with the published weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import golden
from corticode.encoder.ctnet import CTNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear

_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    front = "cnn.eegnet_module."
    encoder = {
        "bank.temporal": published[f"{front}0.weight"],
        "bank.spatial": published[f"{front}2.weight"],
        "convolution.weight": published[f"{front}7.weight"],
        "position": published["position.encoding"],
    }
    for ours, theirs in (("bank.temporal_norm", 1), ("bank.spatial_norm", 3), ("norm", 8)):
        encoder |= {f"{ours}.{n}": published[f"{front}{theirs}.{n}"] for n in _STATISTICS}
    for n in ("weight", "bias"):
        for i in range(6):
            attention, feedforward, ours = f"trans.layers.{i}.attention", f"trans.layers.{i}.feed_forward", f"blocks.{i}"
            parts = [published[f"{attention}.module.0.{part}.{n}"] for part in ("queries", "keys", "values")]
            encoder |= {
                f"{ours}.attention.query_key_value.{n}": torch.cat(parts),
                f"{ours}.attention.mix.{n}": published[f"{attention}.module.0.projection.{n}"],
                f"{ours}.attention_norm.{n}": published[f"{attention}.layernorm.{n}"],
                f"{ours}.widen.{n}": published[f"{feedforward}.module.0.0.{n}"],
                f"{ours}.narrow.{n}": published[f"{feedforward}.module.0.3.{n}"],
                f"{ours}.feedforward_norm.{n}": published[f"{feedforward}.layernorm.{n}"],
            }
    return encoder, {f"layer.{n}": published[f"final_layer.{n}"] for n in ("weight", "bias")}


def test_it_equals_the_published_network():
    known, weights = golden.read("ctnet"), golden.weights("ctnet")
    encoder = CTNet(*known["input"], 250.0, scale=8**-0.5).eval()  # heads of 8 numbers
    head = Linear(encoder.n_features, 4, encoder.n_tokens, pool="flatten", drop_prob=0.5).eval()
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 27_284


def test_attention_is_scaled_as_in_the_paper_s_code():
    assert {block.attention.scale for block in CTNet(2, 500, 250.0).blocks} == {16**-0.5}


def test_without_a_transformer_tokens_are_doubled():
    """The paper adds the transformer's answer to its input."""
    encoder = CTNet(3, 500, 250.0, n_layers=0).eval()
    seen = {}
    encoder.position_dropout.register_forward_hook(lambda module, inputs, output: seen.update(tokens=output))
    assert torch.equal(encoder(torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(0))), 2 * seen["tokens"])


def test_positions_are_enough_for_long_windows():
    encoder = CTNet(1, 6464, 250.0, n_layers=1).eval()
    assert encoder.n_tokens == 101 and encoder.position.shape == (101, 16)
    assert CTNet(1, 1000, 250.0).position.shape == (100, 16)


def test_the_shortest_window():
    assert CTNet(1, 64, 250.0).n_tokens == 1
    with pytest.raises(SentenceError, match="64 samples or more"):
        CTNet(1, 63, 250.0)
