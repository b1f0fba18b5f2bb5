"""What stands in a frozen network, where, and what it does there: numbers of each way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from corticode.adapt.adalora import AdaLoRA
from corticode.adapt.bottleneck import Bottleneck
from corticode.adapt.dopamine import Dopamine
from corticode.adapt.dora import DoRA
from corticode.adapt.ia3 import IA3
from corticode.adapt.lora import LoRA
from corticode.adapt.places import blocks, hidden_layers, linear_layers, open_blocks
from corticode.adapt.prefix import Prefix
from corticode.encoder.atcnet import ATCNet
from corticode.encoder.conformer import Conformer
from corticode.encoder.eegformer import EEGFormer
from corticode.encoder.eegnet import EEGNet
from corticode.encoder.neural import NeuralEncoder
from corticode.head.linear import Linear

SHAPE = (6, 256)


def conformer(n_layers=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Conformer(*SHAPE, 128.0, n_layers=n_layers).eval()


def changed(adapt, encoder=None, shape=SHAPE):
    encoder = conformer() if encoder is None else encoder
    adapt.rebuild(encoder, Linear(encoder.n_features, 2), shape)
    return encoder


def x_of(n=3):
    return 10 * torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1))


class Sealed(NeuralEncoder):
    """Its layers are read by fused kernels that call none of them."""

    n_features = n_tokens = 8

    def __init__(self):
        super().__init__(*SHAPE, 128.0)
        self.embed = nn.Linear(32, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.unused = nn.Linear(8, 8)

    def forward(self, x, space=None, subject=None):
        return self.layer(self.embed(x.mean(dim=1).unflatten(1, (8, 32))))


# -- places ---------------------------------------------------------------------------------------------------------


def test_only_layers_that_are_called_are_found():
    names = [place.name for place in linear_layers(conformer(), SHAPE, None)]
    assert names[0] == "projection" and "temporal" not in names and "blocks.1.narrow" in names and len(names) == 9
    assert [place.name for place in linear_layers(Sealed(), SHAPE, None)] == ["embed"]


def test_looking_for_places_leaves_the_network_as_it_was():
    encoder = conformer().train()
    encoder.dropout.eval()
    before = encoder.state()
    state = torch.get_rng_state()
    open_blocks(encoder, SHAPE, None)
    assert encoder.training and encoder.blocks.training and not encoder.dropout.training
    assert torch.equal(torch.get_rng_state(), state) and not encoder.blocks[0]._forward_hooks
    assert all(np.array_equal(value, encoder.state()[name]) for name, value in before.items())


def test_blocks_turn_tokens_into_tokens():
    assert [(p.name, p.n_in, p.axis) for p in blocks(conformer(), SHAPE, None)] == [("blocks.0", 40, 2), ("blocks.1", 40, 2)]
    assert [p.name for p in open_blocks(EEGFormer(*SHAPE, 128.0), SHAPE, None)] == ["blocks.0", "blocks.1"]
    assert not blocks(EEGNet(*SHAPE, 128.0), SHAPE, None)


def test_hidden_neurons_are_those_that_are_brought_back():
    assert [(p.name, p.n_in) for p in hidden_layers(conformer(), SHAPE, None)] == [("blocks.0.narrow", 160), ("blocks.1.narrow", 160)]
    assert [(p.name, p.n_in, p.axis) for p in hidden_layers(EEGNet(*SHAPE, 128.0), SHAPE, None)] == [("pointwise", 16, 1)]


def test_blocks_that_know_places_are_no_place_for_tokens():
    class Along(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.conv = nn.LayerNorm(8), nn.Conv1d(8, 8, 3, padding=1)

        def forward(self, z):
            return z + self.conv(self.norm(z).transpose(1, 2)).transpose(1, 2)

    encoder = Sealed()
    encoder.layer = nn.Sequential(Along())
    assert [p.name for p in blocks(encoder, SHAPE, None)] == ["layer.0"] and not open_blocks(encoder, SHAPE, None)
    assert not open_blocks(ATCNet(*SHAPE, 128.0), SHAPE, None)


# -- numbers --------------------------------------------------------------------------------------------------------


def test_lora_is_a_product_of_two_thin_matrices():
    pytest.importorskip("peft")
    plain, encoder = conformer(), changed(LoRA(rank=4, alpha=6.0))
    assert encoder.n_parameters == sum(4 * (p.n_in + p.n_out) for p in linear_layers(plain, SHAPE, None))
    with torch.no_grad():
        for name, module in plain.named_modules():
            if isinstance(module, nn.Linear):
                layer = encoder.get_submodule(name)
                layer.lora_B.default.weight.normal_(0, 0.1)
                module.weight += 6.0 / 4 * layer.lora_B.default.weight @ layer.lora_A.default.weight
        assert torch.allclose(encoder(x_of()), plain(x_of()), atol=1e-5)


def test_small_layers_take_smaller_ranks_and_keep_the_scale():
    pytest.importorskip("peft")
    encoder = changed(LoRA(rank=64, alpha=64.0), EEGFormer(*SHAPE, 128.0))
    assert encoder.squeeze.lora_A.default.weight.shape[0] == 8 and encoder.blocks[0].widen.lora_A.default.weight.shape[0] == 32
    assert encoder.squeeze.scaling["default"] == encoder.blocks[0].widen.scaling["default"] == 1.0


def test_lora_serves_convolutions():
    pytest.importorskip("peft")
    encoder = changed(LoRA(rank=2), EEGNet(*SHAPE, 128.0))
    assert encoder.n_parameters == 2 * (16 + 16)


def test_dora_learns_lengths_too():
    pytest.importorskip("peft")
    plain = changed(LoRA(rank=2))
    lengths = sum(p.n_out for p in linear_layers(conformer(), SHAPE, None))
    assert changed(DoRA(rank=2)).n_parameters == plain.n_parameters + lengths


def test_adalora_ends_on_its_budget():
    pytest.importorskip("peft")
    adapt = AdaLoRA(initial_rank=6, target_rank=2, every=1, warmup=0.0, settled=0.5)
    encoder = changed(adapt)
    tuning = adapt.tuning("fit")
    assert tuning.penalty(encoder) > 0
    optimizer = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.01)
    left = []
    for step in range(1, 11):
        optimizer.zero_grad()
        (encoder(x_of()).square().mean() + tuning.penalty(encoder)).backward()
        optimizer.step()
        tuning.after_step(encoder, None, step, 10)
        left.append(sum(adapt.report(encoder, None, None)["ranks"].values()))
    assert left[0] > left[2] > left[4] >= left[5] == left[9] and left[9] <= 2 * 9
    done = adapt.tuning("calibrate")
    done.begin(encoder, None)
    for e in (p for name, p in encoder.named_parameters() if "lora_E" in name):
        e.data += 1
    done.after_step(encoder, None, 1, 1)
    assert sum(adapt.report(encoder, None, None)["ranks"].values()) == left[9]


def test_ia3_scales_keys_values_and_hidden_neurons_and_no_query():
    plain, encoder = conformer(1), changed(IA3(), conformer(1))
    assert encoder.n_parameters == 40 + 40 + 160
    key_value, hidden = encoder.added["at blocks/0/attention/query_key_value"], encoder.added["at blocks/0/narrow"]
    with torch.no_grad():
        key_value.gain.uniform_(0.5, 2)
        hidden.gain.uniform_(0.5, 2)
        block = plain.blocks[0]
        for part in (block.attention.query_key_value.weight, block.attention.query_key_value.bias):
            part[40:] *= key_value.gain.view(-1, *[1] * (part.ndim - 1))
        block.narrow.weight *= hidden.gain
        assert torch.allclose(encoder(x_of()), plain(x_of()), atol=1e-5)


def test_a_bottleneck_changes_what_a_block_gives():
    encoder = changed(Bottleneck(width=4))
    assert encoder.n_parameters == 2 * (2 * 40 + (40 * 4 + 4) + (4 * 40 + 40))
    neck = encoder.added["at blocks/1"]
    nn.init.normal_(neck.up.weight)
    z = conformer().eval()(x_of())
    wanted = z + neck.up(functional.gelu(neck.down(neck.norm(z))))
    assert torch.allclose(encoder(x_of()), wanted, atol=1e-5)


def test_a_bottleneck_of_a_convolution_acts_on_its_features():
    encoder = changed(Bottleneck(width=3), EEGNet(*SHAPE, 128.0))
    assert encoder.added["at pointwise"].norm.normalized_shape == (16,) and encoder(x_of()).shape == (3, 8, 16)


def test_prefix_tokens_are_attended_to_and_leave():
    plain, encoder = conformer(1), changed(Prefix(n_tokens=5), conformer(1))
    assert encoder.n_parameters == 5 * 40
    tokens = encoder.added["at blocks/0"].tokens
    seen = []
    plain.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    plain(x_of())
    block = plain.blocks[0]
    block._forward_pre_hooks.clear()
    wanted = block(torch.cat([tokens.expand(3, -1, -1), seen[0]], dim=1))[:, 5:]
    assert torch.allclose(encoder(x_of()), wanted, atol=1e-5) and not torch.allclose(encoder(x_of()), plain(x_of()), atol=1e-4)


class TestDopamine:
    """Soft gates in training, hard ones in answering."""

    @staticmethod
    def made(**settings):
        adapt, encoder = Dopamine(**settings), conformer(1)
        changed(adapt, encoder)
        adapt.ready(encoder, None, x_of(40).numpy(), None)
        return adapt, encoder, encoder.added["at blocks/0/narrow"]

    def test_it_begins_with_all_gates_open(self):
        adapt, encoder, gates = self.made()
        assert encoder.n_parameters == 2 * 160
        assert torch.allclose(encoder(x_of(40)), conformer(1)(x_of(40)), atol=1e-6)
        (line,) = adapt.report(encoder, x_of(40).numpy(), None)["neurons"]
        assert line == {"layer": "blocks.0.narrow", "n": 160, "active": 160, "open": 1.0}
        adapt.tuning("fit").begin_epoch(encoder, None, 1, 3)
        h = gates.threshold + 3 * 0.5 * gates.sd  # the smallest activation of each neuron
        assert torch.allclose(gates(h.expand(1, 1, -1)), h * torch.sigmoid(torch.tensor(3.0)), atol=1e-6)

    def test_training_is_soft_and_answering_hard(self):
        gates = self.made()[2]
        h = torch.randn(2, 5, 160, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            gates.sd.fill_(1.0)
            gates.threshold.fill_(0.2)
            gates.gain.fill_(3.0)
        assert torch.equal(gates.eval()(h), torch.where(h > 0.2, 3 * h, torch.zeros(())))
        soft = gates.train()(h)
        assert torch.allclose(soft, 3 * h * torch.sigmoid((h - 0.2) / (gates.softness * gates.sd)), atol=1e-6)
        soft.sum().backward()
        assert gates.threshold.grad.abs().min() > 0 and gates.gain.grad.abs().min() > 0

    def test_gates_narrow_to_the_last_epoch_and_stay_narrow_in_calibration(self):
        adapt, encoder, gates = self.made(soft_from=0.8, soft_to=0.05)
        widths = []
        for epoch in (1, 2, 3):
            adapt.tuning("fit").begin_epoch(encoder, None, epoch, 3)
            widths.append(gates.softness.item())
        assert widths == pytest.approx([0.8, 0.2, 0.05])
        adapt.tuning("calibrate").begin_epoch(encoder, None, 1, 9)
        assert gates.softness.item() == pytest.approx(0.05)

    def test_silent_neurons_are_counted(self):
        adapt, encoder, gates = self.made()
        with torch.no_grad():
            gates.threshold[:40] = 1e6
        (line,) = adapt.report(encoder, x_of(40).numpy(), None)["neurons"]
        assert line["active"] == 120 and line["open"] == 0.75
