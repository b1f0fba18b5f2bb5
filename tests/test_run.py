"""Whole runs: what a run folder holds, that numbers repeat, and every verb of the command line."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml

import corticode
from conftest import make_windows
from corticode import cli
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.errors import MissingDataError, SentenceError
from corticode.prepared import prepared
from edf import physionet_folder, write_edf

SMALL = ("data.n_subjects=2", "data.n_trials=10", "data.n_sessions=2")
SCORES = {
    "dataset", "site", "subject", "session", "fold", "seed", "model", "level", "metric", "score", "access", "prepare_sees", "selection", "uses",
    "samples", "samples_test", "n_classes", "channels", "n_sessions", "time",
}  # fmt: skip
SUMMARY = {
    "headline", "sd", "sd_seeds", "interval", "n_left_out", "metric", "level", "unit", "model", "data", "task", "split", "align", "adapt", "access", "prepare_sees", "chance",
    "models", "protocol", "protocol_hash", "complete", "failures", "chance_95", "p", "n", "n_folds", "n_folds_expected", "n_resumed", "selection", "config_hash", "seconds", "notes",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all runs here, so that the simulation is prepared once."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def run(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(model="logvar_lda", data="simulated", *words, paths=store, **options):
        small = SMALL if isinstance(data, str) else ()
        words = [*small, f"paths.data={paths}", "engine.n_jobs=1", "report=false", *words]
        return corticode.run(model, data, overrides=words, progress="silent", **options)

    return run


def numbers(result):
    """The scores without the clock."""
    return result.scores.drop(columns="time")


# -- the run folder -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    """A run of a linear decoder on two people, as the command line makes it; tests only look at it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = [
        "model=tangent_space",
        "model.head.C=1.0",
        *SMALL,
        f"paths.data={store}",
        f"hydra.run.dir={folder}",
        "progress=off",
        "engine.n_jobs=1",
    ]
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        assert cli.main(["train", *words]) == 0
    return folder, out.getvalue(), words


def test_a_run_folder_holds_what_is_documented(finished):
    folder, _, _ = finished
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml", "environment.json", "scores.csv", "predictions.parquet", "summary.json", "report.html", "model", "patterns.npz", "figures",
    }  # fmt: skip
    assert {path.name for path in (folder / "model").iterdir()} == {"decoder.json", "state.safetensors"}
    assert not [path for path in folder.rglob("*") if path.name.startswith(".")]


def test_scores_are_tidy(finished):
    scores = pd.read_csv(finished[0] / "scores.csv", keep_default_na=False)
    assert set(scores.columns) == SCORES
    assert set(scores["model"]) == {"tangent_space"} and set(scores["seed"]) == {""} and set(scores["access"]) == {"none"}
    assert set(scores["prepare_sees"]) == {"recording"}
    assert set(scores["level"]) == {"subject", "fold", "pooled"}  # nobody has a site
    people = scores[(scores["level"] == "subject") & (scores["metric"] == "balanced_accuracy")]
    assert people["subject"].tolist() == people["fold"].tolist() == ["S1", "S2"]
    assert set(people["samples"]) == set(people["samples_test"]) == {20}
    keys = ["dataset", "site", "subject", "session", "fold", "seed", "model", "level", "metric"]
    assert not scores.duplicated(keys).any()


def test_predictions_say_everything_about_each_window(finished):
    predictions = pd.read_parquet(finished[0] / "predictions.parquet")
    assert len(predictions) == 40
    identity = ["dataset", "site", "subject", "session", "run", "recording", "trial", "onset_s"]
    assert {*identity, "model", "fold", "seed", "access", "y", "yhat", "p_left_hand", "p_right_hand"} <= set(predictions.columns)
    assert not predictions.duplicated(identity).any()
    assert (predictions["subject"] == predictions["fold"]).all()
    np.testing.assert_allclose(predictions[["p_left_hand", "p_right_hand"]].sum(axis=1), 1)
    assert (np.where(predictions["p_left_hand"] > 0.5, "left_hand", "right_hand") == predictions["yhat"]).all()
    scores = pd.read_csv(finished[0] / "scores.csv")
    mine = scores[(scores["level"] == "subject") & (scores["metric"] == "accuracy")].set_index("subject")["score"]
    right = (predictions["y"] == predictions["yhat"]).groupby(predictions["subject"]).mean()
    np.testing.assert_allclose(mine.to_numpy(), right[mine.index].to_numpy())


