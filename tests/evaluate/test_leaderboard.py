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
    assert [title for title in board.protocols["title"] if "learning_curve" in title] == [
        "d, learning_curve taught by 2 people, access none",
        "d, learning_curve taught by 6 people, access none",
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


def test_a_seed_without_a_finished_fold_counts_as_begun(tmp_path, run):
    run(tmp_path / "0", {"eegnet": 0.1, "mdm": 0.1}, seeds=(0,), n_people=3)
    nothing_done(run(tmp_path / "1", {"eegnet": 0.1}, seeds=(1,), n_people=3))
    board = collect(tmp_path)
    found = row(board, "eegnet")
    assert (found["n_folds"], found["n_folds_expected"], found["complete"], found["ranked"]) == (3, 6, False, False)
    assert "eegnet (3 of 6 folds)" in board.notes[0] and found["runs"].count(";") == 1
    # a later run of that seed makes it whole
    run(tmp_path / "2", {"eegnet": 0.1}, seeds=(1,), n_people=3)
    found = row(collect(tmp_path), "eegnet")
    assert (found["n_folds"], found["n_folds_expected"], found["complete"], found["ranked"]) == (6, 6, True, True)


def nothing_done(folder):
    """Make a run one of which no fold has ended yet."""
    for name in ("scores.csv", "predictions.parquet"):
        (folder / name).unlink()
    summary = store.read_json(folder / "summary.json")
    models = {name: {**facts, "n_folds": 0} for name, facts in summary["models"].items()}
    protocol = {**summary["protocol"], "metric": None, "level": None, "access": ""}
    return change(folder, models=models, n_folds=0, complete=False, protocol=protocol, protocol_hash=store.key(protocol)[:16])


def test_each_seed_is_taken_from_the_run_that_has_most_of_it(tmp_path, run):
    folder = run(tmp_path / "0", {"eegnet": 0.1}, seeds=(0, 1), n_people=6)
    keep = lambda t: t[(t["seed"] == 0) | t["fold"].isin(["S1", ""])]  # noqa: E731
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    keep(scores).to_csv(folder / "scores.csv", index=False)
    models = store.read_json(folder / "summary.json")["models"]
    models["eegnet"]["n_folds"] = 7
    change(folder, models=models)
    run(tmp_path / "1", {"eegnet": 0.1}, seeds=(1,), n_people=6)
    found = row(collect(tmp_path), "eegnet")
    assert (found["n_folds"], found["n_folds_expected"], found["complete"]) == (12, 12, True)


def test_people_without_a_score_of_their_own_are_the_reason_that_is_given(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    folder = run(tmp_path / "1", {"ts": 0.1})
    scores = pd.read_csv(folder / "scores.csv")
    undefined = scores["subject"].isin(["S1", "S2"]) & (scores["metric"] == "balanced_accuracy")
    scores[~undefined].to_csv(folder / "scores.csv", index=False)
    board = collect(tmp_path)
    assert "ts (scores for 6 of 8 people)" in board.notes[0]
    assert not row(board, "ts")["ranked"]


def curve(folder, points, **arguments):
    """Make a run one of a learning curve: its folds were learned from so many people, in turn."""
    for file, read, write_ in (
        ("scores.csv", pd.read_csv, lambda t, p: t.to_csv(p, index=False)),
        ("predictions.parquet", pd.read_parquet, lambda t, p: t.to_parquet(p)),
    ):
        table = read(folder / file)
        number = table["fold"].str[1:].astype(float) - 1
        size = [f"{points[int(i) % len(points)]}" if i == i else "" for i in number]
        named = [f"S{int(i) // len(points) + 1}/{s}" if s else "" for i, s in zip(number, size, strict=True)]
        write_(table.assign(fold=named), folder / file)
    protocol = {**store.read_json(folder / "summary.json")["protocol"], "split_arguments": arguments}
    return change(folder, protocol=protocol, protocol_hash=store.key(protocol)[:16])


def test_a_point_of_a_learning_curve_has_its_own_seconds_and_words(tmp_path, run):
    curve(run(tmp_path / "0", {"mdm": 0.1}, split="learning_curve"), (1, 8), of="trial")
    curve(run(tmp_path / "1", {"mdm": 0.1}, split="learning_curve", data="e"), (1, 8), of="subject")
    board = collect(tmp_path)
    assert board.scores["seconds"].eq(4 * 0.5).all()  # half of the eight folds, half a second each
    assert list(board.protocols["title"]) == [
        "d, learning_curve taught by 1 trials per class, access none",
        "d, learning_curve taught by 8 trials per class, access none",
        "e, learning_curve taught by 1 person, access none",
        "e, learning_curve taught by 8 people, access none",
    ]


@pytest.mark.parametrize("arguments", [{"sizes": [1, 2, 4]}, {"sizes": None, "of": "subject"}])
def test_an_interrupted_learning_curve_expects_all_folds_of_each_point(tmp_path, run, arguments):
    """5 people at 1, 2 and 4 others are 15 folds; after the first two of them two points are known."""
    curve(run(tmp_path / "0", {"mdm": 0.1}, split="learning_curve", n_people=15, folds=2), (1, 2), **arguments)
    board = collect(tmp_path)
    assert len(board.scores) == 2
    assert board.scores["n_folds"].eq(1).all() and board.scores["n_folds_expected"].eq(5).all()
    assert not board.scores["complete"].any()


def test_a_seed_without_a_fold_counts_at_each_point_of_a_learning_curve(tmp_path, run):
    curve(run(tmp_path / "0", {"net": 0.1}, split="learning_curve", seeds=(0,)), (1, 2))
    folder = run(tmp_path / "1", {"net": 0.1}, split="learning_curve", seeds=(1,))
    nothing_done(curve(folder, (1, 2)))
    board = collect(tmp_path)
    assert len(board.protocols) == 2
    assert board.scores["n_folds"].eq(4).all() and board.scores["n_folds_expected"].eq(8).all()


def test_an_empty_folder_is_named(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match=f"no run lies below {tmp_path / 'empty'}: "):
        main([str(tmp_path / "empty")])


def test_a_board_of_a_few_hundred_runs_is_read_quickly_enough(tmp_path, run, config):
    """No step may compare every run with every other: counted in calls, since time depends on the machine."""
    from unittest import mock

    from corticode.evaluate import runs

    for i in range(12):
        nothing_done(config(run(tmp_path / str(i), {"m": 0.1}, n_people=2, n_trials=4, pipeline=str(i)), model__encoder__n=i))
    for i in range(12, 24):
        config(run(tmp_path / str(i), {"m": 0.1}, n_people=2, n_trials=4, pipeline=str(i)), model__encoder__n=i)
    with mock.patch.object(runs, "_asked", wraps=runs._asked) as asked:
        assert len(collect(tmp_path).scores) == 24
    assert asked.call_count == 24
