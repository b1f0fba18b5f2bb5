import numpy as np
import pandas as pd

from corticode.report.figure import effect

EFFECTS = pd.DataFrame(
    {"title": ["one", "two", "combined"], "n": [9, 16, 25], "effect": [0.5, -0.25, 0.1], "low": [0.1, np.nan, -0.2], "high": [0.9, np.nan, 0.4],
     "combined": [False, False, True]}
)  # fmt: skip


def test_each_data_set_has_effect_interval_and_number(texts):
    words = texts(effect.forest(EFFECTS, "mdm", "csp"))
    assert {"one (9)", "two (16)", "combined (25)", "+0.50 [+0.10, +0.90]", "−0.25", "+0.10 [−0.20, +0.40]"} <= set(words)
    assert any("right of 0 mdm is better, left of it csp" in word for word in words)


def test_no_effect_no_figure():
    assert effect.forest(EFFECTS.assign(effect=np.nan), "mdm", "csp") is None
