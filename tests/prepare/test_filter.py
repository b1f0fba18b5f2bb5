import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt, sosfreqz

from corticode.errors import SentenceError
from corticode.prepare.filter import BandPass, Notch


def test_zero_phase_band_pass_is_scipys_to_the_last_bit(signal_of):
    signal = signal_of(joint_s=None)
    wanted = sosfiltfilt(butter(4, [8, 30], "band", fs=128, output="sos"), signal.X, axis=-1)
    assert np.array_equal(BandPass(8, 30)(signal).X, wanted)


def test_each_stretch_is_filtered_by_itself(signal):
    sos = butter(4, [8, 30], "band", fs=128, output="sos")
    made = BandPass(8, 30)(signal).X
    for part in (slice(0, 1024), slice(1024, None)):
        np.testing.assert_allclose(made[:, part], sosfiltfilt(sos, signal.X[:, part], axis=-1), atol=1e-12)


def test_causal_filter_starts_without_a_step_from_an_offset(signal_of):
    flat = signal_of(joint_s=None)
    flat = flat.replace(X=np.full(flat.X.shape, 5000.0))
    assert np.abs(BandPass(0.5, 40, phase="causal")(flat).X).max() < 1e-6


@pytest.mark.parametrize(
    ("step", "kept_hz", "gone_hz"), [(BandPass(low_hz=20), 40, 5), (BandPass(high_hz=20), 5, 40), (BandPass(8, 12), 10, 30)]
)
def test_passes_what_it_names(step, kept_hz, gone_hz):
    _, response = sosfreqz(step.sections(128), worN=[kept_hz, gone_hz], fs=128)
    assert np.abs(response[0]) > 0.95 and np.abs(response[1]) < 0.05


@pytest.mark.parametrize("phase", ["zero", "causal"])
def test_notch_takes_the_line_and_its_harmonics_only(signal_of, phase):
    signal = signal_of(joint_s=None, sfreq=256)
    t = np.arange(signal.X.shape[1]) / 256
    waves = {f: 10 * np.sin(2 * np.pi * f * t) for f in (10, 50, 100)}
    made = Notch(50, phase=phase)(signal.replace(X=np.tile(sum(waves.values()), (len(signal.space), 1)))).X
    middle = slice(1024, 3072)
    assert np.abs(made[0] - waves[10])[middle].max() < 0.5
    first_only = Notch(50, harmonics=False, phase=phase)(signal.replace(X=np.tile(waves[100], (len(signal.space), 1)))).X
    assert np.abs(first_only[0, middle]).max() > 9


def test_a_stretch_shorter_than_the_padding_still_comes_out_finite(signal_of):
    signal = signal_of(joint_s=None).replace(joints=(1, 10, 20))
    for step in (BandPass(8, 30), Notch(50), BandPass(8, 30, phase="causal")):
        assert np.isfinite(step(signal).X).all()


def test_bands_above_half_the_rate_are_refused(signal):
    with pytest.raises(SentenceError, match=r"64 Hz needs more than 128 samples per second.*below 64"):
        BandPass(8, 64)(signal)
    with pytest.raises(SentenceError, match="notch at 100 Hz"):
        Notch(100)(signal)


@pytest.mark.parametrize("band", [(30, 8), (8, 8), (-1, 8), (0, 8), (None, 0)])
def test_impossible_bands_are_refused(band):
    with pytest.raises(SentenceError, match="low_hz < high_hz"):
        BandPass(*band)


def test_unknown_phase_is_refused():
    with pytest.raises(SentenceError, match=r"prepare\.filter\.phase=minimum is unknown: pick one of zero, causal"):
        BandPass(8, 30, phase="minimum")
