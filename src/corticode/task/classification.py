"""Classification: which of two or more labels does a window bear, an event's or a fact's about the person."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import MissingDataError, SentenceError
from corticode.metric.base import Metric
from corticode.task.base import Task
from corticode.windows import Windows


class Classification(Task):
    """Tell labels apart.

    Parameters
    ----------
    target : str
        The column that holds the labels: 'event', or a fact such as 'group'.
    classes : sequence of str, mapping of str -> labels, or None
        The labels asked about, in this order; windows of other labels are left out. A mapping merges labels under a new
        name: {hand: [left_hand, right_hand], feet: [feet]}. None: those the data set declares, else all there are.
    metrics, headline_metric, headline_level, unit, shuffle, shuffle_seed, uses, made_of
        See `task.base.Task`.

    Raises
    ------
    SentenceError
        A class is named twice, or there is one only.
    """

    default_head: dict[str, Any] = {"_target_": "corticode.head.logistic.LogisticRegression"}

    def __init__(
        self,
        target: str = "event",
        classes: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
        metrics: Sequence[str | Metric] = (
            "accuracy",
            "balanced_accuracy",
            "kappa",
            "f1_macro",
            "roc_auc",
            "log_loss",
            "brier",
            "ece",
            "itr",
        ),
        headline_metric: str = "balanced_accuracy",
        headline_level: str = "subject",
        unit: str = "window",
        shuffle: bool = False,
        shuffle_seed: int = 0,
        uses: Sequence[str] = (),
        made_of: Sequence[str] = (),
    ):
        super().__init__(target, metrics, headline_metric, headline_level, unit, shuffle, shuffle_seed, uses, made_of)
        self._given = dict(classes) if isinstance(classes, Mapping) else classes if classes is None else list(classes)
        self._asked_classes = _merged(classes)
        self._classes = tuple(self._asked_classes or ())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of yhat's columns; settled by `label` where they were not asked for."""
        return self._classes

    def label(self, windows: Windows) -> Windows:
        """Return the windows of the asked classes, with y = class index int64 [n].

        Raises
        ------
        MissingDataError
            No such column; a class without a window; a single class.
        """
        found = pd.Series([_text(value) for value in self._column(windows)], dtype=object)
        merged = self._asked_classes or {label: (label,) for label in self._known(windows, found)}
        counts = found.value_counts()
        absent = [label for labels in merged.values() for label in labels if label not in counts]
        if len(merged) < 2:
            only = f"a single class ({next(iter(merged))})" if merged else "no labels"
            raise MissingDataError(
                f"task.target={self.target} holds {only}: a classifier needs two; add people with data.subjects= or ask for another target"
            )
        if absent:
            raise MissingDataError(self._without(absent, counts))
        self._classes = tuple(merged)
        index = {label: i for i, labels in enumerate(merged.values()) for label in labels}
        keep = found.isin(list(index)).to_numpy()
        y = found[keep].map(index).to_numpy(dtype=np.int64)
        return self._asked(windows, keep, y, self._left_out(found, index))

    def _known(self, windows: Windows, found: pd.Series) -> list[str]:
        """Return the labels that the data set declares for the target, else all there are."""
        declared = (windows.info.get("classes") or {}).get(self.target)
        return [str(label) for label in declared] if declared else sorted(found.dropna().unique(), key=_by_number)

    def _without(self, absent: Sequence[str], counts: pd.Series) -> str:
        near = difflib.get_close_matches(absent[0], list(counts.index), n=2)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        there = ", ".join(f"{label} ({n})" for label, n in counts.items()) or "none"
        return f"no window is labelled {', '.join(absent)}{hint}: the labels of {self.target} are {there}; choose among them with task.classes=[...]"

    def _left_out(self, found: pd.Series, index: Mapping[str, int]) -> list[str]:
        notes = []
        others = found[found.notna() & ~found.isin(list(index))]
        if len(others):
            notes.append(f"{len(others)} windows of other labels are left out ({', '.join(sorted(others.unique())[:10])})")
        if found.isna().any():
            notes.append(f"{int(found.isna().sum())} windows have no {self.target} and are left out")
        return notes

    def arguments(self) -> dict[str, Any]:
        """Return plain arguments for keys and files."""
        return {**super().arguments(), "classes": self._given}


def _merged(classes: Sequence[str] | Mapping[str, Sequence[str]] | None) -> dict[str, tuple[str, ...]] | None:
    """Return class -> its labels; None where all were asked for."""
    if classes is None:
        return None
    if isinstance(classes, str):
        raise SentenceError(f"task.classes={classes}: wanted two or more, as in task.classes=[left_hand,right_hand]")
    if isinstance(classes, Mapping):
        merged = {str(name): tuple(map(str, [labels] if isinstance(labels, str | int) else labels)) for name, labels in classes.items()}
    else:
        merged = {str(label): (str(label),) for label in classes}
        if len(merged) < len(classes):
            raise SentenceError(f"task.classes={list(classes)} names a class twice")
    labels = [label for group in merged.values() for label in group]
    if len(set(labels)) < len(labels):
        raise SentenceError("task.classes puts a label in two classes")
    if len(merged) < 2:
        raise SentenceError(f"task.classes={list(merged)}: wanted two or more")
    return merged


def _text(value: Any) -> str | None:
    """Return a label as text (1.0 as '1'); None for what stands for a missing one."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value) if str(value).strip() not in ("", "n/a", "nan") else None


def _by_number(label: str) -> tuple[int, float, str]:
    """Sort labels that are numbers as numbers, before the others."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