def test_the_summary_is_the_mean_over_people(finished):
    summary = json.loads((finished[0] / "summary.json").read_text())
    assert set(summary) == SUMMARY
    assert (summary["model"], summary["data"], summary["split"], summary["adapt"]) == ("tangent_space", "simulated", "loso", "probe")
    assert (summary["metric"], summary["level"], summary["chance"]) == ("balanced_accuracy", "subject", 0.5)
    assert summary["n"] == summary["n_folds"] == summary["n_folds_expected"] == 2 and summary["n_resumed"] == 0
    scores = pd.read_csv(finished[0] / "scores.csv")
    people = scores[(scores["level"] == "subject") & (scores["metric"] == "balanced_accuracy")]["score"]
    assert summary["headline"] == pytest.approx(people.mean()) and summary["sd"] == pytest.approx(people.std())
    assert len(summary["config_hash"]) == 16 and summary["seconds"] > 0


def test_the_configuration_can_be_read_again(finished):
    folder, _, words = finished
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config == json.loads(json.dumps(compose(words[:-3] + [words[-2], words[-1]])))
    assert config["model"]["head"]["C"] == 1.0 and config["data"]["n_trials"] == 10


def test_the_environment_is_written_down(finished):
    folder, _, words = finished
    found = json.loads((folder / "environment.json").read_text())
    assert {"command", "python", "system", "machine", "cores", "git", "versions"} <= set(found)
    assert found["command"] == " ".join(["corticode train", *words])
    assert found["versions"]["numpy"] == np.__version__ and found["versions"]["corticode"] == corticode.__version__


def test_the_report_needs_nothing_else(finished):
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    assert "tangent_space" in page and "balanced accuracy" in page.lower().replace("_", " ")
    assert 'src="http' not in page and "<link" not in page


def test_the_refitted_decoder_is_marked_and_works(finished, store):
    folder, _, words = finished
    plain = json.loads((folder / "model" / "decoder.json").read_text())
    assert "not the scored decoder" in plain["refit"] and plain["name"] == "tangent_space"
    assert plain["prepare"]["filter"]["low_hz"] == 4.0 and plain["data"]["_target_"].endswith(".Simulated")
    windows = prepared(compose([word for word in words if not word.startswith("hydra")]))
    yhat = Decoder.load(folder / "model").predict(windows.blind())
    right = np.array(["left_hand", "right_hand"])[yhat.argmax(axis=1)] == windows.meta["event"]
    assert len(yhat) == 40 and right.mean() > 0.8  # it has seen them


def test_the_headline_is_the_last_line(finished):
    folder, text, _ = finished
    lines = text.strip().splitlines()
    summary = json.loads((folder / "summary.json").read_text())
    assert lines[-1].startswith(f"balanced accuracy {summary['headline']:.3f} ± {summary['sd']:.3f} over 2 subjects (chance 0.500")
    assert lines[-2] == f"folder: {folder}"
    assert [line.split()[0] for line in lines[:-2] if line.startswith("S")] == ["S1", "S2"]  # a table of the people before it


# -- numbers repeat ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model, words", [("tangent_space", ["align=riemannian"]), ("eegnet", ["model.train.max_epochs=2"])])
def test_workers_do_not_change_a_bit(run, store, tmp_path, model, words):
    windows = corticode.load("simulated", overrides=[*SMALL, f"paths.data={store}"], progress="silent")
    alone = run(model, windows, *words, "refit=false", paths=tmp_path / "one")
    together = run(model, windows, *words, "refit=false", "engine.n_jobs=2", paths=tmp_path / "two")
    assert together.summary["n_resumed"] == 0
    pd.testing.assert_frame_equal(numbers(alone), numbers(together), check_exact=True)
    pd.testing.assert_frame_equal(alone.predictions, together.predictions, check_exact=True)


def test_a_second_run_computes_nothing(run, monkeypatch, tmp_path):
    first = run(paths=tmp_path / "s")

    def compute(*arguments):
        raise AssertionError("a decoder was fitted, or a file read, although all is on disk")

    monkeypatch.setattr(Decoder, "fit", compute)
    monkeypatch.setattr("corticode.data.simulated.simulate", compute)
    monkeypatch.setattr("corticode.prepare.cache.prepare_one", compute)
    second = run(paths=tmp_path / "s")
    assert second.summary["n_resumed"] == 3  # two people and the refit
    pd.testing.assert_frame_equal(first.scores, second.scores)
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert second.folder != first.folder and (second.folder / "model" / "decoder.json").is_file()


