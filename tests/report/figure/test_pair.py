import pandas as pd
import pytest

from corticode.report import svg
from corticode.report.figure import pair

VALUES = pd.DataFrame({"mdm": [0.5, 0.6, 0.9], "csp": [0.7, 0.8, 0.8], "net": [0.5, 0.5, 0.5]}, index=["S1", "S2", "S3"])


def test_the_best_stands_at_the_right_of_each_panel(texts):
    words = texts(pair.pairs(VALUES, "accuracy", chance=0.5))
    assert [word for word in words if word in VALUES] == ["mdm", "csp", "net", "csp"]
    assert {"0.100 better,", "2 of 3 people", "3 of 3 people"} <= set(words)


def test_the_smallest_error_is_the_best(texts):
    words = texts(pair.pairs(VALUES, "mean absolute error", lower_is_better=True))
    assert [word for word in words if word in VALUES] == ["mdm", "net", "csp", "net"]
    assert "mean absolute error (lower is better)" in words


def test_people_without_both_scores_are_left_out_of_a_panel(texts):
    words = texts(pair.pairs(VALUES.assign(mdm=[0.5, None, 0.9]), "accuracy"))
    assert "1 of 2 people" in words


@pytest.mark.parametrize(("values", "colour"), [([0.7, 0.8], 0), ([0.5, 0.2], 1)])
def test_colours_say_who_is_better(values, colour):
    other = pd.DataFrame({"best": [0.6, 0.9], "other": [0.5, 0.8] if colour == 0 else [0.61, 0.8]})
    drawn = pair.pairs(other, "accuracy")
    assert (svg.PALETTE[1] in drawn) is (colour == 1) and svg.PALETTE[0] in drawn


def test_nothing_to_pair():
    assert pair.pairs(VALUES[["mdm"]], "accuracy") is None
    assert pair.pairs(VALUES[:1], "accuracy") is None


def test_chance_that_is_far_off_does_not_press_the_scores_together():
    assert pair._near(0.5, VALUES) and not pair._near(15.0, VALUES)
    near, far = (pair.pairs(VALUES, "accuracy", chance=chance) for chance in (0.5, 15.0))
    assert near != far == pair.pairs(VALUES, "accuracy")
