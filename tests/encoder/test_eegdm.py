"""EEGDM's backbone equals the published network, and the fusion transformer reads it as described."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.encoder.eegdm import CARDS, EEGDM, TCP, companded
from corticode.encoder.eegdm_backbone import Backbone, Denoiser, published_names
from corticode.errors import SentenceError
from corticode.space import Space

SMALL = {"n_layers": 2, "emb_dim": 16, "n_states": 4, "n_fusion_layers": 1, "n_heads": 2}


def noise(*shape, seed=0):
    return 50 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n_layers,n_parameters", [(2, 1_187_713), (20, 5_931_649)])
def test_the_denoiser_equals_the_published_one(shared, n_layers, n_parameters):
    names, known = published_names(n_layers, denoiser=True), np.load(shared / "goldens" / f"rand_eegdm_wavenet{n_layers}.npz")
    state = published.filled(shared / "goldens", f"eegdm_wavenet{n_layers}")
    denoiser = Denoiser(Backbone(22, n_layers)).eval()
    assert set(names) == set(state) and sum(p.numel() for p in denoiser.parameters()) == n_parameters
    weights.into(denoiser, {names[name]: value for name, value in state.items()})
    x, step, channel = (torch.from_numpy(known[name][:, 0]) for name in "xtc")
    with torch.no_grad():
        assert np.abs(denoiser(x, step, channel).numpy() - known["out"][:, 0]).max() <= 1e-6
        if "cond" in known:
            assert np.abs(denoiser.backbone.condition(step, channel).numpy() - known["cond"][:, 0]).max() <= 1e-6


def test_the_card_brings_the_whole_backbone(shared):
    card = CARDS[0]
    state = published.filled(shared / "goldens", "eegdm_wavenet20")
    state = {card.names[name]: value for name, value in state.items() if card.names[name]}
    encoder = EEGDM(22, 1000, 200.0, space=card.expects, montage="tcp")
    assert set(state) == {name for name in encoder.state_dict() if name.startswith("backbone.")}
    weights.into(encoder, encoder.state() | state)
    assert encoder.n_parameters == 12_482_944 and sum(p.numel() for p in encoder.backbone.parameters()) == 5_584_768


def test_outliers_are_companded():
    x = torch.tensor([-50.0, -1.0, 0.0, 0.5, 1.0, 1.0001, 255.0])
    wanted = [-np.log(1 + 255 * 50) / np.log(256), -1, 0, 0.5, 1, 1.0, np.log(1 + 255 * 255) / np.log(256)]
    assert np.allclose(companded(x), wanted, atol=1e-4)


def test_tokens_are_latents_of_each_second():
    encoder = EEGDM(3, 450, 200.0, **SMALL).eval()
    with torch.no_grad():
        tokens = encoder(noise(2, 3, 450))
    assert tokens.shape == (2, 32, 16) == (2, encoder.n_tokens, encoder.n_features)
    gate = noise(2, 3, 450, 16)
    assert torch.allclose(encoder.spread(gate)[1, 1, 2], gate[1, 2, 200:400].std(dim=0))


def test_channels_differ_by_name_alone():
    """Same signal, other row of the table: another answer; the order in which channels come does not matter."""
    x = noise(1, 3, 200)
    encoder = EEGDM(3, 200, 200.0, **SMALL).eval()
    with torch.no_grad():
        for block in encoder.backbone.blocks:
            torch.nn.init.normal_(block.condition.weight)
        there = encoder(x)
        turned = encoder(x.flip(1))
        encoder.rows = encoder.rows.flip(0)
        assert torch.allclose(encoder(x.flip(1)), there, atol=1e-5)
    assert not torch.allclose(turned, there, atol=1e-3)


def test_the_montage_is_found_by_name():
    space = Space("eeg", ("c3-cz", "FP1-F7", "T7-P7"), "uV", 200)
    encoder = EEGDM(3, 200, 200.0, space=space.to_dict(), montage="tcp", **SMALL)
    assert [TCP[i] for i in encoder.rows] == ["C3-CZ", "FP1-F7", "T3-T5"] and len(set(TCP)) == 22
    assert EEGDM(3, 200, 200.0, space=space, **SMALL).rows.tolist() == [0, 1, 2]
    with pytest.raises(SentenceError, match="EEGDM knows 22 channels"):
        EEGDM(1, 200, 200.0, space=Space("eeg", ("Cz",), "uV", 200), montage="tcp", **SMALL)
    with pytest.raises(SentenceError, match="take tcp"):
        EEGDM(1, 200, 200.0, montage="bipolar", **SMALL)


def test_a_frozen_backbone_does_not_learn():
    encoder = EEGDM(2, 200, 200.0, frozen=True, **SMALL)
    encoder(noise(2, 2, 200)).square().sum().backward()
    assert all(p.grad is None for p in encoder.backbone.parameters())
    assert all(p.grad is not None for n, p in encoder.named_parameters() if not n.startswith("backbone."))


def test_another_rate_stretches_time():
    assert {block.filter.rate for block in EEGDM(1, 250, 250.0, **SMALL).backbone.blocks} == {0.8}


def test_less_than_a_second_is_refused():
    with pytest.raises(SentenceError, match="longer windows"):
        EEGDM(1, 199, 200.0, **SMALL)