@pytest.mark.parametrize("words", [["model.head.shrinkage=0.5"], ["align=euclidean"], ["split.shots=1"], ["prepare.filter.low_hz=8"]])
def test_another_sentence_is_another_result(run, words):
    run("logvar_lda", "simulated", "refit=false")
    assert run("logvar_lda", "simulated", "refit=false", *words).summary["n_resumed"] == 0


def test_what_does_not_change_numbers_is_resumed(run):
    before = run("logvar_lda", "simulated", "refit=false")
    again = run("logvar_lda", "simulated", "refit=false", "report=true", "engine.n_jobs=2", "trainer=cpu", "logger=csv")
    assert again.summary["n_resumed"] == 2 and again.headline == before.headline
    assert (again.folder / "report.html").exists() and not (before.folder / "report.html").exists()


def test_what_no_seed_changes_runs_once(run):
    before = run("logvar_lda", "simulated", "refit=false")
    again = run("logvar_lda", "simulated", "refit=false", seed=[1, 2, 3])
    assert again.summary["n_resumed"] == again.summary["n_folds_expected"] == 2 and again.headline == before.headline
    assert again.scores["seed"].isna().all() and again.summary["models"]["logvar_lda"]["deterministic"]


def test_several_seeds(run):
    result = run("eegnet", "simulated", "model.train.max_epochs=1", "refit=false", seed=[0, 1])
    assert sorted(set(result.scores["seed"])) == [0, 1] and len(result.predictions) == 80
    one, other = (result.predictions.query(f"seed == {seed}")["p_left_hand"].to_numpy() for seed in (0, 1))
    assert not np.array_equal(one, other)
    assert result.summary["n_folds"] == 4 and result.summary["sd_seeds"] is not None
    alone = run("eegnet", "simulated", "model.train.max_epochs=1", "refit=false", seed=1)
    assert alone.summary["n_resumed"] == 2
    assert np.array_equal(alone.predictions["p_left_hand"], other)


def test_an_estimator_without_a_seed_repeats_itself(run, tmp_path):
    from sklearn.ensemble import RandomForestClassifier

    windows = make_windows(n_subjects=2)
    one, other = (run(RandomForestClassifier(10), windows, "refit=false", paths=tmp_path / name) for name in ("one", "other"))
    assert other.summary["n_resumed"] == 0
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)


# -- what can be asked ----------------------------------------------------------------------------------------------------


def test_few_labels_of_the_target(run):
    result = run("logvar_lda", "simulated", "split.shots=3", "refit=false")
    assert set(result.scores["access"]) == {"6 labelled"}
    assert len(result.predictions) == 2 * (20 - 6)
    first = result.predictions.groupby("subject")["onset_s"].min()
    assert (first > 0).all()


def test_prediction_sets_are_calibrated_on_strangers(run):
    windows = make_windows(n_subjects=8, n_trials=10)
    result = run("csp_lda", windows, "refit=false", "evaluate.conformal=0.3")
    plain = run("csp_lda", windows, "refit=false")
    facts = result.summary["models"]["csp_lda"]["conformal"]
    assert (
        facts["wanted"] == 0.7
        and facts["n"] == 8
        and 0.5 < facts["coverage"] <= 1
        and facts["worst"] <= facts["coverage"]
        and facts["size"] < 2
    )
    table = pd.read_csv(result.folder / "conformal.csv")
    assert set(table["subject"]) == {f"S{i}" for i in range(1, 9)} and (table["n_calibration"] == 3).all()
    # nobody is answered for twice, fewer people are learned from, and the two runs are not one column of a leaderboard
    assert len(result.predictions) == len(plain.predictions)
    assert set(result.scores["samples"]) == {80} and set(plain.scores["samples"]) == {140}
    assert result.summary["protocol_hash"] != plain.summary["protocol_hash"]
    few = run("csp_lda", windows, "refit=false", "evaluate.conformal=0.05")
    assert any("too few" in note for note in few.summary["notes"]) and few.summary["models"]["csp_lda"]["conformal"]["size"] == 2


