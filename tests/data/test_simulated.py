import pickle
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.signal import welch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from corticode.data.forward import make_forward
from corticode.data.simulated import CLASSES, Simulated, make_person
from corticode.errors import MissingDataError, SentenceError
from corticode.prepare.base import Prepare
from corticode.prepare.cache import prepare_one
from corticode.prepare.channel import Pick
from corticode.prepare.filter import BandPass
from corticode.prepare.window import Cue
from corticode.recording import check_amplitude


@pytest.fixture(scope="module")
def signal():
    """The first run of the first person, 64 channels, full effect, everybody trying."""
    return first(n_channels=64, n_trials=60, lapse=0.0)


def first(**knobs):
    return next(iter(Simulated(n_subjects=1, n_sessions=1, **knobs).recordings())).read()


def spectrum(signal, name):
    """Return frequencies [f] in steps of 0.25 Hz, and power [f] of one channel."""
    return welch(signal.X[signal.space.index([name])[0]], signal.space.sfreq, nperseg=round(4 * signal.space.sfreq))


def power(signal, name, low_hz, high_hz):
    """Return the mean power of one channel in each trial, and the trials' events."""
    X, table = Cue(1.0, 3.5)(BandPass(low_hz, high_hz)(signal))
    return X[:, signal.space.index([name])[0]].var(axis=1), table["event"].to_numpy()


def log_variance(windows):
    return np.log(windows.var(axis=2))


def features(**knobs):
    """Return log-variances [n, channels], labels [n] and people [n] at 8-30 Hz."""
    prepare = Prepare(pick=Pick(), filter=BandPass(8, 30), window=Cue(0.5, 3.5))
    F, labels, people = [], [], []
    for recording in Simulated(**knobs).recordings():
        X, table, _ = prepare(recording.read())
        F.append(log_variance(X) - log_variance(X).mean(axis=0))
        labels += list(table["event"])
        people += [recording.who["subject"]] * len(X)
    return np.concatenate(F), np.array(labels), np.array(people)


def leave_one_out(F, labels, people):
    right = []
    for person in np.unique(people):
        fit = people != person
        right.append((LinearDiscriminantAnalysis().fit(F[fit], labels[fit]).predict(F[~fit]) == labels[~fit]).mean())
    return np.mean(right)


# -- does it look like EEG? ---------------------------------------------------------------------------------------


def test_amplitudes_are_those_of_the_scalp(signal):
    check_amplitude(signal, "the simulation")
    rms = signal.X[:64].std(axis=1)
    assert 5 < np.median(rms) < 20 and rms.max() < 40 and rms.min() > 2


def test_background_falls_as_one_over_f(signal):
    slopes = []
    for name in ("T7", "T8", "P7", "P8"):
        f, p = spectrum(signal, name)
        away = ((f > 2) & (f < 6)) | ((f > 30) & (f < 44))  # from rhythms and mains
        slopes.append(np.polyfit(np.log(f[away]), np.log(p[away]), 1)[0])
    assert -1.5 < np.mean(slopes) < -0.7


def test_mu_stands_out_of_the_background_over_the_hand_areas(signal):
    mu = make_person(0, 0).mu_hz
    for name in ("C3", "C4"):
        f, p = spectrum(signal, name)
        around = p[((f > 4) & (f < 6)) | ((f > 14) & (f < 16))].mean()
        band = (f > 7) & (f < 14)
        assert p[band].max() > 3 * around
        assert abs(f[band][p[band].argmax()] - mu) < 1.0


@pytest.mark.parametrize(("low_hz", "high_hz", "left"), [(8, 14, 0.6), (16, 25, 0.85)])
def test_imagining_a_hand_quiets_the_other_side(signal, low_hz, high_hz, left):
    left_side, event = power(signal, "C3", low_hz, high_hz)
    right_side, _ = power(signal, "C4", low_hz, high_hz)
    assert left_side[event == "right_hand"].mean() < left * left_side[event == "left_hand"].mean()
    assert right_side[event == "left_hand"].mean() < left * right_side[event == "right_hand"].mean()


def test_feet_and_tongue_have_their_places():
    signal = first(n_channels=64, n_classes=4, n_trials=80, lapse=0.0)
    for name, lowest in (("Cz", "feet"), ("C4", "left_hand"), ("C3", "right_hand"), ("T7", "tongue")):
        p, event = power(signal, name, 8, 14)
        assert min(CLASSES, key=lambda label: p[event == label].mean()) == lowest


