"""What every way of adapting a network promises: frozen stays frozen, saved is loaded, interrupted goes on, impossible is refused."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
import torch

from corticode import catalogue
from corticode.adapt.full import Full
from corticode.adapt.two_stage import TwoStage
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import SentenceError
from corticode.recipe import Recipe
from corticode.task.classification import Classification
from corticode.train import module
from corticode.train.checkpoint import Checkpoint

FROZEN = ("attentive_probe", "lora", "dora", "adalora", "ia3", "bottleneck", "prefix", "dopamine")
WAYS = ("full", "two_stage", *FROZEN)
NETWORKS = ("eegnet", "ctnet", "conformer", "eegformer")
# EEGNet has one convolution of points, and no linear layer or attention
IMPOSSIBLE = {("adalora", "eegnet"), ("prefix", "eegnet")}
POSSIBLE = [(way, network) for way in WAYS for network in NETWORKS if (way, network) not in IMPOSSIBLE]
PEFT = ("lora", "dora", "adalora")


@pytest.fixture
def labelled(windows):
    return Classification().label(windows)


def decoder_of(way, network, windows, *words, seed=0):
    if way in PEFT:
        pytest.importorskip("peft")
    own = {"two_stage": ["adapt.head_epochs=1"], "adalora": ["adapt.every=1"]}.get(way, [])
    fast = [
        "model.train.max_epochs=2",
        "model.train.batch_size=24",
        "model.train.lr=0.01",
        "model.train.patience=5",
        "model.train.schedule=constant",
    ]
    cfg = compose([f"model={network}", f"adapt={way}", "augment=none", "trainer=cpu", "model.train.warmup_epochs=0", *fast, *own, *words])
    recipe = Recipe(
        network, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("left_hand", "right_hand")
    )
    return recipe(seed)


def frozen_names(encoder):
    """Return names in the pretrained encoder's state -> names now, of all that no way of adapting may change."""
    return {
        name.replace(".base_layer", ""): name
        for name in encoder.state_dict()
        if not name.startswith("added.") and "lora_" not in name and "ranknum" not in name
    }


@pytest.mark.parametrize("way,network", POSSIBLE)
def test_it_learns_what_it_may_and_is_the_same_from_disk(way, network, labelled, tmp_path):
    source, target = labelled[:48], labelled[72:]
    decoder = decoder_of(way, network, labelled, "model.train.validation=0", "model.train.calibrate_epochs=1")
    before = decoder.encoder.state()
    decoder.fit(source)
    now, names = decoder.encoder.state(), frozen_names(decoder.encoder)
    assert set(names) == set(before)
    same = all(np.array_equal(before[name], now[names[name]]) for name in before)
    assert same == (way in FROZEN)
    notes = decoder.notes
    trained = sum(p.numel() for part in (decoder.encoder, decoder.head) for p in part.parameters() if p.requires_grad)
    assert notes["n_parameters"] == trained > 0 and notes["seconds"] > 0 and notes["peak_mib"] > 10
    assert (notes.get("n_frozen", 0) > 0) == (way in FROZEN)
    yhat = decoder.predict(target.blind())
    loaded = Decoder.load(decoder.save(tmp_path / "decoder"))
    np.testing.assert_array_equal(loaded.predict(target.blind()), yhat)
    # calibration goes on with the same parts, and from disk to the same numbers
    for one in (decoder, loaded):
        one.calibrate(target[:8])
    after = decoder.predict(target[8:].blind())
    np.testing.assert_array_equal(loaded.predict(target[8:].blind()), after)
    assert not np.array_equal(after, yhat[8:])
    if way in FROZEN:
        assert all(np.array_equal(before[name], decoder.encoder.state()[names[name]]) for name in before)


@pytest.mark.parametrize("way,network", sorted(IMPOSSIBLE))
def test_an_encoder_that_cannot_be_changed_is_refused(way, network, labelled):
    with pytest.raises(SentenceError, match=f"adapt={way} .* EEGNet has none that it calls: use adapt="):
        decoder_of(way, network, labelled).fit(labelled[:24])


@pytest.mark.parametrize("way", [way for way in FROZEN if way not in ("attentive_probe", "prefix", "dopamine")])
@pytest.mark.parametrize("network", ["conformer", "eegformer"])
def test_it_starts_from_the_encoder_as_it_is(way, network, labelled):
    decoder = decoder_of(way, network, labelled)
    x = torch.from_numpy(np.array(labelled.X[:4], dtype=np.float32))
    decoder.encoder.eval()
    with torch.no_grad():
        wanted = decoder.encoder(x, labelled.space)
        decoder.adapter.rebuild(decoder.encoder, decoder.head, x.shape[1:], labelled.space)
        decoder.encoder.eval()
        assert torch.allclose(decoder.encoder(x, labelled.space), wanted, atol=1e-6)
    if network == "conformer":  # blocks of EEGFormer begin as the identity, and tell nothing back
        decoder.encoder(x, labelled.space).square().sum().backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in decoder.encoder.parameters())


