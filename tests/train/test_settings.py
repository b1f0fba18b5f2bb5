"""Settings that cannot work are refused before anything runs."""

from __future__ import annotations

import pytest
import torch

from corticode.errors import SentenceError
from corticode.train.settings import Hardware, Training


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"validation": 1.0},
        {"validation": -0.1},
        {"monitor": "train_loss"},
        {"patience": 0},
        {"optimizer": "sgd"},
        {"schedule": "step"},
        {"beta1": 1.0},
        {"beta2": -0.1},
        {"ema_decay": 1.0},
        {"average_from": 1.0},
        {"second_stage_epochs": -1},
        {"second_stage_epochs": 5, "validation": 0.0},
        {"second_stage_epochs": 5, "average_from": 0.5},
        {"ema_decay": 0.9, "average_from": 0.5},
    ],
)
def test_training_is_checked(wrong):
    with pytest.raises(SentenceError, match=next(iter(wrong))):
        Training(**wrong)


def test_arguments_make_a_twin():
    assert Training(**Training(lr=0.1, patience=3).arguments()) == Training(lr=0.1, patience=3)


def test_calibration_is_short_and_holds_nothing_back():
    settings = Training(max_epochs=300, calibrate_epochs=7, calibrate_lr=1e-5).for_calibration
    assert (settings.max_epochs, settings.lr, settings.validation, settings.warmup_epochs) == (7, 1e-5, 0.0, 0.0)


@pytest.mark.parametrize("kept", [{"ema_decay": 0.999}, {"average_from": 0.5}, {"second_stage_epochs": 600}])
def test_calibration_keeps_its_last_weights(kept):
    settings = Training(**kept).for_calibration
    assert (settings.ema_decay, settings.average_from, settings.second_stage_epochs) == (None, None, 0)


def test_better_depends_on_what_is_monitored():
    assert Training(monitor="val_loss").is_better(0.5, 0.6) and not Training(monitor="val_loss").is_better(0.6, 0.6)
    assert Training(monitor="val_accuracy").is_better(0.7, 0.6) and not Training(monitor="val_accuracy").is_better(0.5, 0.6)
    assert Training().is_better(3.0, None) and not Training().is_better(float("nan"), None)


def test_unknown_hardware_keys_are_refused():
    with pytest.raises(SentenceError, match="acelerator is unknown: pick from accelerator"):
        Hardware.of({"acelerator": "cpu"})
    assert Hardware.of(None) == Hardware() and Hardware.of({"devices": 2}).devices == 2


def test_a_machine_without_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Hardware().resolved() == Hardware("cpu", 1, "auto", "32-true")
    assert Hardware("gpu").device == "cpu"  # a decoder trained on a GPU still answers here
    with pytest.raises(SentenceError, match="trainer=cpu"):
        Hardware("gpu").resolved()
    with pytest.raises(SentenceError, match=r"trainer\.devices=2"):
        Hardware("cpu", "auto").resolved()


@pytest.mark.parametrize("half,precision", [(True, "bf16-mixed"), (False, "32-true")])
def test_a_machine_with_gpu(monkeypatch, half, precision):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: half)
    assert Hardware().resolved() == Hardware("gpu", 1, "auto", precision)
    assert Hardware("cpu").resolved().precision == "32-true"
    assert Hardware("gpu", precision="16-mixed").resolved().precision == "16-mixed"
    assert Hardware("gpu", "auto", "ddp").resolved().strategy == "ddp_spawn"
    assert Hardware().device == "cuda" and Hardware("cpu").device == "cpu"