def test_energy_is_estimated_where_it_is_asked_for(run):
    pytest.importorskip("codecarbon")
    result = run("logvar_lda", make_windows(n_subjects=2, seed=9), "refit=false", "energy.measure=true", "energy.country=DEU")
    assert 0 < result.summary["energy_kwh"] < 1
    # a second run computes nothing, and says nothing of energy
    again = run("logvar_lda", make_windows(n_subjects=2, seed=9), "refit=false", "energy.measure=true", "energy.country=DEU")
    assert "energy_kwh" not in again.summary


def test_age_is_regressed(run):
    result = run("tangent_space", "simulated", "data.n_subjects=6", "data.n_trials=4", "split.n_folds=3", task="regression", split="kfold")
    assert (result.summary["metric"], result.summary["level"], result.summary["unit"]) == ("r2", "pooled", "recording")
    assert result.scores["score"].notna().all() and np.isfinite(result.scores["score"]).all() and np.isfinite(result.headline)
    pooled = result.scores.query("level == 'pooled'").set_index("metric")["score"]
    assert set(pooled.index) == {"mae", "r2", "pearson"} and 0 < pooled["mae"] < 60
    assert np.isfinite(result.predictions["yhat"]).all() and np.allclose(result.predictions["y"], result.predictions["age"])
    assert result.predictions.groupby("subject")["fold"].nunique().eq(1).all()
    assert result.decoder.yhat_kind == "value"


def test_data_of_ones_own_are_recorded_as_such(run, store):
    windows = make_windows(n_subjects=2)
    result = run("logvar_lda", windows)
    config = yaml.safe_load((result.folder / "config.yaml").read_text())
    assert result.summary["data"] == "own" and config["choices"]["data"] == "own"
    assert config["data"] == {"own": windows.content_key()} and config["prepare"] is None
    assert (store / "prepared" / windows.content_key()[:32]).is_dir()  # in the store that was asked for
    with pytest.raises(SentenceError, match=r"prepare\.filter\.low_hz=8 has no effect"):
        run("logvar_lda", windows, "prepare.filter.low_hz=8")
    with pytest.raises(MissingDataError, match="does not know how to prepare a file"):
        from corticode.infer import predict_files

        predict_files(result.folder, [result.folder / "config.yaml"])


def test_saved_windows_are_not_taken_for_others(run, tmp_path):
    """Two sets in folders of one's own share no features and no results."""
    one, other = make_windows(n_subjects=2), make_windows(n_subjects=2, seed=1)
    expected = [
        run("tangent_space", windows, "model.head.C=1.0", paths=tmp_path / str(i)).predictions for i, windows in enumerate((one, other))
    ]
    for windows, wanted in zip((one.save(tmp_path / "a"), other.save(tmp_path / "b")), expected, strict=True):
        found = run("tangent_space", windows, "model.head.C=1.0", paths=tmp_path / "shared")
        assert found.summary["n_resumed"] == 0
        pd.testing.assert_frame_equal(found.predictions, wanted)


def test_part_of_a_set_has_its_own_features(run, tmp_path):
    whole = make_windows(n_subjects=3).save(tmp_path / "whole")
    run("tangent_space", whole, "model.head.C=1.0", paths=tmp_path / "s")
    part = whole[(whole.meta["subject"] != "S1").to_numpy()]
    wanted = run("tangent_space", part, "model.head.C=1.0", paths=tmp_path / "fresh").predictions
    for same in (part, part.save(tmp_path / "part")):
        pd.testing.assert_frame_equal(run("tangent_space", same, "model.head.C=1.0", paths=tmp_path / "s").predictions, wanted)


def test_a_changed_table_is_another_set(run, tmp_path):
    saved = make_windows(n_subjects=2).save(tmp_path / "w")
    saved.meta["group"] = np.where(saved.meta["event"] == "left_hand", "a", "b")
    result = run("logvar_lda", saved, "task.target=group", "engine.n_jobs=2", task="classification")
    assert set(result.predictions["y"]) == {"a", "b"} and result.headline > 0.7


