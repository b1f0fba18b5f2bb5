"""What every step of a preparation promises."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from corticode.catalogue import make, plain
from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.artifact import RegressEOG
from corticode.prepare.base import SEES, Prepare
from corticode.prepare.channel import Interpolate, Match, Pick, Rename
from corticode.prepare.filter import BandPass, Notch
from corticode.prepare.reference import Reference
from corticode.prepare.resample import Resample
from corticode.prepare.scale import Scale
from corticode.prepare.window import Cue, Sliding

STEPS = {
    "rename": Rename({"Oz": "Iz"}),
    "pick channels": Pick(["C3", "VEOG"]),
    "pick default": Pick(),
    "match": Match(["C4", "C3"]),
    "match zero": Match(["C4", "T7"], missing="zero"),
    "match interpolate": Match(["C4", "CPz"], missing="interpolate"),
    "interpolate": Interpolate(["Cz"]),
    "average": Reference("average"),
    "laplacian": Reference("laplacian"),
    "bipolar": Reference("bipolar", pairs=["C3-P3", ["C4", "P4"]]),
    "band-pass": BandPass(8, 30),
    "high-pass": BandPass(low_hz=1),
    "low-pass": BandPass(high_hz=30),
    "causal": BandPass(8, 30, phase="causal"),
    "notch": Notch(50),
    "causal notch": Notch(20, phase="causal"),
    "down": Resample(100),
    "up": Resample(200),
    "eog": RegressEOG(True),
    "exponential": Scale("exponential", factor_new=0.02),
    "exponential with block": Scale("exponential", init_block_s=7.0),
    "robust": Scale("robust"),
}
# coefficients and quartiles of the whole recording; all else is made of one continuous stretch
WHOLE = ("eog", "robust")
# channels that must be finite are not looked at by those that only choose channels
BLIND = ("rename", "pick channels", "pick default", "match", "match zero")

every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)


def changed_from(signal, sample, seed=7):
    X = signal.X.copy()
    X[:, sample:] += 50 * np.random.default_rng(seed).standard_normal(X[:, sample:].shape)
    return signal.replace(X=X)


@every_step
def test_leaves_its_input_alone_and_repeats_itself(step, signal):
    X, events, names = signal.X.copy(), signal.events.copy(), signal.space.names
    one, two = step(signal), step(signal)
    assert np.array_equal(signal.X, X) and signal.events.equals(events) and signal.space.names == names
    assert np.array_equal(one.X, two.X) and one.space == two.space


@every_step
def test_output_fits_its_space(step, signal):
    made = step(signal)
    space = made.space
    assert made.X.shape[0] == len(space) and np.isfinite(made.X).all() and made.X.dtype == np.float64
    assert space.positions is None or space.positions.shape == (len(space), 3)
    assert made.X.shape[1] / space.sfreq == pytest.approx(signal.X.shape[1] / signal.space.sfreq, abs=1 / space.sfreq)
    assert made.events.equals(signal.events)
    assert [j / space.sfreq for j in made.joints] == pytest.approx([8.0], abs=1 / space.sfreq)


@every_step
def test_arguments_are_plain_and_rebuild_the_step(step, signal):
    config = plain(step)
    again = make(json.loads(json.dumps(config)))
    assert np.array_equal(again(signal).X, step(signal).X)
    assert not step.off and step.sees in SEES


@pytest.mark.parametrize("name", [n for n in STEPS if n not in WHOLE])
def test_nothing_crosses_a_joint(name, signal):
    step = STEPS[name]
    joint = step(signal).joints[0]
    before = step(signal).X[:, :joint]
    after = step(changed_from(signal, signal.joints[0])).X[:, :joint]
    # splines and mixing are matrix products, whose last bit may depend on the length
    np.testing.assert_allclose(before, after, atol=1e-9)


@every_step
def test_says_truthfully_what_it_sees(step, signal_of):
    signal = signal_of(joint_s=None)
    now = 700
    made = step(signal)
    then = round(now * made.space.sfreq / signal.space.sfreq)
    future = step(changed_from(signal, now)).X[:, :then]
    if step.sees == "recording":
        assert np.abs(future - made.X[:, :then]).max() > 1e-6
    else:
        np.testing.assert_allclose(future, made.X[:, :then], atol=1e-9)
    if step.sees == "window":
        alone = np.zeros_like(signal.X) + signal.X[:, [now]]
        np.testing.assert_allclose(step(signal.replace(X=alone)).X[:, now], made.X[:, now], atol=1e-9)


@pytest.mark.parametrize("name", [n for n in STEPS if n not in BLIND])
def test_nan_is_refused_by_channel_and_second(name, signal):
    X = signal.X.copy()
    X[signal.space.names.index("P3"), 256] = np.nan
    with pytest.raises(BrokenDataError, match=r"P3 is NaN or infinite at 2\.000 s"):
        STEPS[name](signal.replace(X=X))


@pytest.mark.parametrize("step", [Rename(), Interpolate(), Reference(), RegressEOG(), Match(), Notch(), BandPass(), Resample(), Scale()])
def test_without_arguments_a_step_is_off(step):
    assert step.off and step.sees == "window"
    assert Prepare(step=step, window=Cue()).describe() == Prepare(window=Cue()).describe()


def test_prepare_keeps_order_and_reports_the_greediest():
    prepare = Prepare(pick=Pick(), filter=BandPass(8, 30, phase="causal"), scale=None, window=Sliding(2, 1))
    assert [line["name"] for line in prepare.describe()] == ["pick", "filter", "window"]
    assert prepare.sees == "past" and prepare.overlap
    assert Prepare(filter=BandPass(8, 30), window=Cue()).sees == "recording"
    json.dumps(prepare.describe())


def test_prepare_makes_windows_of_the_last_space(signal):
    prepare = Prepare(pick=Pick(["C3", "C4"]), resample=Resample(64), window=Cue(0, 0.5))
    X, table, space = prepare(signal)
    assert X.shape == (len(table), 2, 32) and X.dtype == np.float32
    assert space.names == ("C3", "C4") and space.sfreq == 64


def test_prepare_without_windows_is_refused():
    with pytest.raises(SentenceError, match="window is missing"):
        Prepare(filter=BandPass(8, 30))


# -- the entries --------------------------------------------------------------------------------------------------

ENTRIES = sorted((Path(__file__).resolve().parents[2] / "conf" / "prepare").glob("*.yaml"))
KEYS = [
    "_target_",
    "rename",
    "interpolate",
    "reference",
    "eog",
    "pick",
    "match",
    "notch",
    "filter",
    "resample",
    "scale",
    "window",
    "reject",
]


@pytest.mark.parametrize("file", ENTRIES, ids=[file.stem for file in ENTRIES])
def test_every_entry_offers_every_step(file):
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert list(config) == KEYS
    for name in KEYS[1:]:
        step = make(config[name])
        wanted = [key for key in config[name] if key != "_target_"]
        assert wanted == list(step.arguments()), f"{name} must list all arguments in the constructor's order"
    assert isinstance(make(config), Prepare)


@pytest.mark.parametrize(
    ("entry", "samples", "sfreq"),
    [("motor_imagery", 480, 160), ("physionet_mi", 480, 160), ("bci_iv_2a", 1000, 250), ("simulated", 384, 128)],
)
def test_cue_entries_have_the_length_they_promise(entry, samples, sfreq, signal_of):
    file = next(file for file in ENTRIES if file.stem == entry)
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    X, _ = make(config["window"])(signal_of(sfreq=sfreq, joint_s=None))
    assert X.shape[2] == samples


def test_a_real_run_is_prepared_as_its_protocol_says(shared):
    """21 channels, 8-30 Hz on the whole run, 480 samples from 0.5 s after the cue: to the last bit of float32."""
    import mne
    from scipy.signal import butter, sosfiltfilt

    from corticode.recording import signal_from_raw

    file = next((shared / "data" / "eeg" / "physionet_mi").rglob("S001R04.edf"))
    raw = mne.io.read_raw_edf(file, preload=True, verbose="error")
    mne.datasets.eegbci.standardize(raw)
    config = yaml.safe_load(next(file for file in ENTRIES if file.stem == "physionet_mi").read_text(encoding="utf-8"))
    X, table, space = make(config)(signal_from_raw(raw, {"T1": "left_hand", "T2": "right_hand"}))
    whole = sosfiltfilt(butter(4, [8, 30], "band", fs=160, output="sos"), raw.get_data(picks=list(space.names)) * 1e6)
    wanted = [whole[:, first + 80 : first + 560] for first in np.round(table["onset_s"] * 160).astype(int)]
    assert X.shape == (15, 21, 480) and set(table["event"]) == {"left_hand", "right_hand"}
    assert np.array_equal(X, np.array(wanted, dtype=np.float32))


def test_ssvep_trials_fit_between_their_joints(signal_of):
    config = yaml.safe_load(next(file for file in ENTRIES if file.stem == "ssvep").read_text(encoding="utf-8"))
    signal = signal_of(seconds=15, sfreq=256, joint_s=None)
    events = signal.events.iloc[:3].assign(onset_s=[0.0, 5.0, 10.0])
    X, table, _ = make(config)(signal.replace(events=events, joints=(1280, 2560)))
    assert X.shape == (3, 10, 1280) and not table.attrs["notes"]
