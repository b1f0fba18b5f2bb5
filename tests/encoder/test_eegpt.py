"""EEGPT, its predictor and its reconstructor equal the published networks, with weights that fill the published names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

import published
from corticode import weights
from corticode.encoder.eegpt import CARDS, CHANNELS, EEGPT, NAMES, PREDICTOR_NAMES, PRETRAINED, RECONSTRUCTOR_NAMES, TEN_TWENTY, turned
from corticode.encoder.eegpt_pretraining import Predictor, Reconstructor, draw_mask, joined
from corticode.errors import BrokenDataError, SentenceError
from corticode.space import Space

SMALL = {"emb_dim": 16, "n_summaries": 2, "n_layers": 2, "n_heads": 2}


def small(n_chans=6, n_times=256, **arguments) -> EEGPT:
    torch.manual_seed(0)
    space = Space("eeg", CHANNELS[:n_chans], "uV", 256)
    return EEGPT(n_chans, n_times, 256.0, **{"space": space, **SMALL, **arguments}).eval()


def signal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 20, shape).astype(np.float32))


def known(goldens, part: str) -> dict[str, torch.Tensor]:
    with np.load(goldens / f"rand_eegpt_large_{part}.npz", allow_pickle=False) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def fill(module, goldens, part: str, names: dict[str, str]) -> None:
    state = published.filled(goldens, f"eegpt_large_{part}")
    assert set(state) == set(names)
    weights.into(module.eval(), {names[name]: value for name, value in state.items()})
    assert sum(value.size for value in state.values()) == sum(value.numel() for value in module.state_dict().values())


@pytest.fixture(scope="module")
def encoder(shared) -> EEGPT:
    encoder = EEGPT(19, 1024, 256.0, space=Space("eeg", TEN_TWENTY, "uV", 256))
    fill(encoder, shared / "goldens", "encoder", NAMES)
    return encoder


def close(got: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-5) -> bool:
    return got.shape == wanted.shape and bool((got - wanted).abs().max() <= tolerance)


class TestPublished:
    def test_channels_have_the_published_numbers(self, encoder, shared):
        assert encoder.channels.tolist() == known(shared / "goldens", "encoder")["chan_ids"][0].tolist()

    @torch.no_grad()
    def test_the_encoder(self, encoder, shared):
        golden = known(shared / "goldens", "encoder")
        assert encoder.n_parameters == 25_287_168
        assert close(encoder(1000 * golden["x"]).unflatten(-1, (4, 512)), golden["z"])

    @torch.no_grad()
    def test_the_encoder_of_what_is_kept(self, encoder, shared):
        x, golden = known(shared / "goldens", "encoder")["x"], known(shared / "goldens", "predictor")
        assert close(encoder.masked(1000 * x, golden["mask_x"]), golden["z_masked"])

    @torch.no_grad()
    def test_the_predictor(self, encoder, shared):
        golden, predictor = known(shared / "goldens", "predictor"), Predictor.beside(encoder)
        fill(predictor, shared / "goldens", "predictor", PREDICTOR_NAMES)
        patches = golden["mask_x"][:, 0] // 19
        predicted = predictor(golden["z_masked"], patches)
        assert close(predicted, golden["pred"])
        assert close(joined(golden["z_masked"], predicted, patches), golden["comb"])

    @torch.no_grad()
    def test_the_reconstructor(self, encoder, shared):
        golden, reconstructor = known(shared / "goldens", "reconstructor"), Reconstructor.beside(encoder)
        fill(reconstructor, shared / "goldens", "reconstructor", RECONSTRUCTOR_NAMES)
        assert close(reconstructor(golden["comb"], golden["mask_y"]), golden["rec"])

    def test_the_card_leads_the_average_of_the_encoder_to_its_place(self):
        card = CARDS[0]
        assert len(card.names) == 413 and {k: v for k, v in card.names.items() if v} == {f"target_encoder.{k}": v for k, v in NAMES.items()}
        assert set(NAMES.values()) == set(EEGPT(58, 1024, 256.0, space=card.expects).state())

    def test_frequencies_start_as_published(self):
        """10000^(-2k/32) for k = 0 .. 15."""
        frequencies = Predictor(n_layers=0).rotation.frequencies
        assert frequencies.shape == (16,) and torch.allclose(frequencies, 10_000.0 ** (-2 * torch.arange(16) / 32))


class TestEncoder:
    def test_channels_are_found_by_name(self):
        """The same electrodes in another order, by old names and in capitals, give the same summaries."""
        x = signal(2, 4, 256)
        first = small(4, space=Space("eeg", ("T7", "C3", "Cz", "P8"), "uV", 256))
        second = small(4, space=Space("eeg", ("CZ", "T6", "T3", "c3"), "uV", 256).to_dict())
        assert torch.allclose(second(x[:, [2, 3, 0, 1]]), first(x), atol=1e-6)
        assert not torch.allclose(second(x), first(x), atol=1e-3)

    def test_patches_of_time_do_not_see_each_other(self):
        encoder, x = small(), signal(1, 6, 256)
        changed = x.clone()
        changed[..., 64:128] += 30
        difference = (encoder(changed) - encoder(x)).abs().amax(dim=(0, 2))
        assert difference[1] > 1e-5 and difference[[0, 2, 3]].max() == 0

    def test_what_is_not_kept_is_not_seen(self):
        encoder, x = small(), signal(2, 6, 256)
        kept = torch.tensor([[0, 2, 5], [13, 14, 16]])  # of patches 0 and 2
        changed = x.clone()
        changed[:, [1, 3, 4], :64], changed[:, [0, 3, 5], 128:192], changed[..., 64:128] = 0, 0, 0
        assert torch.equal(encoder.masked(changed, kept), encoder.masked(x, kept))
        assert encoder.masked(x, kept).shape == (2, 2, 2, 16)

    def test_all_kept_is_the_whole(self):
        encoder, x = small(), signal(2, 6, 256)
        everything = torch.arange(4 * 6).view(4, 6)
        assert torch.allclose(encoder.masked(x, everything).flatten(2), encoder(x), atol=1e-6)

    def test_samples_after_the_last_whole_patch_are_not_read(self):
        x = signal(1, 6, 300)
        assert small(n_times=300).n_tokens == 4
        assert torch.equal(small(n_times=300)(x), small()(x[..., :256]))

    def test_a_mixture_takes_any_channels_and_no_vector_above_1(self):
        encoder = small(3, space=Space("eeg", ("E1", "E2", "E3"), "uV", 256), mixture=True)
        assert encoder(signal(2, 3, 256)).shape == (2, 4, 32) and len(encoder.channels) == 19
        with torch.no_grad():
            encoder.mix.weight.copy_(torch.eye(19)[:, :3, None] * 1000), encoder.mix.bias.zero_()
        assert torch.allclose(encoder.patches(signal(2, 3, 256))[:, :, :3], small(3).patches(signal(2, 3, 256)), atol=1e-6)

    def test_the_58_channels_of_pretraining_need_no_names(self):
        assert len(PRETRAINED) == 58 and small(58, space=None).channels.tolist()[:4] == [0, 1, 2, 4]
        with pytest.raises(SentenceError, match="6 channels and 58 names"):
            small(space=None)

    def test_every_parameter_learns(self):
        encoder = small(mixture=True)
        encoder(signal(3, 6, 256)).pow(2).mean(dim=(0, 1)).mul(torch.arange(32)).sum().backward()
        assert not [n for n, p in encoder.named_parameters() if n != "channel_embedding.weight" and not p.grad.abs().sum() > 0]

    def test_another_rate_a_short_window_and_unknown_names_are_refused(self):
        with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=256"):
            EEGPT(58, 1000, 250.0)
        with pytest.raises(SentenceError, match="longer windows"):
            EEGPT(58, 63, 256.0)
        with pytest.raises(SentenceError, match="E1"):
            small(2, space=Space("eeg", ("E1", "E2"), "uV", 256))

    def test_weights_of_another_size_are_refused_with_a_list(self):
        with pytest.raises(BrokenDataError, match=r"blocks\.2\.mix\.weight"):
            weights.into(small(), small(n_layers=3).state())


class TestPretraining:
    def test_a_mask_keeps_and_asks_as_the_paper_does(self):
        kept, hidden = draw_mask(200, 58, torch.Generator().manual_seed(0))
        patches = kept[:, 0] // 58
        assert kept.shape[1] == 12 and torch.equal(patches, patches.unique())
        assert 70 <= len(kept) <= 130 and torch.equal(kept // 58, patches[:, None].expand(-1, 12))
        assert not set(kept.flatten().tolist()) & set(hidden.tolist())
        asked = torch.bincount(hidden // 58, minlength=200)
        at_hidden_times = ~torch.isin(torch.arange(200), patches)
        assert (asked[at_hidden_times] == 58).all()
        assert 0.15 < asked[patches].float().mean() / 46 < 0.25

    @pytest.mark.parametrize("hide_time", [0.0, 1.0])
    def test_a_mask_always_keeps_and_hides_a_time(self, hide_time):
        kept, hidden = draw_mask(4, 3, torch.Generator().manual_seed(0), hide_time=hide_time)
        assert len(kept) == (3 if hide_time == 0 else 1) and len(hidden) >= 3
        with pytest.raises(SentenceError, match="longer windows"):
            draw_mask(1, 3)

    def test_masks_follow_the_seed(self):
        first, again, other = (draw_mask(16, 19, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not torch.equal(first[1], other[1])

    def test_turning_tells_how_far_apart_two_times_are(self):
        a, b = signal(1, 8), signal(2, 8)[1:]
        angles = torch.tensor([[0.3, 0.1]])
        product = (turned(a, 5 * angles) * turned(b, 2 * angles)).sum()
        assert torch.allclose((turned(a, 9 * angles) * turned(b, 6 * angles)).sum(), product, rtol=1e-4)
        assert torch.equal(turned(a, 5 * angles)[:, 4:], a[:, 4:])

    def test_both_losses_reach_every_parameter(self):
        encoder, x = small(), signal(2, 6, 256)
        predictor, reconstructor = Predictor.beside(encoder), Reconstructor.beside(encoder)
        kept, hidden = draw_mask(4, 6, torch.Generator().manual_seed(3))
        patches = kept[:, 0] // 6
        z = encoder.masked(x, kept)
        predicted = predictor(z, patches)
        samples = reconstructor(joined(z, predicted, patches), hidden)
        assert predicted.shape == (2, 4, 2, 16) and samples.shape == (2, len(hidden), 64)
        wanted = encoder.patches(x).flatten(1, 2)[:, hidden]
        (functional.mse_loss(samples, wanted) + predicted.square().mean()).backward()
        for module in (encoder, predictor, reconstructor):
            assert not [n for n, p in module.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
