import numpy as np
import pandas as pd
import pytest

from corticode.report import table


def scores(rows):
    """(subject, session, fold, seed, model, metric, score) with 10 test windows each."""
    names = ["subject", "session", "fold", "seed", "model", "metric", "score"]
    return pd.DataFrame(rows, columns=names).assign(dataset="toy", site="", level="subject", samples_test=10)


ONE = scores(
    [
        ("S10", "0", "a", 0, "mdm", "accuracy", 0.5),
        ("S2", "0", "b", 0, "mdm", "accuracy", 0.6),
        ("S2", "1", "b", 0, "mdm", "accuracy", 0.8),
        ("S2", "0", "b", 1, "mdm", "accuracy", 0.6),
        ("S2", "1", "b", 1, "mdm", "accuracy", 0.8),
        ("S10", "0", "a", 0, "mdm", "kappa", -0.00001),
    ]
)


def test_per_unit_averages_sessions_and_seeds_and_counts_the_windows_of_one_seed():
    units = table.per_unit(ONE).set_index(["unit", "metric"])
    assert units.loc[("S2", "accuracy"), "score"] == pytest.approx(0.7)
    assert units.loc[("S2", "accuracy"), "windows"] == 20  # two sessions of ten, not forty over two seeds
    assert units.loc[("S2", "accuracy"), "rows"] == 4
    assert list(table.per_unit(ONE)["unit"].unique()) == ["S2", "S10"]


def test_per_unit_tells_people_of_two_data_sets_apart():
    both = pd.concat([ONE, ONE.assign(dataset="other", score=0.1)])
    assert set(table.per_unit(both)["unit"]) == {"toy S2", "toy S10", "other S2", "other S10"}


def test_subject_table_is_aligned_and_ends_with_mean_and_sd():
    lines = table.subject_table(ONE, "accuracy").splitlines()
    assert lines[0].split() == ["person", "windows", "accuracy", "kappa"]
    assert lines[2].split() == ["S2", "20", "0.700", "–"]
    assert lines[3].split() == ["S10", "10", "0.500", "0.000"]
    assert lines[-2].split() == ["mean", "30", "0.600", "0.000"]
    assert lines[-1].split() == ["sd", f"{np.std([0.7, 0.5], ddof=1):.3f}", "–"]
    assert len({line.rindex("0.") for line in (lines[3], lines[-2])}) == 1  # numbers stand below each other


def test_subject_table_sets_models_side_by_side_in_the_headline_metric():
    both = pd.concat([ONE, ONE.assign(model="csp", score=0.9)])
    lines = table.subject_table(both, "accuracy").splitlines()
    assert lines[0].split() == ["person", "windows", "mdm", "csp"]
    assert lines[2].split() == ["S2", "20", "0.700", "0.900"]


def test_subject_table_of_one_person_has_no_spread():
    lines = table.subject_table(ONE[ONE["subject"] == "S2"]).splitlines()
    assert len(lines) == 3


def test_subject_table_falls_back_to_folds_and_says_so_when_there_is_nothing():
    assert table.subject_table(ONE.assign(level="fold")).startswith("fold")
    assert "scores.csv" in table.subject_table(ONE.assign(level="pooled"))


def test_a_column_keeps_equal_decimals():
    big = scores([("S1", "0", "a", 0, "m", "mae", 9.5), ("S2", "0", "a", 0, "m", "mae", 12.25)])
    assert [line.split()[-1] for line in table.subject_table(big).splitlines()[2:4]] == ["9.50", "12.25"]


SUMMARY = {
    "headline": 0.671, "sd": 0.15, "metric": "balanced_accuracy", "level": "subject", "n": 16, "model": "tangent_space", "data": "physionet_mi", "split": "loso",
    "access": "online", "chance": 0.5, "chance_95": 0.531, "n_folds": 16, "n_folds_expected": 16,
}  # fmt: skip


