"""Layers from the input to the answers: who learns when, and how fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from corticode.adapt.depth import Depth, keep_statistics, layers
from corticode.adapt.full import Full
from corticode.encoder.conformer import Conformer
from corticode.encoder.eegformer import EEGFormer
from corticode.encoder.eegnet import EEGNet
from corticode.head.linear import Linear
from corticode.train.optimizer import optimizer_of
from corticode.train.settings import Training


def names_of(encoder):
    names = {id(p): name for name, p in encoder.named_parameters()}
    return [sorted({names[id(p)].rpartition(".")[0] or names[id(p)] for p in layer}) for layer in layers(encoder)]


def test_blocks_are_layers_norms_go_with_what_they_follow_and_loose_parameters_with_the_first():
    found = names_of(EEGFormer(6, 128, 128.0))
    assert found[0] == ["embed", "position"] and len(found) == 4 and found[3] == ["squeeze"]
    assert all(name.startswith("blocks.1") for name in found[2])
    conformer = names_of(Conformer(6, 256, 128.0, n_layers=3))
    assert conformer[:3] == [["temporal"], ["norm", "spatial"], ["projection"]] and len(conformer) == 6
    eegnet = names_of(EEGNet(6, 128, 128.0))
    assert "depthwise" in eegnet[0] and "pointwise" in eegnet[1] and len(eegnet) == 2


def test_every_parameter_is_in_one_layer():
    encoder = Conformer(6, 256, 128.0)
    found = [id(p) for layer in layers(encoder) for p in layer]
    assert sorted(found) == sorted(id(p) for p in encoder.parameters())


def test_rates_fall_towards_the_input():
    encoder, head = EEGFormer(6, 128, 128.0), Linear(8, 2)
    depth, training = Depth(decay=0.5), Training(lr=0.1)
    depth.begin(encoder, head)
    optimizer = optimizer_of([encoder, head], training, depth.shares(encoder, head))
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert rate[id(head.layer.weight)] == 0.1 and rate[id(encoder.squeeze.bias)] == 0.05 and rate[id(encoder.position)] == 0.1 * 0.5**4
    assert len(rate) == sum(1 for part in (encoder, head) for _ in part.parameters())
    assert optimizer.param_groups[0]["lr"] == 0.1, "the rate that is written down is that of the head"
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays[id(encoder.squeeze.bias)] == 0 and decays[id(encoder.squeeze.weight)] == training.weight_decay


@pytest.mark.parametrize(
    "depth,expected",
    [
        (Depth(head_epochs=2), [0, 0, 4, 4, 4]),
        (Depth(head_epochs=1, every=1), [0, 1, 2, 3, 4]),
        (Depth(head_epochs=2, every=2), [0, 0, 1, 1, 2]),
        (Depth(), [4, 4, 4, 4, 4]),
    ],
)
def test_layers_are_set_free_from_the_last_on(depth, expected):
    encoder, head = EEGFormer(6, 128, 128.0), Linear(8, 2)
    depth.begin(encoder, head)
    found = layers(encoder)
    for epoch, n in enumerate(expected, 1):
        depth.begin_epoch(encoder, head, epoch, 5)
        assert [all(p.requires_grad for p in layer) for layer in found] == [k >= 4 - n for k in range(4)]
        assert encoder.training and encoder.band_norm.training == (n == 4)
    depth.end()
    assert all(p.requires_grad for p in encoder.parameters())


def test_what_was_never_to_learn_is_not_set_free():
    encoder, head = EEGFormer(6, 128, 128.0), Linear(8, 2)
    encoder.position.requires_grad_(False)
    depth = Depth(head_epochs=1)
    depth.begin(encoder, head)
    depth.begin_epoch(encoder, head, 2, 2)
    depth.end()
    assert not encoder.position.requires_grad


def test_statistics_rest_wherever_they_are_made():
    encoder = EEGNet(6, 128, 128.0)
    encoder.train()
    keep_statistics(encoder)
    # the bank works out the statistics of its norm by itself
    assert encoder.training and not encoder.bank.training and not encoder.separable_norm.training and encoder.dropout.training
    before = encoder.bank.temporal_norm.running_mean.clone()
    encoder(torch.randn(4, 6, 128))
    assert torch.equal(encoder.bank.temporal_norm.running_mean, before)


def test_gradual_unfreezing_leaves_what_sleeps_as_it_was(windows):
    y = (windows.meta["event"] == "right_hand").to_numpy().astype(int)
    encoder = EEGFormer(6, 128, 128.0)
    head = Linear(encoder.n_features, 2, encoder.n_tokens, pool="flatten")
    training = Training(max_epochs=2, batch_size=24, lr=0.01, warmup_epochs=0, schedule="constant", validation=0)
    before = encoder.state()
    adapt = Full(training=training, trainer={"accelerator": "cpu"}, unfreeze_every=1)
    notes = adapt.fit(encoder, head, np.asarray(windows.X), y, windows.meta, windows.space, 2, 0)
    after = encoder.state()
    changed = {name.partition(".")[0] for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"squeeze"}
    assert notes["n_parameters"] == sum(p.numel() for part in (encoder, head) for p in part.parameters())
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in encoder.parameters())
