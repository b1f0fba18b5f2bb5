"""Networks of braindecode go the house's road, are told what they ask for, and every way to fail has its sentence.

A few lines stand in for braindecode, so that these tests need no such thing; where it can be imported, three of its networks are asked too.
"""

from __future__ import annotations

import builtins
import sys
import types

import numpy as np
import pytest
import torch
from torch import nn

from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.encoder.braindecode import Braindecode, channels, networks
from corticode.errors import SentenceError
from corticode.recipe import Recipe, models_of
from corticode.space import Space

NAMES = ("C3", "Cz", "C4", "T3", "E99", "PZ")
SPACE = Space("eeg", NAMES, "uV", 128.0)


class Tiny(nn.Module):
    """What braindecode's networks look like from outside."""

    def __init__(self, n_outputs=None, n_chans=None, n_times=None, sfreq=None, chs_info=None, width=4, activation: type = nn.ELU):
        super().__init__()
        if n_times < 20:
            raise ValueError("kernel size can't be greater than actual input size")
        self.told = {"n_times": n_times, "sfreq": sfreq, "chs_info": chs_info}
        self.layers = nn.Sequential(nn.Linear(n_chans, width), activation(), nn.Linear(width, n_outputs))

    def forward(self, x):
        return self.layers(x.var(dim=2).log1p())


class Dense(Tiny):
    def forward(self, x):
        return self.layers(x.unflatten(2, (4, -1)).var(dim=3).transpose(1, 2)).transpose(1, 2)


class Named(Tiny):
    def forward(self, x, ch_names, sfreq=None):
        self.heard = (ch_names, sfreq)
        return super().forward(x)


class Late(Tiny):
    def forward(self, x):
        raise RuntimeError("padded input is too small")


class Poses(Tiny):
    def forward(self, x):
        return x.transpose(1, 2)


@pytest.fixture
def fake(monkeypatch):
    package, models = types.ModuleType("braindecode"), types.ModuleType("braindecode.models")
    package.models = models
    for thing in (Tiny, Dense, Named, Late, Poses):
        setattr(models, thing.__name__, thing)
    models.helper = lambda: None
    monkeypatch.setitem(sys.modules, "braindecode", package)
    monkeypatch.setitem(sys.modules, "braindecode.models", models)


def signal(n: int = 5, n_times: int = 128) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 3, (n, 6, n_times)).astype(np.float32))


def recipe(*words: str, classes: tuple[str, ...] = ("a", "b", "c"), n_times: int = 128) -> Recipe:
    cfg = compose(["model=braindecode", "model.train.max_epochs=2", "trainer=cpu", *words])
    [(name, model, _)] = models_of(cfg, None)
    return Recipe(name, model, cfg["adapt"], cfg["align"], cfg["trainer"], SPACE, n_times, classes)


def test_one_word_names_the_network_and_its_row(fake):
    made = recipe("model.name=Tiny")
    assert made.name == "Tiny" and type(made(0).encoder.network) is Tiny
    apart = recipe("model.name=Tiny-wide", "model.encoder.net=Tiny", "model.encoder.settings={width: 9, activation: GELU}")
    assert apart.name == "Tiny-wide"
    layers = apart(0).encoder.network.layers
    assert layers[0].out_features == 9 and type(layers[1]) is nn.GELU


def test_answers_are_the_network_s_own(fake):
    decoder = recipe("model.name=Tiny")(0)
    decoder.encoder.eval()
    tokens = decoder.encoder(signal())
    assert tokens.shape == (5, 1, 3)
    assert torch.equal(decoder.head(tokens), decoder.encoder.network(signal()))


def test_answers_for_stretches_are_averaged(fake):
    encoder = Braindecode(6, 128, 128.0, 3, "Dense")
    decoder = recipe("model.name=Dense")(0)
    assert encoder.n_tokens == 4 and encoder(signal()).shape == (5, 4, 3)
    assert torch.allclose(decoder.head(decoder.encoder(signal())), decoder.encoder.network(signal()).mean(dim=2))


def test_the_seed_gives_the_weights(fake):
    first, again, other = (recipe("model.name=Tiny")(seed).encoder.state() for seed in (0, 0, 1))
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert any(not np.array_equal(first[k], other[k]) for k in first)


def test_it_is_told_rate_and_channels(fake):
    network = recipe("model.name=Named")(0).encoder.network
    assert network.told["sfreq"] == 128.0 and network.told["n_times"] == 128
    assert [info["ch_name"] for info in network.told["chs_info"]] == list(NAMES)
    assert network.heard == (list(NAMES), 128.0)


