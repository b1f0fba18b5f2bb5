"""LaBraM equals the published code with the published names, fine-tuned and in masked pretraining."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import published
from corticode import weights
from corticode.encoder.labram import CARDS, LaBraM, MaskedLaBraM
from corticode.errors import SentenceError
from corticode.head.norm_linear import NormLinear
from corticode.layer.mask import random_mask
from corticode.layer.patch_transformer import CHANNELS, PatchConvolution, PatchTransformer
from corticode.space import Space

BASE, MASKED = CARDS
NAMES = ("FP1", "FP2", "FC1", "C3", "P5")
SMALL = {"emb_dim": 100, "n_layers": 2, "n_heads": 5}


def space(names=NAMES) -> Space:
    return Space("eeg", tuple(names), "uV", 200.0)


def small(n_times: int = 600, names=NAMES, **settings) -> LaBraM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LaBraM(len(names), n_times, 200.0, space(names), **(SMALL | settings)).eval()


def signal(*shape: int) -> torch.Tensor:
    return 20 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def golden(shared, name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], int, torch.Tensor, Space]:
    """Published weights, arrays, number of parameters, and the input as this house has it: uV and names."""
    folder = shared / "goldens"
    known = dict(np.load(folder / f"rand_{name}.npz", allow_pickle=False))
    n_params = json.loads((folder / f"rand_{name}.shapes.json").read_text())["n_params"]
    x = torch.from_numpy(known["x"]).flatten(2) * 100
    names = tuple(CHANNELS[i - 1] for i in known["input_chans"][1:])
    return published.filled(folder, name), known, n_params, x, space(names)


def renamed(state: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, np.ndarray]:
    assert state.keys() == names.keys()
    return {names[name]: value for name, value in state.items() if names[name]}


def close(got: torch.Tensor, wanted: np.ndarray) -> bool:
    return np.abs(got.detach().numpy() - wanted).max() <= 1e-5


def test_it_equals_the_published_network(shared):
    state, known, n_params, x, montage = golden(shared, "labram_base_finetune")
    encoder = LaBraM(5, 800, 200.0, montage).eval()
    # a fine-tuned file has the same names without their first word, and a head in place of the last layers
    names = {theirs.removeprefix("student."): ours for theirs, ours in BASE.names.items() if ours}
    last = {"fc_norm.weight": "norm.weight", "fc_norm.bias": "norm.bias", "head.weight": "layer.weight", "head.bias": "layer.bias"}
    head = NormLinear(200, 4).eval()
    weights.into(encoder, renamed(state, names | dict.fromkeys(last, "")))
    weights.into(head, renamed(state, dict.fromkeys(names, "") | last))
    assert close(encoder.embed(x), known["patch_embed"])
    tokens = encoder(x)
    assert close(head.norm(tokens), known["patch_tokens"])
    assert close(head.norm(tokens.mean(dim=1)), known["feat"])
    assert close(head(tokens), known["logits"])
    assert encoder.n_parameters + head.n_parameters == n_params == 5_820_740


def test_masked_pretraining_equals_the_published_code(shared):
    state, known, n_params, x, montage = golden(shared, "labram_base_pretrain")
    model = MaskedLaBraM(LaBraM(5, 800, 200.0, montage)).eval()
    weights.into(model, renamed(state, MASKED.names))
    mask = torch.from_numpy(known["mask"])
    hidden, rest = model.symmetric(x, mask)
    assert hidden.shape == rest.shape == (20, 8192)
    assert close(hidden[:, :64], known["rec"]) and close(rest[:, :64], known["rec_sym"])
    assert close(model(x, mask)[:, :64], known["rec"]) and close(model(x, ~mask)[:, :64], known["rec_sym"])
    unused = 8192 * 201 + 200 * 201
    assert model.n_parameters == n_params - unused


def test_the_published_file_fills_an_encoder(shared):
    """The pretrained file's card leaves its last layers out, and the rest is all that fine-tuning starts from."""
    state, _, _, x, montage = golden(shared, "labram_base_pretrain")
    encoder, model = LaBraM(5, 800, 200.0, montage).eval(), MaskedLaBraM(LaBraM(5, 800, 200.0, montage)).eval()
    weights.into(encoder, renamed(state, BASE.names))
    weights.into(model, renamed(state, MASKED.names))
    assert torch.equal(encoder(x), model.encoder(x))


