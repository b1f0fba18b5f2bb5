import numpy as np
import pandas as pd
import pytest

from corticode.report.figure import rank


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        ([(1, 2), (3, 4)], [0, 0]),
        ([(1, 3), (2, 4), (3.5, 5)], [0, 1, 0]),
        ([(1, 4), (2, 5), (3, 6)], [0, 1, 2]),
        ([], []),
    ],
)
def test_bars_share_a_line_where_they_do_not_touch(spans, wanted):
    assert [level for *_, level in rank._levels(spans)] == wanted


def test_names_ranks_and_critical_difference_are_there(texts):
    ranks = pd.Series({"a": 1.25, "b": 2.5, "c": 2.75, "d": 3.5})
    words = texts(rank.critical_difference(ranks, [["a"], ["b", "c", "d"]], 1.354))
    # two blanks are one in SVG
    assert {"1.25  a", "2.50  b", "c  2.75", "d  3.50", "critical difference 1.35", "1", "4"} <= set(words)


def test_25_models_have_25_names(texts):
    names = [f"model_{i}" for i in range(25)]
    words = texts(rank.critical_difference(pd.Series(np.linspace(3, 22, 25), index=names)))
    assert all(sum(word.split()[-1] == name or word.split()[0] == name for word in words) == 1 for name in names)


def test_one_model_has_no_rank():
    assert rank.critical_difference(pd.Series({"a": 1.0})) is None
