"""BIDS folders: people, facts, tasks and events come from the tables; the three entries on their real files."""

from __future__ import annotations

import json
import shutil

import mne
import numpy as np
import pytest

from corticode.data.adhd_children import AdhdChildren
from corticode.data.bids import Bids
from corticode.data.mental_arithmetic import MentalArithmetic
from corticode.data.ssvep_exo import SsvepExo
from corticode.errors import BrokenDataError, MissingDataError, SentenceError, UnitError

NAMES = ["Fp1", "Cz", "O2"]
EVENTS = "onset\tduration\ttrial_type\n1.0\t0.5\tleft\n2.0\t0\tBAD boundary\n2.0\t0\tEDGE boundary\n3.0\t0.5\tright\n"


def signal_uv(seed):
    return np.round(20 * np.random.default_rng(seed).standard_normal((3, 1000)), 1)


def write_run(root, name, seed, scale=1.0):
    """One EDF with channels.tsv and events.tsv; the last channel is declared EOG."""
    parts = name.split("_")
    folder = root.joinpath(*[p for p in parts if p.startswith(("sub-", "ses-"))], "eeg")
    folder.mkdir(parents=True, exist_ok=True)
    raw = mne.io.RawArray(signal_uv(seed) * scale * 1e-6, mne.create_info(NAMES, 200.0, "eeg"), verbose="ERROR")
    mne.export.export_raw(folder / f"{name}_eeg.edf", raw, overwrite=True, verbose="ERROR")
    (folder / f"{name}_channels.tsv").write_text(
        "name\ttype\tunits\tstatus\nFp1\tEEG\tµV\tgood\nCz\tEEG\tµV\tbad\nO2\tEOG\tµV\tgood\n", encoding="utf-8"
    )
    (folder / f"{name}_events.tsv").write_text(EVENTS)
    return folder / f"{name}_eeg.edf"


@pytest.fixture
def study(tmp_path):
    """Three people, tasks rest and work, the first with two sessions."""
    root = tmp_path / "study"
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "study", "BIDSVersion": "1.9.0"}))
    (root / "participants.tsv").write_text(
        "participant_id\tage\tgroup\tsite\nsub-10\t41\tpatient\tUlm\nsub-2\tn/a\tcontrol\tKiel\nsub-3\t30\tpatient\tKiel\n"
    )
    (root / "participants.json").write_text(json.dumps({"group": {"Levels": {"patient": "ill", "control": "well"}}}))
    (root / "task-work_events.json").write_text("{}")
    for i, name in enumerate(
        ["sub-2_ses-1_task-rest", "sub-2_ses-2_task-rest", "sub-3_task-rest", "sub-3_task-work_run-01", "sub-10_task-work_run-01"]
    ):
        write_run(root, name, i)
    (root / "sub-2" / "sub-2_sessions.tsv").write_text("session_id\tslept_h\tdropped\nses-1\t7\tfalse\nses-2\t4\ttrue\n")
    (root / "sub-3" / "sub-3_scans.tsv").write_text("filename\tnoisy\neeg/sub-3_task-rest_eeg.edf\ttrue\n")
    return root


def recordings(root, **settings):
    return list(Bids(root=str(root), **settings).recordings())


# -- listing --------------------------------------------------------------------------------------------------------


def test_who(study):
    found = recordings(study)
    assert [r.name for r in found] == ["2_1_1", "2_2_1", "3_1", "3_2", "10_1"]
    assert found[0].who == {"dataset": "bids", "site": "Kiel", "subject": "2", "session": "1", "run": "1"}


def test_runs_are_numbered_in_the_order_in_which_they_were_made(study):
    scans = study / "sub-3" / "sub-3_scans.tsv"
    times = (
        "filename\tacq_time\neeg/sub-3_task-rest_eeg.edf\t2020-01-01T10:30:00\neeg/sub-3_task-work_run-01_eeg.edf\t2020-01-01T10:00:00\n"
    )
    scans.write_text(times)
    assert {r.facts["task"]: r.who["run"] for r in recordings(study, subjects=["3"])} == {"work": "1", "rest": "2"}


def test_facts_of_three_tables(study):
    one, two, rest, work, ten = (r.facts for r in recordings(study))
    assert one == {"age": None, "group": "control", "slept_h": 7, "dropped": False, "task": "rest", "noisy": None}
    assert two["slept_h"] == 4 and two["dropped"] is True
    assert rest["noisy"] is True and work["noisy"] is None and work["task"] == "work"
    assert ten["age"] == 41 and ten["slept_h"] is None


def test_classes_are_declared_by_the_data(study):
    data = Bids(root=str(study), events={"left": "left_hand", "right": "right_hand"})
    assert data.classes == {"event": ["left_hand", "right_hand"], "task": ["rest", "work"], "group": ["patient", "control"]}


