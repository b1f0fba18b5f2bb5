"""What a head chooses inside the fit rows is chosen on people whom neither it nor its encoder has met."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from corticode.adapt.crossfit import crossfit, fit_both
from corticode.adapt.probe import Probe
from corticode.compose import compose
from corticode.encoder.base import Encoder
from corticode.encoder.trca import TRCA
from corticode.head.base import Head
from corticode.head.largest import Largest
from corticode.head.lda import LDA
from corticode.head.logistic import LogisticRegression
from corticode.head.svm import SVM
from corticode.metric.base import named
from corticode.recipe import Recipe
from corticode.task.classification import Classification
from corticode.windows import Windows


class Gossip(Encoder):
    """Knows the labels of the rows that it was fitted on, and nothing of others; features are row numbers."""

    learns_labels = True
    fits: list[np.ndarray] = []

    def fit(self, features, y, meta):
        self.known = dict(zip(features.ravel().astype(int), y, strict=True))
        self.fits.append(features.ravel().astype(int))
        return self

    def encode(self, features, meta, space):
        return np.array([[2.0 * self.known[int(i)] - 1 if int(i) in self.known else 0.0] for i in features.ravel()])


class Deaf(Gossip):
    """Learns nothing."""

    learns_labels = False

    def fit(self, features, y, meta):
        self.known = {}
        self.fits.append(features.ravel().astype(int))
        return self


@pytest.fixture(autouse=True)
def nothing_fitted_yet():
    Gossip.fits.clear()


def rows_of(n_people=6, each=10):
    n = n_people * each
    subject = np.repeat([f"S{k}" for k in range(n_people)], each)
    meta = pd.DataFrame(
        {
            "dataset": "d",
            "subject": subject,
            "session": "",
            "run": "",
            "recording": "",
            "trial": np.arange(n),
            "onset_s": np.arange(n) * 2.0,
        }
    )
    return np.arange(n, dtype=float)[:, None], np.tile([0, 1], n // 2), meta


def test_held_out_rows_are_represented_by_an_encoder_that_did_not_meet_their_people():
    F, y, meta = rows_of()
    encoder = Gossip()
    inner = crossfit(encoder, LogisticRegression(), F, y, meta, None)
    assert inner.by == "subject" and len(inner.folds) == len(inner.Z) == 5
    for (fit, held_out), Z, fitted in zip(inner.folds, inner.Z, Gossip.fits, strict=True):
        assert not set(meta.subject[held_out]) & set(meta.subject[fitted]) and np.array_equal(fitted, fit)
        assert not Z[held_out].any() and np.array_equal(Z[fit, 0] > 0, y[fit] == 1)
    assert not hasattr(encoder, "known"), "the decoder's own encoder is left alone"


@pytest.mark.parametrize("head", [LogisticRegression(), SVM(kernel="linear")])
def test_a_head_does_not_believe_its_encoders_gossip(head):
    """On the fit rows the representation is the label itself; of strangers it says nothing."""
    F, y, meta = rows_of()
    Z = fit_both(Gossip(), head, F, y, meta, None, 2)
    assert np.array_equal(Z[:, 0] > 0, y == 1)
    fooled = copy.deepcopy(head).fit(Z, y, meta, 2)
    assert fooled.predict(np.array([[1.0]]))[0, 1] > 0.95
    assert head.notes()["C"] == min(head.Cs) and head.predict(np.array([[1.0]]))[0, 1] < 0.6


def test_one_representation_serves_where_no_label_is_read():
    F, y, meta = rows_of()
    assert crossfit(Deaf(), LogisticRegression(), F, y, meta, None).Z is None
    assert crossfit(Gossip(), LDA(), F, y, meta, None) is None and crossfit(Gossip(), LogisticRegression(C=1.0), F, y, meta, None) is None
    assert not Gossip.fits
    fit_both(Deaf(), LogisticRegression(), F, y, meta, None, 2)
    assert len(Gossip.fits) == 1


def test_a_fold_too_small_for_the_encoder_is_left_out():
    """Two trials of one class are enough for TRCA, the one that a fold leaves is not."""
    rng = np.random.default_rng(0)
    y = np.array([0, 0, 1, 1, 1, 1, 1, 1])
    meta = rows_of(1, 8)[2]
    F = rng.standard_normal((8, 1, 3, 40))
    head = Largest()
    fit_both(TRCA(classes=("a", "b")), head, F, y, meta, None, 2)
    assert np.isfinite(head.slope_)


def test_calibration_chooses_without_gossip_either_and_the_encoder_learns_the_source_alone():
    F, y, meta = rows_of(7)
    source, target = slice(0, 60), slice(60, 70)
    encoder, head, adapt = Gossip(), LogisticRegression(), Probe()
    adapt.fit(encoder, head, F[source], y[source], meta[source], None, 2, 0)
    Gossip.fits.clear()
    adapt.calibrate(encoder, head, F[target], y[target], meta[target].reset_index(drop=True), None, 2, 0)
    assert len(Gossip.fits) == 5 and all(fitted.max() < 60 for fitted in Gossip.fits)
    assert head.notes()["C"] == min(head.Cs)


def test_a_head_of_ones_own_needs_no_further_argument():
    class Plain(Head):
        def fit(self, Z, y, meta, n_outputs):
            return self

    F, y, meta = rows_of()
    fit_both(Gossip(), Plain(), F, y, meta, None, 2)
    assert len(Gossip.fits) == 1


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(0)
    X, y = 10 * rng.standard_normal((144, 16, 100)), np.array(["a", "b"] * 72)
    return Classification().label(Windows.from_arrays(X, y, sfreq=100.0, subject=np.repeat(list("123456"), 24)))


@pytest.mark.parametrize("model", ["fbcsp", "csp_svm", "xdawn_tangent_space", "trca"])
def test_nothing_is_sure_of_noise(model, noise):
    cfg = compose([f"model={model}", "trainer=cpu"])
    recipe = Recipe(model, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], noise.space, noise.n_times, ("a", "b"))
    decoder = recipe(0).fit(noise[:120])
    predictions = decoder.predictions(noise[120:])
    assert named("log_loss")(predictions) < 0.75
    assert predictions.yhat.max(axis=1).mean() < 0.6
