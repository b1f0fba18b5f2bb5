from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from corticode import store
from corticode.errors import MissingDataError
from corticode.evaluate.comparison import pairs
from corticode.evaluate.leaderboard import collect, main, write


def row(board, pipeline, protocol=None):
    rows = board.scores[board.scores["pipeline"] == pipeline]
    return (rows if protocol is None else rows[rows["protocol"] == protocol]).squeeze()


def change(folder, **changes):
    summary = store.read_json(folder / "summary.json")
    summary.update(changes)
    (folder / "summary.json").write_text(json.dumps({k: v for k, v in summary.items() if v is not None}))
    return folder


def test_scores_are_means_over_people_of_means_over_seeds(tmp_path, run):
    run(tmp_path / "0", {"eegnet": 0.1}, seeds=(0, 1))
    run(tmp_path / "1", {"eegnet": 0.1}, seeds=(2,))
    board = collect(tmp_path)
    scores = pd.concat([pd.read_csv(tmp_path / k / "scores.csv") for k in "01"])
    mine = scores[(scores["level"] == "subject") & (scores["metric"] == "balanced_accuracy")]
    by_person = mine.groupby("subject")["score"].mean()
    found = row(board, "eegnet")
    assert found["score"] == pytest.approx(by_person.mean(), abs=1e-12)
    assert found["sd"] == pytest.approx(by_person.std(), abs=1e-12)
    assert found["sd_seeds"] == pytest.approx(mine.groupby("seed")["score"].mean().std(), abs=1e-12)
    assert (found["n"], found["n_seeds"], found["n_folds"], found["n_folds_expected"]) == (8, 3, 24, 24)
    assert found["complete"]
    # the two runs are one row, and the page can find both
    assert len(board.scores) == 1 and found["runs"].count(";") == 1


def test_a_seed_that_ran_twice_counts_once_and_the_fuller_run_wins(tmp_path, run):
    run(tmp_path / "a", {"eegnet": 0.1}, seeds=(0,), folds=3)
    whole = run(tmp_path / "b", {"eegnet": 0.1}, seeds=(0,))
    shutil.copytree(whole, tmp_path / "c")
    found = row(collect(tmp_path), "eegnet")
    assert (found["n_folds"], found["n_folds_expected"], found["n"], found["complete"]) == (8, 8, 8, True)
    assert row(collect(whole), "eegnet")["score"] == found["score"]


def test_a_deterministic_model_counts_once(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    shutil.copytree(tmp_path / "0", tmp_path / "1")
    found = row(collect(tmp_path), "mdm")
    assert (found["n_seeds"], found["n_folds"], found["deterministic"]) == (1, 8, True)
    assert np.isnan(found["sd_seeds"])


def test_folders_without_hashes_are_refused_and_the_others_go_on(tmp_path, run):
    run(tmp_path / "good", {"mdm": 0.1})
    change(run(tmp_path / "unhashed", {"a": 0.1}), config_hash=None)
    change(run(tmp_path / "unasked", {"b": 0.1}), protocol_hash=None)
    broken = run(tmp_path / "broken", {"c": 0.1})
    (broken / "summary.json").write_text("{")
    models = store.read_json(run(tmp_path / "model", {"e": 0.1}) / "summary.json")["models"]
    models["e"].pop("config_hash")
    change(tmp_path / "model", models=models)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "summary.json").write_text("[1, 2]")
    board = collect(tmp_path)
    assert list(board.scores["pipeline"]) == ["mdm"]
    assert len(board.refused) == 5
    for name in ("unhashed", "unasked", "broken", "model", "foreign"):
        assert sum(str(tmp_path / name) in sentence for sentence in board.refused) == 1
    with pytest.raises(MissingDataError, match="no configuration hash"):
        collect(tmp_path / "unhashed")
    with pytest.raises(MissingDataError, match="no run lies below"):
        collect([tmp_path / "good" / "..", tmp_path][:0] or [make_empty(tmp_path)])
    with pytest.raises(MissingDataError, match="is not a folder"):
        collect(tmp_path / "nowhere")


def make_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_protocols_stand_in_columns_of_their_own(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    run(tmp_path / "1", {"mdm": 0.1}, access="transductive")
    run(tmp_path / "2", {"mdm": 0.1}, split="kfold")
    run(tmp_path / "3", {"mdm": 0.1}, metric="accuracy")
    run(tmp_path / "4", {"mdm": 0.1}, data="other")
    board = collect(tmp_path)
    assert len(board.protocols) == len(board.scores) == 5
    assert board.protocols["title"].is_unique
    assert (board.protocols["n_pipelines"] == 1).all()
    assert "transductive" in board.protocols["title"].str.cat(sep=" ")


def test_incomplete_runs_are_marked_and_take_no_part_in_ranks_and_best(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1, "tangent_space": 0.1})
    run(tmp_path / "1", {"fbcsp": 0.4}, folds=3)
    board = collect(tmp_path)
    found = row(board, "fbcsp")
    assert (found["n_folds"], found["n_folds_expected"], found["complete"], found["ranked"]) == (3, 8, False, False)
    assert found["score"] > row(board, "mdm")["score"]
    best = board.best.squeeze()
    assert best["n_candidates"] == 2 and best["maximum_pipeline"] != "fbcsp"
    assert set(board.ranks["pipeline"]) == {"mdm", "tangent_space"}
    assert "fbcsp (3 of 8 folds)" in board.notes[0]
    # the pair stands on the people that both have
    assert board.tests.set_index(["first", "second"]).filter(like="fbcsp", axis=0)["n"].eq(3).all()


