import pandas as pd

from corticode.report.figure import strip

ROWS = pd.DataFrame(
    {"pipeline": ["mdm", "csp"], "score": [0.7, 0.6], "interval_low": [0.6, 0.5], "interval_high": [0.8, 0.7], "chance_95": [0.55, None],
     "partial": ["", "9 of 18 folds"]}
)  # fmt: skip
PEOPLE = pd.DataFrame({"pipeline": ["mdm", "mdm", "csp"], "score": [0.65, 0.75, 0.6]})


def test_candidates_and_the_nested_figure_are_named_with_their_numbers(texts):
    best = {"nested": 0.65, "nested_low": 0.6, "nested_high": 0.7}
    words = texts(strip.candidates(ROWS, PEOPLE, "accuracy", 0.5, best))
    assert {"mdm", "csp (9 of 18 folds)", "best, chosen by the others", "0.650", "0.700", "0.600", "accuracy"} <= set(words)


def test_no_best_no_line_for_it(texts):
    assert "best, chosen by the others" not in texts(strip.candidates(ROWS, PEOPLE, "accuracy"))
