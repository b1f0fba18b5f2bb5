"""Matthews' correlation coefficient, brought to 0 ... 1: agreement that an idle class ten times as frequent does not flatter."""

from __future__ import annotations

from corticode.metric.base import Metric
from corticode.predictions import Predictions


class NMCC(Metric):
    """Normalised Matthews correlation, (MCC + 1) / 2: 0.5 is chance whatever the class shares, 1 is perfect.

    Several classes: the generalisation by the confusion matrix. Undefined where the truth holds one class; 0.5 where the
    answers do.

    Source
    ------
    Carrara and Papadopoulo 2024, J. Neural Eng. 21(1) 016003 (arXiv 2308.11656); Gorodkin 2004, Comput. Biol. Chem. 28,
    by sklearn.metrics.matthews_corrcoef.
    """

    name = "nmcc"
    needs_contrast = True

    def score(self, predictions: Predictions) -> float:
        """Return (MCC + 1) / 2 of the decided classes."""
        from sklearn.metrics import matthews_corrcoef

        return float(matthews_corrcoef(predictions.y, predictions.decided) + 1) / 2

    def chance(self, predictions: Predictions) -> float:
        """Return 0.5."""
        return 0.5
