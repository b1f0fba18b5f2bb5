"""Bad input gets one paragraph and exit status 2, and nothing that was computed is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import corticode
from corticode import cli, store
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError
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
    ],
)
def test_sentences_that_make_no_sense(corticode_says, words, near):
    refused(corticode_says("train", *words), near)


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
    code = "import sys; from corticode.cli import main; sys.exit(main(sys.argv[1:]))"
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
