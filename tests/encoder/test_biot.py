"""BIOT and both of its heads equal the published networks, by the map that loads the published weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import published
from corticode import weights
from corticode.encoder.biot import BIOT, CARDS, CHANNELS, CLASSIFIER_NAMES, PREDICTION_NAMES, Prediction
from corticode.errors import SentenceError
from corticode.head.activated import Activated
from corticode.space import Space

SMALL = {"emb_dim": 16, "n_layers": 2, "n_heads": 2}
# in the golden files the encoder is a part of a network
ENCODER_NAMES = {f"biot.{theirs}": ours for theirs, ours in CARDS[-1].names.items()}


def renamed(state, names):
    return {names[n]: v for n, v in state.items() if names.get(n)}


def windows(*size: int) -> torch.Tensor:
    return 20 * torch.randn(*size, generator=torch.Generator().manual_seed(0))


def space(*names: str) -> Space:
    return Space("eeg", names, "uV", 200.0)


@pytest.mark.parametrize(
    "golden,head,head_names,answer,n_parameters",
    [
        ("biot_classifier", Activated(256, 6), CLASSIFIER_NAMES, "logits", 3_188_248),
        ("biot_pretrain", Prediction(), PREDICTION_NAMES, "pred_of_unperturbed", 3_318_290),
    ],
)
def test_it_equals_the_published_network(shared, golden, head, head_names, answer, n_parameters):
    known, state = np.load(shared / "goldens" / f"rand_{golden}.npz"), published.filled(shared / "goldens", golden)
    encoder, head = BIOT(5, 2000, 200.0).eval(), head.eval()
    weights.into(encoder, renamed(state, ENCODER_NAMES))
    weights.into(head, renamed(state, head_names))
    # the position code is made here, and so is the list 0 ... 17, which counts among the published parameters
    assert set(state) == (set(ENCODER_NAMES) | set(head_names)) - {"biot.positional_encoding.pe"}
    assert encoder.n_parameters + sum(p.numel() for p in head.parameters()) + 18 == n_parameters
    with torch.no_grad():
        tokens = encoder.blocks(encoder.embed(torch.from_numpy(known["x"])))  # its x is normalised already
        embedding = tokens.mean(dim=1)
        assert np.allclose(embedding, known["emb"], atol=1e-5, rtol=0)
        assert np.allclose(head(tokens if isinstance(head, Activated) else embedding), known[answer], atol=1e-5, rtol=0)


def test_windows_are_divided_by_the_95th_percentile_of_their_amplitudes():
    encoder, x = BIOT(3, 777, 200.0, **SMALL).eval(), windows(2, 3, 777)
    x[1, 2] = 0
    scale = np.quantile(x.abs().numpy(), 0.95, axis=-1, keepdims=True)
    assert np.allclose(encoder.normalised(x), x.numpy() / (scale + 1e-8), atol=1e-5)
    assert torch.allclose(encoder(x), encoder(1000 * x), atol=1e-4)


def test_a_part_of_the_frames_is_read_as_if_the_others_were_not_there():
    encoder, x = BIOT(2, 600, 200.0, **SMALL).eval(), windows(2, 2, 600)
    everything = torch.arange(encoder.n_tokens)
    with torch.no_grad():
        assert torch.equal(encoder.partial(x, everything), encoder(x))
        part, shuffled = encoder.partial(x, everything[:4]), encoder.partial(x, everything[:4].flip(0))
    assert part.shape == (2, 4, 16) and torch.allclose(part.mean(1), shuffled.mean(1), atol=1e-6)
    assert not torch.allclose(part.mean(1), encoder(x).mean(1), atol=1e-3)


def test_half_or_more_of_each_channel_s_frames_are_drawn():
    encoder, generator = BIOT(4, 1200, 200.0, **SMALL), torch.Generator().manual_seed(0)
    counts = torch.stack([torch.bincount(encoder.draw(generator) // encoder.n_frames, minlength=4) for _ in range(100)])
    assert encoder.n_frames == 11 and counts.min() == 5 and counts.max() == 10
    assert not torch.equal(counts[:, 0], counts[:, 1])
    assert torch.equal(encoder.draw(torch.Generator().manual_seed(1)), encoder.draw(torch.Generator().manual_seed(1)))
    for n_times in (200, 300):  # one frame, two
        shortest = BIOT(2, n_times, 200.0, **SMALL)
        assert len(shortest.draw(generator)) == 2


def test_pretraining_reaches_every_parameter():
    encoder, prediction, x = BIOT(3, 600, 200.0, **SMALL), Prediction(16), windows(4, 3, 600)
    kept = encoder.draw(torch.Generator().manual_seed(0))
    guess, whole = (functional.normalize(z) for z in (prediction(encoder.partial(x, kept).mean(1)), encoder(x).mean(1)))
    functional.cross_entropy(whole @ guess.T / 0.2, torch.arange(4)).backward()
    learned = [*encoder.named_parameters(), *prediction.named_parameters()]
    assert not [n for n, p in learned if p.grad is None or not p.grad.abs().sum() > 0]


def test_channels_are_told_by_name():
    first = BIOT(2, 600, 200.0, space=space("C3-A2", "F7-T3"), **SMALL).eval()
    second = BIOT(2, 600, 200.0, space=space("f7-t7", "c3-m2").to_dict(), **SMALL).eval()
    second.load_state(first.state())
    x = windows(2, 2, 600)
    assert first.channel_token.num_embeddings == 18 and first.places.tolist() == [16, 1]
    assert torch.allclose(first(x).mean(1), second(x.flip(1)).mean(1), atol=1e-6)
    assert not torch.allclose(first(x).mean(1), second(x).mean(1), atol=1e-3)


def test_other_channels_get_tokens_of_their_own_unless_the_vocabulary_is_given():
    assert BIOT(3, 600, 200.0, space=space("C3", "Cz", "C4"), **SMALL).channel_token.num_embeddings == 3
    assert BIOT(1, 600, 200.0, space=space("T7-P7"), vocabulary=CHANNELS[:16], **SMALL).channel_token.num_embeddings == 16
    with pytest.raises(SentenceError, match="knows 18 channels by name and not Cz"):
        BIOT(1, 600, 200.0, space=space("Cz"), vocabulary=CHANNELS, **SMALL)
    with pytest.raises(SentenceError, match="got 19 without names"):
        BIOT(19, 600, 200.0, **SMALL)


def test_each_card_fits_a_network_of_its_channels():
    for card in CARDS:
        encoder = BIOT(len(card.expects), 2000, 200.0, space=card.expects, vocabulary=card.expects.names)
        assert set(encoder.state()) == {ours for ours in card.names.values() if ours}


def test_other_rates_and_sizes_are_refused():
    with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=200"):
        BIOT(2, 600, 250.0)
    with pytest.raises(SentenceError, match="longer windows"):
        BIOT(2, 199, 200.0)
    with pytest.raises(SentenceError, match="emb_dim=15 is odd"):
        BIOT(2, 600, 200.0, emb_dim=15, n_heads=3)
