"""EEG-SimpleConv equals the published network, has the sizes that its authors printed, and resamples as theirs does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import golden
from corticode.encoder.eeg_simpleconv import EEGSimpleConv, Resample
from corticode.errors import SentenceError
from corticode.head.linear import Linear

STATISTICS = ("weight", "bias", "running_mean", "running_var")


def place(published: dict[str, torch.Tensor], n_convs: int = 2) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    pairs = [("first.", "conv", "bn")]
    for k in range(n_convs):
        pairs += [(f"blocks.{k}.0.", f"blocks.{k}.0", f"blocks.{k}.1"), (f"blocks.{k}.1.", f"blocks.{k}.4", f"blocks.{k}.5")]
    encoder = {}
    for ours, convolution, norm in pairs:
        encoder[f"{ours}0.weight"] = published[f"{convolution}.weight"]
        encoder |= {f"{ours}1.{n}": published[f"{norm}.{n}"] for n in STATISTICS}
    return encoder, {f"layer.{n}": published[f"final_layer.{n}"] for n in ("weight", "bias")}


@pytest.mark.parametrize("name", ["eeg_simpleconv", "eeg_simpleconv_cross"])
def test_it_equals_the_published_network(name):
    known, weights = golden.read(name), golden.weights(name)
    arguments = {k: v for k, v in known["arguments"].items() if k not in ("n_outputs", "sfreq")}
    encoder = EEGSimpleConv(*known["input"], known["arguments"]["sfreq"], **arguments).eval()
    head = Linear(encoder.n_features, 4, encoder.n_tokens)
    golden.load(encoder, weights, lambda w: place(w, encoder.n_convs)[0])
    golden.load(head, weights, lambda w: place(w, encoder.n_convs)[1])
    encoder.resample.kernel = weights["resample.kernel"]  # theirs keeps the filter among the weights, so it is filled by rule
    with torch.no_grad():
        tokens = encoder(golden.windows(*known["input"]))
    assert tokens.shape == (2, encoder.n_tokens, encoder.n_features)
    assert np.allclose(head(tokens).detach(), known["output"], atol=1e-5)
    assert encoder.n_parameters + head.n_parameters == known["n_parameters"]


@pytest.mark.parametrize(
    "feature_maps,n_convs,resampling_freq,kernel_size,count",
    [(109, 4, 70, 8, 2_462_246), (85, 1, 95, 15, 245_654), (128, 2, 80, 8, 730_404)],
)
def test_it_has_the_sizes_that_the_authors_printed(feature_maps, n_convs, resampling_freq, kernel_size, count):
    encoder = EEGSimpleConv(22, 1000, 250.0, feature_maps, n_convs, resampling_freq, kernel_size)
    assert encoder.n_parameters + Linear(encoder.n_features, 4).n_parameters == count


@pytest.mark.parametrize("old,new", [(250.0, 80.0), (160.0, 70.0), (100.0, 80.0), (60.0, 80.0), (512.0, 50.0), (1000 / 7, 80.0)])
def test_resampling_follows_its_formula(old, new):
    x = np.random.default_rng(0).normal(size=333)
    got = Resample(old, new)(torch.from_numpy(x).float()[None, None])[0, 0].numpy()
    assert len(got) == int(np.ceil(333 * new / old - 1e-9))
    cutoff = 0.99 * min(old, new)
    s = np.clip(cutoff * (np.arange(333)[None] / old - np.arange(len(got))[:, None] / new), -6, 6)
    wanted = (cutoff / old * np.sinc(s) * np.cos(np.pi * s / 12) ** 2) @ x
    assert np.allclose(got, wanted, atol=1e-5)


def test_resampling_keeps_a_tone_and_takes_away_what_cannot_be_kept():
    resample = Resample(250.0, 80.0)
    at = {rate: torch.arange(4 * rate) / rate for rate in (250, 80)}
    low, high = (torch.sin(2 * torch.pi * f * at[250])[None, None] for f in (10, 60))
    assert (resample(low)[0, 0] - torch.sin(2 * torch.pi * 10 * at[80]))[20:-20].abs().max() < 0.01
    assert resample(high)[0, 0, 20:-20].abs().max() < 0.02
    assert resample(torch.zeros(2, 3, 1000)).shape == (2, 3, 320)


def test_resampling_equals_torchaudio_where_there_is_one():
    try:
        from torchaudio.transforms import Resample as Published
    except (ImportError, OSError) as error:
        pytest.skip(f"torchaudio cannot be imported: {error}")
    x = torch.randn(2, 3, 500, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Resample(250.0, 80.0)(x), Published(250, 80)(x), atol=1e-5)


def test_the_same_rate_is_left_alone():
    x = torch.randn(2, 3, 100)
    assert Resample(80.0, 80.0)(x) is x


def test_too_many_halvings_are_refused():
    assert EEGSimpleConv(3, 100, 100.0).n_tokens == 22
    with pytest.raises(SentenceError, match="80 samples at 80 Hz, for kernels of 5 and 8 halvings: take longer windows"):
        EEGSimpleConv(3, 100, 100.0, n_convs=8, kernel_size=5)
