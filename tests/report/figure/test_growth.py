import pandas as pd

from corticode.report.figure import growth

POINTS = pd.DataFrame(
    {
        "model": ["mdm"] * 4 + ["net"] * 4,
        "unit": ["S1", "S2"] * 4,
        "size": [1, 1, 8, 8] * 2,
        "score": [0.5, 0.6, 0.7, 0.8, 0.5, 0.5, 0.9, 0.9],
    }
)


def test_sizes_stand_on_a_logarithmic_axis_where_they_span_much(texts):
    words = texts(growth.learning_curve(POINTS, "people learned from", "accuracy", 0.5))
    assert {"1", "8", "people learned from (logarithmic)", "accuracy", "mdm", "net"} <= set(words)
    assert "people learned from" in texts(growth.learning_curve(POINTS.replace({"size": {8: 2}}), "people learned from", "accuracy"))


def test_one_size_is_no_curve():
    assert growth.learning_curve(POINTS[POINTS["size"] == 1], "people learned from", "accuracy") is None
