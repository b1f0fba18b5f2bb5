"""Hits against false alarms of two classes, as the threshold moves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from corticode.report.answer import by_model, classes_of, roc_curve
from corticode.report.svg import MUTED, PALETTE, named, sheet, short
from corticode.report.table import number


def roc(predictions: pd.DataFrame) -> str | None:
    """Draw the ROC curve of two classes, pooled over folds; one line per seed, the area is the mean over seeds.

    Returns
    -------
    svg : str or None
        None where there are not two classes, or one of them never occurred.
    """
    classes = classes_of(predictions)
    if len(classes) != 2 or predictions["y"].astype(str).nunique() != 2:
        return None
    with sheet("roc", 4.7, 4.4) as drawn:
        ax = drawn.figure.subplots()
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for i, (model, rows) in enumerate(by_model(predictions)):
            curves = [roc_curve(part) for _, part in (rows.groupby("seed") if "seed" in rows else [("", rows)]) if part["y"].nunique() == 2]
            area = np.mean([np.sum(np.diff(wrong) * (right[1:] + right[:-1]) / 2) for wrong, right in curves])
            for s, (wrong, right) in enumerate(curves):
                ax.plot(wrong, right, color=PALETTE[i % len(PALETTE)], linewidth=1.8 if len(curves) == 1 else 1, alpha=1 if len(curves) == 1 else 0.6,
                        label=named(model, f"AUC {number(area)}") if s == 0 else None)  # fmt: skip
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal", xlabel=f"false alarms: {short(classes[0], 18)} taken for {short(classes[1], 18)}",
               ylabel=f"hits: {short(classes[1], 18)} found")  # fmt: skip
        ax.grid()
        ax.legend(loc="lower right")
    return drawn.svg
