"""IFNet equals the published second version behind its filters, and its parts do what the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.ifnet import IFNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear

STATISTICS = ("weight", "bias", "running_mean", "running_var")


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    block = "feature_block"
    encoder = {
        "spatial": published[f"{block}.spatial_conv.weight"],
        **{f"normed.norm.{n}": published[f"{block}.spatial_bn.{n}"] for n in STATISTICS},
        **{f"temporal.{k}": published[f"{block}.temporal_convs.{k}.0.weight"] for k in (0, 1)},
        **{f"norms.{k}.{n}": published[f"{block}.temporal_convs.{k}.1.{n}"] for k in (0, 1) for n in STATISTICS},
    }
    # theirs flattens filters and pools, ours pools and filters
    weight = published["final_layer.parametrizations.weight.original"].unflatten(1, (64, -1)).transpose(1, 2)
    return encoder, {"layer.weight": weight, "layer.bias": published["final_layer.bias"]}


def test_it_equals_the_published_network_behind_the_filters():
    known, weights = golden.read("ifnet"), golden.weights("ifnet")
    encoder = IFNet(*known["input"], 250.0, pool="log_power").eval()
    head = Linear(encoder.n_features, 4, encoder.n_tokens, pool="flatten", max_norm=0.5)
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    # theirs are zero-phase filters, kept among the weights and so filled by rule: put into ours to compare what is behind
    taps = [weights[f"spectral_filtering.fir_list.{k}"] for k in (0, 1)]
    n = encoder.bank.n_padded
    rows = [torch.fft.rfft(functional.pad(h, (0, n - len(h))).roll(-((len(h) - 1) // 2))) for h in taps]
    encoder.bank.response = torch.stack(rows)[:, None]
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 10_884


def test_it_has_the_paper_s_size():
    """9.9 K at 20 channels, 3 s of 250 Hz, 2 classes."""
    encoder = IFNet(20, 750, 250.0)
    assert encoder.n_tokens == 6
    assert encoder.n_parameters + Linear(64, 2, 6, pool="flatten").n_parameters == 9_858
    assert [weight.shape[2] for weight in encoder.temporal] == [63, 31]


def test_durations_follow_the_rate():
    encoder = IFNet(3, 320, 128.0)
    assert [weight.shape[2] for weight in encoder.temporal] == [33, 17]
    assert encoder.n_tokens == 5
    assert IFNet(3, 320, 128.0, pool_length=100).n_tokens == 3


def test_the_filters_are_the_paper_s():
    from scipy.signal import butter, sosfilt

    x = np.random.default_rng(0).normal(3, 1, (2, 3, 750)).astype(np.float32)
    filters = [butter(5, band, "bandpass", fs=250, output="sos") for band in ((4, 16), (16, 40))]
    wanted = np.stack([sosfilt(sos, x.astype(float)) for sos in filters], axis=1)
    assert np.allclose(IFNet(3, 750, 250.0).bank(torch.from_numpy(x)), wanted, atol=1e-5)


@pytest.mark.parametrize("n_times", [256, 300])
def test_it_equals_the_paper_s_layers_in_training(n_times):
    """Spatial filters and norm, temporal filters and norm in each band, their sum, GELU, mean: with their gradients."""
    encoder = IFNet(5, n_times, 128.0, n_filters=4).train()
    torch.nn.init.normal_(encoder.spatial, generator=torch.Generator().manual_seed(1))
    x = torch.randn(7, 5, n_times, generator=torch.Generator().manual_seed(0))
    norm = encoder.normed.norm
    z = functional.conv1d(encoder.bank(x).flatten(1, 2), encoder.spatial.flatten(0, 1)[..., None], groups=2)
    z = functional.batch_norm(z, None, None, norm.weight, norm.bias, training=True)
    parts = []
    for k, (weight, after) in enumerate(zip(encoder.temporal, encoder.norms, strict=True)):
        part = functional.conv1d(z[:, 4 * k : 4 * k + 4], weight, padding="same", groups=4)
        parts.append(functional.batch_norm(part, None, None, after.weight, after.bias, training=True))
    z = functional.avg_pool1d(functional.gelu(parts[0] + parts[1]), 64).transpose(1, 2)
    tokens = encoder(x)
    assert tokens.shape == (7, 4, 4) and torch.allclose(tokens, z, atol=1e-5)
    weights = [encoder.spatial, encoder.temporal[1]]
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


def test_an_unknown_pool_is_refused():
    with pytest.raises(SentenceError, match="mean or log_power"):
        IFNet(3, 256, 128.0, pool="max")


def test_the_filters_to_look_at_are_both_steps_in_one():
    encoder = IFNet(1, 400, 128.0, n_filters=2)
    power, first = (torch.fft.rfft(h, 800).abs() for h in (encoder.filters(), encoder.bank.filters()))
    assert power.shape == (4, 401)
    for k, (band, filters) in enumerate([(0, 0), (0, 0), (1, 1), (1, 1)]):
        wanted = first[band] * torch.fft.rfft(encoder.temporal[filters][k % 2, 0], 800).abs()
        assert torch.allclose(power[k], wanted, atol=1e-4)
