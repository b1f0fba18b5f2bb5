"""Bad input gets one paragraph and exit status 2, and nothing that was computed is lost."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import corticode
from corticode import cli, store
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError
from corticode.report.table import headline_line
from corticode.sweep import print_notes
from edf import physionet_folder, write_edf


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    return physionet_folder(tmp_path_factory.mktemp("physionet"))


@pytest.fixture
def corticode_says(tmp_path, monkeypatch, capsys):
    """Run one command in an empty folder; return (exit status, what was printed)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORTICODE_DEBUG", raising=False)

    def run(*words: str) -> tuple[int, str]:
        status = cli.main(
            [*words, f"paths.data={tmp_path}/store", "engine.n_jobs=1", "progress=silent"] if words[0] == "train" else list(words)
        )
        out = capsys.readouterr()
        return status, out.out + out.err

    return run


CLASSICAL = ("train", "model=logvar_lda", "data=physionet_mi", "refit=false")


def refused(answer: tuple[int, str], *words: str) -> None:
    status, text = answer
    assert status == 2, text
    assert "Traceback" not in text
    for word in words:
        assert word.lower() in text.lower(), f"{word!r} is not in: {text}"


def test_truncated_file(corticode_says, recordings, tmp_path):
    root = physionet_folder(tmp_path / "cut", 2)
    file = root / "S002" / "S002R08.edf"
    file.write_bytes(file.read_bytes()[:-20000])
    refused(corticode_says(*CLASSICAL, f"data.root={root}"), "S002R08.edf")


def test_zero_byte_file(corticode_says, tmp_path):
    root = physionet_folder(tmp_path / "zero", 2)
    (root / "S001" / "S001R04.edf").write_bytes(b"")
    refused(corticode_says(*CLASSICAL, f"data.root={root}"), "S001R04.edf")


def test_wrong_channel_set(corticode_says, recordings):
    refused(corticode_says(*CLASSICAL, f"data.root={recordings}", "prepare.pick.channels=[C3,Oz9]"), "Oz9")


def test_wrong_unit(corticode_says, tmp_path):
    root = physionet_folder(tmp_path / "unit", 2, scale=1000.0)
    refused(corticode_says(*CLASSICAL, f"data.root={root}"), "data.unit_factor=0.001")
    status, text = corticode_says(*CLASSICAL, f"data.root={root}", "data.unit_factor=0.001")
    assert status == 0, text


def test_nan():
    X = np.random.default_rng(0).standard_normal((8, 3, 50)) * 10
    X[5, 2, 7] = np.nan
    with pytest.raises(BrokenDataError, match="window 5, channel 2, sample 7"):
        corticode.Windows.from_arrays(X, ["a", "b"] * 4, sfreq=100)


def test_two_files_claim_one_run(corticode_says, tmp_path):
    root = physionet_folder(tmp_path / "twice", 2)
    write_edf(root / "copy" / "S001" / "S001R04.edf", seed=9)
    folder = tmp_path / "table"
    folder.mkdir()
    write_edf(folder / "a.edf", seed=1)
    write_edf(folder / "b.edf", seed=2)
    (folder / "recordings.csv").write_text("file,subject,run\na.edf,1,1\nb.edf,1,1\n")
    refused(corticode_says("train", "model=logvar_lda", "data=folder", f"data.root={folder}"), "a.edf", "b.edf")


