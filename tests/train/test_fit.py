"""Training: learns, stops in time, keeps the best, repeats itself, and leaves no trace."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from torch import nn

from corticode.encoder.eegnet import EEGNet
from corticode.encoder.own import OwnNetwork
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.identity import Identity
from corticode.head.linear import Linear
from corticode.objective.supervised import Supervised
from corticode.split.inner import inner_validation
from corticode.train import infer
from corticode.train.fit import fit
from corticode.train.settings import Hardware, Training

CPU = Hardware("cpu", precision="32-true")
QUICK = Training(max_epochs=12, batch_size=24, lr=0.02, patience=12, warmup_epochs=1)


class LogVariance(nn.Module):
    """What the classes of the fixture differ in, and a line through it."""

    def __init__(self, n_outputs=2):
        super().__init__()
        self.norm, self.drop, self.line = nn.BatchNorm1d(6), nn.Dropout(0.1), nn.Linear(6, n_outputs)

    def forward(self, x):
        return self.line(self.drop(self.norm(x.var(dim=2).log())))


def network(n_outputs=2, kind="probability", seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return OwnNetwork(LogVariance(n_outputs)), Identity(kind)


def train(rows, training=QUICK, seed=0, parts=None, objective=None, **more):
    X, y, meta, space = rows
    encoder, head = parts or network()
    notes = fit(encoder, head, objective or Supervised(), X, y, meta, space, training, seed, CPU, **more)
    return encoder, head, notes


def test_it_learns(rows):
    X, y, _, space = rows
    encoder, head, notes = train(rows)
    yhat = infer.predict(encoder, head, X, space)
    assert (yhat.argmax(1) == y).mean() > 0.9
    assert notes["history"][-1]["train_loss"] < 0.5 * notes["history"][0]["train_loss"]
    assert notes["n_parameters"] == 12 + 14


def test_eegnet_learns(rows):
    X, y, _, space = rows
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = EEGNet(6, 128, 128.0, drop_prob=0.1)
        head = Linear(encoder.n_features, 2, encoder.n_tokens, pool="flatten", max_norm=0.25)
    train(rows, Training(max_epochs=15, batch_size=24, lr=0.01, patience=15, warmup_epochs=1), parts=(encoder, head))
    assert (infer.predict(encoder, head, X, space).argmax(1) == y).mean() > 0.85


def test_history_and_selection_say_what_happened(rows):
    _, _, notes = train(rows)
    history = notes["history"]
    assert [line["epoch"] for line in history] == list(range(1, 13))
    assert set(history[0]) == {"epoch", "lr", "train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    best = min(history, key=lambda line: line["val_loss"])["epoch"]
    assert notes["best_epoch"] == best
    assert notes["selection"] == f"inner validation: 1 of 4 people, best val_loss at epoch {best} of 12"


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy"])
def test_the_best_weights_stay(rows, monitor):
    X, y, meta, space = rows
    y = np.random.default_rng(0).permutation(y)  # nothing to be learned, all to be overfitted
    overfitting = Training(max_epochs=30, batch_size=12, lr=0.5, patience=30, warmup_epochs=0, monitor=monitor, weight_decay=0.0)
    encoder, head, notes = train((X, y, meta, space), overfitting)
    history = notes["history"]
    pick = min if monitor == "val_loss" else max
    best = pick(line[monitor] for line in history)
    assert history[-1][monitor] != best  # else there was nothing to put back
    held = inner_validation(meta, y, 0.2, 0).validation
    yhat = infer.predict(encoder, head, X[held], space)
    now = -np.log(yhat[np.arange(len(held)), y[held]]).mean() if monitor == "val_loss" else (yhat.argmax(1) == y[held]).mean()
    assert now == pytest.approx(best, abs=1e-5)


def test_training_stops_after_patience(rows):
    _, _, notes = train(rows, Training(max_epochs=200, batch_size=12, lr=0.3, patience=4, warmup_epochs=0))
    assert len(notes["history"]) == notes["best_epoch"] + 4 < 200


def test_training_does_not_stop_before_min_epochs(rows):
    _, _, notes = train(rows, Training(max_epochs=25, min_epochs=20, batch_size=12, lr=0.5, patience=1, warmup_epochs=0))
    assert len(notes["history"]) >= 20


def test_without_validation_the_last_epoch_counts(rows):
    _, _, notes = train(rows, Training(max_epochs=3, validation=0.0))
    assert notes["selection"] == "last epoch of 3, no inner validation" and notes["best_epoch"] == 3
    assert "val_loss" not in notes["history"][0]


def test_rows_to_stop_by_are_not_learned_from(rows):
    X, y, meta, space = rows
    inner = inner_validation(meta, y, 0.2, 0)
    spoilt = X.copy()
    spoilt[inner.validation] = np.random.default_rng(0).permutation(X[inner.validation])
    settings = Training(max_epochs=12, min_epochs=12, batch_size=24, lr=0.02, patience=50, warmup_epochs=1, validation=0.2)
    one, two = (network() for _ in range(2))
    weights = []
    for parts, signal in ((one, X), (two, spoilt)):
        seen = []
        fit(*parts, Spy(seen), signal, y, meta, space, settings, 0, CPU)
        weights.append(np.stack(seen))
    assert np.array_equal(*weights)


class Spy(Supervised):
    """Remembers the weights at each training step."""

    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def __call__(self, encoder, head, x, y, space=None):
        if encoder.training:
            self.seen.append(encoder.net.line.weight.detach().numpy().copy())
        return super().__call__(encoder, head, x, y, space)


def test_rows_to_learn_from_are_read_once_an_epoch(rows):
    _, y, meta, _ = rows
    inner = inner_validation(meta, y, 0.2, 0)
    read = []

    class Reads(Supervised):
        def __call__(self, encoder, head, x, y, space=None):
            read.append((encoder.training, len(x)))
            return super().__call__(encoder, head, x, y, space)

    train(rows, Training(max_epochs=3, batch_size=24), objective=Reads())
    assert sum(n for learns, n in read if learns) == 3 * (len(inner.fit) // 24 * 24)
    assert sum(n for learns, n in read if not learns) == 3 * len(inner.validation)


def test_the_same_seed_gives_the_same_bits(rows):
    X, _, _, space = rows
    one, two, other = (infer.predict(*train(rows, seed=seed)[:2], X, space) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_the_global_random_state_is_left_alone(rows):
    torch.manual_seed(5)
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one = train(rows)[2]["history"]
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(6)
    assert train(rows)[2]["history"] == one


def test_it_is_quiet_and_writes_nothing(rows, tmp_path, monkeypatch, capfd, recwarn):
    monkeypatch.chdir(tmp_path)
    train(rows)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    assert not list(tmp_path.iterdir())
    assert not len(recwarn)


def test_networks_come_back_ready_to_answer(rows):
    encoder, head, _ = train(rows)
    assert not encoder.training and not head.training
    assert not any(p.is_cuda for p in encoder.parameters())


def test_a_second_fit_learns_as_the_first_did(rows):
    encoder, head, _ = train(rows)
    modes = []
    encoder.net.drop.register_forward_hook(lambda module, *_: modes.append((module.training, encoder.net.norm.training)))
    train(rows, Training(max_epochs=1, batch_size=24, validation=0), parts=(encoder, head))
    assert modes[1:] and all(mode == (True, True) for mode in modes), "dropout off, or batch statistics frozen"


def test_values_are_learned_in_their_unit(rows):
    X, _, meta, space = rows
    age = 50 + 10 * np.log(X.var(axis=2)).mean(axis=1)
    parts = network(1, "value")
    fit(*parts, Supervised(), X, age, meta, space, Training(max_epochs=40, batch_size=16, lr=0.05, patience=40), 0, CPU)
    yhat = infer.predict(*parts, X, space)[:, 0]
    assert np.corrcoef(yhat, age)[0, 1] > 0.9
    assert abs(yhat.mean() - age.mean()) < 0.5 * age.std()


def test_the_scale_of_y_comes_from_the_rows_learned_from(rows):
    X, _, meta, space = rows
    inner = inner_validation(meta, np.zeros(len(X)), 0.2, 0)
    age = np.full(len(X), 40.0)
    age[inner.fit[::2]] = 60.0
    age[inner.validation] = 1000.0
    parts = network(1, "value")
    fit(*parts, Supervised(), X, age, meta, space, Training(max_epochs=1), 0, CPU)
    assert parts[1].y_mean.item() == pytest.approx(50) and parts[1].y_sd.item() == pytest.approx(10)


def test_divergence_is_an_error(rows):
    X, y, meta, space = rows
    broken = X.copy()
    broken[3, 0, 0] = np.inf
    with pytest.raises(
        BrokenDataError,
        match=r"the loss is nan in epoch 1, batch 1 of 1 \(windows of .* is a value that is inf, in S1 session 0 recording S1_0\)",
    ):
        train((broken, y, meta, space), Training(max_epochs=3, validation=0.0, batch_size=96))


def test_an_unknown_monitor_names_the_known(rows):
    with pytest.raises(SentenceError, match="val_loss, val_accuracy"):
        train(rows, Training(max_epochs=2, monitor="val_kappa"))


def test_ctrl_c_is_ctrl_c(rows):
    class Impatient(Supervised):
        def __call__(self, *arguments, **more):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(rows, objective=Impatient())


def test_curves_for_other_programs(rows, tmp_path):
    for _ in range(2):
        train(rows, Training(max_epochs=2), logger={"kind": "csv", "folder": tmp_path / "logs"})
    files = sorted(tmp_path.glob("logs/*/metrics.csv"))
    assert [f.parent.name for f in files] == ["fit_0", "fit_1"]
    lines = list(csv.DictReader(files[0].open()))
    assert [line["step"] for line in lines] == ["1", "2"] and float(lines[1]["val_loss"]) > 0
    with pytest.raises(SentenceError, match=r"logger\.kind=wandb"):
        train(rows, Training(max_epochs=1), logger={"kind": "wandb", "folder": tmp_path})


def test_tensorboard_curves(rows, tmp_path):
    pytest.importorskip("tensorboard")
    train(rows, Training(max_epochs=1), logger={"kind": "tensorboard", "folder": tmp_path})
    assert list(tmp_path.glob("fit_0/events*"))


def test_two_processes_train_one_network(rows, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    X, y, meta, space = rows
    parts, settings = network(), Training(max_epochs=10, batch_size=24, lr=0.05, patience=10, warmup_epochs=1)
    before = torch.random.get_rng_state()
    notes = fit(*parts, Supervised(), X, y, meta, space, settings, 0, Hardware("cpu", 2, "ddp"))
    assert torch.equal(before, torch.random.get_rng_state())
    assert [line["epoch"] for line in notes["history"]] == list(range(1, 11))
    held = inner_validation(meta, y, 0.2, 0).validation
    yhat = infer.predict(*parts, X[held], space)
    best = min(line["val_loss"] for line in notes["history"])
    assert -np.log(yhat[np.arange(len(held)), y[held]]).mean() == pytest.approx(best, abs=1e-5)
    assert (infer.predict(*parts, X, space).argmax(1) == y).mean() > 0.8
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_two_processes_take_the_steps_of_one(rows):
    X, y, meta, space = rows
    trained = []
    for hardware in (CPU, Hardware("cpu", 2, "ddp")):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            parts = OwnNetwork(Line()), Identity("probability")
        fit(*parts, Supervised(), X, y, meta, space, Training(max_epochs=3, batch_size=24, lr=0.05, validation=0.0), 0, hardware)
        trained.append(parts[0].net.line.weight.detach())
    torch.testing.assert_close(*trained, rtol=1e-4, atol=1e-6)


class Line(nn.Module):
    """Nothing that depends on company or chance."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(6, 2)

    def forward(self, x):
        return self.line(x.var(dim=2).log())
