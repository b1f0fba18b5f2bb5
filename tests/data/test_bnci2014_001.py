"""BNCI 001-2014: both formats written here give one truth; labels, marks, gaps, damaged files, downloads."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass

import cloudpickle
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from corticode.data import graz
from corticode.data.bnci2014_001 import BNCI2014_001
from corticode.errors import BrokenDataError, MissingDataError, SentenceError, StoreError, UnitError
from data.gdf_writer import write_gdf

SFREQ, STEP = 50, 0.05
CLASSES = ["left_hand", "right_hand", "feet", "tongue"]


@dataclass
class Run:
    counts: np.ndarray  # int16 [25, times]
    start: np.ndarray
    y: np.ndarray
    artifact: np.ndarray


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data folder of this machine, no network."""
    import pooch

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("MNE_DATA", "MNE_DATASETS_BNCI_PATH"):
        monkeypatch.delenv(name, raising=False)

    def offline(*args, **kwargs):
        import requests

        raise requests.ConnectionError("no network in tests")

    monkeypatch.setattr(pooch, "retrieve", offline)


def session(seed=0, labels=None, n_trials=4, n_eye=2, n_runs=6) -> list[Run]:
    """Runs as they were recorded: eye movements without trials first, then runs with trials."""
    rng = np.random.default_rng(seed)
    runs = []
    for i in range(n_eye + n_runs):
        n = 0 if i < n_eye else n_trials
        start = 7 + i + 130 * np.arange(n)
        y = rng.integers(1, 5, n) if labels is None else np.asarray(labels[(i - n_eye) * n : (i - n_eye + 1) * n])
        runs.append(Run(rng.normal(0, 200, (25, 130 * n + 60 + i)).astype("i2"), start, y, rng.random(n) < 0.4))
    return runs


def write_mat(file, runs) -> None:
    """The integer types that MATLAB stores, one struct per run in a cell."""
    cell = np.empty((1, len(runs)), dtype=object)
    for i, run in enumerate(runs):
        column = {"trial": (run.start + 1).astype("u2"), "y": run.y.astype("u1"), "artifacts": run.artifact.astype("u1")}
        cell[0, i] = {
            "X": run.counts.T * STEP,
            **{name: value[:, None] if len(value) else np.zeros((0, 0)) for name, value in column.items()},
            "fs": np.uint8(SFREQ),
            "classes": np.array([["left hand", "right hand", "feet", "tongue"]], dtype=object),
            "gender": "female",
            "age": np.uint8(22),
        }
    savemat(file, {"data": cell}, do_compression=True)


def write_competition(file, runs, known=True, version="1.25", gap=20, mark="after") -> None:
    """One signal for all runs; missing samples hold the smallest integer; `mark` says on which side of the gap a run begins."""
    counts, events, at = [], [], 0
    for i, run in enumerate(runs):
        lost = np.full((25, gap if i else 0), -32768)
        events.append((at if mark == "before" else at + lost.shape[1], 32766, 0))
        at += lost.shape[1]
        if not len(run.start):
            events.append((at, 276, 40))
        for start, y, artifact in zip(run.start, run.y, run.artifact, strict=True):
            events.append((at + start, 768, 110))
            if artifact:
                events.append((at + start, 1023, 110))
            events.append((at + start + 2 * SFREQ, 768 + y if known else 783, 25))
        counts += [lost, run.counts]
        at += run.counts.shape[1]
    write_gdf(file, np.concatenate(counts, axis=1), events, SFREQ, STEP, version=version)


def write_labels(file, y) -> None:
    file.parent.mkdir(exist_ok=True)
    savemat(file, {"classlabel": np.asarray(y, dtype=float)[:, None]}, do_compression=True)


def true_labels(runs):
    return np.concatenate([run.y for run in runs])


def listed(root, **arguments):
    return list(BNCI2014_001(root=str(root), **arguments).recordings())


def check_truth(recordings, runs) -> None:
    with_trials = [run for run in runs if len(run.start)]
    assert [r.who["run"] for r in recordings] == [str(i) for i in range(6)]
    for recording, run in zip(recordings, with_trials, strict=True):
        signal = recording.read()
        np.testing.assert_allclose(signal.X, run.counts * STEP, atol=1e-9)
        assert signal.space.sfreq == SFREQ and signal.space.unit == "uV"
        np.testing.assert_allclose(signal.events["onset_s"], run.start / SFREQ + 2)
        assert list(signal.events["event"]) == [CLASSES[k - 1] for k in run.y]
        assert list(signal.events["artifact"]) == list(run.artifact)


# -- the two formats ------------------------------------------------------------------------------------------------