def test_one_recording_under_two_names(corticode_says, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    write_edf(folder / "a.edf", seed=1)
    (folder / "b.edf").write_bytes((folder / "a.edf").read_bytes())
    (folder / "recordings.csv").write_text("file,subject\na.edf,1\nb.edf,2\n")
    refused(corticode_says("train", "model=logvar_lda", "data=folder", f"data.root={folder}"), "same bytes")


def test_one_class(corticode_says, tmp_path):
    root = physionet_folder(tmp_path / "one", 2, labels=("T1", "T1"))
    refused(corticode_says(*CLASSICAL, f"data.root={root}"), "right_hand")


def test_a_subject_with_one_class_is_named(corticode_says, tmp_path):
    root = physionet_folder(tmp_path / "some", 3)
    for run in (4, 8, 12):
        write_edf(root / "S002" / f"S002R{run:02d}.edf", seed=run, labels=("T1", "T1"))
    status, text = corticode_says(*CLASSICAL, f"data.root={root}")
    assert status in (0, 2)
    assert "S002" in text
    assert "class" in text


@pytest.mark.parametrize(
    "words, near",
    [
        (["model=eegnett"], "eegnet"),
        (["data=simulate"], "simulated"),
        (["split=losso"], "loso"),
        (["split.shot=2"], "shots"),
        (["modell=eegnet"], "model"),
        (["model=[eegnet,mdm]"], "-m model="),
        (["data=physionet_mi", "data.root=/nowhere/at/all"], "/nowhere/at/all"),
        (["task.target=evnt"], "event"),
        (["align=euclidean", "align.access=everything"], "online"),
        (["model=tangent_space", "adapt=full"], "adapt=probe"),
        (["evaluate.strict=true", "align=euclidean", "align.access=all"], "online"),
        (["evaluate.causal=true", "model=logvar_lda", "data.n_subjects=2"], "causal"),
        (["model._target_=no_such_module.Net"], "no_such_module"),
        (["data.n_subjects=abc"], "data.simulated.Simulated(n_subjects='abc')"),
        (["data.subjects=1"], "data.subjects"),
        (["split=kfold", "split.n_folds=abc"], "n_folds='abc'"),
        (["split.shots=x"], "shots=x"),
        (["align=euclidean", "align.n_align=x"], "n_align='x'"),
        (["align=euclidean", "align.by=foo"], "align.by=foo"),
        (["align=euclidean", "align.prior=-3"], "align.prior=-3"),
        (["prepare.filter.low_hz=abc"], "low_hz='abc'"),
        (["seed=abc"], "seed=abc"),
        (["seed=[]"], "seed=[]"),
        (["seed=-1"], "seed=-1"),
        (["seed=1.5"], "seed=1.5"),
        (["seed=[0,x]"], "seed=[0, 'x']"),
        (["seed=[3,3]"], "twice"),
    ],
)
def test_sentences_that_make_no_sense(corticode_says, words, near):
    refused(corticode_says("train", *words), near)


@pytest.mark.parametrize("word", ["engine.n_jobs=abc", "engine.n_jobs=0", "engine.n_jobs=1.5", "progress=loud"])
def test_knobs_of_the_machine(tmp_path, monkeypatch, capsys, word):
    monkeypatch.chdir(tmp_path)
    status = cli.main(["train", word, f"paths.data={tmp_path}/store"])
    refused((status, capsys.readouterr().err), word)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no folder")
@pytest.mark.parametrize("word", ["paths.data=/proc/foo", "paths.outputs=/proc/foo"])
def test_a_place_that_takes_no_folder(tmp_path, monkeypatch, capsys, word):
    monkeypatch.chdir(tmp_path)
    words = ["model=logvar_lda", "data.n_subjects=2", f"paths.data={tmp_path}/store", "engine.n_jobs=1", "progress=silent"]
    status = cli.main(["train", *(w for w in words if w.split("=")[0] != word.split("=")[0]), word])
    refused((status, capsys.readouterr().err), "/proc/foo", "paths.data=")


def test_a_missing_file_is_no_place_that_takes_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), store.writing(tmp_path / "a"):
        (tmp_path / "gone").read_text()


def test_one_name_is_one_person(recordings):
    from corticode.data.base import names
    from corticode.data.bids import Bids
    from corticode.data.physionet_mi import PhysionetMI

    assert names("S001") == ["S001"]
    assert names(1) == ["1"]
    assert names([1, "b"]) == ["1", "b"]
    assert Bids(subjects="sub-01").subjects == ["01"]
    assert {r.who["subject"] for r in PhysionetMI(root=str(recordings), subjects="S001").recordings()} == {"S001"}


def test_going_recordings_without_cues(corticode_says, tmp_path):
    folder = tmp_path / "rest"
    folder.mkdir()
    for name in "ab":
        write_edf(folder / f"{name}.edf", seed=ord(name), n_trials=0)
    (folder / "recordings.csv").write_text("file,subject,label\na.edf,1,well\nb.edf,2,ill\n")
    words = ("train", "model=logvar_lda", "data=folder", f"data.root={folder}", "task.target=label")
    refused(corticode_says(*words), "prepare=sliding_10s")


