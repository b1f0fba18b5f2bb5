"""BENDR equals the published encoder and contextualizer, with weights that fill the published names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.encoder.bendr import BENDR, CARDS, CHANNELS, even_stretches, stretches
from corticode.errors import SentenceError
from corticode.head.linear import Linear
from corticode.space import Space

SMALL = {"emb_dim": 32, "hidden_dim": 48, "feedforward_dim": 40, "n_layers": 2, "n_heads": 4}


def small(names=CHANNELS, n_times=960, **arguments) -> BENDR:
    torch.manual_seed(0)
    return BENDR(len(names), n_times, 256.0, **{"space": Space("eeg", names, "uV", 256), **SMALL, **arguments}).eval()


def signal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 20, shape).astype(np.float32))


def known(goldens, part: str) -> dict[str, torch.Tensor]:
    with np.load(goldens / f"rand_bendr_{part}.npz", allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def bendr(shared) -> BENDR:
    """The whole network from the two published files' names."""
    state, n_published = {}, 0
    for card, scale in zip(CARDS, (0.05, 0.005), strict=True):
        filled = published.filled(shared / "goldens", card.name, scale)
        assert set(filled) == set(card.names)
        n_published += sum(value.size for value in filled.values())
        state |= {card.names[name]: value for name, value in filled.items() if card.names[name]}
    bendr = BENDR(19, 1536, 256.0).eval()
    weights.into(bendr, state)
    assert n_published == 3_972_096 + 153_168_953
    assert bendr.n_parameters == n_published - 2 * 1536  # the norm that is never used
    return bendr


