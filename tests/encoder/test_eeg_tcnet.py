"""EEG-TCNet has the published size, and equals braindecode's with the steps in which that one departs from the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import golden
from corticode.encoder.eeg_tcnet import EEGTCNet
from corticode.errors import SentenceError
from corticode.head.linear import Linear
from corticode.layer.filter_bank import FilterBank

_NORM = ("weight", "bias", "running_mean", "running_var")


class Bent(FilterBank):
    """The front step by step as braindecode has it, with ELU behind the first norm."""

    def forward(self, x):
        z = functional.conv2d(x[:, None], self.temporal[:, None, None], padding="same")
        z = functional.elu(self.temporal_norm(z.flatten(2)).view_as(z))
        z = functional.conv2d(z, self.spatial[:, None, :, None], groups=len(self.temporal))[:, :, 0]
        return functional.avg_pool1d(functional.elu(self.spatial_norm(z)), self.pool)


def as_in_braindecode(n_chans: int, n_times: int) -> EEGTCNet:
    encoder = EEGTCNet(n_chans, n_times, 250.0).eval()
    # an even filter with a zero behind it is an odd one, of which both ends are padded alike
    encoder.front = Bent(n_chans, 8, 2, 33, 8, eps=1e-5).eval()
    encoder.depthwise = nn.Parameter(torch.empty(16, 1, 17))
    encoder.norm.eps = 1e-5
    return encoder


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    front = "eegnet_tc."
    encoder = {
        "front.temporal": functional.pad(published[front + "conv1.weight"].flatten(1), (0, 1)),
        "front.spatial": published[front + "depthwise_conv.weight"],
        "depthwise": functional.pad(published[front + "separable_conv_depthwise.weight"].flatten(1), (0, 1)),
        "pointwise.weight": published[front + "separable_conv_pointwise.weight"],
        "tcn.0.shortcut.weight": published["tcn_block.downsample.weight"],
        "tcn.0.shortcut.bias": published["tcn_block.downsample.bias"],
    }
    for ours, theirs in (("front.temporal_norm", "bn1"), ("front.spatial_norm", "bn2"), ("norm", "bn3")):
        encoder |= {f"{ours}.{n}": published[f"{front}{theirs}.{n}"] for n in _NORM}
    for k in range(2):
        for ours, conv, norm in (("first", 0, 2), ("second", 5, 7)):
            encoder[f"tcn.{k}.{ours}.weight"] = published[f"tcn_block.layers.{k}.{conv}.weight"]
            encoder[f"tcn.{k}.{ours}.bias"] = torch.zeros(12)
            encoder |= {f"tcn.{k}.{ours}_norm.{n}": published[f"tcn_block.layers.{k}.{norm}.{n}"] for n in _NORM}
    weight = published["final_layer.parametrizations.weight.original"]
    norm = weight.norm(dim=0, keepdim=True).clamp(min=0.125)  # its limit, over outputs, shrinks a little what it lets through
    return encoder, {"layer.weight": weight * norm.clamp(max=0.25) / (norm + 1e-5), "layer.bias": published["final_layer.bias"]}


def test_it_equals_the_published_network():
    known, weights = golden.read("eeg_tcnet"), golden.weights("eeg_tcnet")
    encoder, head = as_in_braindecode(*known["input"]), Linear(12, 4, max_norm=0.25)
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    # with these weights two windows differ by 1e-5 only
    assert np.allclose(output, known["output"], rtol=0, atol=1e-7)


def test_number_of_parameters():
    parts = EEGTCNet(22, 1125, 250.0), Linear(12, 4, max_norm=0.25)
    count = sum(part.n_parameters for part in parts)
    statistics = sum(buffer.numel() for part in parts for name, buffer in part.named_buffers() if "running" in name)
    # Keras counts running statistics too: the paper's 4.27 thousand
    assert (count, count + statistics) == (4096, 4272)
    biases_without_effect = 4 * 12
    assert count - biases_without_effect == golden.read("eeg_tcnet")["n_parameters"]


def test_durations_follow_the_rate():
    for sfreq, kernel, pool in ((250.0, 32, 8), (128.0, 16, 4), (500.0, 64, 16)):
        encoder = EEGTCNet(3, 1000, sfreq)
        assert (encoder.front.temporal.shape[1], encoder.front.pool) == (kernel, pool)
    assert EEGTCNet(3, 1000, 250.0, K_E=20).front.temporal.shape[1] == 20


def test_the_token_has_seen_the_last_steps_only():
    """Two blocks of two filters of 4 steps look back 1 + 2 x 3 + 2 x 6 = 19 steps of 64 samples, and the filters before them half a second."""
    encoder = EEGTCNet(3, 2000, 250.0).eval()
    x = torch.randn(1, 3, 2000, generator=torch.Generator().manual_seed(0))
    early, late = x.clone(), x.clone()
    last = 2000 // 64 * 64
    early[..., : last - 19 * 64 - 16 - 64 - 1] += 20
    late[..., last - 19 * 64 : last - 18 * 64] += 20
    with torch.no_grad():
        assert torch.allclose(encoder(early), encoder(x), atol=1e-6)
        assert not torch.allclose(encoder(late), encoder(x), atol=1e-4)


def test_the_shortest_window():
    assert EEGTCNet(1, 64, 250.0).eval()(torch.zeros(1, 1, 64)).shape == (1, 1, 12)
    with pytest.raises(SentenceError, match="needs windows of 64 samples or more and got 63"):
        EEGTCNet(1, 63, 250.0)
