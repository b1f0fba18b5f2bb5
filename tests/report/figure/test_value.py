import numpy as np
import pandas as pd

from corticode.report.figure import value


def test_scatter_names_target_error_and_correlation(texts):
    rows = pd.DataFrame({"y": [1.0, 2.0, 3.0], "yhat": [2.0, 2.0, 5.0]})
    words = texts(value.scatter(rows, target="age, years"))
    assert {"true age, years", "answered age, years", f"mean absolute error 1.000, r {np.corrcoef(rows.T)[0, 1]:.3f}, n 3"} <= set(words)
    assert any("r –" in word for word in texts(value.scatter(rows.assign(yhat=2.0))))
