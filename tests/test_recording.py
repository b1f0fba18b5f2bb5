"""Recording and Signal: volts become microvolts once, and amplitudes that cannot be EEG are refused."""

from __future__ import annotations

import datetime

import mne
import numpy as np
import pytest

from corticode.errors import BrokenDataError, UnitError
from corticode.recording import Recording, Signal, check_amplitude, signal_from_raw
from corticode.space import Space

NAMES = ["C3", "Cz", "C4", "Pz", "VEOG"]


def raw_of(scale_v=1e-5, offset_v=0.0, types=("eeg",) * 4 + ("eog",), seconds=8, sfreq=100.0, annotations=(), **known):
    rng = np.random.default_rng(0)
    X = scale_v * rng.standard_normal((len(types), int(seconds * sfreq))) + offset_v
    raw = mne.io.RawArray(X, mne.create_info(NAMES[: len(types)], sfreq, list(types)), verbose="error", **known)
    raw.set_annotations(mne.Annotations(*zip(*annotations, strict=True)) if annotations else mne.Annotations([], [], []))
    return raw


# -- units ------------------------------------------------------------------------------------------------------------


def test_volts_become_microvolts():
    raw = raw_of()
    signal = signal_from_raw(raw)
    assert signal.space.unit == "uV" and signal.space.names == tuple(NAMES) and signal.space.sfreq == 100
    np.testing.assert_array_equal(signal.X, raw.get_data() * 1e6)
    assert signal.space.channel_types == ("eeg", "eeg", "eeg", "eeg", "eog")


@pytest.mark.parametrize(
    "scale_v, factor",
    [(1e-2, "0.001"), (1e-8, "1000"), (10, "1e-06"), (1e-11, "1e+06"), (1e-14, "1e+09")],
)
def test_a_wrong_unit_names_its_factor(scale_v, factor):
    """1e-2: the file holds millivolts and its header says volts."""
    with pytest.raises(UnitError, match=rf"typical amplitude.*data\.unit_factor={factor.replace('+', '[+]')}$"):
        signal_from_raw(raw_of(scale_v))
    cured = signal_from_raw(raw_of(scale_v), unit_factor_=float(factor))
    np.testing.assert_allclose(cured.X, raw_of().get_data() * 1e6, rtol=1e-9)


@pytest.mark.parametrize("offset_v", [0.005, -0.3])
def test_offsets_of_direct_current_are_no_amplitude(offset_v):
    signal_from_raw(raw_of(offset_v=offset_v))
    with pytest.raises(UnitError):
        signal_from_raw(raw_of(1e-2, offset_v))


def test_one_broken_channel_is_not_the_unit():
    X = 10 * np.random.default_rng(0).standard_normal((5, 1000))
    X[0], X[1] = 0, X[1] * 1e6
    check_amplitude(Signal(X, Space("eeg", NAMES, "uV", 100)), "x")
    X[2:] = 7
    with pytest.raises(BrokenDataError, match="constant"):
        check_amplitude(Signal(X, Space("eeg", NAMES, "uV", 100)), "x")
    with pytest.raises(BrokenDataError, match="every sample is NaN"):
        check_amplitude(Signal(X * np.nan, Space("eeg", NAMES, "uV", 100)), "x")


def test_some_missing_samples_do_not_hide_the_unit():
    X = 1e4 * np.random.default_rng(0).standard_normal((5, 1000))
    X[:, ::3] = np.nan
    with pytest.raises(UnitError, match=r"unit_factor=0\.001"):
        check_amplitude(Signal(X, Space("eeg", NAMES, "uV", 100)), "x")


def test_magnetometers_are_in_femtotesla():
    raw = raw_of(1e-12, types=("mag", "mag", "eog"))
    signal = signal_from_raw(raw, kind="meg")
    assert signal.space.unit == "fT"
    np.testing.assert_allclose(signal.X, raw.get_data() * 1e15)


def test_a_file_without_the_kind_is_refused():
    with pytest.raises(BrokenDataError, match=r"no EEG channel \(types there: ecg, misc\)"):
        signal_from_raw(raw_of(types=("misc", "ecg")))


def test_companions_travel_and_others_stay():
    signal = signal_from_raw(raw_of(types=("eeg", "misc", "ecg", "stim", "eog")))
    assert signal.space.names == ("C3", "C4", "VEOG") and signal.space.types == ("eeg", "ecg", "eog")


# -- events and joints --------------------------------------------------------------------------------------------------


MARKS = [(4.0, 1.0, "T2"), (1.5, 0.5, "T1"), (3.0, 0.0, "BAD boundary"), (3.0, 0.0, "EDGE boundary"), (6.0, 0.0, "noise")]


def test_events_are_named_and_in_time_order():
    events = signal_from_raw(raw_of(annotations=MARKS), events={"T1": "left", "T2": "right"}).events
    assert events.to_dict("list") == {"onset_s": [1.5, 4.0], "duration_s": [0.5, 1.0], "event": ["left", "right"]}
    assert signal_from_raw(raw_of(annotations=MARKS)).events["event"].tolist() == ["T1", "T2", "noise"]
    assert signal_from_raw(raw_of()).events.empty


def test_boundaries_become_joints():
    signal = signal_from_raw(raw_of(annotations=MARKS))
    assert signal.joints == (300,)
    assert signal.pieces() == [(0, 300), (300, 800)]
    assert signal.replace(joints=(0, 800, 900)).pieces() == [(0, 800)]


def test_recordings_put_together_by_mne_have_a_joint():
    raw = mne.concatenate_raws([raw_of(), raw_of()], verbose="error")
    assert signal_from_raw(raw).joints == (800,)


@pytest.mark.parametrize("dated", [False, True])
def test_onsets_count_from_the_first_sample(dated):
    """Files that were cut from a longer one begin at a later sample than 0."""
    raw = raw_of(annotations=[(5.0, 1.0, "T1")])
    if dated:
        raw.set_meas_date(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        raw.set_annotations(mne.Annotations([5.0], [1.0], ["T1"], orig_time=raw.info["meas_date"]))
    raw.crop(2.0, None)
    assert signal_from_raw(raw).events["onset_s"].tolist() == [3.0]


def test_unknown_positions_are_nan_or_nothing():
    raw = raw_of()
    assert signal_from_raw(raw).space.positions is None
    raw.set_montage(mne.channels.make_dig_montage({"C3": [0.01, 0.02, 0.03]}), on_missing="ignore", verbose="error")
    positions = signal_from_raw(raw).space.positions
    np.testing.assert_allclose(positions[0], [0.01, 0.02, 0.03])
    assert np.isnan(positions[1:]).all()


# -- who ---------------------------------------------------------------------------------------------------------------


def test_a_recording_says_who_in_text():
    recording = Recording(who={"dataset": "d", "subject": 7, "run": "02"}, read=lambda: None, files=("a.edf",))
    assert recording.who == {"dataset": "d", "site": "", "subject": "7", "session": "", "run": "02"}
    assert recording.name == "7_02"
    assert recording.files[0].suffix == ".edf"


def test_a_signal_has_as_many_rows_as_names():
    with pytest.raises(BrokenDataError, match="space names 5 channels"):
        Signal(np.zeros((4, 10)), Space("eeg", NAMES, "uV", 100))