def test_headline_line_says_number_spread_chance_and_what_it_is_of():
    wanted = "balanced accuracy 0.671 ± 0.150 over 16 subjects (chance 0.500, 95 % permutation bound 0.531) | tangent_space on physionet_mi, loso, online"
    assert table.headline_line(SUMMARY) == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"n_folds": 9, "n_folds_expected": 18}, "online, 9 of 18 folds"),
        ({"access": "none"}, "tangent_space on physionet_mi, loso"),
        ({"access": "all"}, "all (transductive)"),
        ({"access": "transductive"}, ", transductive"),
        ({"chance_95": None}, "(chance 0.500) |"),
        ({"chance": None, "chance_95": None, "sd": None}, "accuracy 0.671 over 16 subjects | tangent"),
        ({"n": 1, "sd": None}, "over 1 subject ("),
        ({"metric": "roc_auc", "level": "pooled"}, "ROC AUC 0.671 ± 0.150 over seeds, pooled over 16 subjects"),
    ],
)
def test_headline_line_in_unequal_cases(told, wanted):
    assert wanted in table.headline_line({**SUMMARY, **told})


def test_headline_line_of_several_models_lends_nobody_the_bound_of_another():
    models = {"a": {"headline": 0.6, "sd": 0.1}, "b": {"headline": 0.7, "sd": 0.2}}
    line = table.headline_line({**SUMMARY, "models": models})
    assert "a 0.600 ± 0.100, b 0.700 ± 0.200" in line and "0.531" not in line


def test_headline_line_of_many_models_names_the_best_three():
    models = {f"m{i}": {"headline": i / 10, "sd": None} for i in range(1, 7)}
    line = table.headline_line({**SUMMARY, "models": models})
    assert "m6 0.600, m5 0.500, m4 0.400, 3 models below" in line
    assert "m1 0.100, m2 0.200, m3 0.300, 3 models below" in table.headline_line({**SUMMARY, "metric": "mae", "models": models})


@pytest.mark.parametrize(
    ("access", "wanted"),
    [("online", False), ("all", True), ("transductive (all)", True), ("", False), (None, False), ("calibration", False)],
)
def test_transductive_access_is_known_by_its_words(access, wanted):
    assert table.transductive(access) is wanted


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["best val_loss at epoch 8 of 18", "best val_loss at epoch 17 of 27"], "best val_loss at epochs 8 to 17"),
        (["best val_loss at epoch 8 of 30", "best val_loss at epoch 9 of 30"], "best val_loss at epochs 8 to 9 of 30"),
        (["last 19 of 96 windows, epoch 5 of 5", "last 20 of 96 windows, epoch 5 of 5"], "last 19 to 20 of 96 windows, epoch 5 of 5"),
        (["at epoch 8 of 18", "at epoch 8 of 18", ""], "at epoch 8 of 18"),
        (["last epoch of 3, {} x", "at epoch 2 of 3"], "last epoch of 3, {} x; at epoch 2 of 3"),
        ([], ""),
    ],
)
def test_texts_that_differ_in_numbers_are_told_once_with_ranges(texts, wanted):
    assert table.condensed(texts) == wanted


def levels(**windows):
    """Accuracy of two people and of two folds, with so many scored windows each."""
    rows = scores([("S1", "0", "a", 0, "m", "accuracy", 1.0), ("S2", "0", "b", 0, "m", "accuracy", 0.0)])
    return pd.concat([rows.assign(level=level, samples_test=n) for level, n in windows.items()])


def test_people_of_one_window_each_give_way_to_folds():
    assert table.finest(levels(subject=2, fold=2)) == "subject"
    assert table.finest(levels(subject=1, fold=5)) == "fold"
    assert table.subject_table(levels(subject=1, fold=5), "accuracy").startswith("fold")
    assert table.finest(levels(subject=1, fold=5).assign(metric="mae")) == "subject"  # the error of one answer is a number


def test_no_table_where_people_and_folds_have_one_window_each():
    assert table.finest(levels(subject=1, fold=1)) is None
    assert "one scored window" in table.subject_table(levels(subject=1, fold=1), "accuracy")


def test_the_screen_has_the_level_of_the_headline_metric():
    both = pd.concat([levels(subject=5, fold=5), levels(fold=5).assign(metric="roc_auc")])
    assert table.subject_table(both, "roc_auc").startswith("fold")