def test_cards_tell_what_is_known():
    for card in CARDS:
        assert (card.licence, card.sha256, card.pretrained_on) == ("MIT", None, None)
        assert len(card.expects) == 128 and (card.expects.unit, card.expects.sfreq) == ("uV", 200.0)


def test_channels_are_told_by_name_and_order_is_free():
    encoder, x = small(), signal(2, 5, 600)
    order = [3, 0, 4, 1, 2]
    turned = small(names=[NAMES[i] for i in order])
    turned.load_state_dict(encoder.state_dict())
    got, wanted = turned(x[:, order]).unflatten(1, (5, 3)), encoder(x).unflatten(1, (5, 3))
    assert torch.allclose(got, wanted[:, order], atol=1e-5)
    elsewhere = small(names=["FP1", "FP2", "FC1", "C3", "P6"])
    elsewhere.load_state_dict(encoder.state_dict())
    assert not torch.allclose(elsewhere(x), encoder(x), atol=1e-3)


def test_old_names_have_vectors_of_their_own():
    assert small(names=["T3", "T7"]).rows.tolist() == [0, 1 + CHANNELS.index("T3"), 1 + CHANNELS.index("T7")]


def test_what_fills_no_second_is_not_read():
    x = signal(2, 5, 790)
    assert torch.equal(small(790)(x), small(600)(x[..., :600]))


def test_what_is_hidden_is_not_seen():
    model, mask = MaskedLaBraM(small(), n_codes=11).eval(), random_mask(2, 15, generator=torch.Generator().manual_seed(0))
    tokens = model.encoder.embed(signal(2, 5, 600))
    changed = torch.where(mask[..., None], tokens + 5, tokens)
    assert torch.equal(model._guess(tokens, mask), model._guess(changed, mask))
    assert not torch.equal(model._guess(tokens, ~mask), model._guess(changed, ~mask))


def test_pretraining_moves_every_weight_but_the_summary_s_place():
    model, mask = MaskedLaBraM(small(), n_codes=11), random_mask(4, 15, generator=torch.Generator().manual_seed(0))
    hidden, rest = model.train().symmetric(signal(4, 5, 600), mask)
    assert hidden.shape == (28, 11) and rest.shape == (32, 11)
    (hidden.square().sum() + rest.square().sum()).backward()
    assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    moved = model.encoder.channel_table.grad[0].abs().sum(dim=1) > 0
    assert set(moved.nonzero().flatten().tolist()) == set(model.encoder.rows[1:].tolist())


def test_drop_path_rises_from_layer_to_layer_and_leaves_rows_whole():
    encoder = small(n_layers=3, drop_path=0.5)
    assert [block.drop_path for block in encoder.blocks] == [0.0, 0.25, 0.5]
    block, z = encoder.blocks[2].train(), signal(400, 1, 100)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        whole = (block(z) == z).all(dim=(1, 2)).double().mean()
    assert 0.15 < whole < 0.35, "a quarter of the rows leaves out both additions"


@pytest.mark.parametrize("n_times,cure", [(199, "longer windows"), (3400, "shorter windows")])
def test_windows_of_no_fitting_length_are_refused(n_times, cure):
    with pytest.raises(SentenceError, match=cure):
        small(n_times)


def test_other_rates_and_channels_are_refused():
    with pytest.raises(SentenceError, match=r"prepare\.resample\.sfreq_hz=200"):
        LaBraM(5, 800, 250.0, space())
    with pytest.raises(SentenceError, match="LaBraM knows 128 channels by name and not E1, E2"):
        small(names=["E1", "E2"])
    with pytest.raises(SentenceError, match="got no names for 5 channels"):
        LaBraM(5, 800, 200.0)
    with pytest.raises(SentenceError, match="got 5 names for 4 channels"):
        LaBraM(4, 800, 200.0, space())
    with pytest.raises(SentenceError, match="take 200, 400 or 800"):
        small(emb_dim=250)


def test_large_and_huge_have_the_published_sizes():
    with torch.device("meta"):
        for emb_dim, n_layers, millions in ((400, 24, 46), (800, 48, 369)):
            parts = PatchConvolution(emb_dim), PatchTransformer(emb_dim, n_layers, 16, bias=False, norm_heads=True, scale=0.1)
            assert round(sum(p.numel() for part in parts for p in part.parameters()) / 1e6) == millions
