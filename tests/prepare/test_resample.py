import numpy as np
import pytest
from scipy.signal import resample_poly

from corticode.errors import SentenceError
from corticode.prepare.resample import Resample
from corticode.prepare.window import Cue


def sine(signal, hz, offset=0.0):
    t = np.arange(signal.X.shape[1]) / signal.space.sfreq
    return signal.replace(X=np.tile(offset + 10 * np.sin(2 * np.pi * hz * t), (len(signal.space), 1)))


@pytest.mark.parametrize("new", [64, 100, 250, 99.7, 128 / np.pi])
def test_a_slow_wave_survives_and_stays_in_time(signal_of, new):
    made = Resample(new)(sine(signal_of(joint_s=None), 3.0, offset=5000))
    t = np.arange(made.X.shape[1]) / new
    middle = (t > 2) & (t < 14)
    assert np.abs(made.X[0] - 5000 - 10 * np.sin(2 * np.pi * 3 * t))[middle].max() < 0.05
    assert made.space.sfreq == new and made.X.shape[1] == round(16 * new)


def test_agrees_with_scipy(signal_of):
    signal = signal_of(joint_s=None)
    made = Resample(64)(signal).X
    np.testing.assert_allclose(made[:, 50:-50], resample_poly(signal.X, 1, 2, axis=-1)[:, 50:-50], atol=0.05)


def test_what_the_new_rate_cannot_hold_is_taken_out(signal_of):
    assert np.abs(Resample(64)(sine(signal_of(joint_s=None), 50.0)).X[:, 64:-64]).max() < 0.2


def test_an_offset_makes_no_step_at_the_ends(signal_of):
    flat = signal_of(joint_s=None)
    made = Resample(100)(flat.replace(X=np.full(flat.X.shape, 5000.0))).X
    assert np.abs(made - 5000).max() < 1e-6


def test_many_joints_add_up_to_no_drift(signal_of):
    signal = signal_of(seconds=60, joint_s=None)
    joints = tuple(range(51, signal.X.shape[1], 51))  # 39.84 samples each at the new rate
    made = Resample(100)(signal.replace(joints=joints))
    assert made.X.shape[1] == 6000
    np.testing.assert_allclose(np.array(made.joints) / 100, np.array(joints) / 128, atol=0.5 / 100 + 1e-9)


def test_events_keep_their_seconds_so_windows_find_their_place(signal_of):
    signal = signal_of(joint_s=None)
    pulse = np.zeros(signal.X.shape)
    pulse[:, 128 * 5 : 128 * 5 + 32] = 100.0  # a quarter of a second from the event at 5 s on
    X, table = Cue(-0.25, 0.5)(Resample(64)(signal.replace(X=pulse)))
    window = X[table["onset_s"].to_numpy() == 5.0][0, 0]
    assert window[:14].max() < 20 and window[18:30].min() > 80 and window[36:].max() < 20


def test_the_same_rate_changes_nothing(signal):
    assert Resample(128)(signal) is signal


def test_impossible_rates_are_refused():
    with pytest.raises(SentenceError, match="sfreq_hz=0"):
        Resample(0)