def test_before_the_cue_nothing_tells_the_classes_apart(signal):
    X, table = Cue(-0.5, 0.0)(BandPass(8, 30, phase="causal")(signal))
    c3 = np.log(X[:, 0].var(axis=1))
    left = table["event"].to_numpy() == "left_hand"
    assert abs(c3[left].mean() - c3[~left].mean()) < 3 * c3.std() * np.sqrt(1 / left.sum() + 1 / (~left).sum())


def test_blinks_fade_from_the_front_and_show_in_the_eog(signal):
    assert signal.space.names[-2:] == ("VEOG", "HEOG") and signal.space.channel_types[-2:] == ("eog", "eog")
    eye = signal.X[-2] - np.median(signal.X[-2])
    blinks = eye > 60
    assert 0.005 < blinks.mean() < 0.2
    size = {name: signal.X[signal.space.index([name])[0], blinks].mean() for name in ("Fp1", "Fz", "Pz")}
    assert size["Fp1"] > 30 and size["Fp1"] > 2 * abs(size["Fz"]) and size["Fp1"] > 3 * abs(size["Pz"])


def test_mains_at_50_hz_can_be_left_out(signal):
    def excess(s):
        f, p = spectrum(s, "T7")
        return p[np.abs(f - 50) < 0.3].max() / np.median(p[(f > 45) & (f < 55)])

    assert excess(signal) > 5
    assert excess(first(n_channels=64, line_hz=None)) < 3
    assert excess(first(n_channels=64, line_hz=60.0)) < 3


def test_eog_channels_are_optional_and_the_eeg_stays_the_same():
    with_eog, without = first(n_trials=4), first(n_trials=4, eog=False)
    assert len(without.space) == 22 and without.space.types is None
    assert np.array_equal(with_eog.X[:22], without.X)


# -- is the answer the planted one? -------------------------------------------------------------------------------


def test_classes_can_be_told_apart_across_people_but_not_always():
    score = leave_one_out(*features(n_sessions=1, n_subjects=5))
    assert 0.75 < score <= 0.95


def test_effect_0_leaves_nothing_to_decode():
    F, labels, people = features(n_sessions=1, n_subjects=5, n_trials=60, effect=0.0)
    assert abs(leave_one_out(F, labels, people) - 0.5) < 3 * 0.5 / np.sqrt(len(labels))


def test_lapses_are_trials_without_an_answer():
    with_all = leave_one_out(*features(n_sessions=1, n_subjects=3, effect=1.5, lapse=0.0))
    none = leave_one_out(*features(n_sessions=1, n_subjects=3, effect=1.5, lapse=1.0))
    half = leave_one_out(*features(n_sessions=1, n_subjects=3, effect=1.5, lapse=0.5))
    assert with_all > 0.9 and abs(none - 0.5) < 0.15 and 0.6 < half < 0.9


