"""EEGMMIDB: real files, their trials and channels; layouts, left-out people, damaged files, no network."""

from __future__ import annotations

import shutil
from collections import Counter

import cloudpickle
import numpy as np
import pytest

from corticode.data.physionet_mi import CHANNELS, PhysionetMI, check_whole
from corticode.errors import BrokenDataError, MissingDataError, SentenceError, UnitError
from edf import physionet_folder, write_edf

LAYOUT = "MNE-eegbci-data/files/eegmmidb/1.0.0"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No data folder of this machine, no network."""
    from mne.datasets import eegbci

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("MNE_DATA", "MNE_DATASETS_EEGBCI_PATH"):
        monkeypatch.delenv(name, raising=False)

    def offline(*args, **kwargs):
        raise ConnectionError("no network in tests")

    monkeypatch.setattr(eegbci, "load_data", offline)


@pytest.fixture
def real(shared):
    return shared / "data" / "eeg" / "physionet_mi"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Runs 4, 8, 12 of S001 and S002, 21 channels, written as EDF."""
    return physionet_folder(tmp_path_factory.mktemp("small"), 2, n_trials=4)


def listed(root, **arguments):
    return list(PhysionetMI(root=str(root), **arguments).recordings())


# -- real files -----------------------------------------------------------------------------------------------------


def test_sixteen_people_have_45_trials_each(real):
    data = PhysionetMI(root=str(real))
    recordings = list(data.recordings())
    assert [r.name for r in recordings[:4]] == ["S001_04", "S001_08", "S001_12", "S002_04"] and len(recordings) == 48
    assert data.notes == [f"89 people are not in {real}: S017-S087, S089-S091, S093-S099, S101-S103, S105-S109"]
    trials = Counter()
    for recording in recordings:
        events = recording.read().events["event"]
        assert set(events) == {"rest", "left_hand", "right_hand"} and (events == "rest").sum() == 15
        trials[recording.who["subject"]] += (events != "rest").sum()
    assert trials == {f"S{i:03d}": 45 for i in range(1, 17)}


def test_signal_is_in_microvolts_with_standard_names_and_places(real):
    import mne

    signal = listed(real, subjects=["1"])[0].read()
    assert signal.space.names == CHANNELS and signal.X.shape == (64, 20000) and signal.space.sfreq == 160
    raw = mne.io.read_raw_edf(real / LAYOUT / "S001" / "S001R04.edf", preload=True, verbose="ERROR")
    np.testing.assert_allclose(signal.X, raw.get_data() * 1e6, atol=1e-6)
    assert not np.isnan(signal.space.positions).any()
    assert signal.space.positions[CHANNELS.index("C3"), 0] < -0.04 < 0.04 < signal.space.positions[CHANNELS.index("C4"), 0]


def test_the_same_markers_mean_fists_and_feet_in_run_14(real):
    (recording,) = listed(real, imagery="fists_feet")
    assert recording.name == "S004_14" and Counter(recording.read().events["event"]).keys() == {"rest", "hands", "feet"}
    # a new file says by its name which run it is, whatever the data set was told
    new = PhysionetMI().recording_of(real / LAYOUT / "S004" / "S004R14.edf")
    assert new.who["subject"] == "S004" and new.who["run"] == "14" and set(new.read().events["event"]) == {"rest", "hands", "feet"}


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.003, 0.5, 0.999])
def test_cut_off_file_is_refused(real, tmp_path, share):
    whole = (real / LAYOUT / "S001" / "S001R04.edf").read_bytes()
    file = tmp_path / "S001R04.edf"
    file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(BrokenDataError, match=r"S001R04\.edf (is empty|has no EDF header|is cut off).*download it again"):
        listed(tmp_path)


# -- listing --------------------------------------------------------------------------------------------------------


def test_listing_reads_no_signal(small, monkeypatch):
    import mne

    monkeypatch.setattr(mne.io, "read_raw_edf", lambda *a, **k: pytest.fail("a signal was read while listing"))
    assert len(listed(small)) == 6


@pytest.mark.parametrize("height", range(5))
def test_mnes_folder_is_found_from_any_height(small, tmp_path, height):
    folder = tmp_path / LAYOUT
    shutil.copytree(small, folder)
    assert len(listed([folder, *folder.parents][height])) == 6


def test_bad_people_come_only_by_name(tmp_path):
    for name in ("S087", "S088", "S104"):
        write_edf(tmp_path / name / f"{name}R04.edf", n_trials=2, seed=int(name[1:]))
    data = PhysionetMI(root=str(tmp_path))
    assert [r.who["subject"] for r in data.recordings()] == ["S087"]
    assert data.notes[-1] == "left out unless data.subjects names them: S088 (128 Hz), S104 (too few trials)"
    assert "some of the runs 4, 8, 12 are missing for S087" in data.notes
    assert [r.who["subject"] for r in listed(tmp_path, subjects=["88"])] == ["S088"]


