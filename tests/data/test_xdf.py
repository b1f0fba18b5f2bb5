"""Streams of Lab Streaming Layer: which is taken, its unit, its clock, its markers."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.data.xdf import read_xdf
from corticode.errors import BrokenDataError, MissingDataError


def stream(name="amp", type_="EEG", X=None, times=None, rate=100, format_="float32", channels=None, segments=None):
    desc = [{"channels": [{"channel": [{k: [v] for k, v in c.items()} for c in channels]}]}] if channels else [None]
    info = {
        "name": [name],
        "type": [type_],
        "channel_count": [str(np.shape(X)[1])],
        "nominal_srate": [str(rate)],
        "channel_format": [format_],
        "desc": desc,
    }
    return {"info": {**info, "segments": segments or [(0, len(times) - 1)]}, "time_series": X, "time_stamps": np.asarray(times)}


def eeg(**changes):
    defaults = {"X": 10 * np.random.default_rng(0).standard_normal((200, 2)), "times": 50 + np.arange(200) / 100}
    return stream(**{**defaults, **changes})


def markers(times, texts):
    return stream("marks", "Markers", [[text] for text in texts], times, 0, "string")


@pytest.fixture
def load(monkeypatch):
    def of(*streams, **options):
        monkeypatch.setattr("pyxdf.load_xdf", lambda *a, **k: (list(streams), {}))
        return read_xdf("a.xdf", **options)

    return of


def test_microvolts_unless_the_stream_says_otherwise(load):
    plain = eeg()
    np.testing.assert_allclose(load(plain).get_data(), plain["time_series"].T * 1e-6)
    told = eeg(channels=[{"label": "C3", "unit": "millivolts", "type": "EEG"}, {"label": "VEOG", "unit": "microvolts", "type": "EOG"}])
    raw = load(told)
    np.testing.assert_allclose(raw.get_data(), told["time_series"].T * [[1e-3], [1e-6]])
    assert raw.ch_names == ["C3", "VEOG"] and raw.get_channel_types() == ["eeg", "eog"]


def test_markers_go_to_the_nearest_sample(load):
    raw = load(markers([40.0, 50.0, 50.504, 50.516, 60.0], ["early", "a", "b", "c", "late"]), eeg())
    assert raw.annotations.description.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(raw.annotations.onset, [0, 0.50, 0.52])


def test_a_gap_is_a_joint_and_shifts_nothing(load):
    times = 50 + np.concatenate([np.arange(100), 500 + np.arange(100)]) / 100
    raw = load(eeg(times=times, segments=[(0, 99), (100, 199)]), markers([55.10], ["cue"]))
    assert list(zip(raw.annotations.onset, raw.annotations.description)) == [(1.0, "EDGE boundary"), (1.1, "cue")]


def test_several_streams_need_a_name(load):
    with pytest.raises(BrokenDataError, match=r"2 EEG streams.*left.*right"):
        load(eeg(name="left"), eeg(name="right"))
    assert len(load(eeg(name="left"), eeg(name="right", X=np.ones((200, 3))), stream="right").ch_names) == 3
    with pytest.raises(MissingDataError, match="no stream named 'middle'"):
        load(eeg(name="left"), stream="middle")


def test_no_stream_of_eeg_lists_what_is_there(load):
    with pytest.raises(MissingDataError, match=r"no stream of type EEG.*marks \(type Markers, 1 samples\)"):
        load(markers([1.0], ["a"]))


def test_the_clock_can_contradict_the_declared_rate(load):
    slow = eeg(times=50 + np.arange(200) / 90)
    with pytest.raises(BrokenDataError, match=r"declares 100 Hz but its samples came at 90 Hz"):
        load(slow)
    assert load(slow, rate="measured").info["sfreq"] == pytest.approx(90)