def test_mat_gives_what_was_recorded(tmp_path):
    runs = session()
    write_mat(tmp_path / "A01T.mat", runs)
    recordings = listed(tmp_path)
    check_truth(recordings, runs)
    assert {r.who["session"] for r in recordings} == {"0train"} and {r.who["subject"] for r in recordings} == {"A01"}
    events = recordings[0].read().events
    assert set(events["age"]) == {22} and set(events["sex"]) == {"F"}


@pytest.mark.parametrize("version", ["1.25", "2.20"])
@pytest.mark.parametrize(("gap", "mark"), [(20, "after"), (20, "before"), (0, "after")])
def test_gdf_gives_what_was_recorded(tmp_path, version, gap, mark):
    runs = session()
    write_competition(tmp_path / "A01T.gdf", runs, version=version, gap=gap, mark=mark)
    check_truth(listed(tmp_path), runs)


def test_both_formats_are_the_same_recordings(tmp_path):
    runs = session(3)
    for name in ("mat", "gdf"):
        (tmp_path / name).mkdir()
    write_mat(tmp_path / "mat" / "A02E.mat", runs)
    write_competition(tmp_path / "gdf" / "A02E.gdf", runs, known=False)
    write_labels(tmp_path / "gdf" / "true_labels" / "A02E.mat", true_labels(runs))
    for one, other in zip(listed(tmp_path / "mat"), listed(tmp_path / "gdf"), strict=True):
        assert one.who == other.who
        a, b = one.read(), other.read()
        assert a.space == b.space and a.joints == b.joints and a.start_s == b.start_s
        np.testing.assert_allclose(a.X, b.X, atol=1e-9)
        assert a.events[["onset_s", "duration_s", "event", "artifact"]].equals(b.events[["onset_s", "duration_s", "event", "artifact"]])


def test_runs_follow_each_other_in_time(tmp_path):
    write_mat(tmp_path / "A01T.mat", session())
    starts = [r.read().start_s for r in listed(tmp_path)]
    assert starts[0] > 0 and starts == sorted(set(starts))


def test_channels_have_types_and_places(tmp_path):
    write_mat(tmp_path / "A01T.mat", session())
    space = listed(tmp_path)[0].read().space
    assert space.names[:3] == ("Fz", "FC3", "FC1") and space.names[21:] == ("POz", "EOG1", "EOG2", "EOG3")
    assert space.channel_types == ("eeg",) * 22 + ("eog",) * 3
    left, right = space.positions[space.names.index("C3")], space.positions[space.names.index("C4")]
    assert left[0] < -0.04 and right[0] > 0.04  # metres
    assert np.isnan(space.positions[22:]).all()


@pytest.mark.parametrize("version", ["1.25", "2.20"])
def test_real_labels_on_a_session_of_288_trials(tmp_path, shared, version):
    folder = shared / "data" / "eeg" / "bci_iv_2a_labels"
    shutil.copytree(folder, tmp_path / "true_labels")
    labels = loadmat(folder / "A05E.mat")["classlabel"].ravel()
    write_competition(tmp_path / "A05E.gdf", session(1, labels, n_trials=48), known=False, version=version)
    events = [r.read().events["event"] for r in listed(tmp_path)]
    assert [len(run) for run in events] == [48] * 6
    assert np.concatenate(events).tolist() == [CLASSES[k - 1] for k in labels]
    assert {name: sum((run == name).sum() for run in events) for name in CLASSES} == dict.fromkeys(CLASSES, 72)


def test_every_real_label_file_is_balanced(shared):
    files = sorted((shared / "data" / "eeg" / "bci_iv_2a_labels").glob("*.mat"))
    assert len(files) == 18
    for file in files:
        assert graz.holds(file) == "labels"
        assert np.bincount(graz.true_labels(file)).tolist() == [0, 72, 72, 72, 72]


# -- options --------------------------------------------------------------------------------------------------------


def test_marked_trials_are_kept_or_dropped(tmp_path):
    runs = session()
    write_competition(tmp_path / "A01T.gdf", runs)
    marked = sum(run.artifact.sum() for run in runs)
    kept = [r.read().events for r in listed(tmp_path)]
    dropped = [r.read().events for r in listed(tmp_path, artifacts="drop")]
    assert marked > 0 and sum(map(len, kept)) == 24 and sum(e["artifact"].sum() for e in kept) == marked
    assert sum(map(len, dropped)) == 24 - marked and not any(e["artifact"].any() for e in dropped)
    with pytest.raises(SentenceError, match="keep or drop"):
        BNCI2014_001(artifacts="remove")


