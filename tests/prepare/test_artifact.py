import numpy as np
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.artifact import RegressEOG
from corticode.prepare.channel import Pick
from corticode.prepare.filter import BandPass


def with_blinks(signal):
    X = signal.X.copy()
    X[10] = 0.1 * X[10]
    for first in range(100, X.shape[1] - 60, 300):
        X[10, first : first + 50] += 200 * np.hanning(50)
    X[:10] += np.linspace(0.8, 0.05, 10)[:, None] * X[10]
    # a drift that the eyes and the EEG share by chance must not count
    drift = np.linspace(0, 500, X.shape[1])
    return signal.replace(X=X + drift * np.array([1.0] * 10 + [-1.0])[:, None])


def test_blinks_go_and_the_brain_stays(signal_of):
    clean = signal_of(joint_s=None, seconds=60)
    made = RegressEOG(True)(with_blinks(clean))
    blinks = np.flatnonzero(np.abs(with_blinks(clean).X[10] - np.linspace(-0, -500, clean.X.shape[1])) > 100)
    rest = BandPass(low_hz=1)(made).X[:10] - BandPass(low_hz=1)(clean).X[:10]
    assert np.abs(rest[:, blinks].mean(axis=1)).max() < 6  # of 160 µV at the first channel
    assert np.array_equal(made.X[10], with_blinks(clean).X[10])


def test_coefficients_are_those_of_mne_on_the_same_band(signal_of):
    import mne

    signal = with_blinks(signal_of(joint_s=None, seconds=60))
    fast = BandPass(low_hz=1.0, order=2)(signal)
    info = mne.create_info(list(signal.space.names), 128, ["eeg"] * 10 + ["eog"])
    raw = mne.io.RawArray(fast.X, info, verbose="error").set_eeg_reference([], verbose="error")
    wanted = mne.preprocessing.EOGRegression().fit(raw).coef_[:, 0]
    made = RegressEOG(True)(signal)
    used = (signal.X[:10] - made.X[:10])[:, 1000] / signal.X[10, 1000]
    np.testing.assert_allclose(used, wanted, atol=2e-3)


def test_frontal_channels_stand_in_where_there_is_no_eog(signal):
    eeg = Pick()(signal)
    with pytest.raises(BrokenDataError, match=r"prepare\.eog\.channels=\[Fp1,Fp2\]"):
        RegressEOG(True)(eeg)
    made = RegressEOG(True, channels=["Fp1", "Fp2"])(eeg)
    assert np.array_equal(made.X[:2], eeg.X[:2])
    assert not np.array_equal(made.X[2:], eeg.X[2:])


def test_channels_without_regress_are_refused():
    with pytest.raises(SentenceError, match="regress=true"):
        RegressEOG(channels=["Fp1"])