def test_a_model_that_failed_is_a_row_with_its_error(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    folder = run(
        tmp_path / "1", {"spdnet": 0.1}, failures=[{"model": "spdnet", "fold": "S1", "seed": None, "error": "BrokenDataError: S1 is flat"}]
    )
    for name in ("scores.csv", "predictions.parquet"):
        (folder / name).unlink()
    summary = store.read_json(folder / "summary.json")
    summary["models"]["spdnet"]["n_folds"] = 0
    # nothing was scored, so metric, level and access are not known
    protocol = {**summary["protocol"], "metric": None, "level": None, "access": ""}
    change(folder, models=summary["models"], protocol=protocol, protocol_hash=store.key(protocol)[:16])
    board = collect(tmp_path)
    found = row(board, "spdnet")
    assert len(board.protocols) == 1
    assert np.isnan(found["score"]) and found["error"] == "BrokenDataError: S1 is flat" and found["failures"] == 1
    assert list(board.scores["pipeline"]) == ["mdm", "spdnet"]
    only = collect(folder)  # also when nothing else is there
    assert only.scores["score"].isna().all()


def test_pipelines_of_one_name_are_told_apart(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1}, pipeline="a")
    run(tmp_path / "1", {"mdm": 0.1}, pipeline="b", align="riemannian")
    assert set(collect(tmp_path).scores["pipeline"]) == {"mdm (align=none)", "mdm (align=riemannian)"}
    run(tmp_path / "2", {"mdm": 0.1}, pipeline="c")
    labels = collect(tmp_path).scores["pipeline"]
    assert labels.is_unique and sum(label.startswith("mdm (align=none) #") for label in labels) == 2


def test_tests_are_those_of_the_table_over_people(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1, "csp": 0.05, "ts": 0.12}, n_people=12)
    board = collect(tmp_path)
    table = board.people.pivot(index="unit", columns="pipeline", values="score")
    expected = pairs(table[list(dict.fromkeys([*board.tests["first"], *board.tests["second"]]))])
    pd.testing.assert_frame_equal(board.tests[expected.columns].reset_index(drop=True), expected)


def test_best_is_shown_beside_the_maximum_and_every_candidate_stays(tmp_path, run):
    run(tmp_path / "0", {f"noise{i}": 0.0 for i in range(9)}, n_people=10)
    board = collect(tmp_path)
    best = board.best.squeeze()
    assert len(board.scores) == 9 and best["n_candidates"] == 9
    assert best["maximum"] == pytest.approx(board.scores["score"].max())
    assert best["nested"] < best["maximum"]
    assert best["optimism"] == pytest.approx(best["maximum"] - best["nested"])
    assert board.people["chosen"].sum() == 10
    assert board.people[board.people["chosen"]]["score"].mean() == pytest.approx(best["nested"])
    assert board.scores["chosen"].sum() == pytest.approx(1) and board.scores["maximum"].sum() == 1


def test_chance_is_that_of_as_many_guesses(tmp_path, run):
    from scipy.stats import binom

    run(tmp_path / "0", {"mdm": 0.0}, n_people=8, n_trials=40)
    found = collect(tmp_path).scores.iloc[0]
    assert found["chance"] == 0.5
    assert found["chance_high"] == pytest.approx(binom.isf(0.025, 320, 0.5) / 320)
    assert found["chance_low"] == pytest.approx(1 - found["chance_high"])
    assert found["chance_95"] == 0.55  # what the run wrote
    bound = collect(tmp_path).people["chance_bound"]
    assert bound.eq(binom.isf(0.05, 40, 0.5) / 40).all()
    assert 0 <= found["n_above"] <= 2
    assert 0 < found["ece"] < 1 and 0 < found["brier"] < 0.5


def test_data_sets_are_combined_when_all_else_agrees(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1, "ts": 0.2}, data="one", n_people=9)
    run(tmp_path / "1", {"ts": 0.2, "mdm": 0.1}, data="two", n_people=12)
    run(tmp_path / "2", {"mdm": 0.1, "ts": 0.2}, data="three", split="kfold")
    board = collect(tmp_path)
    together = board.tests[board.tests["family"] != ""].squeeze()
    assert (together["n"], together["n_datasets"], together["protocol"]) == (21, 2, "")
    assert (board.tests["protocol"] != "").sum() == 3
    assert set(board.ranks[board.ranks["family"] != ""]["n"]) == {2}
    # the same people asked twice are not counted twice
    run(tmp_path / "3", {"mdm": 0.1, "ts": 0.2}, data="one", n_people=6)
    again = collect(tmp_path)
    assert again.tests[again.tests["family"] != ""].squeeze()["n"] == 21
    assert any("its data stand there already" in note for note in again.notes)


