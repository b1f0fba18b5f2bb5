from __future__ import annotations

import pandas as pd
import pytest

from corticode.errors import SentenceError
from corticode.evaluate.comparison import combined, pairs
from corticode.evaluate.interchange import MOABB_COLUMNS, to_moabb
from corticode.evaluate.leaderboard import collect, main


def test_columns_are_those_of_moabbs_results():
    results = pytest.importorskip("moabb.analysis.results", reason="needs the extra [moabb]")
    import inspect

    source = inspect.getsource(results.Results)
    for column in MOABB_COLUMNS:
        assert f'"{column}"' in source, f"MOABB's results know no column {column}"


def test_one_row_per_person_session_and_pipeline(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1}, sessions=("a", "b"), n_people=5)
    run(tmp_path / "1", {"eegnet": 0.1}, seeds=(0, 1, 2), sessions=("a", "b"), n_people=5)
    table = to_moabb(collect(tmp_path).candidates, "accuracy")
    assert list(table.columns) == list(MOABB_COLUMNS)
    assert len(table) == 5 * 2 * 2 and not table.duplicated(["subject", "session", "dataset", "pipeline"]).any()
    assert table.notna().all().all()
    assert (table["samples_test"] == 40).all()
    # a session's score by hand, from what was answered
    answers = pd.read_parquet(tmp_path / "1" / "predictions.parquet")
    mine = answers[(answers["subject"] == "S2") & (answers["session"] == "b")]
    there = table[(table["subject"] == "S2") & (table["session"] == "b") & (table["pipeline"] == "eegnet")]["score"].item()
    assert there == pytest.approx((mine["y"] == mine["yhat"]).groupby(mine["seed"]).mean().mean())


def test_moabb_finds_the_same_statistics(tmp_path, run):
    """Two data sets, one below and one above the 20 people where the rule changes; sessions are averaged in a person."""
    meta_analysis = pytest.importorskip("moabb.analysis.meta_analysis", reason="needs the extra [moabb]")
    run(tmp_path / "0", {"mdm": 0.1, "csp": 0.06, "ts": 0.12}, data="one", n_people=9, sessions=("a", "b"), n_trials=37)
    run(tmp_path / "1", {"mdm": 0.1, "csp": 0.06, "ts": 0.12}, data="two", n_people=22, n_trials=37)
    table = to_moabb(collect(tmp_path).candidates, "roc_auc")
    P, T = meta_analysis.find_significant_differences(meta_analysis.compute_dataset_statistics(table))
    person = table.groupby(["dataset", "subject", "pipeline"], sort=False)["score"].mean().unstack("pipeline")
    ours = combined([pairs(person.loc[name]) for name in ("one", "two")])
    assert len(ours) == 3
    for row in ours.itertuples():
        assert row.p_greater == pytest.approx(P.loc[row.first, row.second], abs=1e-10)
        assert row.effect == pytest.approx(T.loc[row.first, row.second], abs=1e-10)


def test_with_one_session_moabb_finds_the_leaderboards_statistics(tmp_path, run):
    meta_analysis = pytest.importorskip("moabb.analysis.meta_analysis", reason="needs the extra [moabb]")
    run(tmp_path / "0", {"mdm": 0.1, "csp": 0.06}, n_people=9, n_trials=37)
    board = collect(tmp_path)
    per_dataset = meta_analysis.compute_dataset_statistics(to_moabb(board.candidates, "balanced_accuracy"))
    test = board.tests.squeeze()
    theirs = per_dataset[(per_dataset["pipe1"] == test["first"]) & (per_dataset["pipe2"] == test["second"])].squeeze()
    assert test["p_greater"] == pytest.approx(theirs["p"], abs=1e-10)
    assert test["effect"] == pytest.approx(theirs["smd"], abs=1e-10)


def test_two_protocols_of_one_data_set_are_refused(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    run(tmp_path / "1", {"mdm": 0.1}, split="kfold")
    with pytest.raises(SentenceError, match="d was asked under 2 protocols"):
        to_moabb(collect(tmp_path).candidates, "accuracy")


def test_the_command_writes_one_metric(tmp_path, run, capsys):
    run(tmp_path / "0", {"mdm": 0.1})
    assert main([str(tmp_path), "--moabb", "kappa"]) == 0
    table = pd.read_csv(tmp_path / "moabb.csv")
    assert list(table.columns) == list(MOABB_COLUMNS) and len(table) == 8
    # another access is another protocol, and MOABB's columns name none: a file for each
    run(tmp_path / "1", {"mdm": 0.1, "ts": 0.1}, access="online")
    assert main([str(tmp_path), "--moabb", "kappa", "--output", str(tmp_path / "both")]) == 0
    assert sorted(len(pd.read_csv(file)) for file in (tmp_path / "both").glob("moabb-*.csv")) == [8, 16]
    with pytest.raises(SentenceError, match="no metric is called"):
        main([str(tmp_path), "--moabb", "kapa"])


def test_a_file_for_each_family_says_whose_it_is(tmp_path, run, capsys):
    run(tmp_path / "0", {"mdm": 0.1})
    run(tmp_path / "1", {"mdm": 0.1}, access="online")
    assert main([str(tmp_path), "--moabb", "kappa"]) == 0
    said = capsys.readouterr().out
    for access in ("none", "online"):
        [line] = [line for line in said.splitlines() if line.startswith("moabb-") and line.endswith(f": kappa of d, loso, access {access}")]
        assert (tmp_path / line.partition(":")[0]).is_file()


def test_models_without_answers_are_named(tmp_path, run, capsys):
    run(tmp_path / "0", {"mdm": 0.1})
    (run(tmp_path / "1", {"ts": 0.1}) / "predictions.parquet").unlink()
    assert main([str(tmp_path), "--moabb", "kappa"]) == 0
    assert f"ts: it is not in it, since {tmp_path / '1'} holds no predictions.parquet" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "moabb.csv")["pipeline"]) == {"mdm"}


def test_a_metric_that_no_session_has_and_one_that_is_unknown_are_told_apart(tmp_path, run):
    settings = {
        "n_people": 12,
        "n_trials": 6,
        "one_label": True,
        "metric": "roc_auc",
        "level": "pooled",
        "unit": "subject",
        "split": "kfold",
    }
    run(tmp_path / "0", {"mdm": 0.1}, **settings)
    with pytest.raises(SentenceError, match=r"roc_auc is undefined in every single session.*its pooled roc_auc stands in leaderboard\.csv"):
        main([str(tmp_path), "--moabb", "roc_auc"])
    with pytest.raises(SentenceError, match="r2 is defined for answers of the kind value, and these are of the kind probability"):
        main([str(tmp_path), "--moabb", "r2"])
    with pytest.raises(SentenceError, match=r"^--moabb kapa: no metric is called 'kapa'"):
        main([str(tmp_path), "--moabb", "kapa"])
