"""A sweep: one list of jobs, work done once, a failed job that stops no other, one table at the end."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator, ClassifierMixin

import corticode
from conftest import make_windows
from corticode import cli
from corticode.errors import CorticodeError, SentenceError
from corticode.evaluate.worker import Worker

SMALL = ("data.n_subjects=3", "data.n_trials=10", "data.n_sessions=2", "data.n_channels=6")


@pytest.fixture
def sweep(tmp_path, monkeypatch, capsys):
    """Run one sweep in an empty folder; return (status, stdout, stderr, its folder)."""
    monkeypatch.chdir(tmp_path)

    def sweep(*words):
        always = [f"paths.data={tmp_path}/store", "progress=off", "refit=false", "report=false", f"hydra.sweep.dir={tmp_path}/sweep"]
        status = cli.main(["train", "-m", *words, *always, *([] if any("engine" in w for w in words) else ["engine.n_jobs=1"])])
        out, err = capsys.readouterr()
        return status, out, err, tmp_path / "sweep"

    return sweep


def test_work_is_done_once(sweep, monkeypatch):
    """Three models of one covariance, two of them under two seeds: one preparation, one feature, one bar."""
    computed, prepared = [], []
    compute, windows_of = Worker.compute, __import__("corticode.prepare.cache", fromlist=["_make"])._make
    monkeypatch.setattr(Worker, "compute", staticmethod(lambda encoder, *rest: (computed.append(encoder), compute(encoder, *rest))))
    monkeypatch.setattr("corticode.prepare.cache._make", lambda *a: (prepared.append(1), windows_of(*a)))
    status, _, err, folder = sweep("model=mdm,tangent_space,csp_lda", "seed=0,1", *SMALL)
    assert status == 0
    assert len(prepared) == len(computed) == 1
    assert "engine: 9 jobs in this process" in err and "folds 9/9" in err
    one, other = (json.loads((folder / n / "summary.json").read_text()) for n in "01")
    assert (
        one["model"] == other["model"] == "mdm" and one["headline"] == other["headline"] and one["protocol_hash"] == other["protocol_hash"]
    )
    assert one["models"]["mdm"]["config_hash"] == other["models"]["mdm"]["config_hash"]


def test_two_models_are_two_pipelines_of_one_protocol(sweep):
    _, _, _, folder = sweep("model=logvar_lda,mdm", *SMALL)
    one, other = (json.loads((folder / n / "summary.json").read_text()) for n in "01")
    assert one["protocol"] == other["protocol"]
    assert one["models"]["logvar_lda"]["config_hash"] != other["models"]["mdm"]["config_hash"]


def test_a_key_of_a_swept_word_is_that_of_each_entry(sweep):
    """Neither model is the default one, and only they have this key."""
    status, _, err, folder = sweep(
        "model=csp_lda,csp_svm", "model.encoder.n_components=2", "model.encoder.bands_hz=[[8,12],[12,20]]", *SMALL
    )
    assert status == 0, err
    for n in "01":
        config = yaml.safe_load((folder / n / "config.yaml").read_text())
        assert config["model"]["encoder"]["n_components"] == 2 and config["model"]["encoder"]["bands_hz"] == [[8, 12], [12, 20]]


def test_an_unlike_question_is_another_protocol(sweep):
    _, _, _, folder = sweep("model=logvar_lda", "split=loso,within_session", "align=none,euclidean", *SMALL)
    found = {json.loads(file.read_text())["protocol_hash"] for file in folder.rglob("summary.json")}
    assert len(found) == 4


class FailsOnS2(ClassifierMixin, BaseEstimator):
    """Cannot be fitted where the second person is among the source."""

    def fit(self, X, y):
        if len(X) == 48 and np.isclose(X[0, 0, 0] if X.ndim == 3 else X[0, 0], FIRST):
            raise ValueError("no room for S1")
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


FIRST = float(make_windows(n_subjects=3).X[0, 0, 0])


def test_a_failed_fold_is_a_row_and_stops_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = [f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false"]
    result = corticode.run({"mine": FailsOnS2(), "theirs": FailsOnS2()}, make_windows(n_subjects=3), overrides=words, progress="silent")
    # S1 is among the source of two folds of three
    assert (result.summary["n_folds"], result.summary["n_folds_expected"], result.summary["complete"]) == (2, 6, False)
    assert [(one["model"], one["fold"]) for one in result.summary["failures"]] == [(m, f) for m in ("mine", "theirs") for f in ("S2", "S3")]
    assert all("no room for S1" in one["error"] for one in result.summary["failures"])
    assert set(result.scores["fold"].dropna()) - {""} == {"S1"}
    page = (result.folder / "report.html").read_text()
    assert "2 of 6 folds" in page and "no room for S1" in page


def test_where_all_fails_the_error_is_raised_and_no_folder_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    class Never(FailsOnS2):
        def fit(self, X, y):
            raise ValueError("never")

    words = [f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false"]
    with pytest.raises(CorticodeError, match=r"your model raised ValueError: never"):
        corticode.run(Never(), make_windows(), overrides=words, progress="silent", output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_cannot_be_understood_leaves_the_others(sweep):
    status, out, err, folder = sweep("model=logvar_lda", "split.shots=0,99", *SMALL)
    assert status == 1
    assert "failed: " in err and "split.shots=99" in err and "1 of the sweep's 2 runs failed" in err
    assert "logvar_lda" in out
    refused = json.loads((folder / "1" / "summary.json").read_text())
    assert refused["n_folds"] == 0 and not refused["complete"] and "has only" in refused["failures"][0]["error"]


def test_one_engine_for_a_sweep(sweep):
    status, _, err, _ = sweep("model=logvar_lda", "engine.n_jobs=1,2", *SMALL)
    assert status == 2 and "one for the whole sweep" in err


def test_workers_are_said(sweep):
    _, _, err, _ = sweep("model=logvar_lda,mdm", "engine.n_jobs=2", *SMALL)
    assert "engine: 6 jobs in 2 processes of this machine, one thread each" in err


def test_from_python_it_is_the_same(sweep, tmp_path):
    _, _, _, folder = sweep("model=logvar_lda,mdm", *SMALL)
    result = corticode.run(
        {"logvar_lda": "logvar_lda", "mdm": "mdm"}, "simulated", overrides=[*SMALL, f"paths.data={tmp_path}/store", "refit=false"], progress="silent"
    )  # fmt: skip
    assert result.summary["n_resumed"] == result.summary["n_folds_expected"] == 6
    typed = pd.concat([pd.read_csv(folder / n / "scores.csv") for n in "01"], ignore_index=True)
    assert np.allclose(np.sort(result.scores["score"]), np.sort(typed["score"]))


def test_a_sweep_of_seeds_and_several_engines_is_refused_before_work(tmp_path):
    from corticode.compose import compose
    from corticode.experiment import Sentence, run_many

    cfgs = [compose([f"engine.n_jobs={n}", "model=logvar_lda"]) for n in (1, 2)]
    with pytest.raises(SentenceError, match="whole sweep"):
        run_many([Sentence(cfg, tmp_path / str(i)) for i, cfg in enumerate(cfgs)])
