"""Fisher geodesic minimum distance to mean: matrices are filtered to what tells classes apart, then the nearest mean wins."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd

from corticode.errors import BrokenDataError, SentenceError
from corticode.head.base import check_classes
from corticode.head.mdm import MDM
from corticode.layer import spd
from corticode.layer.counts import refuse_few


class FgMDM(MDM):
    """Class probabilities: those of `MDM` after a geodesic filter, for each band by itself.

        C --tangent at the mean--> s --onto the discriminant axes--> s' --back--> C' --> nearest class mean

    The axes are those of a linear discriminant with Ledoit-Wolf shrinkage, so all that differs between windows of one
    class is taken out before distances are measured. Affine-invariant metric throughout.
    Source: Barachant et al. 2010, LVA/ICA, LNCS 6365. Checked against pyriemann's FgMDM to 1e-6.

    Attributes
    ----------
    reference_ : float64 array [bands, c, c]
        Mean of the fit rows.
    axes_, back_ : float64 array [bands, k, c (c + 1) / 2]
        s' = (s @ axes.T) @ back, a projection.
    means_ : float64 array [classes, bands, c, c]
        Of filtered matrices.
    """

    def __init__(self) -> None:
        super().__init__("riemann")
        self.reference_: np.ndarray | None = None
        self.axes_: np.ndarray | None = None
        self.back_: np.ndarray | None = None

    def fit(self, Z: np.ndarray, y: np.ndarray, meta: pd.DataFrame, n_outputs: int) -> Self:
        """Find the filter, then the mean of each class's filtered matrices.

        Raises
        ------
        SentenceError
            Z holds no matrices, or y holds values.
        BrokenDataError
            One class only, no more windows than classes, or a matrix that is not positive definite.
        """
        classes = check_classes(y, self)
        if len(y) <= len(classes):
            refuse_few(y, meta, "FgMDM", f"the spread within classes, so more windows than its {len(classes)} classes")
        C = _banded(Z)
        self.reference_ = np.ascontiguousarray(spd.mean_riemann(C))
        found = [_discriminant(s, y) for s in np.moveaxis(spd.tangent(C, self.reference_), 1, 0)]
        self.axes_, self.back_ = (np.stack([pair[k] for pair in found]) for k in (0, 1))
        return super().fit(self.filtered(Z), y, meta, n_outputs)

    def predict(self, Z: np.ndarray) -> np.ndarray:
        """Return class probabilities [n, n_outputs]."""
        return super().predict(self.filtered(Z))

    def filtered(self, Z: np.ndarray) -> np.ndarray:
        """Return matrices [n, bands, c, c] with all but the discriminant directions taken out.

        Raises
        ------
        BrokenDataError
            Matrices of another shape than those fitted.
        """
        C = _banded(Z)
        if C.shape[1:] != self.reference_.shape:
            raise BrokenDataError(
                f"covariances are {list(C.shape[1:])} per window, this head was fitted on {list(self.reference_.shape)}: "
                "give it the channels and bands it was fitted with"
            )
        s = spd.tangent(C, self.reference_)[:, :, None] @ self.axes_.swapaxes(-1, -2) @ self.back_
        root = spd.sqrtm(self.reference_)
        return root @ spd.expm(spd.symmetric(s[:, :, 0])) @ root


def _banded(Z: np.ndarray) -> np.ndarray:
    if Z.ndim < 3 or Z.shape[-1] != Z.shape[-2]:
        raise SentenceError(f"FgMDM reads covariance matrices [n, c, c], and the encoder gives {list(Z.shape)}: use encoder Covariance")
    return np.asarray(Z)[:, None] if Z.ndim == 3 else np.asarray(Z)


def _discriminant(s: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return axes W [k, d] and (W W')^+ W [k, d], which brings coordinates on the axes back to vectors."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    W = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(s, y).coef_
    return W, np.linalg.pinv(W @ W.T) @ W