def test_classes_are_those_of_the_chosen_people(tmp_path):
    from corticode.data.folder import Folder

    (tmp_path / "recordings.csv").write_text("file,subject,label\na.edf,a,rest\na2.edf,a,task\nb.edf,b,sleep\n")
    assert Folder(str(tmp_path)).classes["label"] == ["rest", "sleep", "task"]
    assert Folder(str(tmp_path), subjects="a").classes["label"] == ["rest", "task"]


def test_a_sweep_flag_before_the_verb(corticode_says, tmp_path):
    words = ("model=logvar_lda", "data.n_subjects=2", "data.n_trials=10", "refit=false", "report=false", "progress=silent")
    status, text = corticode_says("-m", "train", *words, f"paths.data={tmp_path}/store", "engine.n_jobs=1")
    assert status == 0, text
    refused(corticode_says("-m", "list", "model"), "-m sweeps", "train")


def test_notes_are_said_above_the_headline(corticode_says):
    small = ("model=logvar_lda", "data.n_subjects=2", "data.n_trials=10", "refit=false", "report=false")
    status, text = corticode_says("train", *small, "task.shuffle=true", "align=euclidean", "align.access=all")
    assert status == 0, text
    lines = text.strip().splitlines()
    notes = [line for line in lines if line.startswith("note: ")]
    assert any("were shuffled" in note for note in notes)
    assert any("transductive" in note for note in notes)
    assert lines[-1].startswith("balanced accuracy")


def test_many_notes_are_shortened(capsys):
    print_notes({"notes": [f"file {i}:\n{'x' * 300}" for i in range(40)] + ["control"]})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 13
    assert lines[-1] == "note: control"
    assert lines[4] == "note: (29 more notes stand in summary.json)"
    assert all(len(line) <= 206 for line in lines)


@pytest.mark.parametrize("access", ["all", "calibration"])
def test_a_decoder_that_must_see_people_first_sees_the_whole_file(corticode_says, recordings, tmp_path, access):
    import io

    import pandas as pd

    from corticode.decoder import Decoder
    from corticode.experiment import load

    words = ["model=logvar_lda", "align=euclidean", f"align.access={access}", "align.n_align=4"]
    options = [f"data.root={recordings}", f"paths.data={tmp_path}/store", "engine.n_jobs=1"]
    corticode.run("logvar_lda", "physionet_mi", overrides=[*words[1:], *options], output=tmp_path / "run", progress="silent")
    files = [write_edf(tmp_path / "new" / "S009" / f"S009R{run:02d}.edf", seed=run) for run in (4, 8)]
    status, text = corticode_says("predict", str(tmp_path / "run"), *map(str, files))
    assert status == 0, text
    *table, note = text.strip().splitlines()
    assert note.startswith("note: aligned by all windows of the file (transductive)")
    assert ("as in training" in note) == (access == "all")
    answers = pd.read_csv(io.StringIO("\n".join(table)))
    windows = load("physionet_mi", overrides=[f"data.root={tmp_path}/new", *options[1:]], progress="silent")
    for run, file in (("04", files[0]), ("08", files[1])):
        blind = windows[(windows.meta["run"] == run).to_numpy()].blind()
        wanted = Decoder.load(tmp_path / "run" / "model").align(blind).predict(blind)
        np.testing.assert_allclose(answers.loc[answers["file"] == file.name, ["p_left_hand", "p_right_hand"]], wanted, rtol=1e-10)


def test_a_person_asked_for_and_absent(corticode_says, recordings):
    refused(corticode_says(*CLASSICAL, f"data.root={recordings}", "data.subjects=[S001,S099]"), "S099")


def test_unknown_command(corticode_says):
    refused(corticode_says("trian"), "train")
    refused(corticode_says("list", "modle"), "model")
    refused(corticode_says("report", "/nowhere"), "/nowhere")
    refused(corticode_says("predict", "/nowhere", "x.edf"), "/nowhere")


def test_refused_sentence_leaves_no_folder(corticode_says, tmp_path):
    refused(corticode_says("train", "data=physionet_mi", "data.root=/nowhere"))
    assert not list((tmp_path / "outputs").rglob("*.json")) and not [p for p in (tmp_path / "outputs").rglob("*-*-*-*") if p.is_dir()]


