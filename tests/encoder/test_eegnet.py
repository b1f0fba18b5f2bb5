"""EEGNet has the published sizes, equals braindecode's, and its parts do what the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import golden
from corticode.encoder.eegnet import EEGNet
from corticode.head.linear import Linear
from corticode.layer.filter_bank import FilterBank

_NORM = ("weight", "bias", "running_mean", "running_var")


def as_in_braindecode(n_chans: int, n_times: int) -> EEGNet:
    encoder = EEGNet(n_chans, n_times, 250.0).eval()
    # braindecode pads both ends of even filters alike: with a zero behind them they are odd ones, of which that is true
    encoder.bank = FilterBank(n_chans, 8, 2, 65, 4, max_norm=1.0).eval()
    encoder.depthwise = torch.nn.Parameter(torch.empty(16, 1, 17))
    return encoder


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    encoder = {
        "bank.temporal": functional.pad(published["conv_temporal.weight"].flatten(1), (0, 1)),
        "bank.spatial": published["conv_spatial.parametrizations.weight.original"],
        "depthwise": functional.pad(published["conv_separable_depth.weight"].flatten(1), (0, 1)),
        "pointwise.weight": published["conv_separable_point.weight"],
    }
    for ours, theirs in (("bank.temporal_norm", "bnorm_temporal"), ("bank.spatial_norm", "bnorm_1"), ("separable_norm", "bnorm_2")):
        encoder |= {f"{ours}.{n}": published[f"{theirs}.{n}"] for n in _NORM}
    last = "final_layer.linearconstraint."
    # theirs flattens features and times, ours times and features
    weight = published[last + "parametrizations.weight.original"].unflatten(1, (16, -1)).transpose(1, 2)
    return encoder, {"layer.weight": weight, "layer.bias": published[last + "bias"]}


def test_it_equals_the_published_network():
    known, weights = golden.read("eegnet"), golden.weights("eegnet")
    encoder = as_in_braindecode(*known["input"])
    head = Linear(16, 4, encoder.n_tokens, pool="flatten", max_norm=0.25)
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)


@pytest.mark.parametrize(
    "n_chans,n_times,sfreq,kernel,n_outputs,count",
    [
        (22, 512, 128.0, None, 4, 2484),  # the number that braindecode lists
        (22, 1000, 250.0, 64, 4, 3444),
        (22, 1000, 250.0, None, 4, 3932),
        (64, 128, 128.0, None, 4, 512 + 16 + 64 * 16 + 32 + 256 + 256 + 32 + 64 * 4 + 4),
    ],
)
def test_number_of_parameters(n_chans, n_times, sfreq, kernel, n_outputs, count):
    encoder = EEGNet(n_chans, n_times, sfreq, kernel_length=kernel)
    head = Linear(encoder.n_features, n_outputs, encoder.n_tokens, pool="flatten", max_norm=0.25)
    assert encoder.n_parameters + head.n_parameters == count


def test_kernel_is_half_a_second():
    assert EEGNet(3, 320, 160.0).filters().shape == (8, 80)
    assert EEGNet(3, 320, 160.0, kernel_length=33).filters().shape == (8, 33)


def test_spatial_filters_have_norm_one_at_most():
    encoder = EEGNet(4, 128, 128.0).eval()
    x = torch.randn(2, 4, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        spatial = encoder.bank.spatial.mul_(100)
        long = encoder(x)
        spatial.div_(spatial.norm(dim=1, keepdim=True))
        assert torch.allclose(encoder(x), long, atol=1e-5)
        spatial.mul_(0.5)  # inside the ball, length counts
        assert not torch.allclose(encoder(x), long, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("kernel", [64, 65])
def test_it_equals_the_paper_s_two_dimensional_layers(kernel):
    """The published network convolves [b, 1, channels, times] with kernels (1, k), (channels, 1) grouped by filter, (1, 16)."""
    encoder = EEGNet(5, 160, 128.0, kernel_length=kernel, drop_prob=0.0).train()
    bank = encoder.bank
    x = torch.randn(7, 5, 160, generator=torch.Generator().manual_seed(0))

    def normed(z, norm):
        return functional.batch_norm(z, None, None, norm.weight, norm.bias, training=True, eps=1e-3)

    with torch.no_grad():
        bank.spatial_norm.weight.mul_(1.3)
    # an even filter's odd zero comes last, as Keras has it
    z = normed(functional.conv2d(x[:, None], bank.temporal[:, None, None], padding="same"), bank.temporal_norm)
    z = normed(functional.conv2d(z, bank.spatial.renorm(2, 0, 1.0)[:, None, :, None], groups=8), bank.spatial_norm)
    z = functional.avg_pool2d(functional.elu(z), (1, 4))
    z = functional.conv2d(z, encoder.depthwise[:, :, None], padding="same", groups=16)
    z = normed(functional.conv2d(z, encoder.pointwise.weight[..., None]), encoder.separable_norm)
    z = functional.avg_pool2d(functional.elu(z), (1, 8))[:, :, 0].transpose(1, 2)
    tokens = encoder(x)
    assert torch.allclose(tokens, z, atol=1e-5)
    weights = list(encoder.parameters())
    for got, wanted in zip(*(torch.autograd.grad(t.square().mean(), weights) for t in (tokens, z)), strict=True):
        assert torch.allclose(got, wanted, atol=1e-4)


def test_tokens_follow_time():
    encoder = EEGNet(3, 320, 128.0).eval()
    x = torch.zeros(1, 3, 320)
    late = x.clone()
    late[..., 300:] = 50
    change = (encoder(late) - encoder(x)).abs().sum(dim=2)[0].detach().numpy()
    assert change.shape == (10,)
    assert np.argmax(change) >= 8 and change[:5].max() < 1e-6
