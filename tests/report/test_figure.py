import re

import numpy as np
import pandas as pd
import pytest

from corticode.metric.calibration import ECE
from corticode.predictions import Predictions
from corticode.report import figure, folder


def texts(svg):
    return [re.sub(r"<[^>]+>", "", found).strip() for found in re.findall(r"<text.*?</text>", svg, flags=re.S)]


def test_people_are_sorted_and_stand_against_chance(run_folder):
    run = folder.read(run_folder())
    words = texts(figure.people(run.scores, run.summary))
    assert {"balanced accuracy", "person, best to worst", "mean", "chance", "0.500"} <= set(words)
    scores = run.scores[run.scores["metric"] == "balanced_accuracy"].set_index("subject")["score"]
    assert [word for word in words if word in scores.index] == list(scores.sort_values(ascending=False, kind="stable").index)


def test_people_with_errors_have_the_smallest_first(run_folder):
    run = folder.read(run_folder(classes=(), summary={"chance": 15.0, "chance_95": 14.0, "interval": None}))
    words = texts(figure.people(run.scores, run.summary))
    scores = run.scores.set_index("subject")["score"]
    assert [word for word in words if word in scores.index] == list(scores.sort_values().index)
    assert "mean absolute error (lower is better)" in words


def test_a_hundred_people_are_counted_not_named(run_folder):
    run = folder.read(run_folder(people=tuple(f"S{i}" for i in range(109)), n_windows=4))
    words = texts(figure.people(run.scores, run.summary))
    assert "S5" not in words and "109 people, best to worst (names in the table)" in words


def test_each_model_has_its_own_mean(run_folder):
    run = folder.read(run_folder(models=("mdm", "csp", "net")))
    words = texts(figure.people(run.scores, run.summary))
    assert {"mdm", "csp", "net", "mean of each model"} <= set(words)
    assert {f"{facts['headline']:.3f}" for facts in run.summary["models"].values()} <= set(words)


def test_people_are_not_drawn_where_the_metric_is_pooled_only(run_folder):
    run = folder.read(run_folder())
    assert figure.people(run.scores, {**run.summary, "metric": "roc_auc"}) is None


def test_names_are_text_and_never_formulas(run_folder):
    run = folder.read(run_folder(people=("a$_b$", "<b>&", "x\x01y")))
    words = texts(figure.people(run.scores, run.summary))
    assert "a$_b$" in words and "&lt;b&gt;&amp;" in words and "xy" in words


THREE = pd.DataFrame(
    {
        "y": ["a", "a", "b", "c"],
        "yhat": ["a", "b", "b", "a"],
        "p_b": [0.2, 0.6, 0.8, 0.3],
        "p_a": [0.7, 0.3, 0.1, 0.5],
        "p_c": [0.1, 0.1, 0.1, 0.2],
    }
)


def test_counts_keep_the_order_of_the_task():
    assert figure.classes_of(THREE) == ["b", "a", "c"]
    np.testing.assert_array_equal(figure.counts(THREE), [[1, 0, 0], [1, 1, 0], [0, 1, 0]])


def test_confusion_shows_shares_of_the_row_and_counts():
    words = texts(figure.confusion(THREE))
    assert {"answered", "true class", "a", "b", "c", "50 %", "100 %"} <= set(words)


def test_confusion_of_twenty_classes_is_drawn():
    names = [f"class {i}" for i in range(20)]
    rows = pd.DataFrame({"y": names, "yhat": names, **{f"p_{n}": np.eye(20)[i] for i, n in enumerate(names)}})
    assert "class 19" in texts(figure.confusion(rows))


def test_a_column_that_only_looks_like_a_class_makes_no_classes():
    assert figure.classes_of(pd.DataFrame({"y": [1.0, 2.0], "yhat": [1.0, 2.0], "p_value": [0.1, 0.2]})) == []


def test_calibration_error_is_that_of_the_metric():
    rng = np.random.default_rng(0)
    said, y = rng.dirichlet([1, 1, 1], 200), rng.integers(3, size=200)
    meta = pd.DataFrame({"subject": ["S1"] * 200})
    predictions = Predictions(said, "probability", y, meta, ("a", "b", "c"))
    assert figure.calibration(predictions.to_frame())[3] == pytest.approx(ECE()(predictions), abs=1e-12)


def test_reliability_needs_probabilities(run_folder):
    assert figure.reliability(folder.read(run_folder(kind="d")).predictions) is None
    words = texts(figure.reliability(folder.read(run_folder()).predictions))
    assert {"share that was right", "probability of the answer"} <= set(words)
    assert any(word.startswith("mdm: ECE 0.") for word in words)


def test_roc_area_is_that_of_scikit_learn(run_folder):
    from sklearn.metrics import roc_auc_score

    rows = folder.read(run_folder()).predictions.assign(p_right=lambda t: t["p_right"].round(1), p_left=lambda t: 1 - t["p_right"])
    area = roc_auc_score(rows["y"] == "right", rows["p_right"])  # rounded: with ties
    assert f"mdm: AUC {area:.3f}" in texts(figure.roc(rows))


def test_roc_needs_two_classes(run_folder):
    assert figure.roc(THREE) is None
    rows = folder.read(run_folder()).predictions
    assert figure.roc(rows[rows["y"] == "left"]) is None


def test_scatter_names_target_error_and_correlation():
    rows = pd.DataFrame({"y": [1.0, 2.0, 3.0], "yhat": [2.0, 2.0, 5.0]})
    words = texts(figure.scatter(rows, target="age, years"))
    assert {"true age, years", "answered age, years", f"mean absolute error 1.000, r {np.corrcoef(rows.T)[0, 1]:.3f}, n 3"} <= set(words)
    assert any("r –" in word for word in texts(figure.scatter(rows.assign(yhat=2.0))))


def test_the_epoch_kept_is_the_selected_one_else_the_lowest_validation_loss():
    run = pd.DataFrame({"epoch": [0, 1, 2], "train_loss": [3.0, 2, 1], "val_loss": [2.0, 1, 3]})
    assert figure.chosen_epoch(run) == 1
    assert figure.chosen_epoch(run.assign(selected=[False, False, True])) == 2
    assert figure.chosen_epoch(run.drop(columns="val_loss")) is None


def test_training_has_a_panel_for_accuracy_only_where_there_is_one(run_folder):
    history = folder.read(run_folder(history=True)).history
    words = texts(figure.training(history))
    assert {"loss", "epoch", "training rows", "validation rows"} <= set(words) and "accuracy on validation rows" not in words
    assert "accuracy on validation rows" in texts(figure.training(history.assign(val_accuracy=0.5)))


def test_the_same_numbers_make_the_same_bytes(run_folder):
    run = folder.read(run_folder())
    assert figure.people(run.scores, run.summary) == figure.people(run.scores, run.summary)


@pytest.mark.parametrize(("level", "word", "other"), [("subject", "mean", "pooled"), ("pooled", "pooled", "mean")])
def test_the_marker_beside_the_people_says_what_it_is(run_folder, level, word, other):
    run = folder.read(run_folder(summary={"level": level}))
    words = texts(figure.people(run.scores, run.summary))
    assert word in words and other not in words