def test_places_are_measured_or_standard_or_left_out():
    positions = np.full((6, 3), np.nan)
    positions[0] = (0.01, 0.02, 0.03)
    infos = channels(Space("eeg", NAMES, "uV", 128.0, positions=positions))
    assert np.array_equal(infos[0]["loc"], [0.01, 0.02, 0.03] + [0] * 9)
    assert infos[2]["loc"][0] > 0.03  # C4 lies on the right
    assert infos[3]["loc"][0] < -0.05  # T3 is T7
    assert "loc" not in infos[4]
    assert infos[5]["loc"].shape == (12,)


def test_it_trains_and_comes_back_from_the_disk(fake, windows, tmp_path):
    made = recipe("model.name=Tiny", "model.encoder.settings={width: 3, activation: ReLU}", classes=("left", "right"))
    y = np.arange(len(windows)) % 2
    trained = Recipe(**{**vars(made), "space": windows.space, "n_times": windows.n_times})(0)
    before = trained.encoder.state()
    trained.fit(windows.with_y(y))
    assert any(not np.array_equal(before[k], v) for k, v in trained.encoder.state().items())
    again = Decoder.load(trained.save(tmp_path / "model"))
    assert np.array_equal(again.predict(windows.blind()), trained.predict(windows.blind()))


# -- sentences ----------------------------------------------------------------------------------------------------------


def test_an_unknown_network_gets_near_names(fake):
    with pytest.raises(SentenceError, match=r"no network 'Tinny' \(did you mean Tiny\?\): pick one of Dense, Late, Named, Poses, Tiny"):
        recipe("model.name=Tinny")(0)
    with pytest.raises(SentenceError, match="no network 'helper'"):
        recipe("model.name=helper")(0)


def test_unknown_settings_get_near_names(fake):
    with pytest.raises(SentenceError, match=r"takes no setting 'widht' \(did you mean width\?\): pick from width, activation"):
        Braindecode(6, 128, 128.0, 3, "Tiny", {"widht": 3})
    with pytest.raises(SentenceError, match="takes no setting 'n_chans'"):
        Braindecode(6, 128, 128.0, 3, "Tiny", {"n_chans": 3})
    for word in ("Elu", "os.system", "functional"):
        with pytest.raises(SentenceError, match="set an activation such as ELU"):
            Braindecode(6, 128, 128.0, 3, "Tiny", {"activation": word})


@pytest.mark.parametrize("net,n_times,reason", [("Tiny", 10, "kernel size can't"), ("Late", 128, "padded input")])
def test_a_refused_size_is_said_with_the_network_s_reason(fake, net, n_times, reason):
    with pytest.raises(SentenceError, match=rf"{net} refuses windows of 6 channels x {n_times} samples at 128 Hz \({reason}.*take longer"):
        Braindecode(6, n_times, 128.0, 3, net)


def test_a_network_for_something_else_is_refused(fake):
    with pytest.raises(SentenceError, match=r"turned windows \[2, 6, 128\] into \[2, 128, 6\], wanted \[2, 3\]"):
        Braindecode(6, 128, 128.0, 3, "Poses")


@pytest.mark.parametrize(
    "error,sentence",
    [
        (ModuleNotFoundError("No module named 'braindecode'", name="braindecode"), r"pip install corticode\[braindecode\]"),
        (ModuleNotFoundError("No module named 'einops'", name="einops"), "it needs einops: pip install einops"),
        (
            OSError("/site-packages/torchaudio/lib/libtorchaudio.so: undefined symbol: _ZN3c10"),
            r"torchaudio, which is not made for this torch.*install the torchaudio of the same release.*or remove it",
        ),
        (OSError("libsndfile.so: cannot open shared object file"), r"cannot be imported \(libsndfile.*install it again"),
    ],
)
def test_a_failing_import_says_what_to_do(monkeypatch, error, sentence):
    real = builtins.__import__

    def failing(name, *rest, **more):
        if name.split(".")[0] == "braindecode":
            raise error
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "braindecode", raising=False)
    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(SentenceError, match=sentence):
        networks()


# -- the real one ---------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("net,settings", [("EEGNeX", None), ("ShallowFBCSPNet", {"drop_prob": 0.1}), ("SCCNet", None)])
def test_real_networks_answer_and_learn(net, settings):
    try:
        networks()
    except SentenceError as error:
        pytest.skip(str(error))
    encoder = Braindecode(6, 256, 128.0, 3, net, settings, SPACE.to_dict())
    x = signal(8, 256)
    tokens = encoder(x)
    assert tokens.shape == (8, 1, 3)
    tokens.square().sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    encoder.eval()
    with torch.no_grad():
        assert torch.equal(encoder(x)[:, 0], encoder.network(x))
