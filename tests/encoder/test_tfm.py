"""The published classifiers give the published logits; words are read by channel and hidden where they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode import store, weights
from corticode.encoder.tfm import CARDS, CLASSES, HEAD, TFM, MaskedTFM
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.linear import Linear
from corticode.space import Space
from corticode.tokenizer.tfm import CHANNELS

NAMED = {"tfm_tuev": "single_TUEV_tfm_tokenizer_2x2x8", "tfm_tuab": "single_TUAB_tfm_tokenizer_2x2x8"}
EXPECTED = CARDS[0].expects


def small(n_chans: int = 3, **arguments) -> TFM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TFM(n_chans, 500, 200.0, n_codes=64, n_layers=1, **arguments).eval()


def windows(channels: int = 3) -> torch.Tensor:
    return 20 * torch.randn(2, channels, 500, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_the_published_classifier_gives_the_published_logits(shared, card):
    known = np.load(shared / "goldens" / "tfm_encoder.npz")
    file = shared / "weights" / "tfm_tokenizer" / f"{card.name.removeprefix('tfm_')}_encoder.pth"
    assert store.file_digest(file) == card.sha256
    encoder = TFM(16, card.n_times, 200.0, card.expects, **card.needs).eval()
    head = Linear(encoder.n_features, len(CLASSES[card.name]), encoder.n_tokens, pool="first").eval()
    weights.into(encoder.reader, weights.load(file, card.names))
    weights.into(head, weights.load(file, HEAD))
    with torch.no_grad():
        logits = head(encoder.read(torch.from_numpy(known[f"ids_{NAMED[card.name]}"])))
    assert np.allclose(logits, known[f"logits_{NAMED[card.name]}"], atol=1e-5)
    published = {name: value.size for name, value in weights.load(file).items() if name not in ("index", "temporal_pos_embed.pe")}
    assert encoder.reader.n_parameters + head.n_parameters == sum(published.values())


def test_published_positions_are_computed(shared):
    from corticode.layer.position import sinusoid

    file = shared / "weights" / "tfm_tokenizer" / "tuev_encoder.pth"
    assert np.allclose(sinusoid(1000, 64), weights.load(file)["temporal_pos_embed.pe"][0], atol=1e-6)


def test_windows_become_words_and_words_tokens():
    encoder, x = small(), windows()
    words = encoder.words(x)
    assert words.shape == (2, 3, 4) and len(words.unique()) > 1
    assert torch.equal(encoder(x), encoder.read(words))
    assert encoder(x).shape == (2, encoder.n_tokens, encoder.n_features) == (2, 13, 64)


def test_channels_are_found_by_name():
    """The same windows with channels in another order, or by their 10-20 names, have the same class token."""
    order = [3, 0, 15, 2]
    names = [CHANNELS[i] for i in order]
    space = Space("eeg", names, "uV", 200.0)
    encoder, x = small(4, space=space), windows(4)
    assert encoder.places.tolist() == order and encoder.reader.channel.weight.shape == (16, 64)
    turned = small(4, space=Space("eeg", names[::-1], "uV", 200.0).to_dict())
    assert torch.allclose(turned(x.flip(1))[:, 0], encoder(x)[:, 0], atol=1e-5)
    older = Space("eeg", ["F7-T3", "T5-O1", "fp2-f8"], "uV", 200.0)
    assert small(3, space=older).places.tolist() == [1, 3, 4]


def test_channels_that_the_weights_do_not_know_are_learned_or_refused():
    space = Space("eeg", ("C3", "C4"), "uV", 200.0)
    assert small(2, space=space).reader.channel.weight.shape == (2, 64)
    assert small(2, space=space, vocabulary=("C4", "Cz", "C3")).places.tolist() == [2, 0]
    with pytest.raises(SentenceError, match="not C3, C4"):
        small(2, space=space, vocabulary=CHANNELS)


def test_another_rate_is_refused():
    with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=200"):
        TFM(3, 500, 250.0)


def test_hidden_words_are_guessed_from_the_others():
    masked, x = MaskedTFM(small()).eval(), windows()
    words = masked.encoder.words(x)
    mask = torch.rand(2, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    logits, others = masked(x, mask), masked(x, ~mask)
    assert logits.shape == (mask.sum(), 64)
    masked.encoder.words = lambda x: torch.where(mask.view_as(words), (words + 7) % 64, words)
    assert torch.equal(masked(x, mask), logits) and not torch.allclose(masked(x, ~mask), others)


def test_both_halves_are_guessed_from_one_another():
    masked, x = MaskedTFM(small()).eval(), windows()
    mask = torch.rand(2, 12, generator=torch.Generator().manual_seed(0)) < 0.5
    first, second = masked.symmetric(x, mask)
    assert torch.allclose(first, masked(x, mask), atol=1e-5) and torch.allclose(second, masked(x, ~mask), atol=1e-5)
    (first.square().mean() + second.square().mean()).backward()
    learned = {name: p for name, p in masked.named_parameters() if p.requires_grad}
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned.values()) and not any("tokenizer" in n for n in learned)


def test_words_begin_as_the_tokenizers_codes():
    encoder = small().adopt()
    assert torch.equal(encoder.reader.word.weight[:-1], encoder.tokenizer.quantizer.book)
    assert encoder.reader.word.weight[-1].eq(0).all()
    with pytest.raises(SentenceError, match="emb_dim=64"):
        small(emb_dim=32).adopt()


def test_the_tokenizer_stays_as_it_is():
    encoder, x = small().train(), windows()
    before = encoder.tokenizer.state()
    encoder(x).square().sum().backward()
    assert not encoder.tokenizer.training and encoder.reader.training
    assert all(p.grad is None for p in encoder.tokenizer.parameters()) and all(p.grad is not None for p in encoder.reader.parameters())
    assert all(np.array_equal(before[name], value) for name, value in encoder.tokenizer.state().items())


def test_weights_of_another_network_are_refused(shared):
    file = shared / "weights" / "tfm_tokenizer" / "tuev_encoder.pth"
    with pytest.raises(BrokenDataError, match=r"channel.weight \[16, 64\], wanted \[3, 64\]"):
        weights.into(TFM(3, 1000, 200.0).reader, weights.load(file, CARDS[0].names))
