"""Folds that are trained at once end as each would by itself, and none of them hears of another's rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.augment.base import Chain
from corticode.augment.mixup import Mixup
from corticode.augment.sign_flip import SignFlip
from corticode.compose import compose
from corticode.encoder.own import OwnNetwork
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.identity import Identity
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe
from corticode.train.fit import fit
from corticode.train.settings import Hardware, Training
from corticode.train.together import Course, fit_together, why_alone

CPU = Hardware("cpu", precision="32-true")

# A bias in front of a batch norm changes nothing but that norm's running mean: Adam makes steps of what rounding leaves of its gradient.
IDLE = {
    "eegnet": ("bank.temporal_norm.bias", "bank.spatial_norm.running_mean"),
    "shallow_convnet": ("temporal_bias", "norm.running_mean"),
    "ctnet": ("bank.temporal_norm.bias", "bank.spatial_norm.running_mean"),
}


class Folds:
    """One person left out after the other, and what each fold's network is trained with."""

    def __init__(self, rows, make, settings, augment=None):
        self.X, self.y, self.meta, self.space = rows
        self.make, self.augment = make, augment
        self.training = Training(**{"max_epochs": 5, "batch_size": 18, "warmup_epochs": 1.0, "validation": 0.0, **settings})
        people = self.meta["subject"].to_numpy()
        self.fit_rows = [np.flatnonzero(people != person) for person in np.unique(people)]

    def parts(self, k):
        """The arguments that differ between folds, and the network."""
        rows = self.fit_rows[k]
        return *self.make(k), Supervised(), self.X[rows], self.y[rows], self.meta.iloc[rows]

    def together(self, which=(0, 1, 2, 3), n_places=4):
        """Return {fold: (encoder, head, notes)}."""
        courses = {k: Course(*self.parts(k), seed=10 + k, augment=self.augment) for k in which}
        notes = dict(fit_together(list(courses.values()), self.training, self.space, CPU, n_places))
        return {k: (course.encoder, course.head, notes[i]) for i, (k, course) in enumerate(courses.items())}

    def alone(self, k):
        encoder, head, *rest = self.parts(k)
        return encoder, head, fit(encoder, head, *rest, self.space, self.training, 10 + k, CPU, augment=self.augment)


@pytest.fixture
def folds(rows, network):
    """Folds of a small network, or of a published one."""

    def make(name=None, drop_prob=None, augment=None, parts=None, **settings):
        X, _, _, space = rows
        if name is None:
            return Folds(rows, lambda k: parts() if parts else network(), {"lr": 0.02, **settings}, augment)
        cfg = compose([f"model={name}"])
        recipe = Recipe(
            name, cfg["model"], cfg["adapt"], cfg["align"], {"accelerator": "cpu"}, space, X.shape[2], ("left_hand", "right_hand")
        )

        def built(k):
            decoder = recipe(k)
            for module in (*decoder.encoder.modules(), *decoder.head.modules()) if drop_prob is not None else ():
                for attribute in ("p", "drop_prob"):
                    if hasattr(module, attribute):
                        setattr(module, attribute, drop_prob)
            return decoder.encoder, decoder.head

        return Folds(rows, built, settings, augment)

    return make


def apart(one, other, but=()):
    """Return how far two networks are apart, by the name of a weight."""
    pairs = [(a.state(), b.state()) for a, b in zip(one[:2], other[:2], strict=True)]
    return {name: np.abs(a[name] - b[name]).max(initial=0.0) for a, b in pairs for name in a if name not in but}


def same_bits(one, other):
    return all(np.array_equal(a.state()[name], b.state()[name]) for a, b in zip(one[:2], other[:2], strict=True) for name in a.state())


@pytest.mark.parametrize("drop_prob", [0.0, None], ids=["without dropout", "with dropout"])
@pytest.mark.parametrize("name", list(IDLE))
def test_equals_lone_runs_after_20_steps(folds, name, drop_prob):
    folds = folds(name, drop_prob)
    found = folds.together()
    for k in range(4):
        lone = folds.alone(k)
        different = {weight: value for weight, value in apart(found[k], lone, IDLE[name]).items() if value > 1e-4}
        assert not different, f"fold {k}: {different}"
        # idle biases follow the optimiser's rounding errors, and running means lag behind them: the lone run's for both
        idle = {weight: lone[0].state_dict()[weight] for weight in IDLE[name]}
        found[k][0].load_state_dict({**found[k][0].state_dict(), **idle})
        x = torch.from_numpy(np.array(folds.X[:8], dtype=np.float32))
        with torch.no_grad():
            answers = [head(encoder(x)) for encoder, head in (found[k][:2], lone[:2])]
        assert torch.allclose(*answers, atol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"validation": 0.3, "patience": 2, "max_epochs": 12},
        {"optimizer": "adam", "weight_decay": 0.1, "schedule": "constant", "gradient_clip": None},
        {"gradient_clip": 0.01, "beta1": 0.5, "beta2": 0.9, "warmup_epochs": 0.0},
        {"augment": Chain(flip=SignFlip(0.5), mix=Mixup(0.5))},
    ],
    ids=["plain", "validation", "adam", "clip", "augment"],
)
def test_all_that_a_training_does(folds, settings):
    folds = folds(**settings)
    for k, found in folds.together().items():
        lone = folds.alone(k)
        assert max(apart(found, lone).values()) < 1e-5
        assert found[2]["selection"] == lone[2]["selection"] and found[2]["best_epoch"] == lone[2]["best_epoch"]
        assert not found[0].training and not found[1].training
        for mine, theirs in zip(found[2]["history"], lone[2]["history"], strict=True):
            assert mine.keys() == theirs.keys()
            assert list(mine.values()) == pytest.approx(list(theirs.values()), abs=1e-5)


