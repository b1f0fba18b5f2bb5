"""adapt=full: the joint network, what it refuses, and how it goes on with few labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from corticode import catalogue
from corticode.adapt.full import Full
from corticode.encoder.base import Encoder
from corticode.encoder.eegformer import EEGFormer
from corticode.encoder.own import OwnNetwork
from corticode.encoder.tsmnet import TSMNet
from corticode.errors import BrokenDataError, SentenceError
from corticode.head.base import Head
from corticode.head.linear import Linear
from corticode.objective.supervised import Supervised
from corticode.train import infer
from corticode.train.settings import Training


def parts(n_outputs=2, kind="probability"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = EEGFormer(6, 128, 128.0)
        return encoder, Linear(encoder.n_features, n_outputs, encoder.n_tokens, pool="flatten", kind=kind)


def full(**settings):
    return Full(
        training=Training(**{"max_epochs": 10, "batch_size": 24, "lr": 0.003, "warmup_epochs": 1, **settings}),
        trainer={"accelerator": "cpu"},
    )


@pytest.fixture
def rows(windows):
    return np.asarray(windows.X), (windows.meta["event"] == "right_hand").to_numpy().astype(int), windows.meta, windows.space


def test_eegformer_learns_people_it_was_not_shown(rows):
    X, y, meta, space = rows
    test = (meta.subject == "S4").to_numpy()
    encoder, head = parts()
    adapt = full()
    notes = adapt.fit(encoder, head, X[~test], y[~test], meta[~test].reset_index(drop=True), space, 2, 0)
    yhat = adapt.predict(encoder, head, X[test], meta[test], space)
    assert yhat.shape == (24, 2) and np.allclose(yhat.sum(1), 1, atol=1e-12)
    assert (yhat.argmax(1) == y[test]).mean() >= 0.8
    assert "1 of 3 people" in notes["selection"]


def test_answers_do_not_depend_on_company(rows):
    X, _, meta, space = rows
    encoder, head = parts()
    adapt = full()
    whole = adapt.predict(encoder, head, X, meta, space)
    assert np.allclose(adapt.predict(encoder, head, X[7:8], meta[7:8], space), whole[7:8], atol=1e-6)


def test_calibration_moves_towards_the_target(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    adapt = full(max_epochs=4, calibrate_epochs=10, calibrate_lr=3e-3)
    adapt.fit(encoder, head, X, y, meta, space, 2, 0)
    few, before = slice(0, 8), encoder.state()
    first = adapt.predict(encoder, head, X[few], meta[few], space)
    notes = adapt.calibrate(encoder, head, X[few], 1 - y[few], meta[few], space, 2, 0)  # a person whose hands are swapped
    after = adapt.predict(encoder, head, X[few], meta[few], space)
    swapped = 1 - y[few]
    assert after[np.arange(8), swapped].mean() > first[np.arange(8), swapped].mean() + 0.05
    assert len(notes["history"]) == 10 and "no inner validation" in notes["selection"]
    assert not np.array_equal(before["embed.weight"], encoder.state()["embed.weight"])


def test_calibration_with_nothing_changes_nothing(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    before = encoder.state()
    assert full().calibrate(encoder, head, X[:0], y[:0], meta[:0], space, 2, 0) == {}
    assert full(calibrate_epochs=0).calibrate(encoder, head, X[:4], y[:4], meta[:4], space, 2, 0) == {}
    assert all(np.array_equal(v, encoder.state()[k]) for k, v in before.items())


def test_calibration_keeps_the_scale_of_the_source(rows):
    X, _, meta, space = rows
    age = np.linspace(20, 80, len(X))
    encoder, head = parts(1, "value")
    adapt = full(max_epochs=1, calibrate_epochs=1)
    adapt.fit(encoder, head, X, age, meta, space, 1, 0)
    scale = head.y_mean.item(), head.y_sd.item()
    adapt.calibrate(encoder, head, X[:4], age[:4], meta[:4], space, 1, 0)
    assert (head.y_mean.item(), head.y_sd.item()) == scale


def test_parts_without_gradients_are_refused():
    encoder, head = parts()
    with pytest.raises(SentenceError, match="encoder Encoder has none: use adapt=probe"):
        full().check(Encoder(), head)
    with pytest.raises(SentenceError, match="head Head has no gradients"):
        full().check(encoder, Head())
    full().check(encoder, head)


def test_a_network_with_too_few_answers_is_refused(rows):
    X, y, meta, space = rows
    encoder, head = parts(2)
    with pytest.raises(SentenceError, match="gives 2 answers per window and the task asks for 4"):
        full().fit(encoder, head, X, y, meta, space, 4, 0)


def test_an_unknown_trainer_key_is_refused_at_once():
    with pytest.raises(SentenceError, match=r"trainer\.gpus"):
        Full(trainer={"gpus": 1})


def test_arguments_make_a_twin():
    adapt = Full(Supervised(0.1), Training(lr=0.5), {"accelerator": "cpu"}, {"kind": "csv", "folder": "/somewhere"})
    config = catalogue.plain(adapt)
    twin = catalogue.make(config)
    assert twin.training == adapt.training and twin.objective.label_smoothing == 0.1 and twin.trainer == {"accelerator": "cpu"}
    assert "/somewhere" not in str(config)


def test_meta_may_be_any_table_of_identity(rows):
    X, y, meta, space = rows
    encoder, head = parts()
    one = meta.assign(subject="S1", session="0", run="", recording="a", trial=np.arange(len(meta)), onset_s=np.arange(len(meta)) * 5.0)
    notes = full(max_epochs=1).fit(encoder, head, X, y, pd.DataFrame(one), space, 2, 0)
    assert "the last 20 of 96 windows" in notes["selection"]


class TestMembers:
    """Several networks, trained alike, whose answers are averaged."""

    @staticmethod
    def of(n, **settings):
        training = Training(**{"max_epochs": 2, "batch_size": 24, "lr": 0.003, "warmup_epochs": 0, **settings})
        return Full(training=training, trainer={"accelerator": "cpu"}, n_members=n)

    def fitted(self, rows, n=3, **settings):
        X, y, meta, space = rows
        encoder, head = parts()
        adapt = self.of(n, **settings)
        return adapt, encoder, head, adapt.fit(encoder, head, X, y, meta, space, 2, 7)

    def test_answers_are_the_mean_of_all(self, rows):
        X, _, meta, space = rows
        adapt, encoder, head, _ = self.fitted(rows)
        members = adapt._members(encoder, head)
        each = [infer.predict(*member, X, space) for member in members]
        assert len(members) == 3 and members[0] == (encoder, head)
        assert np.array_equal(adapt.predict(encoder, head, X, meta, space), np.mean(each, axis=0))
        assert all(np.abs(a - b).max() > 1e-3 for a, b in ((each[0], each[1]), (each[0], each[2]), (each[1], each[2])))

    def test_the_first_is_the_network_alone(self, rows):
        _, one, _, _ = self.fitted(rows, 1)
        _, three, _, _ = self.fitted(rows, 3)
        assert all(np.array_equal(value, three.state()[name]) for name, value in one.state().items())

    def test_notes_and_history_name_them(self, rows):
        _, encoder, head, notes = self.fitted(rows)
        assert [(line["member"], line["epoch"]) for line in notes["history"]] == [(m, e) for m in (1, 2, 3) for e in (1, 2)]
        best = notes["best_epoch"]
        assert notes["selection"] == "mean of 3 members: " + "; ".join(
            f"({k}) inner validation: 1 of 4 people, best val_loss at epoch {e} of 2" for k, e in enumerate(best, 1)
        )
        assert notes["n_parameters"] == 3 * (encoder.n_parameters + head.n_parameters)

    def test_state_comes_back_bit_for_bit(self, rows):
        X, _, meta, space = rows
        adapt, encoder, head, _ = self.fitted(rows)
        state = adapt.state()
        twin = self.of(3).load_state(state)
        other_encoder, other_head = parts()
        other_encoder.load_state(encoder.state()), other_head.load_state(head.state())
        assert all(np.array_equal(value, twin.state()[name]) for name, value in state.items()) and state.keys() == twin.state().keys()
        assert np.array_equal(twin.predict(other_encoder, other_head, X, meta, space), adapt.predict(encoder, head, X, meta, space))
        assert all(np.array_equal(value, twin.state()[name]) for name, value in state.items())
        with pytest.raises(BrokenDataError, match="its 3 members"):
            self.of(3).load_state({})

    def test_all_are_calibrated(self, rows):
        X, y, meta, space = rows
        adapt, encoder, head, _ = self.fitted(rows, 2, calibrate_epochs=1, calibrate_lr=1e-3)
        before = adapt.state()
        notes = adapt.calibrate(encoder, head, X[:8], y[:8], meta[:8], space, 2, 7)
        assert [line["member"] for line in notes["history"]] == [1, 2]
        assert not np.array_equal(before["member_1.encoder.embed.weight"], adapt.state()["member_1.encoder.embed.weight"])

    def test_an_interrupted_ensemble_goes_on(self, rows, tmp_path, monkeypatch):
        from corticode.adapt import full as module
        from corticode.train.checkpoint import Checkpoint

        X, y, meta, space = rows
        whole, encoder, head, expected = self.fitted(rows)
        monkeypatch.setattr(module, "Checkpoint", lambda path: Checkpoint(path, every_s=0.0))
        killed = self.of(3)
        killed.objective, killed.unfinished = Killing(3 * 3 * 2 - 4), tmp_path / "job"
        with pytest.raises(InterruptedError):
            killed.fit(*parts(), X, y, meta, space, 2, 7)
        again, (one, two) = self.of(3), parts()
        again.objective, again.unfinished = Killing(10**6), tmp_path / "job"
        assert again.fit(one, two, X, y, meta, space, 2, 7) == expected
        assert again.objective.n == 6  # one epoch of the second member and both of the third were left, but for the file of the first
        assert np.array_equal(again.predict(one, two, X, meta, space), whole.predict(encoder, head, X, meta, space))

    def test_what_cannot_be_built_anew_is_refused(self):
        _, head = parts()
        with pytest.raises(SentenceError, match="came as one object: use n_members=1"):
            self.of(2).check(OwnNetwork(torch.nn.Flatten()), head)
        with pytest.raises(SentenceError, match=r"TSMNet lets an alignment act on its inside.*adapt\.n_members=1"):
            self.of(2).check(TSMNet(6, 256, 128.0), head)
        with pytest.raises(SentenceError, match=r"adapt\.n_members=0"):
            self.of(0)


class Killing(Supervised):
    """Ends everything at its nth step."""

    def __init__(self, step):
        super().__init__()
        self.step, self.n = step, 0

    def __call__(self, encoder, head, x, y, space=None, subject=None):
        self.n += encoder.training
        if self.n == self.step:
            raise InterruptedError
        return super().__call__(encoder, head, x, y, space)


def test_temperature_needs_rows_that_are_never_learned_from():
    adapt = Full(training=Training(second_stage_epochs=5), trainer={"accelerator": "cpu"}, temperature=True)
    with pytest.raises(SentenceError, match=r"train\.second_stage_epochs= learns from them"):
        adapt.check(*parts())
