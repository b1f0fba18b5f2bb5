"""ShallowConvNet equals the published network with the published weights, and its parts do what the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.shallow_convnet import ShallowConvNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    encoder = {
        "temporal": published["conv_time_spat.conv_time.weight"],
        "temporal_bias": published["conv_time_spat.conv_time.bias"],
        "spatial": published["conv_time_spat.conv_spat.weight"],
        **{f"norm.{n}": published[f"bnorm.{n}"] for n in ("weight", "bias", "running_mean", "running_var")},
    }
    # theirs is a convolution over filters and times, ours flattens times and filters
    weight = published["final_layer.conv_classifier.weight"][..., 0].transpose(1, 2)
    return encoder, {"layer.weight": weight, "layer.bias": published["final_layer.conv_classifier.bias"]}


def test_it_equals_the_published_network():
    known, weights = golden.read("shallow_convnet"), golden.weights("shallow_convnet")
    encoder = ShallowConvNet(*known["input"], 250.0).eval()
    head = Linear(encoder.n_features, 4, encoder.n_tokens, pool="flatten")
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 46_084


@pytest.mark.parametrize("pool_length,pool_stride", [(75, 15), (70, 15), (30, 30)])
def test_it_equals_the_paper_s_layers_in_training(pool_length, pool_stride):
    """Filters in time, filters over channels, batch norm, square, mean, logarithm: one after the other, with their gradients."""
    encoder = ShallowConvNet(5, 300, 250.0, pool_length=pool_length, pool_stride=pool_stride, drop_prob=0.0).train()
    x = torch.randn(7, 5, 300, generator=torch.Generator().manual_seed(0))
    z = functional.conv2d(x[:, None], encoder.temporal[:, :, None], encoder.temporal_bias)
    z = functional.conv2d(z, encoder.spatial[:, :, :, None])
    z = functional.batch_norm(z, None, None, encoder.norm.weight, encoder.norm.bias, training=True)
    z = functional.avg_pool2d(z.square(), (1, pool_length), (1, pool_stride))[:, :, 0].clamp(min=1e-6).log().transpose(1, 2)
    tokens = encoder(x)
    assert tokens.shape[1] == encoder.n_tokens
    assert torch.allclose(tokens, z, atol=1e-5)
    weights = [encoder.temporal, encoder.spatial, encoder.norm.weight, encoder.norm.bias]
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


def test_durations_follow_the_rate():
    encoder = ShallowConvNet(3, 256, 128.0)
    assert encoder.temporal.shape == (40, 1, 13) and (encoder._pool, encoder._stride) == (40, 8)
    encoder = ShallowConvNet(3, 1000, 250.0)
    assert encoder.temporal.shape == (40, 1, 25) and (encoder._pool, encoder._stride) == (75, 15)
    assert encoder.n_tokens == 61


def test_tokens_are_log_powers():
    """Twice the amplitude adds log 4 to every token, if batch norm has no shift."""
    encoder = ShallowConvNet(3, 500, 250.0).eval()
    x = torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(encoder(2 * x) - encoder(x), torch.full((2, encoder.n_tokens, 40), np.log(4.0)), atol=1e-4)


def test_silence_gives_numbers():
    with torch.no_grad():
        tokens = ShallowConvNet(3, 500, 250.0).eval()(torch.zeros(1, 3, 500))
    assert torch.allclose(tokens, torch.full_like(tokens, np.log(1e-6)))


def test_the_shortest_window():
    assert ShallowConvNet(1, 99, 250.0).n_tokens == 1
    with pytest.raises(SentenceError, match="pool_length= lower"):
        ShallowConvNet(1, 98, 250.0)