def test_unit_factor_and_wrong_unit(tmp_path):
    runs = session()
    for run in runs:
        run.counts = (run.counts // 100).astype("i2")
    write_mat(tmp_path / "A01T.mat", runs)
    with pytest.raises(UnitError, match=r"A01T\.mat"):
        listed(tmp_path)[0].read()
    X = listed(tmp_path, unit_factor=100)[0].read().X
    np.testing.assert_allclose(X, runs[2].counts * STEP * 100)


def test_people_by_any_name_in_order(tmp_path):
    for name in ("A01T", "A01E", "A03T"):
        write_mat(tmp_path / f"{name}.mat", session())
    names = [r.name for r in listed(tmp_path)][::6]
    assert names == ["A01_0train_0", "A01_1test_0", "A03_0train_0"]
    data = BNCI2014_001(root=str(tmp_path), subjects=["3", "A01"])
    assert data.subjects == ["A03", "A01"] and len(list(data.recordings())) == 18
    assert data.notes == [f"sessions not in {tmp_path}: A03E"]
    with pytest.raises(MissingDataError, match="A02"):
        listed(tmp_path, subjects=[2])
    with pytest.raises(SentenceError, match="A10"):
        BNCI2014_001(subjects=["A10"])


def test_recordings_travel_to_workers_and_are_no_copies(tmp_path):
    write_mat(tmp_path / "A01T.mat", session())
    recordings = listed(tmp_path)
    assert cloudpickle.loads(cloudpickle.dumps(recordings[1])).read().X.shape == recordings[1].read().X.shape
    BNCI2014_001().check_distinct(recordings)  # runs cut from one file are no copies
    shutil.copy(tmp_path / "A01T.mat", tmp_path / "A02T.mat")
    with pytest.raises(BrokenDataError, match="same bytes"):
        BNCI2014_001().check_distinct(listed(tmp_path))


def test_a_session_is_parsed_once_for_its_runs(tmp_path, monkeypatch):
    import scipy.io

    write_mat(tmp_path / "A01T.mat", session())
    calls = []
    monkeypatch.setattr(scipy.io, "loadmat", lambda *args, **kwargs: calls.append(args) or loadmat(*args, **kwargs))
    recordings = listed(tmp_path)
    assert not calls
    first = recordings[0].read().X
    first[:] = 0  # what a caller does to its signal stays with the caller
    assert recordings[0].read().X.any()
    for recording in recordings:
        recording.read()
    assert len(calls) == 1


def test_one_new_file_is_one_recording_with_joints(tmp_path):
    runs = session()[2:]
    write_competition(tmp_path / "A01E.gdf", runs, known=False)
    data = BNCI2014_001()
    signal = data.recording_of(tmp_path / "A01E.gdf").read()
    assert set(signal.events["event"]) == {"unknown"}
    write_labels(tmp_path / "A01E.mat", true_labels(runs))
    recording = data.recording_of(tmp_path / "A01E.gdf")
    signal = recording.read()
    assert recording.name == "A01_1test"
    lengths = np.cumsum([run.counts.shape[1] for run in runs])
    assert signal.joints == tuple(lengths[:-1]) and signal.X.shape[1] == lengths[-1]
    assert list(signal.events["event"]) == [CLASSES[k - 1] for k in true_labels(runs)]
    cue = signal.events["onset_s"].to_numpy() * SFREQ
    np.testing.assert_allclose(cue[4:8], lengths[0] + runs[1].start + 2 * SFREQ)


# -- where files lie ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_moabbs_folder_is_found_from_any_height(tmp_path, depth):
    folder = tmp_path / "MNE-bnci-data" / "~bci" / "database" / "001-2014"
    folder.mkdir(parents=True)
    write_mat(folder / "A01T.mat", session())
    root = [tmp_path, *reversed(folder.parents[:3]), folder][depth]
    assert len(listed(root)) == 6


def test_mne_data_is_searched_and_nothing_fetched_when_all_is_there(tmp_path, monkeypatch):
    folder = tmp_path / "mne" / "MNE-bnci-data" / "~bci" / "database" / "001-2014"
    folder.mkdir(parents=True)
    for letter in "TE":
        write_mat(folder / f"A04{letter}.mat", session())
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "mne"))
    data = BNCI2014_001(subjects=["4"])
    data.home = tmp_path / "data"
    assert len(list(data.recordings())) == 12


def test_offline_without_files_says_what_to_put_where(tmp_path):
    data = BNCI2014_001()
    data.home = tmp_path
    with pytest.raises(MissingDataError) as caught:
        data.recordings()
    text = str(caught.value)
    for part in ("A01T.mat", "A09E.mat", "data.root=", "MNE_DATA", "true labels", "python train.py data=simulated", "bnci-horizon-2020.eu"):
        assert part in text
    with pytest.raises(MissingDataError, match="data=simulated"):
        listed(tmp_path)