def test_listing_opens_no_recording(study, monkeypatch):
    monkeypatch.setattr("mne_bids.read_raw_bids", None)
    monkeypatch.setattr("mne.io.read_raw_edf", None)
    assert len(recordings(study)) == 5


def test_choosing(study):
    assert [r.name for r in recordings(study, task="work")] == ["3_2", "10_1"]
    assert [r.name for r in recordings(study, subjects=["sub-2"], session="2")] == ["2_2_1"]
    assert [r.name for r in recordings(study, exclude={"subject": ["3", "10"], "dropped": True})] == ["2_1_1"]


@pytest.mark.parametrize(
    "settings,error,words",
    [
        ({"subjects": ["4"]}, MissingDataError, "asks for 4"),
        ({"task": "sleep"}, MissingDataError, "only rest, work"),
        ({"session": ["1", "9"]}, MissingDataError, "data.session asks for 9"),
        ({"datatype": "meg"}, MissingDataError, "only eeg"),
        ({"datatype": "fmri"}, SentenceError, "eeg, ieeg or meg"),
        ({"exclude": {"drunk": True}}, SentenceError, "fact drunk"),
    ],
)
def test_asking_for_what_is_not_there(study, settings, error, words):
    with pytest.raises(error) as caught:
        recordings(study, **settings)
    assert words in str(caught.value)


def test_what_is_left_out_is_said_once(study):
    data = Bids(root=str(study), exclude={"dropped": True})
    list(data.recordings()), list(data.recordings())
    assert data.notes == ["1 recordings left out by data.exclude (dropped=True): sub-2_ses-2_task-rest_eeg.edf"]


def test_several_datatypes_need_a_choice(study):
    (study / "sub-3" / "ieeg").mkdir()
    shutil.copy(study / "sub-3" / "eeg" / "sub-3_task-rest_eeg.edf", study / "sub-3" / "ieeg" / "sub-3_task-rest_ieeg.edf")
    with pytest.raises(SentenceError, match=r"eeg and ieeg: choose with data\.datatype=eeg"):
        recordings(study)
    (recording,) = recordings(study, datatype="ieeg")
    assert recording.read().space.kind == "ieeg"


def test_not_bids(tmp_path, study):
    (tmp_path / "plain").mkdir()
    with pytest.raises(MissingDataError, match=r"not a BIDS folder.*data=folder"):
        recordings(tmp_path / "plain")
    with pytest.raises(MissingDataError, match=r"did you mean .*study"):
        recordings(tmp_path)
    with pytest.raises(MissingDataError, match=r"no folder .*raw.*bids.*meanwhile data=simulated"):
        list(Bids().recordings())


def test_two_files_claim_one_run(study):
    edf = study / "sub-3" / "eeg" / "sub-3_task-rest_eeg.edf"
    shutil.copy(edf, edf.with_suffix(".bdf"))
    with pytest.raises(BrokenDataError, match=r"two files claim subject 3.*\.bdf and .*\.edf"):
        recordings(study)


def test_two_lines_for_one_person(study):
    with (study / "participants.tsv").open("a") as table:
        table.write("sub-2\t33\tpatient\tUlm\n")
    with pytest.raises(BrokenDataError, match=r"two lines for sub-2 \(the second is line 5\)"):
        recordings(study)


def test_a_person_without_a_line_is_said(study):
    (study / "participants.tsv").write_text("participant_id\tage\nsub-2\t20\nsub-3\t30\n")
    data = Bids(root=str(study))
    assert [r.facts["age"] for r in data.recordings()] == [20, 20, 30, 30, None]
    assert data.notes == ["participants.tsv has no line for 10: their facts are missing"]


def test_a_copied_session_is_found(study):
    shutil.copy(study / "sub-3" / "eeg" / "sub-3_task-rest_eeg.edf", study / "sub-10" / "eeg" / "sub-10_task-rest_eeg.edf")
    data = Bids(root=str(study))
    with pytest.raises(BrokenDataError, match=r"3_1 .* and 10_1 .* hold the same bytes"):
        data.check_distinct(list(data.recordings()))


# -- reading --------------------------------------------------------------------------------------------------------


def test_signal_events_joints_types(study):
    first = recordings(study)[0]
    signal = first.read()
    np.testing.assert_allclose(signal.X, signal_uv(0), atol=0.01)
    assert signal.space.channel_types == ("eeg", "eeg", "eog")
    assert signal.events["event"].tolist() == ["left", "right"] and signal.events["onset_s"].tolist() == [1.0, 3.0]
    assert signal.joints == (400,)
    assert signal.space.positions[1][2] > 0.08, "Cz is on the top of the head"
    assert signal.events.attrs["notes"] == ["marked bad by the file and kept: Cz"]


