"""One's own data and model: arrays, epochs, estimators, networks, from Python and from the command line, in a folder of one's own."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import corticode
from conftest import make_windows
from corticode.errors import BrokenDataError, SentenceError, UnitError


@pytest.fixture
def run(tmp_path, monkeypatch):
    """corticode.run in an empty folder, with its stores there too."""
    monkeypatch.chdir(tmp_path)

    def run(model, data, split=None, overrides=(), **options):
        return corticode.run(
            model, data, split, overrides=[f"paths.data={tmp_path}/store", "engine.n_jobs=1", *overrides], progress="silent", **options
        )

    return run


def arrays(**options):
    windows = make_windows(**options)
    return np.asarray(windows.X), windows.meta["event"].to_numpy(), windows.meta[["subject", "session"]]


def test_arrays_to_report_in_ten_lines(run):
    X, y, meta = arrays()
    windows = corticode.Windows.from_arrays(
        X, y, subject=meta["subject"], sfreq=128, ch_names=["Fz", "C3", "Cz", "C4", "Pz", "Oz"], unit="uV"
    )
    result = run("tangent_space", windows)
    assert result.headline > 0.8
    assert set(result.scores["fold"]) >= {"S1", "S2", "S3", "S4"}
    assert len(result.predictions) == len(X)
    assert (result.folder / "report.html").stat().st_size > 10_000
    assert "http" not in (result.folder / "report.html").read_text(encoding="utf-8").split("<body")[0]
    assert result.decoder.predict(windows.blind()).shape == (len(X), 2)


def test_tuple_of_arrays(run):
    X, y, meta = arrays()
    result = run("logvar_lda", (X, y, meta.assign(sfreq=128.0)), "loso")
    assert result.headline > 0.8
    with pytest.raises(SentenceError, match="sfreq"):
        run("logvar_lda", (X, y, meta))


def test_epochs(run):
    import mne

    X, y, meta = arrays()
    info = mne.create_info(["Fz", "C3", "Cz", "C4", "Pz", "Oz"], 128, "eeg")
    codes = {name: k + 1 for k, name in enumerate(np.unique(y))}
    events = np.column_stack([np.arange(len(y)) * 200, np.zeros(len(y), int), [codes[v] for v in y]])
    epochs = mne.EpochsArray(X * 1e-6, info, events, event_id=codes, metadata=meta.reset_index(drop=True), verbose="error")
    result = run("logvar_lda", epochs)
    same = run("logvar_lda", (X, y, meta.assign(sfreq=128.0)))
    assert result.headline == pytest.approx(same.headline)
    assert result.summary["split"] == "loso"


def test_estimators_and_a_dict_of_models(run):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    X, y, meta = arrays()
    data = corticode.Windows.from_arrays(X, y, subject=meta["subject"], sfreq=128)
    by_hand = make_pipeline(FunctionTransformer(log_variance), LogisticRegression())
    result = run({"by hand": by_hand, "flat": LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), "named": "logvar_lda"}, data)
    means = result.scores.query("level == 'subject' and metric == 'balanced_accuracy'").groupby("model")["score"].mean()
    assert set(means.index) == {"by hand", "flat", "named"}
    assert means["by hand"] > 0.8
    assert means["named"] > 0.8
    assert means["flat"] < means["by hand"]  # raw samples say little about power
    assert set(result.decoder) == {"by hand", "flat", "named"}


def log_variance(X):
    return np.log(X.reshape(len(X), 6, -1).var(axis=2))


def test_a_pyriemann_pipeline_gets_three_axes(run):
    from pyriemann.classification import MDM
    from pyriemann.estimation import Covariances
    from sklearn.pipeline import make_pipeline

    X, y, meta = arrays()
    result = run(make_pipeline(Covariances("oas"), MDM()), corticode.Windows.from_arrays(X, y, subject=meta["subject"], sfreq=128))
    ours = run("mdm", corticode.Windows.from_arrays(X, y, subject=meta["subject"], sfreq=128))
    assert result.headline == pytest.approx(ours.headline, abs=0.03)


def test_network(run):
    import torch

    class Power(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.out = torch.nn.Linear(6, 2)

        def forward(self, x):
            return self.out(x.var(dim=2).add(1e-6).log())

    X, y, meta = arrays()
    data = corticode.Windows.from_arrays(X, y, subject=meta["subject"], sfreq=128)
    torch.manual_seed(0)
    net = Power()
    before = net.out.weight.detach().clone()
    result = run(net, data, overrides=["model.train.max_epochs=60", "model.train.lr=0.05"])
    assert torch.equal(net.out.weight, before), "the prototype was trained: folds would share weights"
    assert result.headline > 0.8
    again = result.decoder.predict(data.blind())
    assert np.array_equal(again, result.decoder.predict(data.blind()))


def test_regression_of_ones_own_values(run):
    X, _, meta = arrays(n_subjects=6)
    value = np.log(X[:, 0].var(axis=1)) + 0.1 * np.random.default_rng(0).standard_normal(len(X))
    result = run("tangent_space", corticode.Windows.from_arrays(X, value, subject=meta["subject"], sfreq=128))
    assert result.summary["metric"] in ("r2", "pearson", "mae")
    pooled = result.scores.query("level == 'pooled' and metric == 'pearson'")["score"]
    assert float(pooled.iloc[0]) > 0.5


def test_what_is_refused():
    X, y, _ = arrays()
    make = corticode.Windows.from_arrays
    with pytest.raises(BrokenDataError, match=r"\[n, channels, times\]"):
        make(X[0], y, sfreq=128)
    with pytest.raises(BrokenDataError, match="one label per window"):
        make(X, y[:-1], sfreq=128)
    with pytest.raises(UnitError, match=r"unit_factor|µV"):
        make(X * 1e6, y, sfreq=128)
    with pytest.raises(BrokenDataError, match="twice"):
        make(X, y, sfreq=128, ch_names=["C3"] * 6)
    assert np.allclose(make(X / 1000, y, sfreq=128, unit="mV").X, X, rtol=1e-5)


MODULE = '''
import torch

class MyNet(torch.nn.Module):
    """log power of each channel, then a layer"""
    def __init__(self, n_chans, n_outputs, width=4):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(n_chans, width), torch.nn.ELU(), torch.nn.Linear(width, n_outputs))
    def forward(self, x):
        return self.net(x.var(dim=2).add(1e-6).log())
'''

ENTRY = """# @package _global_
# My own recipe
defaults:
  - override /adapt: probe
