"""Augmentation in a training: settled by the seed, never on rows that are judged, part of the key, refused where nothing learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from corticode import catalogue, store
from corticode.augment.base import Augment, Chain, switched_on
from corticode.augment.mixup import Mixup
from corticode.augment.noise import Noise
from corticode.augment.recombination import Recombination
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.encoder.own import OwnNetwork
from corticode.errors import SentenceError
from corticode.head.identity import Identity
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe, recipes_of
from corticode.space import Space
from corticode.split.inner import inner_validation
from corticode.task.classification import Classification
from corticode.train import infer
from corticode.train.fit import fit
from corticode.train.settings import Hardware, Training

CPU = Hardware("cpu", precision="32-true")
QUICK = Training(max_epochs=4, batch_size=24, lr=0.02, patience=12, warmup_epochs=1)
AUGMENTED = [name for name in catalogue.names("model") if "augment" in (catalogue.conf_folder() / "model" / f"{name}.yaml").read_text()]


class LogVariance(nn.Module):
    """What the classes of the fixture differ in, and a line through it."""

    def __init__(self, n_outputs=2):
        super().__init__()
        self.norm, self.line = nn.BatchNorm1d(6), nn.Linear(6, n_outputs)

    def forward(self, x):
        return self.line(self.norm(x.var(dim=2).log()))


@pytest.fixture
def rows(windows):
    return np.asarray(windows.X), (windows.meta["event"] == "right_hand").to_numpy().astype(int), windows.meta, windows.space


def train(rows, chain, training=QUICK, seed=0, objective=None):
    X, y, meta, space = rows
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder, head = OwnNetwork(LogVariance()), Identity("probability")
    notes = fit(encoder, head, objective or Supervised(), X, y, meta, space, training, seed, CPU, augment=chain)
    return encoder, head, notes


class Seen(Supervised):
    """Remembers what is learned from and what is judged."""

    def __init__(self):
        super().__init__()
        self.learned, self.judged = [], []

    def __call__(self, encoder, head, x, y, space=None):
        (self.learned if encoder.training else self.judged).append((x.clone(), y.clone()))
        return super().__call__(encoder, head, x, y, space)


class Mark(Augment):
    """Puts every window beyond what was recorded, and remembers with which chance."""

    def __init__(self, drawn):
        super().__init__(1.0)
        self.drawn = drawn

    def change(self, x, y, space, generator):
        self.drawn.append(float(torch.rand((), generator=generator)))
        return x + 1e6, y


def test_rows_that_are_judged_stay_as_they_were(rows):
    X, y, meta, _ = rows
    seen = Seen()
    train(rows, Chain(mark=Mark([])), objective=seen)
    assert all((x > 1e5).all() for x, _ in seen.learned)
    held = inner_validation(meta, y, 0.2, 0).validation
    assert len(seen.judged) == 4
    for x, labels in seen.judged:
        assert torch.equal(x, torch.from_numpy(X[held])) and torch.equal(labels, torch.from_numpy(y[held]))


def test_every_step_has_a_chance_of_its_own_that_the_seed_settles(rows):
    drawn = [[] for _ in range(3)]
    for mine, seed in zip(drawn, (0, 0, 1), strict=True):
        train(rows, Chain(mark=Mark(mine)), seed=seed)
    assert len(set(drawn[0])) == len(drawn[0]) == 12
    assert drawn[0] == drawn[1] and not set(drawn[0]) & set(drawn[2])


def test_chance_of_a_step_does_not_depend_on_how_it_was_reached(rows):
    """Epoch 3 of a training that began anew draws what epoch 3 draws: other chance in between changes nothing."""

    class Restless(Seen):
        def __call__(self, encoder, head, x, y, space=None):
            torch.rand(7)
            return super().__call__(encoder, head, x, y, space)

    drawn = [[], []]
    train(rows, Chain(mark=Mark(drawn[0])))
    train(rows, Chain(mark=Mark(drawn[1])), objective=Restless())
    assert drawn[0] == drawn[1]


def test_a_network_learns_from_mixed_and_recombined_windows(rows):
    X, y, _, space = rows
    seen = Seen()
    chain = Chain(recombination=Recombination(probability=1.0), mixup=Mixup(probability=1.0, classes=("a", "b")))
    training = Training(max_epochs=12, batch_size=24, lr=0.02, patience=12, warmup_epochs=1)
    encoder, head, notes = train(rows, chain, training, objective=seen)
    assert {tuple(x.shape) for x, _ in seen.learned} == {(48, 6, 128)} and {tuple(y.shape) for _, y in seen.learned} == {(48, 2)}
    assert (infer.predict(encoder, head, X, space).argmax(1) == y).mean() > 0.9
    assert 0 < notes["history"][-1]["train_accuracy"] <= 1


def test_the_same_seed_gives_the_same_bits(rows):
    X, _, _, space = rows
    chain = Chain(noise=Noise(level=0.5, probability=0.5))
    with_noise, again, without = (infer.predict(*train(rows, c)[:2], X, space) for c in (chain, chain, None))
    assert np.array_equal(with_noise, again) and not np.array_equal(with_noise, without)


# -- recipes -------------------------------------------------------------------------------------------------------------


def recipe_of(windows, *overrides, classes=("left_hand", "right_hand")):
    cfg = compose([*overrides, "trainer=cpu", "model.train.max_epochs=1"])
    return Recipe(
        "x", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, classes, augment=cfg["augment"]
    )


def test_a_key_switches_an_augmentation_on(windows):
    adapter = recipe_of(windows, "model=eegnet", "augment.mixup.probability=0.25", "augment=channel_drop")(0).adapter
    assert list(adapter.augment.steps) == ["channel_drop", "mixup"]
    assert adapter.augment.steps["mixup"].classes == ("left_hand", "right_hand")
    assert recipe_of(windows, "model=eegnet")(0).adapter.augment is None


def test_a_decoder_that_was_augmented_is_saved_and_goes_on(windows, tmp_path):
    labelled = Classification(classes=["left_hand", "right_hand"]).label(windows)
    decoder = recipe_of(windows, "model=eegnet", "augment=hemisphere_swap", "augment.mixup.probability=0.5")(0).fit(labelled)
    loaded = Decoder.load(decoder.save(tmp_path / "model"))
    blind = labelled.blind()
    assert np.array_equal(loaded.predict(blind), decoder.predict(blind))
    assert catalogue.plain(loaded.adapter.augment) == catalogue.plain(decoder.adapter.augment)


def test_what_is_off_is_no_part_of_the_key(windows):
    def key(*overrides):
        return store.key(recipe_of(windows, "model=eegnet", *overrides).describe())

    assert key() == key("augment.mixup.alpha=0.9")
    assert len({key(), key("augment=mixup"), key("augment=mixup", "augment.mixup.alpha=0.9"), key("augment=noise")}) == 4
    assert key("augment=mixup", "augment=none") == key()


@pytest.mark.parametrize("words", [("model=tangent_space",), ("model=mdm",), ("model=eegnet", "adapt=probe")])
def test_an_augmentation_without_a_training_is_refused(windows, words):
    cfg = compose([*words, "augment=noise"])
    [recipe] = recipes_of({**cfg, "logger": {}}, None, windows, ".", classes=("left_hand", "right_hand"))
    with pytest.raises(SentenceError, match=r"augment.noise changes batches.*augment=none"):
        recipe(0)


def test_windows_of_several_people_are_not_mixed_where_each_is_normalised_by_itself(windows):
    with pytest.raises(SentenceError, match=r"augment.recombination mixes windows"):
        recipe_of(windows, "model=tsmnet", "augment=recombination")(0)
    recipe_of(windows, "model=tsmnet", "augment=noise")(0)


def test_what_cannot_act_on_these_windows_is_refused_before_any_work(windows):
    recipe = recipe_of(windows, "model=eegnet", "augment=hemisphere_swap")
    recipe(0)
    with pytest.raises(SentenceError, match=r"no counterpart.*\(C5\)"):
        replace(recipe, space=Space("eeg", ("Fz", "C5", "Cz", "C3", "C4", "Oz"), "uV", 128))(0)
    with pytest.raises(SentenceError, match="right_hand has a side"):
        replace(recipe, classes=("feet", "right_hand"))(0)


@pytest.mark.parametrize("name", AUGMENTED)
def test_none_switches_off_what_a_model_brings(name):
    """A model chooses with `override /augment: ENTRY`: a probability in its own file would win over what is typed."""
    assert switched_on(compose([f"model={name}", "augment=none"])["augment"]) == {}
