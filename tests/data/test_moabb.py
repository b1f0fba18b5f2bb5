from __future__ import annotations

import socket

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from corticode import catalogue
from corticode.compose import compose
from corticode.data.moabb import MOABB, joined
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.prepare.cache import prepare_one
from corticode.recording import Signal
from corticode.space import Space

pytest.importorskip("moabb", reason="needs the extra [moabb]")
OPTIONS = {"n_subjects": 3, "n_sessions": 2, "n_runs": 2, "duration": 40, "n_events": 6, "seed": 4}


@pytest.fixture
def data(tmp_path):
    dataset = MOABB("FakeDataset", OPTIONS)
    dataset.home = tmp_path
    return dataset


def theirs(subject, **options):
    from moabb.datasets.fake import FakeDataset

    return FakeDataset(**{**OPTIONS, **options}).get_data([subject])[subject]


def test_a_recording_is_a_session_and_listing_reads_nothing(data, monkeypatch):
    from moabb.datasets.base import BaseDataset

    def refuse(*_, **__):
        raise AssertionError("listing must not read or download")

    monkeypatch.setattr(BaseDataset, "get_data", refuse)
    monkeypatch.setattr(BaseDataset, "download", refuse)
    recordings = list(data.recordings())
    assert [r.who["subject"] + r.who["session"] for r in recordings] == ["10", "11", "20", "21", "30", "31"]
    assert {r.who["dataset"] for r in recordings} == {"FakeDataset"}
    assert data.classes == {"event": ["fake1", "fake2", "fake3"]}
    assert "paradigm imagery (interval of 3 s)" in data.notes[0]


def test_samples_and_cues_are_moabbs(data):
    recording = next(iter(data.recordings()))
    signal = cloudpickle.loads(cloudpickle.dumps(recording.read))()
    runs = theirs(1)["0"]
    assert signal.space.names == ("C3", "Cz", "C4") and signal.space.unit == "uV" and signal.space.positions is not None
    length = runs["0"].n_times
    for k, raw in enumerate(runs.values()):
        np.testing.assert_allclose(signal.X[:, k * length : (k + 1) * length], raw.get_data(picks="eeg") * 1e6)
        marks = raw.annotations
        mine = signal.events[(signal.events["onset_s"] >= k * length / 128) & (signal.events["onset_s"] < (k + 1) * length / 128)]
        np.testing.assert_allclose(mine["onset_s"] - k * length / 128, marks.onset)
        assert list(mine["event"]) == list(marks.description)
    assert signal.joints == (length,)


def test_windows_know_their_run_and_are_moabbs_epochs(data):
    """The same epochs as MOABB's own paradigm cuts, run by run."""
    from moabb.datasets.fake import FakeDataset
    from moabb.paradigms.motor_imagery import MotorImagery

    prepare = catalogue.make(
        compose(["data=moabb", "prepare.filter.low_hz=null", "prepare.filter.high_hz=null", "prepare.window.stop_s=1"])["prepare"]
    )
    X, meta, _, _ = prepare_one(next(iter(data.recordings())), prepare)
    assert meta["run"].tolist() == ["0"] * 6 + ["1"] * 6
    assert set(meta["recording"]) == {"1_0_0", "1_0_1"}
    assert X.shape == (12, 3, 128) and meta["onset_s"].is_monotonic_increasing
    paradigm = MotorImagery(n_classes=3, events=["fake1", "fake2", "fake3"], fmin=None, fmax=None, tmin=0, tmax=127 / 128)
    try:
        epochs, labels, who = paradigm.get_data(FakeDataset(**OPTIONS), [1])
    except (TypeError, ValueError) as error:
        pytest.skip(f"this MOABB filters always: {error}")
    first = (who["session"] == "0").to_numpy()
    assert list(labels[first]) == list(meta["event"])
    np.testing.assert_allclose(X, epochs[first], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "paradigm,events", [("imagery", ("left_hand", "right_hand")), ("p300", ("Target", "NonTarget")), ("ssvep", ("13", "17"))]
)
def test_a_whole_run_of_each_paradigm(tmp_path, paradigm, events):
    import corticode

    options = f"data.options={{n_subjects: 3, n_sessions: 1, n_runs: 1, duration: 40, n_events: 12, seed: 1, paradigm: {paradigm}, event_list: [{', '.join(map(repr, events))}]}}"
    result = corticode.run(
        "mdm",
        "moabb",
        overrides=["data.dataset=FakeDataset", options, f"paths.data={tmp_path}", "refit=false", "report=false", "engine.n_jobs=1"],
        output=tmp_path / "run",
        progress="silent",
    )
    assert set(result.predictions["y"]) == set(events)
    assert set(result.predictions["dataset"]) == {"FakeDataset"}
    assert 0.2 < result.headline < 0.8  # noise


