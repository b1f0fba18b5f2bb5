"""Du-IN's tokenizer equals the published network with equal weights; people have layers of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.errors import SentenceError
from corticode.tokenizer.duin import CARDS, NAMES, DuINTokenizer


def windows(b: int = 4, channels: int = 5, times: int = 430) -> torch.Tensor:
    return 30 * torch.randn(b, channels, times, generator=torch.Generator().manual_seed(0))


def small(**arguments) -> DuINTokenizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DuINTokenizer(5, 430, 1000.0, depth=1, rebuild_depth=1, n_codes=16, **arguments)


def test_it_equals_the_published_network(shared):
    known = np.load(shared / "goldens" / "rand_duin_vqvae.npz")
    tokenizer = DuINTokenizer(10, 4000, 1000.0, n_persons=2, standardise=False).eval()
    numbers = published.filled(shared / "goldens", "duin_vqvae")
    listed = json.loads((shared / "goldens" / "rand_duin_vqvae.shapes.json").read_text())
    assert {name for name, _, _ in listed["tensors"]} == set(NAMES)
    assert sum(value.size for value in numbers.values()) == listed["n_params"] == 5_941_265
    weights.into(tokenizer, tokenizer.state() | {NAMES[name]: value for name, value in numbers.items()})
    x, person = torch.from_numpy(known["x"]).mT, torch.tensor([0, 1])
    backbone = tokenizer.backbone
    with torch.no_grad():
        tokens = tokenizer(x, subject=person)
        found = {
            "subj": backbone.person(x, person).mT,
            "tokens": backbone.tokens(x, person),
            "enc": backbone(x, person),
            "vq": tokens.embedded,
            "dec": tokenizer.transformer(tokens.embedded, backbone.position),
            "recon": tokens.rebuilt["signal"].mT,
        }
        found["rgs"] = tokenizer.mix(tokenizer.samples(found["dec"].mT).mT)
    for name, got in found.items():
        assert np.allclose(got, known[name], atol=1e-5), name
    assert np.array_equal(tokens.codes, known["idx"]) and np.array_equal(tokenizer.tokenize(x, subject=person), known["idx"])
    assert np.allclose(tokenizer.embed(tokens.codes).detach(), known["vq"], atol=1e-5)


def test_whole_segments_are_read_and_rebuilt():
    tokenizer, x = small().eval(), windows()
    assert tokenizer.grid == (1, 4) and tokenizer.tokenize(x).shape == (4, 4)
    assert torch.equal(tokenizer.tokenize(torch.cat([x[..., :400], 0 * x[..., 400:]], dim=-1)), tokenizer.tokenize(x))
    target, rebuilt = tokenizer.targets(x)["signal"], tokenizer(x).rebuilt["signal"]
    assert rebuilt.shape == target.shape == (4, 5, 400)
    assert target.mean(dim=-1).abs().max() < 1e-5 and target.std(dim=-1, correction=0).allclose(torch.ones(4, 5), atol=1e-5)


def test_a_segment_is_convolved_without_its_neighbours():
    tokenizer, x = small().eval(), windows()[..., :400]
    other = torch.cat([x[..., :100], x[..., 100:].flip(-1)], dim=-1)
    with torch.no_grad():
        assert torch.equal(tokenizer.backbone.tokens(x)[:, 0], tokenizer.backbone.tokens(other)[:, 0])


def test_people_have_layers_of_their_own_and_the_unknown_their_mean():
    layer, x = small(n_persons=3).backbone.person, windows()
    answers = torch.stack([layer(x, torch.full((4,), i)) for i in range(3)])
    assert not torch.allclose(answers[0], answers[1])
    assert torch.allclose(layer(x), answers.mean(dim=0), atol=1e-4)
    assert torch.allclose(layer(x, torch.tensor([2, 0, 1, 2]))[0], answers[2, 0], atol=1e-5)


def test_padding_is_not_asked_for():
    tokenizer, x = small().eval(), windows()
    x[:, 3:] = 0
    target, rebuilt = tokenizer.targets(x)["signal"], tokenizer(x).rebuilt["signal"]
    wanted = (rebuilt - target)[:, :3].square().mean()
    assert torch.allclose(tokenizer.losses(x)["signal"], wanted)
    assert tokenizer.losses(0 * x)["signal"] == 0


def test_losses_lead_everywhere_and_the_book_learns():
    tokenizer = small(n_persons=2).train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        terms = tokenizer.losses(windows(), subject=torch.tensor([0, 1, 0, 1]))
    sum(terms.values()).backward()
    silent = [name for name, p in tokenizer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent
    assert tokenizer.quantizer.started and tokenizer.quantizer.counts.sum() > 0


def test_short_windows_are_refused():
    with pytest.raises(SentenceError, match="longer windows"):
        DuINTokenizer(5, 99, 1000.0)


def test_the_card_fits():
    (card,) = CARDS
    assert set(card.names.values()) == set(DuINTokenizer(10, card.n_times, card.expects.sfreq).state())