def test_people_by_any_name_in_order(small):
    data = PhysionetMI(root=str(small), subjects=["002", 1])
    assert data.subjects == ["S002", "S001"] and [r.who["subject"] for r in data.recordings()] == ["S001"] * 3 + ["S002"] * 3
    assert data.notes == []
    with pytest.raises(MissingDataError, match="S007"):
        listed(small, subjects=["S001", "S007"])
    for wrong in ("S110", "0", "anna"):
        with pytest.raises(SentenceError, match=wrong):
            PhysionetMI(subjects=[wrong])


def test_two_files_for_one_run_are_refused(small, tmp_path):
    shutil.copytree(small, tmp_path / LAYOUT)
    shutil.copytree(small / "S001", tmp_path / "S001")
    with pytest.raises(BrokenDataError, match=r"two files claim run 4 of S001: .*S001R04\.edf and .*S001R04\.edf"):
        listed(tmp_path)


def test_other_movements_are_other_runs(tmp_path):
    for run in (3, 4, 5, 6):
        write_edf(tmp_path / f"S001R{run:02d}.edf", n_trials=2, seed=run)
    for arguments, run, classes in (
        ({}, "04", ["left_hand", "right_hand"]),
        ({"executed": True}, "03", ["left_hand", "right_hand"]),
        ({"imagery": "fists_feet"}, "06", ["hands", "feet"]),
        ({"imagery": "fists_feet", "executed": True}, "05", ["hands", "feet"]),
    ):
        data = PhysionetMI(root=str(tmp_path), **arguments)
        (recording,) = data.recordings()
        assert recording.who["run"] == run and list(recording.read().events["event"]) == classes == data.classes["event"]
    with pytest.raises(SentenceError, match="left_right, fists_feet"):
        PhysionetMI(imagery="tongue")


def test_recordings_travel_and_say_what_made_them(small):
    recording = listed(small, unit_factor=2)[0]
    again = cloudpickle.loads(cloudpickle.dumps(recording))
    np.testing.assert_array_equal(again.read().X, recording.read().X)
    assert recording.origin["unit_factor"] == 2 and recording.origin["events"]["T1"] == "left_hand"
    np.testing.assert_allclose(recording.read().X, 2 * listed(small)[0].read().X)


def test_a_new_file_of_any_name_is_read_alike(small, tmp_path):
    file = shutil.copy(small / "S001" / "S001R04.edf", tmp_path / "monday.edf")
    new, old = PhysionetMI().recording_of(file), listed(small)[0]
    assert new.name == "monday" and new.read().events.equals(old.read().events)
    with pytest.raises(MissingDataError, match="tuesday"):
        PhysionetMI().recording_of(tmp_path / "tuesday.edf")


def test_wrong_unit_names_the_factor(tmp_path):
    write_edf(tmp_path / "S001R04.edf", n_trials=2, scale=1000.0)
    with pytest.raises(UnitError, match=r"S001R04\.edf.*0\.001"):
        listed(tmp_path)[0].read()
    listed(tmp_path, unit_factor=0.001)[0].read()


def test_other_channels_are_refused(tmp_path):
    import mne

    raw = mne.io.RawArray(np.random.default_rng(0).normal(0, 1e-5, (2, 500)), mne.create_info(["A", "B"], 100.0, "eeg"), verbose="error")
    mne.export.export_raw(tmp_path / "S001R04.edf", raw, verbose="error")
    check_whole(tmp_path / "S001R04.edf")
    with pytest.raises(BrokenDataError, match="data=folder"):
        listed(tmp_path)[0].read()


# -- fetching -------------------------------------------------------------------------------------------------------


def test_offline_without_files_says_what_to_put_where(tmp_path):
    data = PhysionetMI()
    data.home = tmp_path
    with pytest.raises(MissingDataError) as caught:
        data.recordings()
    text = str(caught.value)
    for part in (
        "315 files",
        "S001/S001R04.edf",
        "runs 4, 8, 12",
        "physionet.org",
        "data.root=",
        "MNE_DATA",
        "python train.py data=simulated",
    ):
        assert part in text
    with pytest.raises(MissingDataError, match="data=simulated"):
        listed(tmp_path)


def test_only_what_is_missing_is_fetched_beside_what_is_there(small, tmp_path, monkeypatch):
    from mne.datasets import eegbci

    shutil.copytree(small / "S001", tmp_path / "mne" / LAYOUT / "S001")
    asked = []

    def load_data(subject, run, path, update_path, verbose):
        assert update_path is False  # MNE's own settings stay as they are
        asked.append((subject, run))
        folder = f"S{subject:03d}"
        (tmp_path / "mne" / LAYOUT / folder).mkdir(exist_ok=True)
        assert path == str(tmp_path / "mne")
        shutil.copy(small / folder / f"{folder}R{run:02d}.edf", tmp_path / "mne" / LAYOUT / folder)

    monkeypatch.setattr(eegbci, "load_data", load_data)
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "mne"))
    data = PhysionetMI(subjects=["1", "2"])
    data.home = tmp_path / "data"
    assert len(list(data.recordings())) == 6
    assert asked == [(2, 4), (2, 8), (2, 12)]
    assert len(list(data.recordings())) == 6 and len(asked) == 3
