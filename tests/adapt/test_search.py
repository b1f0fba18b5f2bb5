"""A choice between encoders is made on people held out of the fit rows, through the whole decoder."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.adapt.probe import Probe
from corticode.adapt.search import held_out_loss
from corticode.align.euclidean import Euclidean
from corticode.align.riemannian import Riemannian
from corticode.decoder import Decoder
from corticode.encoder.augmented import AugmentedCovariance, AugmentedTangentSpace
from corticode.encoder.tangent_space import TangentSpace
from corticode.errors import BrokenDataError
from corticode.head.base import inner_folds
from corticode.head.logistic import LogisticRegression
from corticode.head.mdm import MDM
from corticode.windows import Windows


def delayed_classes(n_subjects=4, n_trials=24, seed=0) -> Windows:
    """Classes that differ in the covariance of one channel with another five samples later, and in nothing else."""
    rng = np.random.default_rng(seed)
    X, y, subject = [], [], []
    for s in range(n_subjects):
        for t in range(n_trials):
            x = rng.standard_normal((3, 133))
            x[1, 5:] += (1 if t % 2 else -1) * 0.8 * x[0, :-5]
            X.append(10 * x[:, 5:])
            y.append(["left_hand", "right_hand"][t % 2])
            subject.append(f"S{s}")
    return Windows.from_arrays(np.array(X), y, sfreq=128.0, subject=subject, ch_names=["C3", "Cz", "C4"])


def labelled(windows: Windows) -> Windows:
    return windows.with_y((windows.meta["event"] == "right_hand").to_numpy().astype(np.int64))


def decoder(encoder, head, windows, aligner=None) -> Decoder:
    return Decoder(encoder, head, Probe(), aligner, space=windows.space, n_times=windows.n_times, classes=("left_hand", "right_hand"))


def test_loss_is_that_of_fresh_copies_on_held_out_people():
    from sklearn.metrics import log_loss

    windows = labelled(delayed_classes())
    encoder, head = TangentSpace(), LogisticRegression(C=0.1)
    F, y, meta = encoder.per_window(windows.X, windows.space), windows.y, windows.meta
    found = held_out_loss(encoder, head, F, y, meta, windows.space, 2)
    assert encoder.reference_ is None and not hasattr(head, "coef_")
    p = np.empty((len(y), 2))
    folds, by = inner_folds(meta, y, 3)
    assert by == "subject" and len(folds) == 3
    for fit, held_out in folds:
        one = TangentSpace().fit(F[fit], y[fit], meta.iloc[fit])
        Z = one.encode(F, meta, windows.space)
        p[held_out] = LogisticRegression(C=0.1).fit(Z[fit], y[fit], meta.iloc[fit], 2).predict(Z[held_out])
    assert found == pytest.approx(log_loss(y, p))


@pytest.mark.parametrize("aligner", [None, Riemannian, Euclidean])
def test_grid_finds_the_delay_in_which_classes_differ(aligner, tmp_path):
    windows = labelled(delayed_classes())
    encoder = AugmentedTangentSpace("grid", orders=(1, 2), lags=(1, 5, 7))
    fitted = decoder(encoder, LogisticRegression(C=0.1), windows, aligner() if aligner else None).fit(windows)
    assert (fitted.encoder.order, fitted.encoder.lag) == (2, 5)
    assert fitted.notes["order"] == 2 and fitted.notes["lag"] == 5 and fitted.notes["embedding_chosen_by"] == "grid"
    blind = windows.blind()
    loaded = Decoder.load(fitted.save(tmp_path / "decoder"))
    np.testing.assert_array_equal(loaded.predict(blind), fitted.predict(blind))


def test_features_come_from_the_store_once_for_each_point():
    windows = labelled(delayed_classes())
    asked = []

    def store(encoder, rows):
        asked.append((encoder.order, encoder.lag, len(rows)))
        return encoder.per_window(rows.X, rows.space)

    new = decoder(AugmentedCovariance("grid", orders=(1, 2), lags=(1, 5)), MDM(), windows)
    new.features = store
    new.fit(windows)
    assert asked == [(1, 1, 96), (2, 1, 96), (2, 5, 96), (2, 5, 96)]


def test_fit_chooses_anew():
    windows = labelled(delayed_classes())
    new = decoder(AugmentedTangentSpace("grid", orders=(1, 2), lags=(5,)), LogisticRegression(C=0.1), windows)
    shuffled = windows.with_y(np.random.default_rng(0).permutation(windows.y))
    new.fit(shuffled).fit(windows)
    assert new.encoder.order == 2


@pytest.mark.parametrize("rule", ["mdop", "afnn"])
def test_rules_do_not_see_labels(rule):
    windows = labelled(delayed_classes())
    shuffled = windows.with_y(np.random.default_rng(0).permutation(windows.y))
    chosen = []
    for one in (windows, shuffled):
        new = decoder(AugmentedTangentSpace(rule, max_order=3, max_lag=6), LogisticRegression(C=0.1), windows, Riemannian()).fit(one)
        chosen.append((new.encoder.order, new.encoder.lag))
    assert chosen[0] == chosen[1]


def test_a_class_of_one_trial_leaves_no_choice():
    windows = labelled(delayed_classes())[[0, 1, 2, 4, 6]]
    with pytest.raises(BrokenDataError, match="one trial only"):
        decoder(AugmentedCovariance(), MDM(), windows).fit(windows)


@pytest.mark.parametrize("aligner", [None, Riemannian])
def test_delays_of_channels_that_depend_on_each_other_are_projected(aligner):
    windows = labelled(delayed_classes())
    X = windows.X - windows.X.mean(axis=1, keepdims=True)
    referenced = labelled(
        Windows.from_arrays(X, windows.meta["event"], sfreq=128.0, subject=windows.meta["subject"], ch_names=["C3", "Cz", "C4"])
    )
    encoder = AugmentedTangentSpace("grid", orders=(1, 2), lags=(1, 5))
    fitted = decoder(encoder, LogisticRegression(C=0.1), referenced, aligner() if aligner else None).fit(referenced)
    assert (fitted.encoder.order, fitted.encoder.lag) == (2, 5) and "rank" in fitted.notes
    assert fitted.encode(referenced.blind()).shape == (96, 4 * 5 // 2)
