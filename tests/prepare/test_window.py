import numpy as np
import pandas as pd
import pytest

from corticode.errors import SentenceError
from corticode.prepare.scale import Scale
from corticode.prepare.window import Cue, Sliding
from corticode.recording import no_events


def counting(signal):
    """Every sample holds its own number."""
    return signal.replace(X=np.tile(np.arange(signal.X.shape[1], dtype=float), (len(signal.space), 1)))


def notes(table):
    return " | ".join(table.attrs["notes"])


# -- around cues --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "sfreq", "n"), [(0, 4, 250, 1000), (0.5, 3.5, 160, 480), (-0.2, 0.8, 128, 128), (0, 1.1, 100, 110)]
)
def test_the_end_point_is_left_out(signal_of, start, stop, sfreq, n):
    signal = counting(signal_of(sfreq=sfreq, joint_s=None))
    X, table = Cue(start, stop)(signal)
    assert X.shape[1:] == (11, n) and X.dtype == np.float32
    wanted = np.round((table["onset_s"] + start) * sfreq)
    assert np.array_equal(X[:, 0, 0], wanted) and np.array_equal(X[:, 0, -1], wanted + n - 1)


def test_windows_that_leave_or_cross_are_dropped_and_counted(signal):
    _, table = Cue(-1.5, 1.5)(signal)  # events at 1 ... 14 s, a joint at 8 s, the end at 16 s
    assert list(table["onset_s"]) == [2.0, 3, 4, 5, 6, 10, 11, 12, 13, 14]
    assert "1 of 14 windows leave the recording" in notes(table) and "3 of 14 windows cross a joint" in notes(table)
    assert list(table["trial"]) == [1, 2, 3, 4, 5, 9, 10, 11, 12, 13]


def test_a_window_may_begin_and_end_at_a_joint(signal):
    _, table = Cue(0, 1)(signal)
    assert {7.0, 8.0} <= set(table["onset_s"]) and "joint" not in notes(table)


def test_outcome_columns_come_along_and_trials_keep_their_number(signal):
    _, table = Cue(0, 1, events=["right"])(signal)
    assert list(table.columns) == ["trial", "onset_s", "event", "stimulus"]
    assert set(table["event"]) == {"right"} and list(table["trial"]) == [1, 3, 5, 7, 9, 11, 13] and table["stimulus"][0] == "s2"


def test_onsets_count_from_the_beginning_of_the_session(signal):
    _, table = Cue(0, 1)(signal.replace(start_s=100.0))
    assert table["onset_s"][0] == 101.0


def test_baseline_is_subtracted_and_must_be_there(signal):
    X, table = Cue(0, 1, baseline=[-0.5, 0])(signal)
    first = round(table["onset_s"][0] * 128)
    wanted = signal.X[:, first : first + 128] - signal.X[:, first - 64 : first].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(X[0], wanted, atol=1e-5)
    assert 8.0 not in set(table["onset_s"])  # its baseline lies before the joint
    assert Cue(0, 1, baseline=[-0.5, 0]).sees == "past" and Cue(0, 1, baseline=[0, 0.2]).sees == "window"
    assert Cue(0, 1, baseline=[1, 2]).sees == "recording"


def test_overlapping_cues_are_mentioned(signal):
    assert "share samples" in notes(Cue(0, 1.5)(signal)[1]) and "share samples" not in notes(Cue(0, 1.0)(signal)[1])


def test_no_event_gives_no_window_and_says_why(signal):
    X, table = Cue(0, 1, events=["feet"])(signal)
    assert X.shape == (0, 11, 128) and len(table) == 0 and "events there: left, right" in notes(table)
    X, table = Cue(0, 1)(signal.replace(events=no_events()))
    assert len(X) == 0 and "events there: none" in notes(table)


def test_bad_windows_are_dropped_and_counted(signal_of):
    signal = signal_of(joint_s=None)
    X = signal.X.copy()
    X[4, 128 * 3 + 5] = 500.0
    X[5, 128 * 5 : 128 * 6] = 1.0
    X[6, 128 * 7 + 9] = np.nan
    X[10, 128 * 9] = 5000.0  # the eyes are not judged
    _, table = Cue(0, 1, reject_uv=150, flat_uv=0.5)(signal.replace(X=X))
    assert set(range(1, 15)) - set(table["onset_s"]) == {3, 5, 7}
    text = notes(table)
    assert "1 of 14 windows have a channel above 150.0 µV" in text and "1 of 14 windows have a channel below 0.5 µV" in text
    assert "1 of 14 windows hold NaN" in text


def test_rejection_in_microvolts_needs_microvolts(signal):
    with pytest.raises(SentenceError, match="signal is in z"):
        Cue(0, 1, reject_uv=100)(Scale("robust")(signal))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(SentenceError, match="stop_s above start_s"):
        Cue(1, 1)
    with pytest.raises(SentenceError, match="baseline"):
        Cue(0, 1, baseline=[0, -1])
    with pytest.raises(SentenceError, match="above 0"):
        Sliding(0, 1)


# -- one after the other ------------------------------------------------------------------------------------------