def test_people_and_sessions_can_be_chosen(tmp_path):
    dataset = MOABB("FakeDataset", OPTIONS, subjects=["2"], sessions=[1])
    dataset.home = tmp_path
    assert [(r.who["subject"], r.who["session"]) for r in dataset.recordings()] == [("2", "1")]
    with pytest.raises(MissingDataError, match="asks for 9, and FakeDataset has 1, 2, 3"):
        MOABB("FakeDataset", OPTIONS, subjects=["9"]).recordings()
    late = MOABB("FakeDataset", OPTIONS, sessions=[5])
    late.home = tmp_path
    with pytest.raises(MissingDataError, match="no session 5"):
        next(iter(late.recordings())).read()


def test_another_name_options_or_version_is_another_recording(tmp_path, monkeypatch):
    one, other = (next(iter(MOABB("FakeDataset", {**OPTIONS, "seed": seed}).recordings())).origin for seed in (1, 2))
    assert one != other
    assert one == next(iter(MOABB("FakeDataset", {**OPTIONS, "seed": 1}, root=str(tmp_path)).recordings())).origin


def test_with_a_root_the_network_is_never_asked(tmp_path, monkeypatch):
    from moabb.datasets.fake import FakeDataset

    def wants_network(self, subject):
        socket.create_connection(("127.0.0.1", 9), timeout=1)

    monkeypatch.setattr(FakeDataset, "_get_single_subject_data", wants_network)
    dataset = MOABB("FakeDataset", OPTIONS, root=str(tmp_path))
    before = socket.socket.connect
    with pytest.raises(MissingDataError, match="nothing is downloaded"):
        next(iter(dataset.recordings())).read()
    assert socket.socket.connect is before
    with pytest.raises(MissingDataError, match="there is no such folder"):
        MOABB("FakeDataset", OPTIONS, root=str(tmp_path / "nowhere")).recordings()


def test_data_on_disk_need_no_network_without_a_root_either(tmp_path, monkeypatch):
    """MOABB's mirror is asked before the disk is looked at: here the disk comes first, and the network only when that fails."""
    from moabb.datasets.fake import FakeDataset

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
    dataset = MOABB("FakeDataset", OPTIONS, subjects=["1"])
    dataset.home = tmp_path
    assert next(iter(dataset.recordings())).read().X.shape[0] == 3

    tried = []

    def fail_offline(self, subject):
        tried.append(socket.getaddrinfo)
        if len(tried) == 1:
            socket.getaddrinfo("example.org", 443)
        return FakeDataset._get_single_subject_data(self, subject)

    class Far(FakeDataset):
        _get_single_subject_data = fail_offline

    monkeypatch.setattr("moabb.datasets.fake.FarDataset", Far, raising=False)
    far = MOABB("FarDataset", {**OPTIONS, "code": "FarDataset"}, subjects=["1"])
    far.home = tmp_path
    next(iter(far.recordings())).read()
    assert len(tried) == 2 and tried[0] is not tried[1]


