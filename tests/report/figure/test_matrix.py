import numpy as np
import pandas as pd

from corticode.report.figure import matrix
from corticode.report.svg import PALETTE

THREE = pd.DataFrame(
    {
        "y": ["a", "a", "b", "c"],
        "yhat": ["a", "b", "b", "a"],
        "p_b": [0.2, 0.6, 0.8, 0.3],
        "p_a": [0.7, 0.3, 0.1, 0.5],
        "p_c": [0.1, 0.1, 0.1, 0.2],
    }
)


def test_confusion_shows_shares_of_the_row_and_counts(texts):
    words = texts(matrix.confusion(THREE))
    assert {"answered", "true class", "a", "b", "c", "50 %", "100 %"} <= set(words)


def test_confusion_of_twenty_classes_is_drawn(texts):
    names = [f"class {i}" for i in range(20)]
    rows = pd.DataFrame({"y": names, "yhat": names, **{f"p_{n}": np.eye(20)[i] for i, n in enumerate(names)}})
    words = texts(matrix.confusion(rows))
    assert {"class 19", "share of the true class, %", "100"} <= set(words) and "100 %" not in words  # colours speak, not numbers


def test_colours_reach_as_far_as_the_shares_do(texts):
    names = [f"class {i}" for i in range(20)]
    rows = pd.DataFrame({"y": names * 20, "yhat": np.repeat(names, 20), **{f"p_{n}": 0.05 for n in names}})  # 5 % everywhere
    assert max(int(word) for word in texts(matrix.confusion(rows)) if word.isdecimal()) == 10


def test_differences_are_coloured_where_they_stand_after_correction(texts):
    names = ["mdm", "csp"]
    difference = pd.DataFrame([[np.nan, 0.05], [-0.05, np.nan]], names, names)
    sure = matrix.tests(pd.DataFrame([[np.nan, 0.0001], [0.0001, np.nan]], names, names), difference, "accuracy")
    unsure = matrix.tests(pd.DataFrame([[np.nan, 0.6], [0.6, np.nan]], names, names), difference, "accuracy")
    assert {"+0.050", "−0.050", "accuracy of this one", "less this one"} <= set(texts(sure))
    assert all(colour in sure and colour not in unsure for colour in PALETTE[:2])


def test_the_colour_of_the_better_is_that_of_the_smaller_error():
    names = ["ridge", "net"]
    p, difference = pd.DataFrame(0.01, names, names), pd.DataFrame([[0, -2.0], [2.0, 0]], names, names)
    score, error = (matrix.tests(p, difference, "mae", lower_is_better=lower) for lower in (False, True))
    assert score.index(PALETTE[0]) > score.index(PALETTE[1]) and error.index(PALETTE[0]) < error.index(PALETTE[1])


def test_one_model_has_no_tests():
    one = pd.DataFrame([[np.nan]], ["mdm"], ["mdm"])
    assert matrix.tests(one, one) is None
