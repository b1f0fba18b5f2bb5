"""DeepConvNet equals the published network with the published weights, and its parts do what the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.deep_convnet import DeepConvNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear

_NORM = ("weight", "bias", "running_mean", "running_var")


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    encoder = {
        "temporal": published["conv_time_spat.conv_time.weight"],
        "temporal_bias": published["conv_time_spat.conv_time.bias"],
        "spatial": published["conv_time_spat.conv_spat.weight"],
        **{f"norm.{n}": published[f"bnorm.{n}"] for n in _NORM},
    }
    for k in range(3):
        encoder[f"blocks.{k}.convolution.weight"] = published[f"conv_{k + 2}.weight"]
        encoder |= {f"blocks.{k}.norm.{n}": published[f"bnorm_{k + 2}.{n}"] for n in _NORM}
    weight = published["final_layer.conv_classifier.weight"][..., 0].transpose(1, 2)  # ours flattens times and filters
    return encoder, {"layer.weight": weight, "layer.bias": published["final_layer.conv_classifier.bias"]}


def test_it_equals_the_published_network():
    known, weights = golden.read("deep_convnet"), golden.weights("deep_convnet")
    encoder = DeepConvNet(*known["input"], 250.0).eval()
    head = Linear(encoder.n_features, 4, encoder.n_tokens, pool="flatten")
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 282_879


def test_it_equals_the_paper_s_layers_in_training():
    """One layer after the other, ELU before the maximum, with the gradients."""
    encoder = DeepConvNet(5, 500, 250.0, drop_prob=0.0).train()
    with torch.no_grad():
        encoder.norm.weight.mul_(-1.3)  # a negative weight turns the maximum over
    x = torch.randn(7, 5, 500, generator=torch.Generator().manual_seed(0))

    def block(z, norm):
        z = functional.batch_norm(z, None, None, norm.weight, norm.bias, training=True)
        return functional.max_pool2d(functional.elu(z), (1, 3))

    z = functional.conv2d(x[:, None], encoder.temporal[:, :, None], encoder.temporal_bias)
    z = block(functional.conv2d(z, encoder.spatial[:, :, :, None]), encoder.norm)
    for part in encoder.blocks:
        z = block(functional.conv2d(z, part.convolution.weight[:, :, None]), part.norm)
    tokens, z = encoder(x), z[:, :, 0].transpose(1, 2)
    assert torch.allclose(tokens, z, atol=1e-4)
    weights = [encoder.temporal, encoder.spatial, encoder.norm.weight, encoder.blocks[2].convolution.weight]
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


@pytest.mark.parametrize(
    "sfreq,kernels,pools", [(250.0, {10}, {3}), (128.0, {5}, {2}), (160.0, {6}, {2}), (500.0, {20, 10}, {6, 3}), (100.0, {4}, {2})]
)
def test_lengths_follow_the_rate(sfreq, kernels, pools):
    """Below the paper's rate all blocks shrink, above it the first one grows: seconds per token stay what they are."""
    encoder = DeepConvNet(3, 1000, sfreq)
    assert encoder.temporal.shape[-1] == max(kernels) and set(encoder._pools) == pools
    assert {part.convolution.kernel_size[0] for part in encoder.blocks} == {min(kernels)}
    assert {part.pool_length for part in encoder.blocks} == {min(pools)}


@pytest.mark.parametrize("sfreq,least", [(250.0, 441), (500.0, 883), (128.0, 76), (100.0, 61)])
def test_the_shortest_window(sfreq, least):
    encoder = DeepConvNet(1, least, sfreq).eval()
    assert encoder.n_tokens == 1 and encoder(torch.zeros(1, 1, least)).shape == (1, 1, 200)
    with pytest.raises(SentenceError, match=f"needs windows of {least} or more and got {least - 1}"):
        DeepConvNet(1, least - 1, sfreq)
    assert DeepConvNet(1, least - 1, sfreq, kernel_length=3).n_tokens >= 1
