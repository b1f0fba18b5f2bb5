import pandas as pd
import pytest

from corticode.report import folder
from corticode.report.figure import person


def test_people_are_sorted_and_stand_against_chance(run_folder, texts):
    run = folder.read(run_folder())
    words = texts(person.people(run.scores, run.summary))
    assert {"balanced accuracy", "person, best to worst", "mean", "chance", "0.500"} <= set(words)
    scores = run.scores[run.scores["metric"] == "balanced_accuracy"].set_index("subject")["score"]
    assert [word for word in words if word in scores.index] == list(scores.sort_values(ascending=False, kind="stable").index)


def test_people_with_errors_have_the_smallest_first(run_folder, texts):
    run = folder.read(run_folder(classes=(), summary={"chance": 15.0, "chance_95": 14.0, "interval": None}))
    words = texts(person.people(run.scores, run.summary))
    scores = run.scores.set_index("subject")["score"]
    assert [word for word in words if word in scores.index] == list(scores.sort_values().index)
    assert "mean absolute error (lower is better)" in words


def test_a_hundred_people_are_counted_not_named(run_folder, texts):
    run = folder.read(run_folder(people=tuple(f"S{i}" for i in range(109)), n_windows=4))
    words = texts(person.people(run.scores, run.summary))
    assert "S5" not in words and "109 people, best to worst (names in the table)" in words


def test_people_are_not_drawn_where_the_metric_is_pooled_only(run_folder):
    run = folder.read(run_folder())
    assert person.people(run.scores, {**run.summary, "metric": "roc_auc"}) is None


@pytest.mark.parametrize(("level", "word", "other"), [("subject", "mean", "pooled"), ("pooled", "pooled", "mean")])
def test_the_marker_beside_the_people_says_what_it_is(run_folder, level, word, other, texts):
    run = folder.read(run_folder(summary={"level": level}))
    words = texts(person.people(run.scores, run.summary))
    assert word in words and other not in words


def test_each_model_has_its_own_mean(run_folder, texts):
    run = folder.read(run_folder(models=("mdm", "csp", "net")))
    words = texts(person.people(run.scores, run.summary))
    assert {"mdm", "csp", "net", "mean of each model"} <= set(words)
    assert {f"{facts['headline']:.3f}" for facts in run.summary["models"].values()} <= set(words)


def test_names_are_text_and_never_formulas(run_folder, texts):
    run = folder.read(run_folder(people=("a$_b$", "<b>&", "x\x01y")))
    words = texts(person.people(run.scores, run.summary))
    assert "a$_b$" in words and "&lt;b&gt;&amp;" in words and "xy" in words


def test_the_same_numbers_make_the_same_bytes(run_folder):
    run = folder.read(run_folder())
    assert person.people(run.scores, run.summary) == person.people(run.scores, run.summary)


def test_seeds_are_drawn_beside_their_mean(run_folder):
    one, three = (folder.read(run_folder(seeds=seeds)) for seeds in ((0,), (0, 1, 2)))
    marks = [person.people(run.scores, run.summary).count("<use ") for run in (one, three)]
    assert marks[1] == marks[0] + 3 * 3  # three people


def test_the_field_of_guesses_grows_the_axis(run_folder, texts):
    run = folder.read(run_folder())
    bounds = pd.Series({"S1": 0.7, "S2": 0.7, "S10": 0.98})
    assert "0.9" in " ".join(texts(person.people(run.scores, run.summary, bounds=bounds)))