def test_two_processes_train_each_fold(run):
    """LOSO with trainer=ddp_cpu: the processes of a fit leave one run folder and one set of numbers."""
    words = ["trainer=ddp_cpu", "data.n_sessions=1", "model.train.max_epochs=1", "refit=false", "report=false", "engine.n_jobs=2"]
    result = run("eegnet", "simulated", *words, output="run")
    assert result.summary["n_folds"] == 2 and len(result.predictions) == 20
    assert not result.predictions.duplicated(["subject", "session", "trial"]).any()
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "config.yaml", "environment.json", "history.csv", "predictions.parquet", "scores.csv", "summary.json",
    ]  # fmt: skip
    history = pd.read_csv(result.folder / "history.csv")
    assert history.groupby("fold")["epoch"].apply(list).to_dict() == {"S1": [1], "S2": [1]}


# -- the command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """Run one command in an empty folder; return (exit status, lines of stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CORTICODE_DEBUG", raising=False)

    def say(*words):
        status = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return status, out.strip().splitlines(), err

    return say


def train(store, *words):
    return ["train", *SMALL, f"paths.data={store}", "progress=silent", "engine.n_jobs=1", "refit=false", "report=false", *words]


def test_a_sweep_is_one_folder(say, store, tmp_path):
    status, lines, _ = say(*train(store, "-m", "model=logvar_lda,mdm"))
    assert status == 0
    [sweep] = (tmp_path / "outputs").glob("*/*")
    assert sorted(path.name for path in sweep.iterdir() if path.is_dir()) == ["0", "1"]
    found = [json.loads((sweep / n / "summary.json").read_text())["model"] for n in "01"]
    assert found == ["logvar_lda", "mdm"]
    assert "mdm" in lines[-1] and lines[-1].startswith("balanced accuracy")


def test_a_bad_job_of_a_sweep_leaves_the_others(say, store, tmp_path):
    status, _, err = say(*train(store, "-m", "model=logvar_lda", "split.shots=99,0"))
    assert status == 1
    assert "failed: " in err and "split.shots=99" in err and err.count("has only") == 1 and "Traceback" not in err
    assert err.strip().splitlines()[-1] == "corticode: 1 of the sweep's 2 runs failed, what is done is kept"
    found = {path.parent.name: json.loads(path.read_text()) for path in (tmp_path / "outputs").rglob("summary.json")}
    assert found["0"]["failures"] and not found["0"]["complete"] and found["1"]["complete"]


def test_list_shows_every_entry(say):
    status, lines, _ = say("list")
    assert status == 0
    assert {"model=", "data=", "task=", "split=", "align="} <= set(lines)
    status, lines, _ = say("list", "model")
    assert lines[0] == "model=" and any(line.split()[0] == "eegnet" and len(line.split()) > 3 for line in lines[1:])
    assert any("another name of bnci2014_001" in line or "BCI" in line for line in say("list", "data")[1] if "bci_iv_2a" in line)


def test_help_and_version(say):
    for words in ((), ("--help",), ("train", "--help"), ("help",)):
        status, lines, _ = say(*words)
        assert status == 0 and lines[0].startswith("corticode") and any("corticode predict RUN" in line for line in lines)
    assert say("--version")[1] == [corticode.__version__]


def test_report_is_written_again(say, finished, tmp_path):
    import shutil

    folder = shutil.copytree(finished[0], tmp_path / "run")
    (folder / "report.html").unlink()
    status, lines, _ = say("report", folder)
    assert status == 0 and (folder / "report.html").stat().st_size > 10_000
    assert lines[-1] == finished[1].strip().splitlines()[-1]
    assert say("report")[0] == 2