def test_magnetometers_come_in_femtotesla(study):
    X = 200 * np.random.default_rng(0).standard_normal((2, 400))
    raw = mne.io.RawArray(X * 1e-15, mne.create_info(["MEG0111", "MEG0121"], 200.0, "mag"), verbose="ERROR")
    (study / "sub-3" / "meg").mkdir()
    raw.save(study / "sub-3" / "meg" / "sub-3_task-rest_meg.fif", verbose="ERROR")
    (recording,) = recordings(study, datatype="meg")
    signal = recording.read()
    assert signal.space.kind == "meg" and signal.space.unit == "fT"
    np.testing.assert_allclose(signal.X, X, rtol=1e-5)


def test_side_files_are_part_of_the_recording(study):
    work = recordings(study, task="work")[0]
    assert {f.name for f in work.files} == {
        "sub-3_task-work_run-01_eeg.edf", "sub-3_task-work_run-01_channels.tsv", "sub-3_task-work_run-01_events.tsv", "task-work_events.json",
    }  # fmt: skip


def test_one_new_file(study, tmp_path):
    inside = next((study / "sub-3" / "eeg").glob("*rest*.edf"))
    recording = Bids().recording_of(inside)
    assert recording.who["subject"] == "3" and recording.read().space.channel_types == ("eeg", "eeg", "eog")
    outside = tmp_path / "new.edf"
    shutil.copy(inside, outside)
    assert Bids().recording_of(outside).read().X.shape == (3, 1000)


def test_millivolts_labelled_microvolts(study):
    write_run(study, "sub-3_task-rest", 0, scale=1e3)
    (bad,) = recordings(study, subjects=["3"], task="rest")
    with pytest.raises(UnitError, match=r"sub-3_task-rest_eeg\.edf.*data\.unit_factor=0\.001"):
        bad.read()
    (mended,) = recordings(study, subjects=["3"], task="rest", unit_factor=1e-3)
    np.testing.assert_allclose(mended.read().X, signal_uv(0), atol=0.01)


def test_a_damaged_file_is_named(study):
    file = study / "sub-3" / "eeg" / "sub-3_task-rest_eeg.edf"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(BrokenDataError, match=r"sub-3_task-rest_eeg\.edf is truncated"):
        recordings(study, subjects=["3"], task="rest")[0].read()


# -- the entries ----------------------------------------------------------------------------------------------------


def test_adhd_children(shared):
    data = AdhdChildren(root=str(shared / "data" / "eeg" / "adhd_children"))
    found = list(data.recordings())
    groups = [r.facts["group"] for r in found]
    assert (len(found), groups.count("control"), groups.count("adhd")) == (91, 45, 46)
    assert set(groups) == set(data.classes["group"])
    signal = found[0].read()
    assert signal.X.shape == (data.card.n_channels, 60 * 128) and signal.space.sfreq == data.card.sfreq
    data.check_distinct(found)


def test_mental_arithmetic(shared):
    data = MentalArithmetic(root=str(shared / "data" / "eeg" / "mental_arithmetic"))
    found = list(data.recordings())
    assert len({r.who["subject"] for r in found}) == 27 == data.card.n_subjects
    tasks = [r.facts["task"] for r in found]
    assert tasks.count("rest") == tasks.count("arithmetic") == 27 and set(tasks) == set(data.classes["task"])
    assert sum(r.facts["count_quality"] for r in found) == 2 * 19
    signal = found[0].read()
    assert signal.X.shape == (19, 60 * 125)
    old_names = signal.space.positions[signal.space.index(["T3", "T4", "T5", "T6"])]
    assert np.isfinite(old_names).all() and old_names[0][0] < -0.07 < 0.07 < old_names[1][0], "T3 is left, T4 right"
    data.check_distinct(found)


def test_ssvep_exo(shared):
    root = str(shared / "data" / "eeg" / "ssvep_exo")
    data = SsvepExo(root=root)
    found = list(data.recordings())
    assert len({r.who["subject"] for r in found}) == 12
    counts = {}
    for recording in found:
        signal = recording.read()
        assert signal.pieces() == [(1280 * i, 1280 * (i + 1)) for i in range(32)]
        assert (signal.events["onset_s"] * 256).tolist() == [1280 * i for i in range(32)]
        for event in signal.events["event"]:
            counts[event] = counts.get(event, 0) + 1
    assert counts == dict.fromkeys(data.classes["event"], 216), "864 trials"
    assert len(list(SsvepExo(root=root, excluded="keep").recordings())) == 32
    assert "5 recordings left out" in data.notes[0]
    with pytest.raises(SentenceError, match="drop or keep"):
        SsvepExo(excluded="no")


@pytest.mark.parametrize("entry", [AdhdChildren, MentalArithmetic, SsvepExo])
def test_arguments_build_the_same_entry(entry):
    given = entry(subjects=["sub-01"]).arguments()
    assert entry(**given).arguments() == given
