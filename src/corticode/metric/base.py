"""A metric turns predictions into one number."""

from __future__ import annotations

from corticode.predictions import Predictions


class Metric:
    """Predictions -> number.

    Attributes
    ----------
    name : str
        The word in the `metric` column and in `task.metrics`.
    bounds : (float, float)
        Worst and best possible value, for axes; the second is the better one unless `lower_is_better`.
    lower_is_better : bool
    kinds : tuple of str
        The kinds of answers it is defined for.
    """

    name = ""
    bounds = (0.0, 1.0)
    lower_is_better = False
    kinds = ("probability", "decision")

    def __call__(self, predictions: Predictions) -> float | None:
        """Return the score; None where it is undefined (an AUC of one class, a correlation of a constant)."""
        raise NotImplementedError

    def chance(self, predictions: Predictions) -> float | None:
        """Return the score of answers that know nothing of X; None where there is no such number."""
        return None