@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_each_class_is_declared_and_equally_frequent(n_classes):
    data = Simulated(n_subjects=1, n_sessions=1, n_trials=12, n_classes=n_classes)
    counts = next(data.recordings()).read().events["event"].value_counts()
    assert data.classes == {"event": list(CLASSES[:n_classes])}
    assert dict(counts) == dict.fromkeys(CLASSES[:n_classes], 12 // n_classes)


def test_age_can_be_read_from_the_signal():
    spectra, ages = [], []
    for recording in Simulated(n_subjects=24, n_sessions=1, n_trials=16, eog=False).recordings():
        f, p = welch(recording.read().X, 128, nperseg=512)
        spectra.append(np.log(p[:, (f >= 6) & (f <= 14)]).mean(axis=0))
        ages.append(recording.facts["age"])
    assert min(ages) >= 20 and max(ages) <= 80 and np.ptp(ages) > 45
    guess = cross_val_predict(RidgeCV(np.logspace(-2, 4, 13)), np.array(spectra), ages, cv=LeaveOneOut())
    assert np.corrcoef(guess, ages)[0, 1] > 0.7


# -- seeds, people, lazy reading ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_and_another_another():
    one, two, other = first(n_trials=4), first(n_trials=4), first(n_trials=4, seed=1)
    assert np.array_equal(one.X, two.X) and one.events.equals(two.events)
    assert one.X.shape != other.X.shape or not np.allclose(one.X, other.X)


def test_a_person_does_not_depend_on_how_many_there_are():
    few = {r.name: r for r in Simulated(n_subjects=2, n_sessions=1, n_trials=4).recordings()}
    many = {r.name: r for r in Simulated(n_subjects=5, n_sessions=3, n_trials=4).recordings()}
    assert list(few) == ["S1_1", "S2_1"] and set(few) < set(many) and len(many) == 15
    for name, recording in few.items():
        assert recording.facts == many[name].facts and dict(recording.origin) == dict(many[name].origin)
    assert np.array_equal(few["S2_1"].read().X, many["S2_1"].read().X)
    assert many["S2_1"].origin != many["S2_2"].origin and many["S2_1"].facts == many["S2_2"].facts


def test_fewer_channels_are_the_first_of_more():
    few, many = first(n_channels=5, n_trials=4, eog=False), first(n_channels=40, n_trials=4, eog=False)
    assert few.space.names == many.space.names[:5] == ("C3", "C4", "Cz", "FC3", "FC4")
    np.testing.assert_allclose(few.X, many.X[:5], atol=1e-9)


def test_nested_montages():
    names = make_forward().names
    iv_2a = "Fz FC3 FC1 FCz FC2 FC4 C5 C3 C1 Cz C2 C4 C6 CP3 CP1 CPz CP2 CP4 P1 Pz P2 POz"
    assert sorted(names[:22]) == sorted(iv_2a.split()) and len(set(names)) == len(names) >= 330
    assert {"Fp1", "Iz", "T9", "T10", "PO8"} < set(names[:64]) and "AFp1" not in names[:64]
    signal = first(n_channels=330, n_trials=2, eog=False)
    assert signal.X.shape[0] == 330 and np.isfinite(signal.X).all()


def test_people_and_sessions_differ():
    runs = [r.read() for r in Simulated(n_subjects=2, n_sessions=2, n_trials=8, eog=False).recordings()]
    rms = [np.log(r.X.std(axis=1)) for r in runs]
    within, between = np.abs(rms[0] - rms[1]).mean(), np.abs(rms[0] - rms[2]).mean()
    assert 0 < within < between


def test_spread_0_makes_people_alike_but_for_age():
    one, two = (make_person(0, i, spread=0.0) for i in range(2))
    assert one.skill == two.skill and np.array_equal(one.loudness, two.loudness) and one.age != two.age


def test_recordings_travel_and_are_made_when_read():
    recording = next(Simulated(n_trials=4).recordings())
    again = pickle.loads(pickle.dumps(recording))
    assert len(pickle.dumps(recording)) < 5000 and np.array_equal(again.read().X, recording.read().X)
    assert recording.files == () and recording.origin["effect"] == 1.0 and recording.origin["person"] == 0


def test_windows_carry_who_and_what():
    recording = next(Simulated(n_trials=6).recordings())
    X, meta, space, notes = prepare_one(recording, Prepare(pick=Pick(), window=Cue(0.5, 3.5)))
    assert X.shape == (6, 22, 384) and len(space) == 22 and not notes
    assert set(meta["recording"]) == {"S1_1"} and set(meta["age"]) == {recording.facts["age"]} and set(meta["event"]) == set(CLASSES[:2])


def test_cues_lie_on_samples_and_their_windows_in_the_run():
    signal = first(n_trials=10, sfreq_hz=160)
    samples = signal.events["onset_s"] * 160
    np.testing.assert_allclose(samples, np.round(samples), atol=1e-6)
    _, table = Cue(-1, 4.5)(signal)
    assert len(table) == 10


def test_people_can_be_chosen_by_name():
    assert [r.who["subject"] for r in Simulated(n_subjects=4, n_sessions=1, subjects=["S3", "S1"]).recordings()] == ["S1", "S3"]
    with pytest.raises(MissingDataError, match=r"S9, and data\.n_subjects=4 makes S1 to S4"):
        list(Simulated(n_subjects=4, subjects=["S9"]).recordings())


@pytest.mark.parametrize(
    "knob",
    [
        {"n_channels": 2},
        {"n_channels": 400},
        {"n_classes": 5},
        {"lapse": 1.5},
        {"effect": -1},
        {"n_subjects": 0},
        {"sfreq_hz": 10},
        {"n_trials": 1},
    ],
)
def test_numbers_out_of_range_are_refused(knob):
    name = next(iter(knob))
    with pytest.raises(SentenceError, match=rf"data\.{name}="):
        Simulated(**knob)


def test_files_are_refused(tmp_path):
    with pytest.raises(SentenceError, match="has no files"):
        Simulated().recording_of(tmp_path / "new.edf")


def test_the_entry_lists_every_argument_with_its_default():
    config = yaml.safe_load((Path(__file__).resolve().parents[2] / "conf" / "data" / "simulated.yaml").read_text(encoding="utf-8"))["data"]
    assert config.pop("_target_") == "corticode.data.simulated.Simulated"
    assert list(config.items()) == list(Simulated().arguments().items())
