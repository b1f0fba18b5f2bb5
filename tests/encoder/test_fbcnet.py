"""FBCNet equals the published network behind its filters, and the filters are the paper's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.fbcnet import BANDS, FBCNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    encoder = {
        "spatial": published["spatial_conv.0.parametrizations.weight.original"],
        **{f"normed.norm.{n}": published[f"spatial_conv.1.{n}"] for n in ("weight", "bias", "running_mean", "running_var")},
    }
    # ours has no bias before the norm: there it only moves the mean
    encoder["normed.norm.running_mean"] = encoder["normed.norm.running_mean"] - published["spatial_conv.0.bias"]
    # theirs flattens features and stretches, ours stretches and features
    weight = published["final_layer.parametrizations.weight.original"].unflatten(1, (288, 4)).transpose(1, 2)
    return encoder, {"layer.weight": weight, "layer.bias": published["final_layer.bias"]}


def centred(filters: list[torch.Tensor], n_padded: int) -> torch.Tensor:
    """What zero-phase filters of these taps do to each frequency."""
    rows = [torch.fft.rfft(functional.pad(taps, (0, n_padded - len(taps))).roll(-((len(taps) - 1) // 2))) for taps in filters]
    return torch.stack(rows)[:, None]


def test_it_equals_the_published_network_behind_the_filters():
    known, weights = golden.read("fbcnet"), golden.weights("fbcnet")
    encoder = FBCNet(*known["input"], 250.0).eval()
    head = Linear(encoder.n_features, 4, encoder.n_tokens, pool="flatten", max_norm=0.5)
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    # theirs are zero-phase filters, kept among the weights and so filled by rule: put into ours to compare what is behind
    encoder.bank.response = centred([weights[f"spectral_filtering.fir_list.{k}"] for k in range(9)], encoder.bank.n_padded)
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == 11_524
    assert known["n_parameters"] == 11_524 + 288  # and a bias for each spatial filter


@pytest.mark.parametrize("sfreq", [100.0, 250.0])
def test_the_filters_are_the_paper_s(sfreq):
    """Chebyshev II: less than 6 dB lost inside a band, 30 dB from 2 Hz outside; causal, from silence."""
    from scipy.signal import sosfilt, sosfreqz

    from corticode.layer.bands import chebyshev

    filters = chebyshev(BANDS, sfreq)
    assert BANDS == ((4, 8), (8, 12), (12, 16), (16, 20), (20, 24), (24, 28), (28, 32), (32, 36), (36, 40))
    for (low, high), sos in zip(BANDS, filters, strict=True):
        inside = np.abs(sosfreqz(sos, np.linspace(low, high, 50), fs=sfreq)[1])
        outside = np.abs(sosfreqz(sos, np.r_[np.linspace(0.1, low - 2, 50), np.linspace(high + 2, sfreq / 2 - 0.1, 50)], fs=sfreq)[1])
        assert inside.min() > 10 ** (-6 / 20) and outside.max() < 10 ** (-29.9 / 20)
    x = np.random.default_rng(0).normal(3, 1, (2, 3, 400)).astype(np.float32)
    wanted = np.stack([sosfilt(sos, x.astype(float)) for sos in filters], axis=1)
    assert np.allclose(FBCNet(3, 400, sfreq).bank(torch.from_numpy(x)), wanted, atol=1e-5)


@pytest.mark.parametrize("n_times", [400, 403])
def test_it_equals_the_paper_s_layers_in_training(n_times):
    """A grouped convolution over channels, batch norm, swish, logarithm of the variance in four stretches, with their gradients."""
    encoder = FBCNet(5, n_times, 128.0, m=3).train()
    x = torch.randn(7, 5, n_times, generator=torch.Generator().manual_seed(0))
    z = encoder.bank(x).requires_grad_()
    z = functional.conv2d(z, encoder.spatial.renorm(2, 0, 2.0)[:, None, :, None], groups=9)
    norm = encoder.normed.norm
    z = functional.silu(functional.batch_norm(z, None, None, norm.weight, norm.bias, training=True))
    z = z[:, :, 0, :400].reshape(7, 27, 4, 100).var(dim=3).clamp(1e-6, 1e6).log().transpose(1, 2)
    tokens = encoder(x)
    assert torch.allclose(tokens, z, atol=1e-5)
    weights = [encoder.spatial, norm.weight, norm.bias]
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-5, rtol=1e-4)


def test_spatial_filters_have_norm_two_at_most():
    encoder = FBCNet(4, 256, 128.0).eval()
    x = torch.randn(2, 4, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        encoder.spatial.mul_(100)
        long = encoder(x)
        encoder.spatial.mul_(2 / encoder.spatial.norm(dim=1, keepdim=True))
        assert torch.allclose(encoder(x), long, atol=1e-4)


def test_a_tone_wakes_its_band():
    encoder = FBCNet(1, 512, 128.0, m=1).eval()
    with torch.no_grad():
        encoder.spatial.fill_(1.0)
        tokens = encoder(torch.sin(2 * torch.pi * 22 * torch.arange(512) / 128)[None, None])
    assert tokens.shape == (1, 4, 9)
    assert (tokens[0].argmax(dim=1) == 4).all()


def test_bands_that_do_not_fit_are_refused():
    with pytest.raises(SentenceError, match="36 to 40 Hz reaches from 34 to 42 Hz and needs a rate above 84 Hz, not 80: set prepare"):
        FBCNet(3, 320, 80.0)
    with pytest.raises(SentenceError, match="stay above 0"):
        FBCNet(3, 320, 80.0, bands_hz=[(1, 4)])
    assert FBCNet(3, 320, 80.0, bands_hz=[(4, 8), (8, 30)]).n_features == 64
