"""The main job on real recordings, through the public command."""

from __future__ import annotations

import json

import pandas as pd

from corticode import cli


def test_leave_one_subject_out_on_real_edf_files(shared, tmp_path, monkeypatch, capsys):
    """Four people of EEGMMIDB who are read well by other people's decoders; all sixteen stand in benchmarks/README.md."""
    monkeypatch.chdir(tmp_path)
    people = ["S001", "S002", "S007", "S013"]
    status = cli.main([
        "train", "model=tangent_space", "align=riemannian", "data=physionet_mi", f"data.root={shared / 'data' / 'eeg' / 'physionet_mi'}",
        f"data.subjects=[{','.join(people)}]", "split=loso", f"paths.data={tmp_path / 'store'}", f"hydra.run.dir={tmp_path / 'run'}", "progress=silent",
    ])  # fmt: skip
    said = capsys.readouterr().out.strip().splitlines()
    assert status == 0
    assert said[-1].startswith("balanced accuracy 0.") and "chance 0.500" in said[-1] and "online" in said[-1]
    scores = pd.read_csv(tmp_path / "run" / "scores.csv", dtype={"fold": str})
    mine = scores.query("level == 'subject' and metric == 'balanced_accuracy'").set_index("subject")
    assert sorted(mine.index) == people
    assert (mine["fold"] == mine.index).all() and (mine["access"] == "online").all() and (mine["samples_test"] == 45).all()
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["n_folds"] == summary["n_folds_expected"] == 4
    assert summary["headline"] > 0.7 > summary["chance_95"]


def test_controls_on_real_recordings(shared, tmp_path, monkeypatch):
    """Shuffled labels are at chance, and a transductive run says that it is one."""
    import corticode

    monkeypatch.chdir(tmp_path)
    root = shared / "data" / "eeg" / "physionet_mi"
    fixed = [f"data.root={root}", "data.subjects=[S001,S002,S007,S013]", f"paths.data={tmp_path}", "refit=false", "report=false"]
    shuffled = [
        corticode.run("tangent_space", "physionet_mi", align="riemannian", overrides=[*fixed, "task.shuffle=true", f"task.shuffle_seed={k}"], progress="silent")
        for k in range(3)
    ]  # fmt: skip
    mean = sum(run.headline for run in shuffled) / 3
    assert 0.4 < mean < 0.6
    seen = corticode.run("tangent_space", "physionet_mi", align="riemannian", overrides=[*fixed, "align.access=all"], progress="silent")
    assert set(seen.scores["access"]) == {"transductive"}
    assert any("transductive" in note for note in seen.summary["notes"])
