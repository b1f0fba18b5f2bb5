"""TFM-Tokenizer equals the published network with equal weights, and keeps channels and frames apart where it should."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.errors import SentenceError
from corticode.tokenizer.tfm import CARDS, NAMES, TFMTokenizer
from corticode.tokenizer.tfm_network import spectrum


def windows(b: int = 2, channels: int = 3, times: int = 500) -> torch.Tensor:
    return 20 * torch.randn(b, channels, times, generator=torch.Generator().manual_seed(0))


def small(**arguments) -> TFMTokenizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tokenizer = TFMTokenizer(3, 500, 200.0, n_codes=32, emb_dim=32, n_heads=4, rebuild_depth=1, **arguments)
        tokenizer.quantizer.book.normal_()
    return tokenizer


def test_it_equals_the_published_network(shared):
    known = np.load(shared / "goldens" / "rand_tfm_tokenizer.npz")
    tokenizer = TFMTokenizer(1, 1000, 200.0, standardise=False).eval()
    numbers = published.filled(shared / "goldens", "tfm_tokenizer")
    listed = json.loads((shared / "goldens" / "rand_tfm_tokenizer.shapes.json").read_text())
    assert {name for name, _, _ in listed["tensors"]} == set(NAMES)
    assert sum(value.size for value in numbers.values()) == listed["n_params"] == 1_166_100
    weights.into(tokenizer, tokenizer.state() | {NAMES[name]: value for name, value in numbers.items()})
    x = torch.from_numpy(known["x"])
    with torch.no_grad():
        S = spectrum(x[:, 0])
        z = tokenizer.motifs(x[:, 0], S)
        tokens = tokenizer(x)
    for got, wanted in ((S, "stft"), (z, "quant_in"), (tokens.embedded, "quant_out"), (tokens.rebuilt["spectrum"][:, 0], "rec")):
        assert np.allclose(got, known[wanted], atol=1e-5), wanted
    assert np.array_equal(tokens.codes, known["idx"]) and np.array_equal(tokenizer.tokenize(x), known["idx"])


def test_a_word_is_of_one_channel_and_a_second():
    tokenizer, x = small(frame_depth=0).eval(), windows()
    assert tokenizer.grid == (3, 4) and tokenizer.n_tokens == 12
    codes = tokenizer.tokenize(x).view(2, 3, 4)
    assert torch.equal(tokenizer.tokenize(x.flip(1)).view(2, 3, 4), codes.flip(1))
    with torch.no_grad():
        whole, second = (tokenizer.motifs.bands(spectrum(part)) for part in (x[0], x[0, :, 100:300]))
    assert torch.allclose(whole[:, 1], second[:, 0], atol=1e-5)
    assert tokenizer.motifs(x[0], spectrum(x[0])).norm(dim=-1).allclose(torch.ones(3, 4))


def test_gain_and_unit_do_not_matter():
    tokenizer, x = small().eval(), windows()
    assert torch.equal(tokenizer.tokenize(1e-3 * x), tokenizer.tokenize(x))


def test_the_two_passes_share_the_spectrum_between_them():
    tokenizer = small()
    keep = tokenizer.mask(torch.Generator().manual_seed(3))
    assert keep.shape == (100, 4) and keep.sum() == 50 * 2
    assert torch.equal(keep, tokenizer.mask(torch.Generator().manual_seed(3)))
    blocks = keep.view(20, 5, 4)
    assert torch.equal(blocks.any(dim=1), blocks.all(dim=1)), "bands of 5 bins are kept or not, as a whole"
    seen = []
    tokenizer.motifs.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    tokenizer.losses(windows(), keep=keep)
    (samples, first), (again, second) = seen
    assert torch.equal(samples, again) and torch.equal(first + second, spectrum(samples))
    assert (first * second).eq(0).all() and first[:, ~keep].eq(0).all()


def test_losses_lead_everywhere_and_the_book_learns():
    tokenizer = small().train()
    before = tokenizer.quantizer.book.clone()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        terms = tokenizer.losses(windows())
    assert set(terms) == {"spectrum", "quantizer"}
    sum(terms.values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in tokenizer.parameters())
    assert not torch.equal(tokenizer.quantizer.book, before)


def test_evaluation_sees_everything_and_learns_nothing():
    tokenizer, x = small().eval(), windows()
    before, tokens = tokenizer.state(), tokenizer(x)
    wanted = torch.nn.functional.mse_loss(tokens.rebuilt["spectrum"], tokenizer.targets(x)["spectrum"])
    assert torch.equal(tokenizer.losses(x)["spectrum"], wanted)
    assert all(np.array_equal(before[name], value) for name, value in tokenizer.state().items())


def test_codes_do_not_depend_on_the_precision_around():
    tokenizer, x = small().eval(), windows()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = tokenizer.tokenize(x)
    assert torch.equal(rounded, tokenizer.tokenize(x))


@pytest.mark.parametrize(
    "size,said",
    [((3, 500, 250.0), "prepare.resample.sfreq_hz=200"), ((3, 199, 200.0), "longer windows"), ((3, 500, 200.0, 8, 48), "multiple of 32")],
)
def test_what_it_cannot_read_is_refused(size, said):
    with pytest.raises(SentenceError, match=said):
        TFMTokenizer(*size)


def test_cards_say_what_the_published_weights_expect():
    assert len({card.url for card in CARDS}) == len(CARDS)
    for card in CARDS:
        assert card.expects.sfreq == 200 and len(card.expects) == 16
        tokenizer = TFMTokenizer(16, card.n_times or 1000, card.expects.sfreq)
        assert set(card.names.values()) == set(tokenizer.state())
