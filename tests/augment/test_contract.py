"""What every augmentation of the catalogue keeps: shapes, the given batch, chance from its generator alone."""

from __future__ import annotations

import pytest
import torch

from corticode import catalogue
from corticode.augment.base import chance, switched_on
from corticode.compose import compose
from corticode.errors import SentenceError
from corticode.space import Space

SPACE = Space("eeg", ("FC3", "C3", "Cz", "C4", "FC4"), "uV", 128)
CLASSES = ("left_hand", "right_hand", "feet")
LISTED = {name: config for name, config in compose([])["augment"].items() if name != "_target_"}
GROWS, SOFT = {"recombination"}, {"mixup"}
# so that a drawn window surely changes, in its place
STRONG = {"recombination": {"copies": 0}, "channel_shuffle": {"share": 1.0}, "channel_drop": {"share": 0.9}}


def augmentation(name, probability=1.0, **arguments):
    return catalogue.make({**LISTED[name], "probability": probability, **arguments}, classes=CLASSES)


def batch(b=12, n_times=97, seed=0):
    x = 10 * torch.randn(b, len(SPACE), n_times, generator=torch.Generator().manual_seed(seed))
    return x, torch.arange(b) % 3


@pytest.mark.parametrize("name", LISTED)
def test_shapes_and_kinds_stay(name):
    x, y = batch()
    made, labels = augmentation(name)(x, y, SPACE, chance(0, 0, 0))
    assert made.dtype == torch.float32 and made.isfinite().all() and made.shape[1:] == x.shape[1:]
    assert len(made) == len(labels) == (24 if name in GROWS else 12)
    assert labels.shape[1:] == ((3,) if name in SOFT else ()) and labels.is_floating_point() == (name in SOFT)


@pytest.mark.parametrize("name", LISTED)
def test_it_changes_something(name):
    x, y = batch()
    made, _ = augmentation(name, **STRONG.get(name, {}))(x, y, SPACE, chance(0, 0, 0))
    assert not torch.equal(made, x)


@pytest.mark.parametrize("name", LISTED)
def test_a_probability_of_zero_is_the_identity(name):
    x, y = batch()
    made, labels = augmentation(name, 0.0)(x, y, SPACE, chance(0, 0, 0))
    assert torch.equal(made, x) and torch.equal(labels, y) and labels.dtype == y.dtype


@pytest.mark.parametrize("probability", [0.5, 1.0])
@pytest.mark.parametrize("name", LISTED)
def test_the_given_batch_stays_as_it_is(name, probability):
    (x, y), (before, labels) = batch(), batch()
    augmentation(name, probability)(x, y, SPACE, chance(0, 0, 0))
    assert torch.equal(x, before) and torch.equal(y, labels)


@pytest.mark.parametrize("probability", [0.5, 1.0])
@pytest.mark.parametrize("name", LISTED)
def test_all_chance_comes_from_the_generator(name, probability):
    x, y = batch(b=64)
    act = augmentation(name, probability)
    untouched = torch.random.get_rng_state()
    first, again, other = (act(x, y, SPACE, chance(seed, 0, 0)) for seed in (0, 0, 1))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    settled = {"hemisphere_swap", "sign_flip"} if probability == 1 else set()
    same = first[0].shape == other[0].shape and torch.equal(first[0], other[0])
    assert same == (name in settled)
    assert torch.equal(torch.random.get_rng_state(), untouched)


@pytest.mark.parametrize("name", LISTED)
def test_windows_that_were_not_drawn_stay(name):
    x, y = batch(b=400, n_times=64)
    made, _ = augmentation(name, 0.3, **STRONG.get(name, {}))(x, y, SPACE, chance(0, 0, 0))
    stayed = (made == x).flatten(1).all(1).float().mean()
    assert 0.6 < stayed < 0.8


@pytest.mark.parametrize("name", LISTED)
@pytest.mark.parametrize("b", [1, 2])
def test_a_small_batch_passes(name, b):
    x, y = batch(b=b, n_times=64)
    made, labels = augmentation(name)(x, y, SPACE, chance(0, 0, 0))
    assert made.isfinite().all() and len(made) == len(labels)


@pytest.mark.parametrize("name", sorted(set(LISTED) - {"recombination"}))
def test_values_of_a_regression_pass(name):
    x, _ = batch()
    y = torch.linspace(-1, 1, 12)
    made, values = catalogue.make({**LISTED[name], "probability": 1.0}, classes=())(x, y, SPACE, chance(0, 0, 0))
    assert made.shape == x.shape and values.shape == y.shape
    assert torch.equal(values, y) or name == "mixup"


@pytest.mark.parametrize("name", LISTED)
def test_it_can_be_written_down_and_built_again(name):
    act = augmentation(name, 0.5)
    again = catalogue.make(catalogue.plain(act))
    assert type(again) is type(act) and again.arguments() == act.arguments()


@pytest.mark.parametrize("name", LISTED)
def test_each_has_an_entry_that_switches_it_on_and_nothing_else(name):
    assert list(switched_on(compose([f"augment={name}"])["augment"])) == [name]
    assert switched_on(compose([f"augment={name}", "augment=none"])["augment"]) == {}


@pytest.mark.parametrize(
    "name,arguments,match",
    [
        ("recombination", {"n_segments": 1}, "n_segments"),
        ("surrogate", {"magnitude": 0.0}, "magnitude"),
        ("channel_drop", {"share": 1.0}, "share"),
        ("channel_shuffle", {"share": 0.0}, "share"),
        ("time_shift", {"max_shift_s": 0.0}, "max_shift_s"),
        ("time_mask", {"length_s": -1.0}, "length_s"),
        ("noise", {"level": 0.0}, "level"),
        ("scale", {"low": 2.0}, "low"),
        ("mixup", {"alpha": 0.0}, "alpha"),
        ("hemisphere_swap", {"labels": "turn"}, "labels"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(name, arguments, match):
    with pytest.raises(SentenceError, match=match):
        augmentation(name, **arguments)


@pytest.mark.parametrize("name", ["recombination", "time_shift", "time_mask"])
def test_windows_that_are_too_short_are_refused(name):
    with pytest.raises(SentenceError, match=f"augment.{name}"):
        augmentation(name).check(SPACE, 7)
    augmentation(name).check(SPACE, 64)
