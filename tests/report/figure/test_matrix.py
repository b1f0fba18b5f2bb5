import numpy as np
import pandas as pd

from corticode.report.figure import matrix

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
    assert "class 19" in texts(matrix.confusion(rows))
