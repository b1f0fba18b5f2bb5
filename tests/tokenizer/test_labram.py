"""VQ-NSP equals the published code with the published names, and learns to tell spectra."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.errors import SentenceError
from corticode.layer.patch_transformer import CHANNELS
from corticode.layer.quantizer import usage
from corticode.space import Space
from corticode.tokenizer.labram import CARDS, VQNSP

NAMES = ("Fz", "Cz", "Pz", "Oz")
SMALL = {"emb_dim": 100, "n_layers": 2, "n_decoder_layers": 1, "n_heads": 5, "n_codes": 24, "code_dim": 8}


def small(**settings) -> VQNSP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VQNSP(4, 600, 200.0, Space("eeg", NAMES, "uV", 200.0), **(SMALL | settings))


def signal(n: int = 6) -> torch.Tensor:
    return 20 * torch.randn(n, 4, 600, generator=torch.Generator().manual_seed(1))


def apart(got: torch.Tensor, wanted: np.ndarray) -> float:
    return float(np.abs(got.detach().numpy() - wanted).max())


def test_it_equals_the_published_tokenizer(shared):
    folder = shared / "goldens"
    known = dict(np.load(folder / "rand_labram_vqnsp.npz", allow_pickle=False))
    names = tuple(CHANNELS[i - 1] for i in known["input_chans"][1:])
    tokenizer = VQNSP(5, 800, 200.0, Space("eeg", names, "uV", 200.0)).eval()
    state = published.filled(folder, "labram_vqnsp")
    state |= {"quantize.cluster_size": np.zeros(8192, "float32"), "quantize.embedding.initted": np.ones(1, "float32")}  # buffers
    (card,) = CARDS
    assert state.keys() == card.names.keys()
    weights.into(tokenizer, {card.names[name]: value for name, value in state.items() if card.names[name]})

    x = torch.from_numpy(known["x"]).flatten(2) * 100
    tokens = tokenizer(x)
    assert np.array_equal(tokens.codes.flatten().numpy(), known["idx"])
    assert apart(tokens.embedded.transpose(1, 2).unflatten(2, (5, 4)), known["quantize"]) <= 1e-5
    assert apart(tokens.rebuilt["amplitude"], known["rec"]) <= 1e-5
    assert apart(tokens.rebuilt["phase"], known["rec_angle"]) <= 1e-5
    assert apart(sum(tokenizer.losses(x).values()), known["loss"]) <= 1e-5
    n_params = json.loads((folder / "rand_labram_vqnsp.shapes.json").read_text())["n_params"]
    assert tokenizer.n_parameters == 7_522_640
    assert tokenizer.n_parameters + 2 * tokenizer.quantizer.book.numel() + 8192 == n_params, "the book, its unused copy, and counts"


def test_windows_become_codes_and_codes_become_spectra():
    tokenizer, x = small().eval(), signal()
    codes = tokenizer.tokenize(x)
    assert codes.shape == (6, tokenizer.n_tokens) == (6, 12) and tokenizer.grid == (4, 3)
    tokens = tokenizer(x)
    assert torch.equal(tokens.codes, codes) and torch.allclose(tokens.embedded, tokenizer.embed(codes), atol=1e-6)
    rebuilt, targets = tokenizer.rebuild(tokenizer.embed(codes)), tokenizer.targets(x)
    assert {n: v.shape for n, v in rebuilt.items()} == {n: v.shape for n, v in targets.items()} == dict.fromkeys(targets, (6, 12, 200))


def test_targets_are_spectra_standardised_over_a_window():
    seconds = torch.arange(600) / 200
    x = torch.zeros(1, 4, 600)
    x[0, 1, 200:400] = (torch.cos(2 * torch.pi * 17 * seconds))[200:400]
    amplitude = small().targets(x)["amplitude"]
    assert amplitude[0].argmax(dim=-1)[4] in (17, 183) and amplitude[0].amax(dim=-1).argmax() == 4, "channel 1, second 1"
    for target in small().targets(signal()).values():
        assert torch.allclose(target.mean(dim=(1, 2)), torch.zeros(6), atol=1e-5)
        assert torch.allclose(target.std(dim=(1, 2)), torch.ones(6), atol=1e-5)


def test_a_few_steps_lower_the_loss_and_the_book_is_used():
    tokenizer, x = small(), signal()
    optimizer = torch.optim.AdamW(tokenizer.parameters(), 2e-3)
    losses = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(12):
            terms = tokenizer.losses(x)
            losses.append(sum(terms.values()))
            optimizer.zero_grad()
            losses[-1].backward()
            silent = [n for n, p in tokenizer.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
            assert not silent
            optimizer.step()
    assert set(terms) == {"amplitude", "phase", "quantizer"}
    assert losses[-1] < 0.97 * losses[0]
    assert tokenizer.quantizer.started and usage(tokenizer.tokenize(x), 24)["in_use"] > 0.5


def test_tokenizing_learns_nothing_and_state_comes_back():
    tokenizer, x = small(), signal()
    before = tokenizer.state()
    tokenizer.tokenize(x)
    assert all(np.array_equal(before[n], v) for n, v in tokenizer.state().items())
    twin = VQNSP(**tokenizer.arguments())
    twin.load_state(before)
    assert torch.equal(twin.eval().tokenize(x), tokenizer.eval().tokenize(x))


def test_what_does_not_fit_is_refused():
    space = Space("eeg", NAMES, "uV", 200.0)
    with pytest.raises(SentenceError, match=r"set prepare\.resample\.sfreq_hz=200"):
        VQNSP(4, 600, 250.0, space)
    with pytest.raises(SentenceError, match="VQNSP reads 1 to 16 whole seconds"):
        VQNSP(4, 100, 200.0, space)
    with pytest.raises(SentenceError, match="got no names"):
        VQNSP(4, 600, 200.0)
    with pytest.raises(SentenceError, match=r"built for windows of 4 channels x 600 samples at 200 Hz and got \[2, 5, 600\]"):
        small().check_input((2, 5, 600))
