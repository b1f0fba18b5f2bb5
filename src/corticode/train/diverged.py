"""What to say of a training whose loss is no longer a number: where, on whose windows, and what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from corticode.space import Space
from corticode.train.loader import Batches
from corticode.windows import RECORDING

# Recordings that are named: a batch may hold windows of fifty.
_NAMED = 5


def where(broken: dict[str, Any], n_batches: int) -> str:
    """Return 'the loss is nan in epoch 3, batch 2 of 8'."""
    batch = f", batch {broken['batch']} of {n_batches}" if broken["batch"] else ""
    return f"{broken['reason']} in epoch {broken['epoch']}{batch}"


def sentence(broken: dict[str, Any], batches: Batches, F: np.ndarray, meta: pd.DataFrame, space: Space, lr: float) -> str:
    """Return the whole of it.

    Parameters
    ----------
    broken : dict
        'epoch', 'batch' (None where it is not known; both count from 1), 'reason'.
    batches : Batches
        Those that were learned from.
    F : array [n, channels, times], space.unit
    meta : DataFrame [n]
    space : Space
    lr : float
    """
    said, cure = f"training diverged: {where(broken, len(batches))}", f"lower model.train.lr= (now {lr:g})"
    if broken["batch"] is None:
        return f"{said}: {cure}, or look for windows of extreme amplitude"
    rows = list(batches.order(broken["epoch"] - 1))[broken["batch"] - 1]
    largest = np.array([np.abs(np.asarray(F[row], dtype=float)).max(initial=0) for row in rows])
    worst = int(np.argmax(np.where(np.isfinite(largest), largest, np.inf)))
    names = list(dict.fromkeys(_name(meta, row) for row in rows))
    named = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    found = f"{largest[worst]:.3g} {space.unit}" if np.isfinite(largest[worst]) else f"a value that is {largest[worst]}"
    return (
        f"{said} (windows of {named}; the largest amplitude there is {found}, in {_name(meta, rows[worst])}): {cure}, or leave out windows of "
        "extreme amplitude (prepare.reject.threshold)"
    )


def _name(meta: pd.DataFrame, row: int) -> str:
    line = meta.iloc[int(row)]
    parts = {column: str(line[column]) for column in RECORDING if column != "dataset" and str(line[column])}
    return " ".join(value if column == "subject" else f"{column} {value}" for column, value in parts.items()) or f"row {row}"