def test_a_pooled_score_is_compared_by_whole_people(tmp_path, run):
    models = {"strong": 0.1, "weak": 0.02, "none": 0.0}
    run(tmp_path / "0", models, n_people=30, n_trials=6, one_label=True, metric="roc_auc", level="pooled", unit="subject", split="kfold")
    board = collect(tmp_path)
    assert board.best["unit"].item() == "fold of people"
    assert board.best["nested"].item() == pytest.approx(row(board, "strong")["score"])
    test = board.tests.set_index(["first", "second"]).loc[("strong", "none")]
    assert test["n"] == 30 and test["p"] < 0.05
    assert board.people.empty and board.ranks.empty
    assert row(board, "strong")["n"] == 30 and row(board, "strong")["interval_low"] < row(board, "strong")["score"]


def test_sites_are_the_units_of_a_score_by_site(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1, "ts": 0.2}, level="site", split="leave_site_out", n_people=9)
    board = collect(tmp_path)
    assert board.best["unit"].item() == "site" and board.best["n"].item() == 3
    assert set(board.people["unit"]) == {"site0", "site1", "site2"}


def test_files_say_what_the_board_says(tmp_path, run, capsys):
    run(tmp_path / "outputs" / "0", {"mdm": 0.1, "ts": 0.2})
    run(tmp_path / "outputs" / "1", {"fbcsp": 0.2}, folds=3)
    assert main([str(tmp_path / "outputs"), "--output", str(tmp_path / "board")]) == 0
    said = capsys.readouterr().out
    assert "3 of 8 folds" in said and "Best of 2" in said
    files = {path.name for path in (tmp_path / "board").iterdir()}
    assert {
        "leaderboard.csv",
        "leaderboard.md",
        "leaderboard.json",
        "protocols.csv",
        "best.csv",
        "people.csv",
        "tests.csv",
        "ranks.csv",
    } <= files
    board = collect(tmp_path / "outputs")
    there = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    np.testing.assert_allclose(there["score"], board.scores["score"])
    about = store.read_json(tmp_path / "board" / "leaderboard.json")
    assert about["hash"] == board.hash and about["refused"] == []
    # the board lies beside the runs and is no run itself
    write(board, tmp_path / "outputs")
    assert collect(tmp_path / "outputs").hash == board.hash


def test_points_of_a_learning_curve_are_protocols_of_their_own(tmp_path, run):
    folder = run(tmp_path / "0", {"mdm": 0.1, "ts": 0.15}, split="learning_curve")
    # as the split names its folds: half of the people asked after 2, half after 6 others
    name = {f"S{i}": f"S{i}/{2 if i <= 4 else 6}" for i in range(1, 9)}
    scores = pd.read_csv(folder / "scores.csv")
    scores.assign(fold=scores["fold"].map(name)).to_csv(folder / "scores.csv", index=False)
    answers = pd.read_parquet(folder / "predictions.parquet")
    answers.assign(fold=answers["fold"].map(name)).to_parquet(folder / "predictions.parquet")
    board = collect(tmp_path)
    assert [title for title in board.protocols["title"] if "learning_curve of" in title] == [
        "d, learning_curve of 2, access none",
        "d, learning_curve of 6, access none",
    ]
    assert board.scores["n"].eq(4).all() and board.scores["complete"].all()
    mine = scores[(scores["model"] == "mdm") & (scores["level"] == "subject") & (scores["metric"] == "balanced_accuracy")]
    expected = [mine[mine["subject"].isin([f"S{i}" for i in part])]["score"].mean() for part in (range(1, 5), range(5, 9))]
    np.testing.assert_allclose(board.scores[board.scores["pipeline"] == "mdm"]["score"], expected)
    assert board.scores["brier"].notna().all()


def test_a_metric_of_ones_own_and_lost_answers_stop_nothing(tmp_path, run):
    folder = run(tmp_path / "0", {"mdm": 0.1, "ts": 0.15})
    scores = pd.read_csv(folder / "scores.csv")
    scores.assign(metric=scores["metric"].replace("balanced_accuracy", "mine")).to_csv(folder / "scores.csv", index=False)
    summary = store.read_json(folder / "summary.json")
    change(folder, protocol={**summary["protocol"], "metric": "mine"})
    (folder / "predictions.parquet").unlink()
    board = collect(tmp_path)
    assert len(board.tests) == 1 and len(board.best) == 1
    assert board.scores["chance"].isna().all() and board.scores["chance_low"].isna().all()
    assert any("mine is no metric of the house" in note for note in board.notes)


def test_errors_of_a_regression_are_better_when_smaller(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.0, "ts": 0.3}, metric="log_loss")
    board = collect(tmp_path)
    assert list(board.scores["pipeline"]) == ["ts", "mdm"]
    assert board.best["maximum_pipeline"].item() == "ts" and board.ranks["pipeline"].iloc[0] == "ts"
    test = board.tests.squeeze()
    assert (test["difference"] > 0) == (test["first"] == "mdm") and (test["effect"] < 0) == (test["first"] == "mdm")