def test_output_that_cannot_be_written(corticode_says, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    status, text = corticode_says("train", "model=logvar_lda", "data.n_subjects=2", f"hydra.run.dir={blocked}/run")
    assert status == 2, text
    assert "Traceback" not in text


def test_no_right_to_write(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(CorticodeError, match=r"no right to write to .*hydra\.run\.dir"), store.writing(tmp_path / "a" / "b"):
        pass


def test_full_disk_while_caching(corticode_says, recordings, tmp_path, monkeypatch):
    real = np.save

    def full(file, array, **options):
        if str(file).endswith("3.npy"):
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        return real(file, array, **options)

    monkeypatch.setattr(np, "save", full)
    refused(corticode_says(*CLASSICAL, f"data.root={recordings}"), "full")
    assert not list((tmp_path / "store" / "prepared").glob("*/windows.json")), "a half-made cache was kept"
    monkeypatch.setattr(np, "save", real)
    status, text = corticode_says(*CLASSICAL, f"data.root={recordings}")
    assert status == 0, text


def test_damaged_cache_is_named(windows, tmp_path):
    saved = windows.save(tmp_path / "w")
    (tmp_path / "w" / "X0.npy").write_bytes(b"\x93NUMPY broken")
    with pytest.raises(BrokenDataError, match="delete that folder"):
        corticode.Windows.open(saved.folder)


def test_missing_data_says_what_to_run_meanwhile(corticode_says, tmp_path, monkeypatch):
    import pooch
    import requests

    def offline(*args, **kwargs):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "empty"))
    refused(corticode_says("train", "data=bci_iv_2a", "model=logvar_lda"), "A01T.mat", "data=simulated")


def run_in_background(tmp_path: Path, *words: str) -> subprocess.Popen:
    # a suite that runs in the background hands down an ignored Ctrl-C; somebody's terminal does not
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from corticode.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", *words, f"paths.data={tmp_path}/store", f"hydra.run.dir={tmp_path}/run", "progress=off"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


SLOW_ENOUGH = (
    "model=eegnet",
    "data.n_subjects=4",
    "model.train.max_epochs=12",
    "model.train.patience=50",
    "refit=false",
    "engine.n_jobs=1",
)


def wait_for_first_fold(process: subprocess.Popen) -> None:
    """Block until the process says that one fold is done."""
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("folds 1/"):
            return
    raise AssertionError("".join(said))


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how, status", [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopped_in_the_middle_goes_on(tmp_path, how, status):
    """Ctrl-C and kill -9 keep finished folds; the second run does the rest and equals an uninterrupted one."""
    process = run_in_background(tmp_path, *SLOW_ENOUGH)
    wait_for_first_fold(process)
    process.send_signal(how)
    text = process.communicate(timeout=60)[0]
    assert process.returncode == status, text
    if how == signal.SIGINT:
        assert "interrupted" in text
        assert "Traceback" not in text
    kept = len(list((tmp_path / "store" / "jobs").rglob("*.npz")))
    assert 1 <= kept < 4
    # the folder says how far it came: of the fold in which it was killed it may not have heard
    partial = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert kept - 1 <= partial["n_folds"] <= kept and partial["n_folds_expected"] == 4 and not partial["complete"]
    if partial["n_folds"]:
        assert f"{partial['n_folds']} of 4 folds" in headline_line(partial)
        assert len(pd.read_csv(tmp_path / "run" / "scores.csv").query("level == 'fold'")["fold"].unique()) == partial["n_folds"]
    options = [w for w in SLOW_ENOUGH if not w.startswith("model=")]
    resumed = corticode.run("eegnet", overrides=[*options, f"paths.data={tmp_path}/store"], output=tmp_path / "resumed", progress="silent")
    assert resumed.summary["n_resumed"] == kept
    whole = corticode.run("eegnet", overrides=[*options, f"paths.data={tmp_path}/fresh"], output=tmp_path / "whole", progress="silent")
    columns = [c for c in whole.scores.columns if c != "time"]
    assert resumed.scores[columns].equals(whole.scores[columns])


def test_missing_label_is_an_error(windows):
    from corticode.task.classification import Classification

    with pytest.raises(MissingDataError, match="diagnosis"):
        Classification(target="diagnosis").label(windows)
