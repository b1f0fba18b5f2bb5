"""A training that was interrupted goes on, and ends with the bits of one that was not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml

from corticode import catalogue
from corticode.augment.base import Chain
from corticode.augment.sign_flip import SignFlip
from corticode.compose import compose
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe
from corticode.train.checkpoint import Checkpoint
from corticode.train.fit import fit
from corticode.train.settings import Hardware, Training
from sized import sized, small

CPU = Hardware("cpu", precision="32-true")


class Killed(Exception):
    """What a test ends a training with."""


class Kill(Supervised):
    """Ends the training at its nth step."""

    def __init__(self, step):
        super().__init__()
        self.step, self.n = step, 0

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        self.n += encoder.training
        if self.n == self.step:
            raise Killed
        return super().__call__(encoder, head, x, y, space)


class Count(Supervised):
    def __init__(self):
        super().__init__()
        self.n = 0

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        self.n += encoder.training
        return super().__call__(encoder, head, x, y, space)


@pytest.mark.parametrize("step", [5, 14, 22])  # three steps an epoch, eight epochs
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "adam", "schedule": "constant", "monitor": "val_accuracy"},
        {"ema_decay": 0.9},
        {"average_from": 0.25},
        {"validation": 0.0, "batch_size": 32},
        {"augment": Chain(flip=SignFlip(0.5))},
    ],
    ids=["plain", "adam", "moving", "average", "no-validation", "augment"],
)
def test_interrupted_and_resumed_is_uninterrupted(train, tmp_path, settings, step):
    whole, _, expected = train(**settings)
    checkpoint = Checkpoint(tmp_path / "unfinished" / "fit.safetensors", every_s=0.0)
    with pytest.raises(Killed):
        train(objective=Kill(step), checkpoint=checkpoint, **settings)
    count = Count()
    resumed, _, notes = train(objective=count, checkpoint=checkpoint, **settings)
    assert notes == expected
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    assert count.n == 24 - (step - 1) // 3 * 3


@pytest.mark.parametrize("step", [7, 14, 17])  # the first stage has 4 epochs of 3 steps, the second one of 4
@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.5}], ids=["plain", "moving"])
def test_second_stage_is_resumed(train, tmp_path, step, settings):
    settings = {"max_epochs": 4, "second_stage_epochs": 3, "lr": 0.005, **settings}
    whole, _, expected = train(**settings)
    assert len(expected["history"]) >= 6  # else the second stage is not where it is killed
    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every_s=0.0)
    with pytest.raises(Killed):
        train(objective=Kill(step), checkpoint=checkpoint, **settings)
    resumed, _, notes = train(checkpoint=checkpoint, **settings)
    assert notes == expected
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def neural_models():
    found = []
    for file in sorted((catalogue.conf_folder() / "model").glob("*.yaml")):
        model = yaml.safe_load(file.read_text(encoding="utf-8"))
        adapt = [default["override /adapt"] for default in model["defaults"] if "override /adapt" in default]
        if adapt == ["full"] and file.stem not in ("own", "braindecode"):
            found.append(file.stem)
    return found


@pytest.mark.parametrize("entry", neural_models())
def test_every_network_is_resumed(rows, tmp_path, entry):
    X, y, meta, space = rows
    n_times, sfreq = sized(entry, X.shape[2], space.sfreq)
    X, space = np.tile(X, -(-n_times // X.shape[2]))[..., :n_times], space.at(sfreq)
    cfg = compose([f"model={entry}", *small(entry)])
    recipe = Recipe(entry, cfg["model"], cfg["adapt"], cfg["align"], {"accelerator": "cpu"}, space, X.shape[2], ("left_hand", "right_hand"))
    training = Training(max_epochs=3, batch_size=18, warmup_epochs=1)

    def run(step, checkpoint=None):
        decoder = recipe(0)
        count = Counting(decoder.adapter.objective, step)
        notes = fit(decoder.encoder, decoder.head, count, X, y, meta, space, training, 0, CPU, checkpoint=checkpoint)
        return decoder.encoder.state() | decoder.head.state(), notes, count.n

    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every_s=0.0)
    whole, expected, n = run(None)
    with pytest.raises(Killed):
        run(n - 1, checkpoint)
    resumed, notes, n_after = run(None, checkpoint)
    assert n_after < n and notes == expected
    assert all(np.array_equal(value, resumed[name]) for name, value in whole.items())


class Counting:
    """An objective that ends the training at its nth step."""

    def __init__(self, objective, step):
        self.objective, self.step, self.n = objective, step, 0

    def __call__(self, encoder, head, *batch):
        self.n += encoder.training
        if self.n == self.step:
            raise Killed
        return self.objective(encoder, head, *batch)


def test_a_finished_training_is_not_repeated(train, tmp_path):
    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every_s=0.0)
    whole, _, expected = train(checkpoint=checkpoint)
    count = Count()
    again, _, notes = train(objective=count, checkpoint=checkpoint)
    assert count.n == 0 and notes == expected
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())


def test_another_training_is_not_gone_on_with(train, tmp_path, rows):
    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every_s=0.0)
    train(checkpoint=checkpoint)
    X, y, meta, space = rows
    for change in ({"lr": 0.01}, {"seed": 1}, {"data": (X, np.roll(y, 1), meta, space)}):
        count = Count()
        train(objective=count, checkpoint=checkpoint, **change)
        assert count.n == 24


def test_a_damaged_file_is_not_read(train, tmp_path):
    checkpoint = Checkpoint(tmp_path / "fit.safetensors", every_s=0.0)
    _, _, expected = train(checkpoint=checkpoint)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:500])
    assert train(checkpoint=checkpoint)[2] == expected


def test_it_is_written_only_so_often(train, tmp_path):
    train(checkpoint=Checkpoint(tmp_path / "fit.safetensors"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_stops_no_training(train, tmp_path):
    (tmp_path / "file").write_text("in the way")
    _, _, notes = train(checkpoint=Checkpoint(tmp_path / "file" / "fit.safetensors", every_s=0.0))
    assert len(notes["history"]) == 8


def test_states_come_back_as_they_were(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state.safetensors")
    state = {"n": 3, "loss": 0.1, "none": None, 0: [1, {"exp_avg": torch.arange(3.0)}], "weights": {"a.b": torch.ones(2, dtype=torch.bool)}}
    checkpoint.write("key", state)
    assert checkpoint.read("other") is None
    found = checkpoint.read("key")
    assert torch.equal(found[0][1].pop("exp_avg"), torch.arange(3.0)) and torch.equal(found["weights"].pop("a.b"), torch.ones(2).bool())
    assert found == {"n": 3, "loss": 0.1, "none": None, 0: [1, {}], "weights": {}}