def close(got: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return got.shape == wanted.shape and bool((got - wanted).abs().max() <= tolerance)


class TestPublished:
    @torch.no_grad()
    def test_the_convolutions(self, bendr, shared):
        golden = known(shared / "goldens", "encoder")
        assert close(bendr.stages(golden["x"]), golden["z"])

    @torch.no_grad()
    def test_the_context(self, bendr, shared):
        golden = known(shared / "goldens", "contextualizer")
        assert close(bendr.contextualize(golden["z"].mT).mT, golden["ctx"])

    @torch.no_grad()
    def test_the_context_of_what_is_not_hidden(self, bendr, shared):
        golden = known(shared / "goldens", "contextualizer")
        hidden = bendr.hide(golden["z"].mT, golden["mask_t"])
        assert close(bendr.contextualize(hidden).mT, golden["ctx_masked"])


class TestEncoder:
    def test_electrodes_are_found_by_name_and_others_are_not_read(self):
        x = signal(2, 5, 960)
        first = small(("T7", "C3", "Cz", "P8", "E1"))
        second = small(("CZ", "e2", "T6", "T3", "c3"))
        assert torch.allclose(second(x[:, [2, 4, 3, 0, 1]]), first(x), atol=1e-6)
        loud = x.clone()
        loud[:, 4] *= 100
        assert torch.equal(first(loud), first(x))

    @pytest.mark.parametrize("range_uv,amplitude", [(None, 0.0), (100.0, 0.6), (50.0, 1.0)])
    def test_windows_are_scaled_by_their_own_range_and_the_20th_channel_tells_it(self, range_uv, amplitude):
        x = torch.zeros(2, 3, 960)
        x[0, 0, 3], x[0, 1, 5] = 60.0, -20.0
        read = small(("O2", "Fp1", "E1"), range_uv=range_uv).scaled(x)
        assert read.shape == (2, 20, 960)
        assert read[0, 18, 3] == 1 and read[0, 0, 5] == -1 and torch.isclose(read[0, 18, 0], torch.tensor(-0.5))
        assert (read[:, 1:18] == 0).all() and torch.allclose(read[0, 19], torch.tensor(amplitude))
        assert (read[1, :19] == 0).all(), "a flat window stays flat"

    @pytest.mark.parametrize("n_times,n_positions", [(96, 1), (97, 2), (960, 10), (1536, 16)])
    def test_a_token_for_the_start_and_one_for_every_96_samples(self, n_times, n_positions):
        encoder = small(n_times=n_times)
        assert encoder(signal(2, 19, n_times)).shape == (2, 1 + n_positions, 32) and encoder.n_tokens == 1 + n_positions

    def test_while_learning_stretches_are_hidden(self):
        encoder, x = small(drop_prob=0.0).train(), signal(4, 19, 960)
        drawn = [encoder(x) for _ in range(2)]
        assert not torch.allclose(*drawn)
        assert torch.equal(encoder.eval()(x), encoder(x))
        unhidden = small(drop_prob=0.0, hide_time=0.0, hide_features=0.0).train()
        assert torch.equal(unhidden(x), unhidden.eval()(x))

    def test_a_layer_that_is_dropped_adds_nothing(self):
        encoder, z = small(drop_prob=0.0, layer_drop=1.0), signal(2, 10, 32)
        empty = small(drop_prob=0.0, n_layers=0)
        empty.load_state_dict(encoder.state_dict(), strict=False)
        assert torch.allclose(encoder.train().contextualize(z), empty.contextualize(z), atol=1e-6)
        assert not torch.allclose(encoder.eval().contextualize(z), empty.contextualize(z), atol=1e-3)

    def test_every_parameter_learns(self):
        encoder, head = small().train(), Linear(32, 3, 11, pool="last")
        head(encoder(signal(4, 19, 960))).square().sum().backward()
        assert not [n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]

    def test_another_rate_a_short_window_and_unknown_names_are_refused(self):
        with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=256"):
            BENDR(19, 1000, 250.0)
        with pytest.raises(SentenceError, match="longer windows"):
            small(n_times=95)
        with pytest.raises(SentenceError, match="none of the 2 channels"):
            small(("E1", "E2"))
        with pytest.raises(SentenceError, match="twice"):
            small(("T3", "T7"))
        with pytest.raises(SentenceError, match="6 channels and 19 names"):
            BENDR(6, 960, 256.0)


class TestMasked:
    def test_hidden_positions_hold_the_mask_token_and_their_encodings_are_kept(self):
        encoder, x = small(), signal(2, 19, 960)
        mask = stretches(2, 10, span=3, generator=torch.Generator().manual_seed(0))
        z, hidden, context = encoder.masked(x, mask)
        assert torch.equal(z, encoder.encodings(x)) and context.shape == (2, 11, 32)
        assert (hidden[mask] == encoder.mask_token).all() and torch.equal(hidden[~mask], z[~mask])
        assert torch.equal(context, encoder.contextualize(hidden))

    def test_the_context_does_not_know_what_is_hidden(self):
        encoder, z = small(), signal(2, 10, 32)
        mask = torch.zeros(2, 10, dtype=torch.bool)
        mask[:, 4:7] = True
        other = z.clone()
        other[:, 4:7] += 1
        assert torch.equal(encoder.contextualize(encoder.hide(z, mask)), encoder.contextualize(encoder.hide(other, mask)))


class TestStretches:
    def test_as_many_positions_are_hidden_as_chance_says(self):
        mask = stretches(200, 160, generator=torch.Generator().manual_seed(0))
        assert abs(mask[:, 10:].float().mean() - (1 - (1 - 0.065) ** 10)) < 0.02
        # away from the end no stretch is shorter than its span
        runs = [len(run) for row in mask[:, :150].int().tolist() for run in "".join(map(str, row)).split("0")[:-1] if run]
        assert min(runs) == 10

    def test_each_row_has_one_at_least_and_none_where_none_begins(self):
        assert stretches(50, 20, begin=1e-6, span=2, generator=torch.Generator().manual_seed(0)).any(dim=1).all()
        assert not stretches(50, 20, begin=0.0).any()

    def test_they_follow_the_seed(self):
        first, again, other = (stretches(3, 40, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
        assert torch.equal(first, again) and not torch.equal(first, other)

    def test_even_ones_are_half_as_many(self):
        mask = even_stretches(160)
        assert mask.sum() == 50 and mask[:10].all() and not mask[10:32].any() and mask[32:42].all()
        assert even_stretches(16).tolist() == [True] * 10 + [False] * 6
