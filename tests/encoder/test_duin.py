"""Du-IN's encoder, its masked pretraining and its classifier of 61 words equal the published networks with equal weights."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

import published
from corticode import weights
from corticode.encoder.duin import CARDS, CLASSIFIER, HEAD, MASKED, NAMES, DuIN, MaskedDuIN
from corticode.errors import SentenceError
from corticode.head.mlp import MLP
from corticode.tokenizer.duin import DuINTokenizer

PERSON = torch.tensor([0, 1])


def known(shared, name: str) -> tuple[dict, dict, torch.Tensor]:
    """Return outputs, numbers by published names, and the windows, which are the tokenizer's."""
    goldens = shared / "goldens"
    numbers = published.filled(goldens, name)
    listed = json.loads((goldens / f"rand_{name}.shapes.json").read_text())
    assert sum(value.size for value in numbers.values()) == listed["n_params"]
    x = np.load(goldens / "rand_duin_vqvae.npz")["x"]
    return np.load(goldens / f"rand_{name}.npz"), numbers, torch.from_numpy(x).mT


def put(module, numbers: dict, names: dict[str, str]) -> None:
    weights.into(module, module.state() | {names[name]: value for name, value in numbers.items() if names[name]})


def encoder_of_two() -> DuIN:
    return DuIN(10, 4000, 1000.0, n_persons=2, standardise=False).eval()


def small(**arguments) -> DuIN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return DuIN(5, 430, 1000.0, depth=1, **arguments).eval()


def windows() -> torch.Tensor:
    return 30 * torch.randn(4, 5, 430, generator=torch.Generator().manual_seed(0))


def test_masked_pretraining_equals_the_published_network(shared):
    outputs, numbers, x = known(shared, "duin_mae")
    masked = MaskedDuIN(encoder_of_two()).eval()
    put(masked, numbers, MASKED)
    with torch.no_grad():
        tokens = masked.encoder(x, subject=PERSON)
        logits = masked.predict(tokens)
    assert np.allclose(masked.encoder.embed(x, PERSON).detach(), outputs["tokens"], atol=1e-5)
    assert np.allclose(tokens, outputs["enc"], atol=1e-5)
    assert np.allclose(logits[..., : outputs["cls"].shape[-1]], outputs["cls"], atol=1e-5)
    alone = encoder_of_two()
    put(alone, numbers, NAMES)
    assert torch.equal(alone(x, subject=PERSON), tokens)


def test_the_classifier_of_words_equals_the_published_network(shared):
    outputs, numbers, x = known(shared, "duin_cls")
    encoder = encoder_of_two()
    head = MLP(encoder.n_features, 61, encoder.n_tokens, hidden=(128,), drop_prob=0.0, activation="relu").eval()
    put(encoder, numbers, CLASSIFIER)
    put(head, numbers, HEAD)
    with torch.no_grad():
        answers = head(encoder(x, subject=PERSON)).sigmoid()  # which the published classifier ends with
    assert np.allclose(answers, outputs["y"], atol=1e-5)


def test_a_hidden_segment_is_not_read():
    masked, x = MaskedDuIN(small(), 16).eval(), windows()
    mask = torch.tensor([[True, False, False, True]] * 4)
    other = x.clone()
    other[..., :100] = x[..., :100].flip(-1)
    logits = masked(x, mask)
    assert logits.shape == (8, 16) and torch.allclose(masked(other, mask), logits, atol=1e-5)
    assert not torch.allclose(masked(other, ~mask), masked(x, ~mask), atol=1e-3)


def test_both_halves_are_guessed_from_one_another():
    masked, x = MaskedDuIN(small(), 16).eval(), windows()
    mask = torch.tensor([[True, False, False, True], [False, True, True, False]] * 2)
    first, second = masked.symmetric(x, mask)
    assert torch.allclose(first, masked(x, mask), atol=1e-5) and torch.allclose(second, masked(x, ~mask), atol=1e-5)
    (first.square().mean() + second.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in masked.parameters())


def test_it_reads_what_its_tokenizer_reads():
    """Weights of the tokenizer's first half fit the encoder as they are."""
    tokenizer, encoder = DuINTokenizer(5, 430, 1000.0, depth=1, rebuild_depth=1).eval(), small()
    encoder.backbone.load_state(tokenizer.backbone.state())
    assert torch.equal(encoder(windows()), tokenizer.backbone(windows()))


def test_rows_know_their_person_in_training():
    meta = pd.DataFrame({"dataset": "d", "site": "s", "subject": ["B", "A", "B", "C"], "session": "0", "run": "0", "recording": "r"})
    assert small().domains(meta) is None
    assert small(n_persons=3).domains(meta).tolist() == [0, 1, 0, 2]
    with pytest.raises(SentenceError, match=r"set model\.encoder\.n_persons=3"):
        small(n_persons=2).domains(meta)
    encoder = small(n_persons=2)
    assert not torch.allclose(
        encoder(windows(), subject=torch.tensor([0, 0, 0, 0])), encoder(windows(), subject=torch.tensor([1, 1, 1, 1]))
    )


def test_gain_and_offset_of_a_channel_do_not_matter():
    encoder, x = small(), windows()
    assert torch.allclose(encoder(1e-2 * x + 5), encoder(x), atol=1e-3)
    assert encoder(0 * x).isfinite().all()


def test_short_windows_are_refused():
    with pytest.raises(SentenceError, match="longer windows"):
        DuIN(5, 99, 1000.0)


def test_cards_fit():
    plain, masked = CARDS
    encoder = DuIN(10, plain.n_times, plain.expects.sfreq)
    assert set(plain.names.values()) - {""} == set(encoder.state())
    assert set(masked.names.values()) == set(MaskedDuIN(encoder).state())