model:
  name: mine
  encoder:
    _target_: corticode.encoder.logvar.LogVar
  head:
    _target_: corticode.head.mdm.MDM
  objective: null
  train: null
"""


def command(folder, *words):
    process = subprocess.run(
        [sys.executable, "-m", "corticode.cli", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout


SMALL = ("data.n_subjects=2", "data.n_trials=10", "progress=off", "refit=false")


def test_ones_own_network_on_the_command_line(tmp_path):
    (tmp_path / "my_module.py").write_text(MODULE)
    status, text = command(
        tmp_path, "train", "model._target_=my_module.MyNet", "model.width=8", "model.train.max_epochs=3", *SMALL, f"paths.data={tmp_path}/s", f"hydra.run.dir={tmp_path}/run"
    )  # fmt: skip
    assert status == 0, text
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["model"] == "MyNet"
    assert text.strip().splitlines()[-1].startswith("balanced accuracy")
    status, text = command(tmp_path, "train", "model._target_=my_module.MyNet", "model.widht=8", *SMALL, f"paths.data={tmp_path}/s")
    assert status == 2
    assert "width" in text


def test_ones_own_entry_on_the_command_line(tmp_path):
    (tmp_path / "my_conf" / "model").mkdir(parents=True)
    (tmp_path / "my_conf" / "model" / "mine.yaml").write_text(ENTRY.replace("head.mdm.MDM", "head.lda.LDA\n    shrinkage: auto"))
    status, text = command(
        tmp_path, "train", "--config-dir", "my_conf", "model=mine", *SMALL, f"paths.data={tmp_path}/s", f"hydra.run.dir={tmp_path}/run"
    )
    assert status == 0, text
    assert set(pd.read_csv(tmp_path / "run" / "scores.csv")["model"]) == {"mine"}