def test_sliding_begins_anew_after_a_joint(signal):
    made = counting(signal.replace(joints=(1000,)))
    X, table = Sliding(2, 2)(made)
    assert list(X[:, 0, 0]) == [0, 256, 512, 1000, 1256, 1512, 1768] and X.shape[2] == 256
    assert list(table["trial"]) == list(range(7)) and table["onset_s"][3] == 1000 / 128
    assert not Sliding(2, 2).overlap and Sliding(2, 1).overlap


def test_steps_that_are_no_whole_samples_do_not_drift(signal_of):
    X, _ = Sliding(0.5, 1 / 3)(counting(signal_of(seconds=100, joint_s=None)))
    wanted = np.arange(len(X)) / 3 * 128
    assert np.abs(X[:, 0, 0] - wanted).max() <= 0.5 and len(X) == 299


def test_a_stretch_can_be_chosen(signal_of):
    X, _ = Sliding(2, 2, start_s=3, stop_s=9)(counting(signal_of(joint_s=None)))
    assert list(X[:, 0, 0]) == [384, 640, 896]


def test_epochs_get_the_stage_that_spans_them(signal_of):
    stages = pd.DataFrame({"onset_s": [0.0, 4.0, 10.0, 5.0], "duration_s": [4.0, 6.0, 6.0, 0.0], "event": ["W", "N1", "N2", "arousal"]})
    signal = signal_of(joint_s=None).replace(events=stages)
    _, table = Sliding(2, 2)(signal)
    assert list(table["event"]) == ["W", "W", "N1", "N1", "N1", "N2", "N2", "N2"]
    _, table = Sliding(4, 4)(signal)
    assert list(table["event"].fillna("-")) == ["W", "N1", "-", "N2"]
    X, table = Sliding(2, 2, events=["N1"])(signal)
    assert list(table["onset_s"]) == [4.0, 6.0, 8.0] and len(X) == 3
    _, table = Sliding(2, 2, events=["N3"])(signal)
    assert len(table) == 0 and "named N3" in notes(table)


def test_the_shortest_of_nested_events_wins(signal_of):
    nested = pd.DataFrame({"onset_s": [4.0, 0.0], "duration_s": [4.0, 16.0], "event": ["task", "session"]})
    _, table = Sliding(4, 4)(signal_of(joint_s=None).replace(events=nested))
    assert list(table["event"]) == ["session", "task", "session", "session"]


def test_without_spanning_events_there_is_no_event_column(signal):
    _, table = Sliding(2, 2)(signal)
    assert list(table.columns) == ["trial", "onset_s"]


def cues(*lines):
    return pd.DataFrame(lines, columns=["onset_s", "duration_s", "event"])


def test_every_window_is_idle_or_bears_what_fills_it(signal_of):
    """Half of a window is enough by default; a window of two events bears the one that fills more of it, of equals the later."""
    signal = signal_of(joint_s=None).replace(events=cues([3.0, 3.0, "left"], [6.0, 2.0, "right"]))
    X, table = Sliding(2, 1, idle="nothing")(signal)
    assert len(X) == 15  # of 16 s, none is left out
    events = dict(zip(table["onset_s"], table["event"], strict=True))
    assert [events[s] for s in range(9)] == ["nothing", "nothing", "left", "left", "left", "right", "right", "right", "nothing"]
    _, whole = Sliding(2, 1, idle="nothing", share=1.0)(signal)
    assert list(whole["onset_s"][whole["event"] != "nothing"]) == [3.0, 4.0, 6.0]


def test_idle_stretches_and_events_are_trials(signal_of):
    signal = signal_of(joint_s=None).replace(events=cues([3.0, 3.0, "left"], [8.0, 3.0, "left"]))
    _, table = Sliding(1, 0.5, idle="nothing")(signal)
    per_trial = table.groupby("trial")["event"].agg(["first", "nunique"])
    assert list(per_trial["first"]) == ["nothing", "left", "nothing", "left", "nothing"] and (per_trial["nunique"] == 1).all()
    assert list(table["onset_s"]) == sorted(table["onset_s"]) and table["trial"].is_monotonic_increasing


def test_what_of_a_cue_counts_can_be_said(signal_of):
    signal = signal_of(joint_s=None).replace(events=cues([4.0, 0.0, "left"], [10.0, 0.0, "rest"]))
    _, table = Sliding(1, 1, idle="nothing")(signal)
    assert set(table["event"]) == {"nothing"} and "no event lasts" in notes(table)
    _, table = Sliding(1, 1, idle="nothing", after_s=[1, 3], events=["left"])(signal)
    assert list(table["onset_s"][table["event"] == "left"]) == [5.0, 6.0] and "rest" not in set(table["event"])
    assert "no event lasts" not in notes(table) and Sliding(1, 1, idle="x").reach_s == (0.0, 1.0)


def test_idle_that_makes_no_sense_is_refused():
    for wrong in (dict(share=0), dict(share=1.5), dict(after_s=[3, 1]), dict(after_s=[1])):
        with pytest.raises(SentenceError, match=next(iter(wrong))):
            Sliding(1, 1, idle="x", **wrong)


def test_too_short_a_recording_says_so(signal):
    X, table = Sliding(60, 60)(signal)
    assert X.shape == (0, 11, 7680) and "longest continuous stretch lasts 8 s" in notes(table)