def test_fetch_asks_moabb_for_the_chosen_people(tmp_path, monkeypatch):
    from moabb.datasets.base import BaseDataset

    asked = {}
    monkeypatch.setattr(BaseDataset, "download", lambda self, subject_list=None, path=None: asked.update(people=subject_list, path=path))
    dataset = MOABB("FakeDataset", OPTIONS, root=str(tmp_path), subjects=["3", "1"])
    assert dataset.fetch() == tmp_path
    assert asked == {"people": [1, 3], "path": str(tmp_path)}

    def fail(self, subject_list=None, path=None):
        raise RuntimeError("403 Forbidden")

    monkeypatch.setattr(BaseDataset, "download", fail)
    with pytest.raises(MissingDataError, match=r"could not be downloaded.*403 Forbidden"):
        dataset.fetch()


def test_unknown_names_and_options_get_sentences():
    with pytest.raises(SentenceError, match="did you mean Cho2017"):
        MOABB("Cho2071").recordings()
    with pytest.raises(SentenceError, match=r"data\.dataset=Cho2017"):
        MOABB().recordings()
    with pytest.raises(SentenceError, match="FakeDataset refuses them"):
        MOABB("FakeDataset", {"colour": "red"}).recordings()


def test_runs_of_other_channels_make_no_session():
    signals = {str(k): Signal(np.zeros((k + 1, 10)), Space("eeg", tuple("abc"[: k + 1]), "uV", 100)) for k in range(2)}
    with pytest.raises(BrokenDataError, match="run 1 has 2 channels at 100 Hz, the first one 1"):
        joined(signals, "what")


def test_joints_inside_runs_are_kept():
    space = Space("eeg", ("a",), "uV", 100)
    events = pd.DataFrame({"onset_s": [0.05], "duration_s": [0.0], "event": ["x"]})
    parts = {str(k): Signal(np.full((1, 10 + k), k, dtype=float), space, events, joints=(4,)) for k in range(3)}
    signal = joined(parts, "what")
    assert signal.joints == (4, 10, 14, 21, 25)
    np.testing.assert_allclose(signal.events["onset_s"], [0.05, 0.15, 0.26])
    assert [name for _, name in signal.events.attrs["runs"]] == ["0", "1", "2"]


def test_real_files_read_as_by_their_own_entry(shared, tmp_path):
    """EEGMMIDB through MOABB and through data=physionet_mi: the same samples, cues and classes. Runs of fists and feet, which are
    not at hand, are stood in for by copies, and not looked at."""
    from corticode.data.physionet_mi import PhysionetMI

    source = shared / "data/eeg/physionet_mi/MNE-eegbci-data/files/eegmmidb/1.0.0/S002"
    target = tmp_path / "MNE-eegbci-data/files/eegmmidb/1.0.0/S002"
    target.mkdir(parents=True)
    for run, like in ((4, 4), (8, 8), (12, 12), (6, 4), (10, 8), (14, 12)):
        (target / f"S002R{run:02d}.edf").write_bytes((source / f"S002R{like:02d}.edf").read_bytes())
    signal = next(iter(MOABB("PhysionetMI", root=str(tmp_path), subjects=["2"]).recordings())).read()
    ours = [r.read() for r in PhysionetMI(root=str(shared / "data/eeg/physionet_mi"), subjects=["S002"]).recordings()]
    edges = [0, *signal.joints, signal.X.shape[1]]
    runs = [name for _, name in signal.events.attrs["runs"]]
    assert len(runs) == 6 and len(ours) == 3
    for k, mine in enumerate(ours):
        first, last = edges[k], edges[k + 1]
        np.testing.assert_allclose(signal.X[:, first:last], mine.X[: len(signal.space)], atol=1e-6)
        onset = signal.events["onset_s"] * signal.space.sfreq
        inside = signal.events[(onset >= first) & (onset < last) & signal.events["event"].isin(["left_hand", "right_hand"])]
        cues = mine.events[mine.events["event"] != "rest"]
        assert list(inside["event"]) == list(cues["event"])
        np.testing.assert_allclose(inside["onset_s"] - first / signal.space.sfreq, cues["onset_s"], atol=1e-6)
