"""A metric turns predictions into one number.

A task names its metrics by word (`metrics: [accuracy, kappa]`); `named` finds the class with that name in this folder,
so that a new metric is one new file and no list.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil
from dataclasses import replace
from typing import Any

import numpy as np

from corticode.errors import SentenceError
from corticode.predictions import Predictions


class Metric:
    """Predictions -> number. A subclass writes `score`, and `chance` where there is such a number.

    Attributes
    ----------
    name : str
        The word in the `metric` column and in `task.metrics`.
    bounds : (float, float)
        Lowest and highest possible value, for axes; the second is the better one unless `lower_is_better`.
    lower_is_better : bool
    kinds : tuple of str
        The kinds of answers it is defined for.
    needs_contrast : bool
        Undefined where the truth holds one class (or one value) only.
    """

    name = ""
    bounds = (0.0, 1.0)
    lower_is_better = False
    kinds: tuple[str, ...] = ("probability", "decision")
    needs_contrast = False

    def __call__(self, predictions: Predictions) -> float | None:
        """Return the score; None where it is undefined (an AUC of one class, a correlation of a constant)."""
        if predictions.yhat_kind not in self.kinds or not len(predictions):
            return None
        if self.needs_contrast and len(np.unique(predictions.y)) < 2:
            return None
        value = self.score(predictions)
        return None if value is None or not np.isfinite(value) else float(value)

    def score(self, predictions: Predictions) -> float | None:
        """Return the score of answers of the right kind; None or NaN where it is undefined."""
        raise NotImplementedError

    def chance(self, predictions: Predictions) -> float | None:
        """Return the score of answers that know nothing of X; None where there is no such number."""
        return None

    def many(self, predictions: Predictions, Y: np.ndarray) -> np.ndarray:
        """Score the same answers against many truths, for permutation tests.

        Parameters
        ----------
        predictions : Predictions [n]
        Y : array [p, n]
            One truth per row.

        Returns
        -------
        scores : float array [p]
            NaN where undefined.
        """
        scores = (self(replace(predictions, y=y)) for y in Y)
        return np.array([np.nan if score is None else score for score in scores], dtype=float)

    def __repr__(self) -> str:
        return f"<metric {self.name}>"


def share(predictions: Predictions) -> np.ndarray:
    """Return how much of the truth each class of the task makes up, float [k], summing to 1."""
    counts = np.bincount(predictions.y.astype(int), minlength=len(predictions.classes))
    return counts / max(1, counts.sum())


@functools.cache
def catalogue() -> dict[str, type[Metric]]:
    """Return every metric of this folder by name."""
    import corticode.metric as folder

    found = {}
    for module in sorted(entry.name for entry in pkgutil.iter_modules(folder.__path__) if entry.name != "base"):
        for thing in vars(importlib.import_module(f"corticode.metric.{module}")).values():
            if isinstance(thing, type) and issubclass(thing, Metric) and thing.name:
                found[thing.name] = thing
    return found


def named(name: str | Metric) -> Metric:
    """Return the metric of this name; a dotted path (`my_module.MyMetric`) brings one's own.

    Raises
    ------
    SentenceError
        There is none: names the near ones.
    """
    if isinstance(name, Metric):
        return name
    if "." in name:
        return _own(name)()
    known = catalogue()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(known))}"
        raise SentenceError(f"task.metrics: no metric is called {name!r}: {hint}")
    return known[name]()


def _own(path: str) -> type[Metric]:
    module, _, attribute = path.rpartition(".")
    try:
        thing: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise SentenceError(
            f"task.metrics: {path} cannot be imported ({error}): put its folder on PYTHONPATH, or name a metric of the house"
        ) from error
    if not (isinstance(thing, type) and issubclass(thing, Metric)):
        raise SentenceError(f"task.metrics: {path} is no corticode.metric.base.Metric: derive the class from it")
    return thing
