"""A folder of files with a table: µV, events and positions come back; every trap has its sentence."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

from corticode.data.folder import Folder
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError, SentenceError, UnitError

NAMES = ["Fp1", "Cz", "O2", "Pz"]
SFREQ = 200.0


def signal_uv(seed=0, n_times=2000) -> np.ndarray:
    return np.round(20 * np.random.default_rng(seed).standard_normal((4, n_times)), 1)


def raw_of(X_uv, names=NAMES, types="eeg", sfreq=SFREQ, marks=((1.0, "left"), (4.0, "right"))):
    raw = mne.io.RawArray(X_uv * 1e-6, mne.create_info(list(names), sfreq, types), verbose="ERROR")
    return raw.set_annotations(mne.Annotations([m[0] for m in marks], 0.5, [m[1] for m in marks]))


def export(path: Path, X_uv, **about) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = raw_of(X_uv, **about)
    if path.suffix == ".fif":
        raw.save(path, verbose="ERROR")
    else:
        mne.export.export_raw(path, raw, verbose="ERROR")
    return path


def table(folder: Path, text: str) -> None:
    (folder / "recordings.csv").write_text(text)


def only(folder: Path, **settings):
    (recording,) = Folder(root=str(folder), **settings).recordings()
    return recording


# -- what comes back ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name,step_uv", [("a.edf", 0.01), ("a_raw.fif", 1e-4), ("a.vhdr", 1e-3), ("a.set", 1e-3), ("a.bdf", 1e-3)])
def test_microvolts_and_events_come_back(tmp_path, name, step_uv):
    X = signal_uv()
    export(tmp_path / name, X)
    table(tmp_path, f"file,subject\n{name},anna\n")
    signal = only(tmp_path).read()
    np.testing.assert_allclose(signal.X[:, :2000], X, atol=step_uv)
    assert signal.space.names == tuple(NAMES) and signal.space.unit == "uV" and signal.space.sfreq == SFREQ
    events = signal.events
    assert [name.removeprefix("Comment/") for name in events["event"]] == ["left", "right"], "BrainVision names the type too"
    np.testing.assert_allclose(events["onset_s"], [1.0, 4.0], atol=1 / SFREQ)


def test_side_files_belong_to_the_recording(tmp_path):
    export(tmp_path / "a.vhdr", signal_uv())
    table(tmp_path, "file,subject\na.vhdr,anna\n")
    assert {file.name for file in only(tmp_path).files} == {"a.vhdr", "a.eeg", "a.vmrk"}


@pytest.mark.parametrize("names", [("FP1", "cz", "O2.", "Pz.."), ("EEG Fp1-REF", "EEG Cz-REF", "EEG O2-REF", "EEG Pz-REF")])
def test_positions_by_name(tmp_path, names):
    file = export(tmp_path / "a_raw.fif", signal_uv(), names=names)
    space = Folder().recording_of(file).read().space
    x, _, z = space.positions[1]
    assert space.names == names, "names stay as the file has them"
    assert abs(x) < 0.01 and z > 0.08, "Cz is on the top of the head"
    assert space.positions[0][1] > 0.05 > space.positions[2][1], "Fp1 is in front, O2 behind"


def test_positions_need_half_of_the_names(tmp_path):
    # BioSemi's A1 is not the ear lobe
    file = export(tmp_path / "a_raw.fif", signal_uv(), names=("A1", "B7", "C19", "D30"))
    assert Folder().recording_of(file).read().space.positions is None


def test_no_montage_leaves_positions_unknown(tmp_path):
    file = export(tmp_path / "a_raw.fif", signal_uv())
    assert Folder(montage=None).recording_of(file).read().space.positions is None
    with pytest.raises(SentenceError, match=r"data\.montage=easycap-M99"):
        Folder(montage="easycap-M99").recording_of(file).read()


def test_events_choose_and_rename(tmp_path):
    file = export(tmp_path / "a_raw.fif", signal_uv())
    assert Folder(events={"left": "left_hand"}).recording_of(file).read().events["event"].tolist() == ["left_hand"]
    assert Folder(events=["right"]).recording_of(file).read().events["event"].tolist() == ["right"]
    none = Folder(events=["feet"]).recording_of(file).read().events
    assert not len(none) and "annotations there: left, right" in none.attrs["notes"][0]


def test_stim_channel_when_there_are_no_annotations(tmp_path):
    X = signal_uv()
    X[3] = 0
    X[3, 400:410] = 7e6  # a code of 7 on a channel that export scales by 1e-6
    file = export(tmp_path / "a_raw.fif", X, names=[*NAMES[:3], "STI"], types=["eeg"] * 3 + ["stim"], marks=())
    signal = Folder(events={7: "cue"}).recording_of(file).read()
    assert signal.events["event"].tolist() == ["cue"] and signal.events["onset_s"].tolist() == [2.0]
    assert signal.space.names == tuple(NAMES[:3])


def test_types_are_declared_where_the_format_has_none(tmp_path):
    file = export(tmp_path / "a.edf", signal_uv(), names=[*NAMES[:3], "EOG left"])
    guessed = Folder().recording_of(file).read()
    assert "data.types={EOG left: eog}" in guessed.events.attrs["notes"][0]
    told = Folder(types={"EOG left": "eog"}).recording_of(file).read()
    assert told.space.channel_types == ("eeg", "eeg", "eeg", "eog")
    with pytest.raises(BrokenDataError, match="none of the channels in data"):
        Folder(types={"HEOG": "eog"}).recording_of(file).read()


def test_intracranial_by_word(tmp_path):
    file = export(tmp_path / "a.edf", signal_uv())
    space = Folder(kind="ieeg").recording_of(file).read().space
    assert space.kind == "ieeg" and space.types is None and space.positions is None


def test_epochs_become_pieces_with_joints(tmp_path):
    X = 1e-5 * np.random.default_rng(0).standard_normal((3, 4, 100))
    events = np.array([[0, 0, 1], [200, 0, 2], [400, 0, 1]])
    epochs = mne.EpochsArray(X, mne.create_info(NAMES, SFREQ, "eeg"), events, tmin=-0.1, event_id={"a": 1, "b": 2}, verbose="ERROR")
    epochs.save(tmp_path / "a-epo.fif", verbose="ERROR")
    signal = Folder().recording_of(tmp_path / "a-epo.fif").read()
    assert signal.joints == (100, 200) and signal.pieces() == [(0, 100), (100, 200), (200, 300)]
    assert signal.events["event"].tolist() == ["a", "b", "a"]
    np.testing.assert_allclose(signal.events["onset_s"] * SFREQ, [20, 120, 220])
    np.testing.assert_allclose(signal.X[:, 100:200], X[1] * 1e6, atol=1e-4)


# -- the table ------------------------------------------------------------------------------------------------------


def test_who_facts_and_classes(tmp_path):
    for i, name in enumerate(["S10/a.edf", "S2/a.edf", "S2/b.edf"]):
        export(tmp_path / name, signal_uv(i))
    table(
        tmp_path,
        "File,subject,session,run,site,label,age,group\nS10/a.edf,S10,1,,Ulm,0,41,case\nS2\\a.edf,S2,1,,Ulm,1,n/a,control\nS2/b.edf,S2,2,x,Kiel,1,29,control\n",
    )
    data = Folder(root=str(tmp_path))
    recordings = list(data.recordings())
    assert [r.name for r in recordings] == ["S2_1", "S2_2_x", "S10_1"]
    assert recordings[1].who == {"dataset": "folder", "site": "Kiel", "subject": "S2", "session": "2", "run": "x"}
    assert recordings[0].facts == {"label": "1", "age": None, "group": "control"}
    assert recordings[2].facts == {"label": "0", "age": 41, "group": "case"}
    assert data.classes == {"label": ["0", "1"], "group": ["case", "control"]}
    assert [r.who["subject"] for r in Folder(root=str(tmp_path), subjects=["S10"]).recordings()] == ["S10"]
    with pytest.raises(MissingDataError, match="S3"):
        list(Folder(root=str(tmp_path), subjects=["S3"]).recordings())


def test_reading_is_part_of_the_origin(tmp_path):
    export(tmp_path / "a.edf", signal_uv())
    table(tmp_path, "file,subject\na.edf,1\n")
    plain = only(tmp_path).origin
    assert only(tmp_path).origin == plain
    assert only(tmp_path, unit_factor=2).origin != plain
    assert only(tmp_path, events=["left"]).origin != plain


def test_a_row_can_have_its_own_unit(tmp_path):
    X = signal_uv()
    export(tmp_path / "good_raw.fif", X)
    export(tmp_path / "bad_raw.fif", X * 1e3)
    table(tmp_path, "file,subject,unit_factor\ngood_raw.fif,1,\nbad_raw.fif,2,0.001\n")
    good, bad = (r.read().X for r in Folder(root=str(tmp_path)).recordings())
    np.testing.assert_allclose(good, bad, rtol=1e-6)


def test_data_format_of_a_row_is_an_option(shared):
    neuroscan = shared / "data" / "eeg" / "formats" / "cnt_neuroscan" / "scan41_short.cnt"
    data = Folder(root=str(neuroscan.parent))
    reading = data._reading({"": "2", "data_format": "int16"})
    assert reading.options == {"data_format": "int16"} and reading(neuroscan).X.shape == (128, 3070)
    with pytest.raises(BrokenDataError, match="data_format: int16"):
        data._reading({"": "2", "data_format": "int32"})(neuroscan)


@pytest.mark.parametrize(
    "text,error,words",
    [
        (None, MissingDataError, ["recordings.csv is not there", "file,subject,session,label", "anna/morning.edf,anna,1,rest"]),
        ("", MissingDataError, ["no line below its header"]),
        ("file,subject\n", MissingDataError, ["no line below its header"]),
        ("file,person\na.edf,1\n", BrokenDataError, ["no column 'subject'", "columns there: file, person"]),
        ("file,subject\na.edf,\n", BrokenDataError, ["line 2 has no subject"]),
        ("file,subject\na.edf,1\nc.edf,2\n", MissingDataError, ["recordings.csv line 3", "c.edf is not there", "delete the line"]),
        (
            "file,subject\na.edf,1\nb.edf,1\n",
            BrokenDataError,
            ["lines 2 and 3 both claim subject 1", "a.edf and b.edf", "column session or run"],
        ),
        ("file,subject\na.edf,1\na.edf,2\n", BrokenDataError, ["lines 2 and 3 name one file, a.edf"]),
        ("file,subject\n../a.edf,1\n", BrokenDataError, ["../a.edf leaves the folder", "absolute path"]),
        ("file,subject,unit_factor\na.edf,1,mV\n", BrokenDataError, ["unit_factor 'mV' is not a number"]),
    ],
)
def test_the_table_is_checked(tmp_path, text, error, words):
    for name in ("a.edf", "b.edf"):
        export(tmp_path / name, signal_uv(len(name)))
    if text is not None:
        table(tmp_path, text)
    with pytest.raises(error) as caught:
        list(Folder(root=str(tmp_path)).recordings())
    for word in words:
        assert word in str(caught.value)


def test_absolute_paths_are_taken_at_their_word(tmp_path):
    file = export(tmp_path / "elsewhere" / "a.edf", signal_uv())
    (tmp_path / "here").mkdir()
    table(tmp_path / "here", f"file,subject\n{file},1\n")
    assert only(tmp_path / "here").files[0] == file


def test_one_recording_under_two_names(tmp_path):
    X = signal_uv()
    export(tmp_path / "a.edf", X)
    shutil.copy(tmp_path / "a.edf", tmp_path / "b.edf")
    export(tmp_path / "c.edf", X + 1)
    table(tmp_path, "file,subject\na.edf,1\nb.edf,2\nc.edf,3\n")
    data = Folder(root=str(tmp_path))
    recordings = list(data.recordings())
    with pytest.raises(BrokenDataError, match=r"1 \(a\.edf\) and 2 \(b\.edf\) hold the same bytes"):
        data.check_distinct(recordings, tmp_path / "digests")
    data.check_distinct([recordings[0], recordings[2]])


def test_copies_are_seen_through_their_headers(tmp_path):
    # each BrainVision header names its own files: only the samples are alike
    for name in ("a", "b"):
        export(tmp_path / f"{name}.vhdr", signal_uv())
    table(tmp_path, "file,subject\na.vhdr,1\nb.vhdr,2\n")
    data = Folder(root=str(tmp_path))
    assert (tmp_path / "a.vhdr").read_bytes() != (tmp_path / "b.vhdr").read_bytes()
    with pytest.raises(BrokenDataError, match=r"a\.eeg.*b\.eeg"):
        data.check_distinct(list(data.recordings()))


# -- files that cannot be used --------------------------------------------------------------------------------------


def refusal(file: Path, error=BrokenDataError, **settings) -> str:
    with pytest.raises(error) as caught:
        Folder(**settings).recording_of(file).read()
    assert file.name in str(caught.value)
    return str(caught.value)


def test_millivolts_labelled_volts(tmp_path):
    X = signal_uv()
    file = export(tmp_path / "a_raw.fif", X * 1e3)
    assert "data.unit_factor=0.001" in refusal(file, UnitError)
    np.testing.assert_allclose(Folder(unit_factor=1e-3).recording_of(file).read().X, X, atol=1e-3)


def test_empty_file(tmp_path):
    (tmp_path / "a.edf").touch()
    assert "0 bytes" in refusal(tmp_path / "a.edf")


def test_truncated_edf_is_not_a_short_recording(tmp_path):
    file = export(tmp_path / "a.edf", signal_uv())
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 6 // 10])
    text = refusal(file)
    assert "truncated" in text and "promises 10 s" in text
    file.write_bytes(whole[:300])
    assert "header" in refusal(file)


@pytest.mark.parametrize("name", ["a_raw.fif", "a.set"])
def test_truncated_files_of_other_formats(tmp_path, name):
    file = export(tmp_path / name, signal_uv())
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "truncated" in refusal(file)


@pytest.mark.parametrize(
    "name",
    ["a.edf", "a.bdf", "a.gdf", "a.set", "a_raw.fif", "a.vhdr", "a.cnt", "a.eeg", "a.lay", "a.xdf", "a.mff", "a.cdt", "a.nxe", "a.dat"],
)
def test_a_letter_with_the_name_of_a_recording(tmp_path, name):
    (tmp_path / name).write_bytes(b"Dear colleague, please find attached\n" * 40)
    refusal(tmp_path / name, CorticodeError)


@pytest.mark.parametrize("name,words", [("a.xyz", ["extension .xyz", ".vhdr", "from_arrays"]), ("notes", ["extension (none)"])])
def test_unknown_extension(tmp_path, name, words):
    (tmp_path / name).write_text("x")
    text = refusal(tmp_path / name)
    assert all(word in text for word in words)


@pytest.mark.parametrize("part", ["a.eeg", "a.vmrk"])
def test_a_part_names_its_whole(tmp_path, part):
    export(tmp_path / "a.vhdr", signal_uv())
    assert "name a.vhdr instead" in refusal(tmp_path / part)


def test_a_missing_part(tmp_path):
    file = export(tmp_path / "a.vhdr", signal_uv())
    (tmp_path / "a.eeg").unlink()
    assert "not there" in refusal(file, MissingDataError)


def test_link_without_content(tmp_path):
    (tmp_path / "a.edf").symlink_to(tmp_path / "annex" / "key")
    assert "datalad get" in refusal(tmp_path / "a.edf", MissingDataError)


def test_implausible_rate(tmp_path):
    file = export(tmp_path / "a_raw.fif", signal_uv(), sfreq=2.0, marks=())
    assert "2 samples per second" in refusal(file)


def test_unknown_reader_option(tmp_path):
    file = export(tmp_path / "a.edf", signal_uv())
    assert "data.options" in refusal(file, options={"endcoding": "latin1"})


def test_unequal_rates_are_said(shared):
    file = shared / "data" / "eeg" / "formats" / "edf" / "uneven_sampling.edf"
    notes = Folder(unit_factor=1e-6).recording_of(file).read().events.attrs["notes"]
    assert any("12.8, 100 Hz" in note and "brought to 100 Hz" in note for note in notes)


# -- real files of all formats --------------------------------------------------------------------------------------

LOADS = {
    "bdf/eeglab_test.bdf": (16, 256, 60),
    "bdf/mne_test.bdf": (72, 2048, 1),
    "brainvision/test.vhdr": (26, 1000, 7.9),
    "brainvision/test_NO.vhdr": (65, 5000, 0.4476),
    "cnt_ant/test_CA_208.cnt": (64, 1000, 4.025),
    "edf/S001R04.edf": (64, 160, 125),
    "edf/utf8_annotations.edf": (11, 200, 10),
    "eeglab_set/eeglab_data.set": (32, 128, 238.3125),
    "eeglab_set/test_epochs_onefile.set": (2, 50, 0.64),
    "fif/yasa_resting_EO_200Hz_raw.fif": (2, 200, 360.005),
    "gdf/test_1ch.gdf": (1, 150, 30),
    "nihonkohden/MB0400FU.EEG": (22, 200, 29),
    "persyst/clip2.lay": (83, 200, 4.235),
    "xdf/eeglab_test.xdf": (8, 1000, 9.52),
}
REFUSED = {
    "cnt_neuroscan/scan41_short.cnt": "int16 gives 7.67 s of 27 µV; int32 gives 3.84 s",
    "cnt_neuroscan/test_events.cnt": "data_format: int32",
    "edf/uneven_sampling.edf": "data.unit_factor=1e-06",
    "fif/ssvep_subject04_raw.fif": "data.unit_factor=0.001",
    "fif/ssvep_subject04-eve.fif": "not a continuous recording",
    "gdf/ssvep_subject01.gdf": "data.unit_factor=1000",
    "mff/testmff.mff": "averages",
    "xdf/clock_resets.xdf": "declares 100 Hz but its samples came at 92.67 Hz",
    "xdf/empty_streams.xdf": "no stream of type EEG",
    "xdf/minimal.xdf": "10 samples per second",
}


@pytest.mark.parametrize("name", LOADS)
def test_real_file_loads(shared, name):
    channels, sfreq, seconds = LOADS[name]
    signal = Folder().recording_of(shared / "data" / "eeg" / "formats" / name).read()
    kinds = signal.space.channel_types
    assert (kinds.count("eeg"), signal.space.sfreq) == (channels, sfreq)
    assert signal.X.shape[1] / sfreq == pytest.approx(seconds, abs=1.5 / sfreq)


@pytest.mark.parametrize("name", REFUSED)
def test_real_file_is_refused_with_the_cure(shared, name):
    assert REFUSED[name] in refusal(shared / "data" / "eeg" / "formats" / name, CorticodeError)


def test_no_file_ends_in_another_error(shared):
    folder = shared / "data" / "eeg" / "formats"
    for file in sorted(folder.rglob("*")):
        known = file.relative_to(folder).as_posix()
        if known in LOADS or known in REFUSED or (file.is_dir() and file.suffix != ".mff"):
            continue
        with contextlib.suppress(CorticodeError):
            Folder().recording_of(file).read()


def test_events_of_a_fif_file_lie_beside_it(shared):
    file = shared / "data" / "eeg" / "formats" / "fif" / "ssvep_subject04_raw.fif"
    recording = Folder(unit_factor=1e-3).recording_of(file)
    assert [f.name for f in recording.files] == ["ssvep_subject04_raw.fif", "ssvep_subject04-eve.fif"]
    assert recording.read().events["event"].value_counts().to_dict() == {"1": 8, "2": 8, "3": 8, "4": 8}


def test_gaps_of_xdf_are_joints(shared):
    file = shared / "data" / "eeg" / "formats" / "xdf" / "clock_resets.xdf"
    signal = Folder(unit_factor=1e3, options={"rate": "measured"}).recording_of(file).read()
    assert signal.joints == (12876,) and signal.X.shape == (8, 27815)
    assert len(signal.events) > 100