@pytest.mark.parametrize("way", ["two_stage", "adalora", "dopamine"])
def test_an_interrupted_training_goes_on_to_the_same_numbers(way, labelled, tmp_path, monkeypatch):
    source, asked = labelled[:48], labelled[48:].blind()
    words = ("model.train.max_epochs=4", "model.train.batch_size=12")
    wanted = decoder_of(way, "conformer", labelled, *words).fit(source).predict(asked)
    monkeypatch.setattr("corticode.adapt.full.Checkpoint", lambda path: Checkpoint(path, every_s=0))
    steps = []

    def stop(self, *args, **kwargs):
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    step = module.Learner._step
    monkeypatch.setattr(module.Learner, "_step", stop)
    first = decoder_of(way, "conformer", labelled, *words)
    first.adapter.unfinished = tmp_path
    with pytest.raises(KeyboardInterrupt):
        first.fit(source)
    n = len(steps)
    again = decoder_of(way, "conformer", labelled, *words)
    again.adapter.unfinished = tmp_path
    again.fit(source)
    assert len(steps) - n < 8, "it began anew"
    np.testing.assert_array_equal(again.predict(asked), wanted)


def test_frozen_statistics_stay_though_a_layer_does_the_work_of_its_norm(labelled):
    decoder = decoder_of("attentive_probe", "eegnet", labelled)
    x = torch.from_numpy(np.array(labelled.X[:8], dtype=np.float32))
    decoder.adapter.rebuild(decoder.encoder, decoder.head, x.shape[1:], labelled.space)
    decoder.encoder.train()
    decoder.adapter.tuning("fit").begin_epoch(decoder.encoder, decoder.head, 1, 2)
    assert torch.equal(decoder.encoder(x), decoder.encoder(x)) and not decoder.encoder(x).requires_grad


def test_a_copy_of_a_changed_network_answers_alike(labelled):
    for way in ("dopamine", "prefix", "ia3"):
        decoder = decoder_of(way, "conformer", labelled, "model.train.max_epochs=1").fit(labelled[:48])
        twin = copy.deepcopy(decoder)
        for gates in twin.encoder.added.values():
            for p in gates.parameters():
                p.data.zero_()
        blind = labelled[48:].blind()
        assert not np.array_equal(twin.predict(blind), decoder.predict(blind)), "the copy asks the original's additions"


def test_dora_from_disk_has_the_layers_it_had(labelled, tmp_path):
    """A fresh EEGFormer has rows of zeros, which have no direction; a pretrained one has not."""
    decoder = decoder_of("dora", "eegformer", labelled, "model.train.max_epochs=1")
    with torch.no_grad():
        decoder.encoder.blocks[0].mix.weight.fill_(0.1)
    decoder.fit(labelled[:48])
    assert any(name.startswith("blocks.0.mix.lora_") for name in decoder.encoder.state_dict())
    assert not any(name.startswith("blocks.1.mix.lora_") for name in decoder.encoder.state_dict())
    blind = labelled[48:].blind()
    yhat = decoder.predict(blind)
    assert np.isfinite(yhat).all()
    np.testing.assert_array_equal(Decoder.load(decoder.save(tmp_path / "dora")).predict(blind), yhat)


def test_without_peft_the_extra_is_named(labelled, monkeypatch):
    decoder = decoder_of("lora", "ctnet", labelled)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SentenceError, match=r"adapt=lora needs the library peft .*corticode\[peft\]"):
        decoder.fit(labelled[:24])


@pytest.mark.parametrize(
    "way,key,value,said",
    [
        ("full", "layer_decay", 1.5, "above 0, at most 1"),
        ("full", "unfreeze_every", -1, "0 or more"),
        ("two_stage", "head_epochs", 0, "adapt=full"),
        ("lora", "rank", 0, "1 or more"),
        ("bottleneck", "width", 0, "1 or more"),
        ("prefix", "n_tokens", 0, "1 or more"),
        ("dopamine", "soft_to", 2.0, "the larger first"),
        ("adalora", "target_rank", 20, "from 1 to that"),
        ("adalora", "warmup", 0.9, "leave some between"),
        ("probe", "head", "svm", "logistic or ridge"),
    ],
)
def test_settings_that_mean_nothing_are_refused(way, key, value, said):
    config = compose([f"adapt={way}"])["adapt"]
    with pytest.raises(SentenceError, match=said):
        catalogue.make({**config, key: value})


def test_pairs_that_cannot_work_are_refused_when_the_decoder_is_built(labelled):
    with pytest.raises(SentenceError, match=r"leaves none of train\.max_epochs=2"):
        decoder_of("two_stage", "eegnet", labelled, "adapt.head_epochs=2")
    with pytest.raises(SentenceError, match="takes them anew"):
        decoder_of("ia3", "eegnet", labelled, "model.train.average_from=0.5")
    with pytest.raises(SentenceError, match="adapt=dopamine trains by gradients"):
        catalogue.make(compose(["adapt=dopamine"])["adapt"]).check(catalogue.make(compose(["model=mdm"])["model"]["encoder"]), None)


def test_two_stage_gives_the_encoder_its_time(labelled):
    seen = []

    class Spy(TwoStage):
        def _each(self, *args, **more):
            seen.append(self.training)
            return super()._each(*args, **more)

    decoder = decoder_of("two_stage", "eegformer", labelled, "model.train.max_epochs=6", "model.train.patience=2")
    Spy.fit(Spy(training=decoder.adapter.training, trainer={"accelerator": "cpu"}, head_epochs=3), *decoder._lesson(labelled[:48]))
    assert seen[0].min_epochs == 5 and decoder.adapter.training.min_epochs == 1


def test_full_keeps_its_defaults():
    assert Full().tuning("fit") is None and Full(unfreeze_every=2).tuning("calibrate") is None