def test_fetch_says_what_to_do_without_a_network(say, tmp_path, monkeypatch):
    import pooch
    import requests

    def offline(*arguments, **named):
        raise requests.ConnectionError("no network")

    monkeypatch.setattr(pooch, "retrieve", offline)
    monkeypatch.setenv("MNE_DATA", str(tmp_path / "empty"))
    status, _, err = say("fetch", "data=physionet_mi", "data.subjects=[S001]", f"paths.data={tmp_path}/d")
    assert status == 2 and "S001R04.edf" in err and "data.root=FOLDER" in err and "Traceback" not in err
    assert say("fetch")[0] == 2
    assert "data=simulated has no files" in say("fetch", "data=simulated")[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A decoder of three people's EDF files in PhysioNet's layout, and two files of a fourth."""
    home = tmp_path_factory.mktemp("edf")
    physionet_folder(home / "data", 3, n_trials=6)
    for run in (4, 8):
        write_edf(home / "new" / "S004" / f"S004R{run:02d}.edf", seed=900 + run, n_trials=6)
    words = ["data=physionet_mi", f"data.root={home}/data", f"paths.data={home}/store"]
    corticode.run("tangent_space", "physionet_mi", overrides=[*words[1:], "align=euclidean", "model.head.C=1.0", "engine.n_jobs=1"], output=home / "run", progress="silent")  # fmt: skip
    return home, words


def test_new_files_are_answered_as_if_they_had_been_in_the_data(say, trained, tmp_path):
    home, words = trained
    files = sorted((home / "new").rglob("*.edf"))
    status, lines, _ = say("predict", home / "run", *files)
    assert status == 0
    table = pd.read_csv(io.StringIO("\n".join(lines)), dtype={"session": str}, keep_default_na=False)
    windows = prepared(compose([*words, f"data.root={home}/new"]))
    decoder = Decoder.load(home / "run" / "model")
    assert len(table) == len(windows) == 12
    for run, file in (("04", files[0]), ("08", files[1])):  # each file by itself: the other one is no past of it
        mine = windows[(windows.meta["run"] == run).to_numpy()]
        rows = table[table["file"] == file.name]
        np.testing.assert_allclose(rows[["p_left_hand", "p_right_hand"]], decoder.predict(mine.blind()), rtol=1e-12)
        assert rows["onset_s"].tolist() == mine.meta["onset_s"].tolist() and rows["event"].tolist() == mine.meta["event"].tolist()
        assert set(rows["subject"]) == {"S004"}
    assert (table["yhat"] == table["event"]).mean() > 0.7


def test_rest_between_cues_is_not_asked_about(say, trained, tmp_path):
    home, _ = trained
    file = write_edf(tmp_path / "S005R04.edf", labels=("T1", "T0"))
    _, lines, _ = say("predict", home / "run", file)
    assert [line.split(",")[6] for line in lines] == ["event"] + ["left_hand"] * 4


def test_a_decoder_slides_over_a_file(say, trained, tmp_path):
    home, _ = trained
    file = next((home / "new").rglob("*.edf"))
    status, lines, _ = say("predict", home / "run", file, "--every", "1.0", "--output", tmp_path / "table.parquet")
    assert status == 0 and lines == [f"26 windows of 1 files: {tmp_path}/table.parquet"]
    table = pd.read_parquet(tmp_path / "table.parquet")
    assert table["onset_s"].tolist() == [float(k) for k in range(26)]  # 28 s, windows of 3 s
    assert np.allclose(table[["p_left_hand", "p_right_hand"]].sum(axis=1), 1)


def test_what_predict_refuses(say, trained, finished, tmp_path):
    home, _ = trained
    file = next((home / "new").rglob("*.edf"))
    for words, said in (
        (["predict", home / "run", tmp_path / "no.edf"], "no file"),
        (["predict", home, file], "holds no decoder"),
        (["predict", finished[0], file], "data=simulated"),
        (["predict", home / "run"], "files"),
        (["predict", home / "run", write_edf(tmp_path / "S005R04.edf", labels=("X", "Y"))], "--every"),
    ):
        status, _, err = say(*words)
        assert status == 2 and said in err and "Traceback" not in err, (words, err)


def test_known_names_are_the_same_data():
    one, other = (compose([f"data={name}"]) for name in ("bci_iv_2a", "bnci2014_001"))
    assert one["choices"]["data"] == "bnci2014_001"
    assert one == other


def test_a_bare_sentence_trains(say, store):
    status, lines, _ = say(*train(store, "model=logvar_lda")[1:])
    assert status == 0 and lines[-1].startswith("balanced accuracy")


def test_our_own_fault_is_status_1(say, store, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr("corticode.experiment.describe", broken)
    status, _, err = say(*train(store, "model=logvar_lda"))
    assert status == 1
    assert err.strip().splitlines() == [
        "corticode: unexpected ZeroDivisionError: division by zero",
        "This is a fault of Corticode, or of a library below it: run again with CORTICODE_DEBUG=1 for the traceback.",
    ]
    monkeypatch.setenv("CORTICODE_DEBUG", "1")
    status, _, err = say(*train(store, "model=logvar_lda"))
    assert status == 1 and "Traceback" in err
