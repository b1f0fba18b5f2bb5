"""Probabilities as sure as they may be: one number, found without the test people, saved with the decoder."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.adapt.full import Full
from corticode.adapt.probe import Probe
from corticode.adapt.temperature import inner_temperature
from corticode.decoder import Decoder
from corticode.encoder.base import Encoder
from corticode.encoder.logvar import LogVar
from corticode.errors import SentenceError
from corticode.head.base import Head
from corticode.head.lda import LDA
from corticode.metric.base import named
from corticode.task.classification import Classification
from corticode.train.settings import Training


class TooSure(Head):
    """Probabilities of LDA, made far surer than they may be."""

    def fit(self, Z, y, meta, n_outputs):
        self.inner = LDA().fit(Z, y, meta, n_outputs)
        self.seen = set(meta["subject"])
        return self

    def predict(self, Z):
        p = self.inner.predict(Z) ** 5
        return p / p.sum(axis=1, keepdims=True)


def decoder_of(windows, adapt, head=None, encoder=None):
    return Decoder(
        encoder or LogVar(), head or LDA(), adapt, space=windows.space, n_times=windows.n_times, classes=("left_hand", "right_hand")
    )


@pytest.fixture
def labelled():
    import importlib.util
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("windows_of_tests", Path(__file__).parents[1] / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Classification().label(module.make_windows(n_subjects=6, n_trials=30, effect=0.12))


def test_it_mends_answers_that_are_too_sure(labelled):
    subject = labelled.meta["subject"].to_numpy()
    fit, test = labelled[subject != "S6"], labelled[subject == "S6"]
    plain, tempered = (decoder_of(labelled, Probe(temperature=on), TooSure()).fit(fit).predictions(test) for on in (False, True))
    np.testing.assert_array_equal(plain.decided, tempered.decided)
    assert named("log_loss")(tempered) < named("log_loss")(plain) - 0.1
    assert named("ece")(tempered) < named("ece")(plain)


def test_the_number_is_found_on_people_who_were_not_learned_from(labelled):
    asked = []

    class Watched(TooSure):
        def predict(self, Z):
            asked.append((self.seen, len(Z)))
            return super().predict(Z)

    F = LogVar().per_window(np.asarray(labelled.X), labelled.space)
    head, encoder = Watched(), LogVar()
    T, held = inner_temperature(encoder, head, F, labelled.y, labelled.meta, labelled.space, 2)
    assert T > 1.5 and held == "5 folds by subject"
    assert sum(n for _, n in asked) == len(labelled)  # each row was answered once, by a head that had not met its person
    assert all(len(seen) < 6 for seen, _ in asked)
    assert not hasattr(head, "inner"), "the decoder's own parts are left alone"


def test_encoder_and_head_are_those_of_a_decoder_without(labelled):
    with_it, without = (decoder_of(labelled, Probe(temperature=on)).fit(labelled) for on in (True, False))
    for name, value in without.head.state().items():
        np.testing.assert_array_equal(value, with_it.head.state()[name])
    assert with_it.notes["temperature_by"] == "5 folds by subject" and "temperature" not in without.notes


def test_it_is_saved_with_the_decoder(labelled, tmp_path):
    decoder = decoder_of(labelled, Probe(temperature=True)).fit(labelled)
    again = Decoder.load(decoder.save(tmp_path / "decoder"))
    assert float(again.adapter.temperature_) == decoder.adapter.temperature_ != 1
    np.testing.assert_array_equal(again.predict(labelled.blind()), decoder.predict(labelled.blind()))


def test_a_network_takes_the_rows_it_was_stopped_by(labelled, tmp_path):
    from corticode.encoder.eegnet import EEGNet
    from corticode.head.linear import Linear

    def network(temperature):
        import torch

        torch.manual_seed(0)
        encoder = EEGNet(n_chans=6, n_times=128, sfreq=128.0)
        training = Training(max_epochs=8, lr=3e-3, validation=0.34)
        return decoder_of(labelled, Full(training=training, temperature=temperature), Linear(encoder.n_features, 2), encoder)

    plain, tempered = (network(on).fit(labelled) for on in (False, True))
    T = tempered.adapter.temperature_
    assert tempered.notes["temperature_by"].endswith("of 6 people") and T != 1
    p, q = plain.predict(labelled.blind()), tempered.predict(labelled.blind())
    np.testing.assert_allclose(q, p ** (1 / T) / (p ** (1 / T)).sum(axis=1, keepdims=True), rtol=1e-6)
    again = Decoder.load(tempered.save(tmp_path / "network"))
    np.testing.assert_array_equal(again.predict(labelled.blind()), q)


def test_a_network_takes_no_row_that_it_learned_from_where_windows_overlap(labelled, monkeypatch):
    """One person, a window of one second every half second: what reaches into the rows held back serves neither side."""
    from corticode.adapt import full
    from corticode.encoder.eegnet import EEGNet
    from corticode.head.linear import Linear
    from corticode.split.rows import Spans

    n = 60
    person = labelled[np.arange(n)]
    meta = person.meta.assign(subject="S1", session="0", recording="a", trial=np.arange(n), onset_s=np.arange(n) * 0.5)
    X, y, seen = np.asarray(person.X), person.y, {}
    fit, temperature_of = full.fit.fit, full.temperature_of

    def watched(*arguments, **named):
        seen["learned"] = named["inner"].fit
        return fit(*arguments, **named)

    def asked(yhat, truth):
        seen["asked"] = len(yhat)
        return temperature_of(yhat, truth)

    monkeypatch.setattr(full.fit, "fit", watched)
    monkeypatch.setattr(full, "temperature_of", asked)
    encoder = EEGNet(n_chans=6, n_times=128, sfreq=128.0)
    adapt = Full(training=Training(max_epochs=1, validation=0.2), temperature=True)
    notes = adapt.fit(encoder, Linear(encoder.n_features, 2), X, y, meta, person.space, 2, 0)
    rest = np.setdiff1d(np.arange(n), seen["learned"])
    held = rest[~Spans.of(meta, (0.0, 1.0)).touching(rest, seen["learned"])]
    assert notes["temperature_by"] == f"the last {seen['asked']} of {n} windows" and seen["asked"] == len(held) > 0


def test_inner_folds_of_the_temperature_know_how_long_windows_are(labelled):
    n = 60
    person = labelled[np.arange(n)]
    meta = person.meta.assign(subject="S1", session="0", recording="a", trial=np.arange(n), onset_s=np.arange(n) * 0.5)
    F = LogVar().per_window(np.asarray(person.X), person.space)
    assert inner_temperature(LogVar(), LDA(), F, person.y, meta, person.space, 2)[1] == "5 folds by trial"
    assert inner_temperature(LogVar(), LDA(), F, person.y, meta, person.space, 2, length_s=1.0)[1] == "5 folds by stretch"
    # who was told so by the windows themselves: on the way through a decoder too
    decoder = decoder_of(labelled, Probe(temperature=True)).fit(person._replace(meta=meta))
    assert decoder.notes["temperature_by"] == "5 folds by stretch"


def test_what_is_no_probability_is_refused(labelled):
    class Values(Head):
        yhat_kind = "value"

    with pytest.raises(SentenceError, match="answers by value"):
        Probe(temperature=True).check(Encoder(), Values())


def test_rows_that_cannot_be_split_leave_the_answers_as_they_are(labelled):
    few = labelled[np.array([0, 1])]
    F = LogVar().per_window(np.asarray(few.X), few.space)
    assert inner_temperature(LogVar(), LDA(), F, few.y, few.meta, few.space, 2) == (1.0, "nothing")