@pytest.mark.parametrize("name", [*IDLE, None])
def test_the_held_out_rows_change_no_bit(folds, name):
    settings = {"validation": 0.3, "patience": 2, "max_epochs": 6}
    before = folds(name, **settings)
    after = folds(name, **settings)
    after.X = after.X.copy()
    held_out = np.setdiff1d(np.arange(len(after.X)), after.fit_rows[1])
    after.X[held_out] = 10 * after.X[held_out][::-1]
    first, second = before.together(), after.together()
    assert same_bits(first[1], second[1]) and first[1][2] == second[1][2]
    assert not same_bits(first[0], second[0])  # they do learn from those rows


def test_a_loss_that_is_no_number_breaks_its_own_fold_alone(folds):
    settings = {"validation": 0.3, "patience": 2, "max_epochs": 6}
    before, after = folds(**settings), folds(**settings)
    after.X = after.X.copy()
    after.X[np.setdiff1d(np.arange(len(after.X)), after.fit_rows[1])] = np.nan
    first, second = before.together(), after.together()
    assert same_bits(first[1], second[1])
    for k in (0, 2, 3):
        with pytest.raises(BrokenDataError) as lone:
            after.alone(k)
        assert isinstance(second[k][2], BrokenDataError) and str(second[k][2]) == str(lone.value)


def test_a_fold_with_fewer_batches_waits(folds):
    folds = folds("eegnet", validation=0.3, max_epochs=3)
    folds.fit_rows[2] = folds.fit_rows[2][:40]
    found = folds.together()
    assert len({found[k][2]["n_parameters"] for k in found}) == 1
    for k in range(4):
        lone = folds.alone(k)
        assert max(apart(found[k], lone, IDLE["eegnet"]).values()) < 1e-4
        assert [line["lr"] for line in found[k][2]["history"]] == pytest.approx([line["lr"] for line in lone[2]["history"]])


@pytest.mark.parametrize("n_places", [2, 3])
def test_the_next_fold_takes_the_place_of_one_that_ended(folds, n_places):
    folds = folds(validation=0.3, patience=1, max_epochs=12)
    found = folds.together(n_places=n_places)
    lengths = [len(found[k][2]["history"]) for k in range(4)]
    assert len(set(lengths)) > 1  # they end at different times
    for k in range(4):
        lone = folds.alone(k)
        assert len(lone[2]["history"]) == lengths[k] and max(apart(found[k], lone).values()) < 1e-5


def test_who_stands_beside_it_changes_no_bit(folds):
    folds = folds("eegnet", validation=0.3, patience=1, max_epochs=6)
    assert same_bits(folds.together((0, 1, 2, 3), n_places=2)[3], folds.together((3, 1), n_places=2)[3])


class Lstm(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = torch.nn.LSTM(6, 2, batch_first=True)

    def forward(self, x):
        return self.recurrent(x.transpose(1, 2))[1][0][-1]


def test_what_has_no_rule_is_refused(folds):
    with pytest.raises(SentenceError, match="lstm"):
        folds(parts=lambda: (OwnNetwork(Lstm()), Identity("probability"))).together()


def test_batches_of_different_size_are_refused(folds):
    folds = folds()
    folds.fit_rows[0] = folds.fit_rows[0][:10]
    with pytest.raises(SentenceError, match="fewer rows"):
        folds.together()


@pytest.mark.parametrize(
    ("settings", "hardware", "logger", "said"),
    [
        ({}, CPU, None, ""),
        ({}, CPU, {"kind": None}, ""),
        ({"ema_decay": 0.9}, CPU, None, "ema_decay"),
        ({"average_from": 0.5}, CPU, None, "average_from"),
        ({"second_stage_epochs": 5}, CPU, None, "second_stage_epochs"),
        ({}, Hardware("cpu", 2, "ddp", "32-true"), None, "devices=2"),
        ({}, Hardware("cpu", precision="16-mixed"), None, "precision"),
        ({}, CPU, {"kind": "csv"}, "logger"),
    ],
)
def test_why_alone(network, settings, hardware, logger, said):
    why = why_alone(network()[0], Training(**settings), hardware, logger)
    assert said in why and bool(said) == bool(why)


def test_networks_that_take_people_into_account_are_trained_alone():
    cfg = compose(["model=tsmnet"])
    from corticode import catalogue

    encoder = catalogue.make(cfg["model"]["encoder"], n_chans=6, n_times=128, sfreq=128.0)
    assert "TSMNet" in why_alone(encoder, Training(), CPU)


def test_bfloat16_runs(folds):
    folds = folds("eegnet")
    courses = [Course(*folds.parts(k), seed=k) for k in range(2)]
    notes = dict(fit_together(courses, folds.training, folds.space, Hardware("cpu", precision="bf16-mixed"), 2))
    assert notes[0]["precision"] == "bf16-mixed" and all(np.isfinite(line["train_loss"]) for line in notes[0]["history"])
