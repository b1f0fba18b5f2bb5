"""CBraMod equals the published network, by the map that loads its published weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.encoder.cbramod import CARDS, RECONSTRUCTION_NAMES, CBraMod, Reconstruction
from corticode.errors import SentenceError

SMALL = {"emb_dim": 40, "n_layers": 2, "n_heads": 4}


def renamed(state, names):
    return {names[n]: v for n, v in state.items() if names.get(n)}


def windows(*size: int) -> torch.Tensor:
    return 20 * torch.randn(*size, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def known(shared):
    return dict(np.load(shared / "goldens" / "rand_cbramod.npz"))


@pytest.fixture(scope="module")
def loaded(shared):
    state = published.filled(shared / "goldens", "cbramod")
    encoder, reconstruction = CBraMod(5, 800, 200.0).eval(), Reconstruction().eval()
    weights.into(encoder, renamed(state, CARDS[0].names))
    weights.into(reconstruction, renamed(state, RECONSTRUCTION_NAMES))
    assert set(state) == set(CARDS[0].names), "the card names other weights than the published file has"
    counted = encoder.n_parameters + sum(p.numel() for p in reconstruction.parameters()) + encoder.mask_patch.numel()
    assert counted == sum(v.size for v in state.values()) == 4_924_000
    return encoder, reconstruction


def test_it_equals_the_published_network(known, loaded):
    encoder, reconstruction = loaded
    x = 100 * torch.from_numpy(known["x"]).flatten(2)  # µV
    with torch.no_grad():
        embedded, tokens = encoder.embed(encoder.patches(x)), encoder(x)
        assert np.allclose(embedded, known["emb"], atol=1e-5, rtol=0)
        assert np.allclose(tokens.view(known["feat"].shape), known["feat"], atol=1e-5, rtol=0)
        assert np.allclose(reconstruction(tokens.view(known["feat"].shape)), known["out"], atol=1e-5, rtol=0)


def test_hidden_patches_are_reconstructed_as_published(known, loaded):
    encoder, reconstruction = loaded
    x, mask = 100 * torch.from_numpy(known["x"]).flatten(2), torch.from_numpy(known["mask"]).bool()
    with torch.no_grad():
        assert np.allclose(reconstruction(encoder.masked(x, mask)), known["out_masked"], atol=1e-5, rtol=0)


def test_what_a_hidden_patch_held_does_not_matter():
    encoder, x = CBraMod(3, 600, 200.0, **SMALL).eval(), windows(2, 3, 600)
    mask = torch.zeros(2, 3, 3, dtype=torch.bool)
    mask[:, 1, 2] = True
    changed = x.clone()
    changed[:, 1, 400:] = 7.0
    with torch.no_grad():
        assert torch.equal(encoder.masked(x, mask), encoder.masked(changed, mask))
        assert torch.equal(encoder.masked(x, torch.zeros_like(mask)).flatten(1, 2), encoder(x))
        assert not torch.allclose(encoder(x), encoder(changed), atol=1e-3)


def test_attention_sees_its_own_row_and_column_alone():
    attention = CBraMod(3, 600, 200.0, **SMALL).eval().blocks[0].attention
    z = torch.randn(1, 3, 4, 40, generator=torch.Generator().manual_seed(0))
    changed = z.clone()
    changed[0, 1, 2] += 1.0
    differs = (attention(z) - attention(changed)).abs()[0] > 1e-6
    in_column, in_row = torch.zeros(3, 4, dtype=torch.bool), torch.zeros(3, 4, dtype=torch.bool)
    in_column[:, 2], in_row[1] = True, True
    assert torch.equal(differs[..., :20].any(dim=-1), in_column)
    assert torch.equal(differs[..., 20:].any(dim=-1), in_row)


def test_pretraining_reaches_every_parameter():
    encoder, reconstruction, x = CBraMod(3, 600, 200.0, **SMALL), Reconstruction(40), windows(2, 3, 600)
    mask = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    (reconstruction(encoder.masked(x, mask)) - encoder.patches(x))[mask].square().mean().backward()
    learned = [*encoder.named_parameters(), *reconstruction.named_parameters()]
    assert not [n for n, p in learned if p.grad is None or not p.grad.abs().sum() > 0]


def test_what_is_left_behind_the_last_whole_second_is_not_read():
    long, short, x = CBraMod(2, 599, 200.0, **SMALL).eval(), CBraMod(2, 400, 200.0, **SMALL).eval(), windows(2, 2, 599)
    short.load_state(long.state())
    assert long.n_tokens == 4 and torch.equal(long(x), short(x[..., :400]))


def test_other_rates_and_sizes_are_refused():
    with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=200"):
        CBraMod(2, 400, 250.0)
    with pytest.raises(SentenceError, match="longer windows"):
        CBraMod(2, 199, 200.0)
    with pytest.raises(SentenceError, match="emb_dim=40"):
        CBraMod(2, 400, 200.0, emb_dim=100)
    with pytest.raises(SentenceError, match="n_heads=5"):
        CBraMod(2, 400, 200.0, n_heads=5)
