"""BaRISTA equals the published network with its real weights, at all three scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode import store, weights
from corticode.encoder.barista import CARDS, SCALES, BaRISTA, standard
from corticode.encoder.barista_predictor import Predictor, hidden_places
from corticode.errors import SentenceError
from corticode.head.weighted import Weighted
from corticode.space import Space

NAMES = ("LA1", "LA2", "RB7", "RB8", "X1")
SPACE = Space("ieeg", NAMES, "uV", 2048)
SMALL = {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "drop_prob": 0.0}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loaded(shared, k: int) -> tuple[BaRISTA, dict[str, np.ndarray]]:
    card, (scale, kind) = CARDS[k], [("channel", "chans"), ("parcel", "parcels"), ("lobe", "lobes")][k]
    known = dict(np.load(shared / "goldens" / f"barista_{kind}_chans.npz"))
    file = shared / "weights" / "barista" / f"{kind}_chans.ckpt"
    assert store.file_digest(file) == card.sha256
    places = {name: row.tolist() for name, row in zip(NAMES, known["components"], strict=True)}
    encoder = BaRISTA(5, card.n_times, card.expects.sfreq, SPACE, scale, places).eval()
    weights.into(encoder, weights.load(file, card.names))
    return encoder, known


@pytest.mark.parametrize("k,n_parameters", [(0, 869_800), (1, 839_144), (2, 832_744)])
def test_it_equals_the_published_network_with_its_weights(shared, k, n_parameters):
    encoder, known = loaded(shared, k)
    x = torch.from_numpy(known["x"]).mT  # ours has channels before times
    with torch.no_grad():
        pieces = encoder.pieces(x)
        tokens = encoder.placed(pieces)
        latents = encoder.relate(tokens)
    for got, wanted in ((pieces.flatten(1, 2), "tokens_no_spatial"), (tokens, "tokens"), (latents, "latents")):
        assert np.abs(got.numpy() - known[wanted]).max() <= 1e-5, wanted
    assert encoder.n_parameters == n_parameters


def test_forward_is_the_published_network_behind_a_z_score(shared):
    encoder, known = loaded(shared, 1)
    x = torch.from_numpy(known["x"]).mT
    x = (x - x.mean(dim=-1, keepdim=True)) / x.std(dim=-1, keepdim=True, correction=0)
    with torch.no_grad():
        assert torch.allclose(encoder(40 * x + 7), encoder.relate(encoder.placed(encoder.pieces(x))), atol=1e-4)


def test_time_is_told_and_the_order_of_channels_is_not():
    """All channels in one place: to exchange two exchanges their tokens; to exchange two pieces does more."""
    encoder = BaRISTA(3, 300, 400.0, **SMALL).eval()
    tokens = noise(1, 3, 3, 16)  # pieces x channels
    with torch.no_grad():
        there = encoder.relate(tokens.flatten(1, 2)).unflatten(1, (3, 3))
        channels = encoder.relate(tokens[:, :, [2, 1, 0]].flatten(1, 2)).unflatten(1, (3, 3))
        pieces = encoder.relate(tokens[:, [2, 1, 0]].flatten(1, 2)).unflatten(1, (3, 3))
    assert torch.allclose(channels[:, :, [2, 1, 0]], there, atol=1e-5)
    assert not torch.allclose(pieces[:, [2, 1, 0]], there, atol=1e-3)


def test_places_are_found_by_name():
    encoder = BaRISTA(5, 100, 400.0, SPACE.to_dict(), "parcel", {"rb7": 33, "LA1": 4, "elsewhere": 9}, **SMALL)
    assert encoder.rows[:, 0].tolist() == [4, 0, 33, 0, 0] and encoder.notes() == {"n_unplaced": 3}
    assert BaRISTA(5, 100, 400.0, SPACE, places={"X1": [1, 2, 199]}, **SMALL).rows[-1].tolist() == [1, 2, 199]


@pytest.mark.parametrize("scale,place", [("channel", 5), ("channel", [1, 2, 200]), ("parcel", 121), ("lobe", -1), ("lobe", [1, 2])])
def test_what_is_no_place_is_refused(scale, place):
    with pytest.raises(SentenceError, match="LA1"):
        BaRISTA(5, 100, 400.0, SPACE, scale, {"LA1": place}, **SMALL)


def test_unknown_scales_and_short_windows_are_refused():
    with pytest.raises(SentenceError, match=", ".join(SCALES)):
        BaRISTA(5, 100, 400.0, scale="contact")
    with pytest.raises(SentenceError, match="longer windows"):
        BaRISTA(5, 99, 400.0)
    with pytest.raises(SentenceError, match="give the space"):
        BaRISTA(5, 100, 400.0, places={"LA1": [1, 2, 3]})


def test_unknown_places_never_learn():
    encoder = BaRISTA(5, 100, 400.0, SPACE, "lobe", {"LA1": 3}, **SMALL)
    encoder(noise(2, 5, 100)).square().sum().backward()
    touched = encoder.tables[0].weight.grad.abs().sum(dim=1).nonzero()[:, 0]
    assert touched.tolist() == [3] and not encoder.tables[0].weight[0].any()


def test_frozen_convolutions_do_not_learn():
    encoder = BaRISTA(5, 100, 400.0, frozen=True, **SMALL)
    encoder(noise(2, 5, 100)).square().sum().backward()
    assert {n.split(".")[0] for n, p in encoder.named_parameters() if p.grad is None} == {"convolutions"}


def test_a_flat_channel_is_silence():
    x = noise(1, 2, 100)
    for value in (0.0, 3.3):
        x[:, 0] = value
        assert standard(x)[0, 0].abs().max() < 0.05 and standard(x).isfinite().all()


# -- pretraining ------------------------------------------------------------------------------------------------------


def test_whole_places_are_hidden():
    places = torch.tensor([4, 4, 7, 7, 7, 9, 1, 2, 2, 0])
    mask = hidden_places(places, 200, 0.3, torch.Generator().manual_seed(0))
    for place in places.unique():
        assert (mask[:, places == place].all(dim=1) == mask[:, places == place].any(dim=1)).all()
    shares = mask.float().mean(dim=1)
    assert shares.min() >= 0.3 and shares.max() < 1 and mask.float().mean(dim=0).min() > 0.1
    again = hidden_places(places, 200, 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(mask, again)
    with pytest.raises(SentenceError, match="one place"):
        hidden_places(torch.zeros(4, dtype=torch.long), 2)


def test_what_is_hidden_cannot_be_seen():
    predictor = Predictor(BaRISTA(5, 200, 400.0, SPACE, places={n: [i, i, i] for i, n in enumerate(NAMES)}, **SMALL), drop_prob=0.0).eval()
    x, mask = noise(2, 5, 200), torch.tensor([[False, True, False, False, True]] * 2)
    changed = x.clone()
    changed[:, [1, 4]] = noise(2, 2, 200, seed=1)
    with torch.no_grad():
        foretold = predictor(x, mask)
        assert torch.equal(predictor(changed, mask), foretold)
        assert not torch.allclose(predictor(changed, ~mask), predictor(x, ~mask), atol=1e-4)
    assert foretold.shape == (2, 10, 16)


def test_gradients_reach_the_predictor():
    predictor = Predictor(BaRISTA(5, 200, 400.0, **SMALL))
    predictor(noise(2, 5, 200), torch.tensor([[True, False, False, False, False]] * 2)).square().sum().backward()
    assert not [n for n, p in predictor.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


# -- head -------------------------------------------------------------------------------------------------------------


def test_the_head_weighs_tokens():
    head, tokens = Weighted(16, 2, 10), noise(3, 10, 16)
    weight = head.pool.weight[0]
    wanted = (tokens * weight[:, None]).sum(dim=1) @ head.layer.weight.T + head.layer.bias
    assert torch.allclose(head(tokens), wanted, atol=1e-5) and head.n_parameters == 10 + 16 * 2 + 2
