"""adapt=probe: the head learns on a finished representation."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.adapt.probe import Probe
from corticode.encoder.base import Encoder
from corticode.encoder.eegformer import EEGFormer
from corticode.errors import SentenceError
from corticode.head.base import Head
from corticode.head.linear import Linear


class LogVariance(Encoder):
    """Standardised by the fit rows, so that it matters which rows those are."""

    def per_window(self, X, space):
        return np.log(X.var(axis=2))

    def fit(self, features, y, meta):
        self.mean_ = features.mean(axis=0)
        return self

    def encode(self, features, meta, space):
        return features - self.mean_


class Centroid(Head):
    """The nearer class mean; remembers what it was fitted on."""

    def fit(self, Z, y, meta, n_outputs):
        self.Z, self.y, self.meta = Z, y, meta
        self.means_ = np.stack([Z[y == k].mean(axis=0) for k in range(n_outputs)])
        return self

    def predict(self, Z):
        distance = np.linalg.norm(Z[:, None] - self.means_, axis=2)
        return np.exp(-distance) / np.exp(-distance).sum(axis=1, keepdims=True)

    def notes(self):
        return {"n": len(self.y)}


@pytest.fixture
def rows(windows):
    F = LogVariance().per_window(np.asarray(windows.X), windows.space)
    return F, (windows.meta["event"] == "right_hand").to_numpy().astype(int), windows.meta, windows.space


def test_it_learns_and_says_what_was_chosen(rows):
    F, y, meta, space = rows
    encoder, head, adapt = LogVariance(), Centroid(), Probe()
    assert adapt.fit(encoder, head, F, y, meta, space, 2, 0) == {"n": 96}
    assert (adapt.predict(encoder, head, F, meta, space).argmax(1) == y).mean() > 0.8


@pytest.mark.parametrize("weight,times", [(0.2, 6), (0.5, 22), (0.0, 1)])
def test_calibration_gives_the_target_its_share(rows, weight, times):
    F, y, meta, space = rows
    encoder, head, adapt = LogVariance(), Centroid(), Probe(weight)
    source, target = slice(0, 88), slice(88, 92)
    adapt.fit(encoder, head, F[source], y[source], meta[source], space, 2, 0)
    mean = encoder.mean_
    adapt.calibrate(encoder, head, F[target], y[target], meta[target], space, 2, 0)
    assert len(head.y) == len(head.Z) == len(head.meta) == 88 + 4 * times
    assert np.array_equal(head.Z[88:92], F[target] - mean) and np.array_equal(head.Z[-4:], head.Z[88:92])
    assert np.array_equal(encoder.mean_, mean)  # the representation stays as the source made it


def test_calibrating_twice_starts_from_the_source_each_time(rows):
    F, y, meta, space = rows
    encoder, head, adapt = LogVariance(), Centroid(), Probe()
    adapt.fit(encoder, head, F[:80], y[:80], meta[:80], space, 2, 0)
    adapt.calibrate(encoder, head, F[80:84], y[80:84], meta[80:84], space, 2, 0)
    first = head.means_
    adapt.calibrate(encoder, head, F[80:84], y[80:84], meta[80:84], space, 2, 0)
    assert np.array_equal(head.means_, first)


def test_a_loaded_decoder_cannot_be_calibrated(rows):
    F, y, meta, space = rows
    with pytest.raises(SentenceError, match="fit it again"):
        Probe().calibrate(LogVariance(), Centroid(), F[:4], y[:4], meta[:4], space, 2, 0)


def test_the_source_is_no_part_of_arguments_or_state(rows):
    F, y, meta, space = rows
    adapt = Probe(0.3)
    adapt.fit(LogVariance(), Centroid(), F, y, meta, space, 2, 0)
    assert adapt.arguments() == {"weight": 0.3, "temperature": False, "head": None} and adapt.state() == {}


def test_a_frozen_network_with_a_fitted_head(windows, rows):
    _, y, meta, space = rows
    X = np.asarray(windows.X)
    encoder, head, adapt = EEGFormer(6, 128, 128.0), Centroid(), Probe()
    adapt.check(encoder, head)
    before = encoder.state()
    adapt.fit(encoder, head, X, y, meta, space, 2, 0)
    assert head.Z.shape == (96, encoder.n_features)
    assert all(np.array_equal(v, encoder.state()[k]) for k, v in before.items())


def test_a_head_with_gradients_is_refused():
    with pytest.raises(SentenceError, match=r"adapt=full, or a head with a fit"):
        Probe().check(LogVariance(), Linear(4, 2))


def test_a_share_of_one_is_refused():
    with pytest.raises(SentenceError, match="below 1"):
        Probe(1.0)


@pytest.mark.parametrize("words,name", [((), "LogisticRegression"), (("adapt.head=ridge",), "RidgeClassifier")])
def test_a_network_is_probed_by_a_head_with_a_fit_of_its_own(windows, tmp_path, words, name):
    from corticode.compose import compose
    from corticode.decoder import Decoder
    from corticode.recipe import Recipe, replaced_heads
    from corticode.task.classification import Classification

    labelled = Classification().label(windows)
    cfg = compose(["model=ctnet", "adapt=probe", "augment=none", "trainer=cpu", *words])
    recipe = Recipe("ctnet", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))
    decoder = recipe(0)
    before = decoder.encoder.state()
    decoder.fit(labelled[:72])
    assert type(decoder.head).__name__ == name and "adapt=probe" in replaced_heads([recipe], [decoder])[0]
    assert all(np.array_equal(v, decoder.encoder.state()[k]) for k, v in before.items())
    notes = decoder.notes
    assert notes["n_parameters"] == decoder.head.coef_.size + decoder.head.intercept_.size
    assert notes["n_frozen"] == sum(v.size for k, v in before.items() if "running" not in k and "num_batches" not in k)
    assert any(key.endswith("chosen_by") and "by subject" in value for key, value in notes.items()) and notes["seconds"] > 0
    blind = labelled[72:].blind()
    loaded = Decoder.load(decoder.save(tmp_path / "probe"))
    np.testing.assert_array_equal(loaded.predict(blind), decoder.predict(blind))


def test_a_classifier_cannot_answer_with_a_number():
    encoder = EEGFormer(6, 128, 128.0)
    config = {"_target_": "corticode.head.linear.Linear"}
    with pytest.raises(SentenceError, match=r"adapt.head=ridge"):
        Probe(head="logistic").head_config(encoder, config, "value")
    assert Probe().head_config(encoder, config, "value")["_target_"].endswith(".Ridge")
    assert Probe(head="ridge").head_config(LogVariance(), config, "probability") is config
