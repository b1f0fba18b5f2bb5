"""ATCNet equals the published network with the published weights, and its windows do not see one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import golden
from corticode.encoder.atcnet import ATCNet
from corticode.errors import SentenceError
from corticode.head.averaged import Averaged

N_WINDOWS = 5
_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def place(published: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    def windows(name: str) -> list[torch.Tensor]:
        return [published[name.replace("*", str(w))] for w in range(N_WINDOWS)]

    encoder = {
        "bank.temporal": published["conv_block.conv1.weight"],
        "bank.spatial": published["conv_block.conv2.weight"],
        "convolution.weight": published["conv_block.conv3.weight"],
    }
    for ours, theirs in (("bank.temporal_norm", "bn1"), ("bank.spatial_norm", "bn2"), ("norm", "bn3")):
        encoder |= {f"{ours}.{n}": published[f"conv_block.{theirs}.{n}"] for n in _STATISTICS}
    attention = "attention_blocks.*."
    for n in ("weight", "bias"):
        encoder[f"attention.norm_{n}"] = torch.stack(windows(f"{attention}ln.{n}"))
    for ours, theirs in (("query_key_value", "qkv"), ("mix", "o")):
        encoder[f"attention.{ours}"] = torch.stack(
            [torch.cat(parts).T for parts in zip(*(windows(f"{attention}mha.fc_{t}.weight") for t in theirs), strict=True)]
        )
        encoder[f"attention.{ours}_bias"] = torch.stack(
            [torch.cat(parts) for parts in zip(*(windows(f"{attention}mha.fc_{t}.bias") for t in theirs), strict=True)]
        )
    for block in range(2):
        for ours, theirs in (("first", 1), ("second", 2)):
            there = f"temporal_conv_nets.*.{block}."
            encoder |= {f"tcn.{block}.{ours}.{n}": torch.cat(windows(f"{there}conv{theirs}.{n}")) for n in ("weight", "bias")}
            encoder |= {f"tcn.{block}.{ours}_norm.{n}": torch.cat(windows(f"{there}bn{theirs}.{n}")) for n in _STATISTICS}
    head = {
        "weight": torch.stack([shrunk(w) for w in windows("final_layer.*.parametrizations.weight.original")]),
        "bias": torch.stack(windows("final_layer.*.bias")),
    }
    return encoder, head


def shrunk(weight: torch.Tensor, most: float = 0.25) -> torch.Tensor:
    """The weights that braindecode uses: norms over outputs, and weights of half the largest norm or less shrunk too."""
    norm = weight.norm(dim=0, keepdim=True).clamp(min=most / 2)
    return weight * (norm.clamp(max=most) / (norm + 1e-5))


def with_published_epsilons(encoder: ATCNet) -> ATCNet:
    """Keras' 1e-3 is the paper's; braindecode has others."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eps = 1e-5 if name.startswith("tcn") else 1e-4
    return encoder


def test_it_equals_the_published_network():
    known, weights = golden.read("atcnet"), golden.weights("atcnet")
    encoder = with_published_epsilons(ATCNet(*known["input"], 250.0)).eval()
    head = Averaged(encoder.n_features, 4, encoder.n_tokens).eval()
    golden.load(encoder, weights, lambda w: place(w)[0])
    golden.load(head, weights, lambda w: place(w)[1])
    with torch.no_grad():
        output = head(encoder(golden.windows(*known["input"])))
    assert np.allclose(output, known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"] == 113_732


def test_a_token_sees_its_window_only():
    """Of 20 stretches window w holds w to w + 15; convolutions reach a stretch or two further."""
    encoder = ATCNet(3, 1125, 250.0).eval()
    assert (encoder.n_tokens, encoder.window_length) == (5, 16)
    x = torch.randn(1, 3, 1125, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for w, token in enumerate(encoder(x)[0]):
        (seen,) = torch.autograd.grad(token.sum(), x, retain_graph=True)
        samples = seen.abs().sum(dim=(0, 1)).nonzero()[:, 0]
        assert 56 * w - 112 <= samples.min() <= 56 * w + 56
        assert samples.max() < 56 * (w + 16) + 112


@pytest.mark.parametrize(
    "n_times,sfreq,n_tokens,window_length", [(1125, 250.0, 5, 16), (576, 128.0, 5, 16), (128, 128.0, 3, 2), (50, 100.0, 1, 2)]
)
def test_windows_hold_half_of_the_stretches_or_more(n_times, sfreq, n_tokens, window_length):
    encoder = ATCNet(2, n_times, sfreq)
    assert (encoder.n_tokens, encoder.window_length) == (n_tokens, window_length)
    assert encoder.n_windows == N_WINDOWS


def test_the_shortest_window():
    assert ATCNet(1, 112, 250.0).n_tokens == 1
    with pytest.raises(SentenceError, match="112 samples or more"):
        ATCNet(1, 111, 250.0)
