"""From a run folder to maps in its page."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import corticode
from corticode import cli, store
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.explain import maps
from corticode.explain.run import evenly, explain_run
from explain.planted import planted


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A network that looked once at windows that came from Python."""
    home = tmp_path_factory.mktemp("explained")
    words = [f"paths.data={home / 'data'}", "trainer=cpu", "model.train.max_epochs=1", "engine.n_jobs=1"]
    corticode.run("eegnet", planted(n=24, n_subjects=2), "loso", overrides=words, output=home / "net", progress="silent")
    return home / "net"


@pytest.fixture
def copied(run, tmp_path):
    return shutil.copytree(run, tmp_path / "run")


def test_all_that_fits_the_decoder_is_drawn_into_the_page(copied):
    explained = explain_run(copied, n_windows=16)
    assert [one.found.method for one in explained] == ["occlusion", "gradient", "integrated", "gradcam", "hirescam", "eigencam", "filters"]
    page = (copied / "report.html").read_text(encoding="utf-8")
    for one, title in zip(
        explained,
        ["Occlusion", "Gradient × input", "Integrated gradients", "Grad-CAM", "HiResCAM", "Eigen-CAM", "Filter spectra"],
        strict=True,
    ):
        assert maps.load(copied / f"explain_{one.found.method}.npz").agreement == one.agreement
        assert page.count(f"<b>{title}.</b>") == 1
    assert page.count("What it used") == 1
    assert page.index("What it did") < page.index("What it used") < page.index("Scores of each")


def test_the_command_prints_each_control(copied, capsys):
    assert cli.main(["explain", str(copied), "gradient", "filters", "--windows", "8"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("gradient    rank correlation with shuffled weights: electrode 0.") and "time frequency" in told[0]
    assert told[1].startswith("filters ") and told[2] == f"report: {copied / 'report.html'}"
    assert sorted(p.name for p in copied.glob("explain_*.npz")) == ["explain_filters.npz", "explain_gradient.npz"]


def test_a_new_run_in_the_folder_clears_the_maps_of_the_old_one(copied):
    from corticode.outputs import clear

    explain_run(copied, ["filters"], n_windows=4)
    clear(copied)
    assert not list(copied.glob("explain_*")) and not list((copied / "figures").glob("explain_*"))


def test_what_cannot_be_explained_is_said(copied, tmp_path, capsys):
    with pytest.raises(MissingDataError, match="holds no decoder"):
        explain_run(tmp_path)
    assert cli.main(["explain", str(copied), "gradent"]) == 2
    assert "did you mean" in capsys.readouterr().err
    (copied / "config.yaml").unlink()
    with pytest.raises(MissingDataError, match=r"config\.yaml"):
        explain_run(copied)


def test_windows_of_a_named_data_set_are_found_again_and_nothing_foreign_is_built(tmp_path):
    words = ["data.n_subjects=2", "data.n_sessions=1", "data.n_trials=12", "data.n_channels=8", "data.eog=false", "engine.n_jobs=1"]
    words.append(f"paths.data={tmp_path / 'data'}")
    corticode.run("logvar_lda", "simulated", "loso", overrides=words, output=tmp_path / "run", progress="silent")
    [one] = explain_run(tmp_path / "run", n_windows=12)
    assert len(one.found.names) == 8 and one.found.n_windows == 12
    file = tmp_path / "run" / "config.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("corticode.data.simulated.Simulated", "os.system"), encoding="utf-8")
    with pytest.raises(BrokenDataError, match="not a class of corticode"):
        explain_run(tmp_path / "run")


def test_runs_of_several_models_and_of_one_s_own_windows(tmp_path):
    windows = planted(n=24, n_subjects=2, as_loud=False)
    words = [f"paths.data={tmp_path / 'data'}", "engine.n_jobs=1"]
    corticode.run({"a": "logvar_lda", "b": "csp_lda"}, windows, "loso", overrides=words, output=tmp_path / "run", progress="silent")
    with pytest.raises(SentenceError, match="name one with --model: a, b"):
        explain_run(tmp_path / "run")
    [one] = explain_run(tmp_path / "run", model="a", n_windows=12)
    assert one.found.names[one.found.views["electrode"][0].argmax()] == "C3"
    assert (tmp_path / "run" / "explain_a_occlusion.npz").is_file()
    assert "Occlusion, a." in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(SentenceError, match="use occlusion"):
        explain_run(tmp_path / "run", ["gradcam"], model="a")
    shutil.rmtree(tmp_path / "data" / "prepared")
    with pytest.raises(MissingDataError, match="came from Python"):
        explain_run(tmp_path / "run", model="a")


def test_windows_are_chosen_evenly_from_people_and_classes():
    windows = planted(n=80, n_subjects=4)
    uneven = windows[np.concatenate([np.arange(0, 80, 4), np.arange(1, 12, 4), np.arange(2, 80, 4)])]  # S1 20, S2 3, S3 20
    rows = evenly(uneven, 16, classes=True)
    assert len(rows) == 16 and (np.diff(rows) > 0).all()
    counts = uneven[rows].meta["subject"].value_counts()
    assert counts["S2"] == 3 and abs(counts["S1"] - counts["S3"]) <= 2
    assert abs(np.bincount(uneven.y[rows]) - 8).max() <= 2
    assert len(evenly(uneven, 1000, classes=True)) == len(uneven)


def test_the_store_of_a_run_is_not_touched(copied):
    before = {p: p.stat().st_mtime_ns for p in copied.rglob("*") if p.is_file() and p.name != "report.html"}
    explain_run(copied, ["filters"], n_windows=4)
    assert all(p.stat().st_mtime_ns == then for p, then in before.items())
    assert store.read_json(copied / "summary.json")["model"] == "eegnet"