def test_first_download_is_recorded_and_the_next_must_match(tmp_path, monkeypatch):
    import pooch
    import requests

    source, asked = tmp_path / "source.mat", []
    write_mat(source, session())

    def retrieve(url, known_hash, fname, path, progressbar):
        asked.append(url)
        if len(asked) == 1:
            raise requests.ConnectionError("first address is down")
        path.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    data = BNCI2014_001(subjects=["1"])
    data.home = tmp_path / "data"
    folder = data.fetch()
    assert asked[0] != asked[1] and all(url.startswith("https://") and url.endswith("A01T.mat") for url in asked[:2])
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert (folder / "SHA256SUMS").read_text() == f"{digest}  A01E.mat\n{digest}  A01T.mat\n"
    assert len(list(data.recordings())) == 12

    (folder / "A01T.mat").unlink()
    write_mat(source, session(9))
    with pytest.raises(BrokenDataError, match="sha256"):
        data.recordings()
    source.write_text("<html>please log in</html>")
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(BrokenDataError, match="no MATLAB file"):
        data.recordings()
    assert sorted(f.name for f in folder.iterdir()) == ["A01E.mat"]


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path, monkeypatch):
    import pooch

    def refuse(*args, **kwargs):
        raise PermissionError("pooch could not write")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(StoreError, match="no right to write"):
        BNCI2014_001(root=str(tmp_path), subjects=["1"]).fetch()


# -- bad input ------------------------------------------------------------------------------------------------------


def test_session_e_as_gdf_needs_labels_that_fit(tmp_path):
    runs = session()
    write_competition(tmp_path / "A01E.gdf", runs, known=False)
    with pytest.raises(MissingDataError, match="true_labels"):
        listed(tmp_path)
    write_labels(tmp_path / "A01E.mat", true_labels(runs)[:-1])
    with pytest.raises(BrokenDataError, match="23 labels for the 24 trials"):
        listed(tmp_path)[0].read()
    write_labels(tmp_path / "A01E.mat", true_labels(runs) + 1)
    with pytest.raises(BrokenDataError, match="1 2 3 4"):
        listed(tmp_path)[0].read()


def test_labels_that_contradict_the_cues_are_refused(tmp_path):
    runs = session()
    write_competition(tmp_path / "A01T.gdf", runs)
    write_labels(tmp_path / "A01T.mat", true_labels(runs)[::-1])
    with pytest.raises(BrokenDataError, match="contradicts"):
        listed(tmp_path)[0].read()


def test_two_files_for_one_session_are_refused(tmp_path):
    write_mat(tmp_path / "A01T.mat", session())
    write_competition(tmp_path / "A01T.gdf", session())
    with pytest.raises(BrokenDataError, match=r"two files hold the signals of A01T.*A01T\.gdf.*A01T\.mat"):
        listed(tmp_path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_cut_off_mat_is_refused(tmp_path, share):
    file = tmp_path / "A01T.mat"
    write_mat(file, session())
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BrokenDataError, match=r"A01T\.mat.*(cut off|download it again)"):
        listed(tmp_path)[0].read()


@pytest.mark.parametrize("version", ["1.25", "2.20"])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9995])
def test_cut_off_gdf_is_refused(tmp_path, share, version):
    file = tmp_path / "A01T.gdf"
    write_competition(file, session(), version=version)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BrokenDataError, match=r"A01T\.gdf.*cut off"):
        listed(tmp_path)[0].read()


@pytest.mark.parametrize("name", ["A01T.mat", "A01T.gdf"])
def test_empty_file_is_refused(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(BrokenDataError, match=name):
        listed(tmp_path)[0].read()


def test_other_matlab_files_are_refused(tmp_path):
    savemat(tmp_path / "A01T.mat", {"features": np.zeros(3)})
    with pytest.raises(BrokenDataError, match="holds features"):
        listed(tmp_path)


def test_wrong_numbers_of_runs_channels_and_marks_are_refused(tmp_path):
    file = tmp_path / "A01T.mat"
    write_mat(file, session(n_runs=5))
    with pytest.raises(BrokenDataError, match="5 runs"):
        listed(tmp_path)[0].read()
    runs = session()
    runs[3].counts = runs[3].counts[:22]
    write_mat(file, runs)
    with pytest.raises(BrokenDataError, match="22 channels"):
        listed(tmp_path)[0].read()
    runs = session()
    runs[2].artifact = runs[2].artifact[:-1]
    write_mat(file, runs)
    with pytest.raises(BrokenDataError, match="4 classes and 3 marks"):
        listed(tmp_path)[0].read()
    runs = session()
    runs[2].start = runs[2].start + 500
    write_mat(file, runs)
    with pytest.raises(BrokenDataError, match="beyond"):
        listed(tmp_path)[0].read()
