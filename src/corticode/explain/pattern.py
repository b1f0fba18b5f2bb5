"""Spatial patterns: what the source that a linear decoder reads looks like at the channels.

Weights say how to read an answer out of the channels, and are large also where noise is cancelled; a pattern says where
the answer comes from, and is what may be drawn on a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corticode import store
from corticode.errors import BrokenDataError


@dataclass(frozen=True)
class Patterns:
    """k maps over the channels.

    Parameters
    ----------
    patterns : float array [k, channels]
    names : tuple of str
        Names of the channels.
    positions : float array [channels, 3] or None
        Metres in head coordinates; NaN where unknown.
    labels : tuple of str
        What each map is of (a band, a class); may be ''.
    """

    patterns: np.ndarray
    names: tuple[str, ...]
    positions: np.ndarray | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self):
        patterns = np.atleast_2d(np.asarray(self.patterns, dtype=float))
        object.__setattr__(self, "patterns", patterns)
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "labels", tuple(map(str, self.labels)) or ("",) * len(patterns))
        if patterns.shape != (len(self.labels), len(self.names)):
            raise BrokenDataError(
                f"patterns are {list(patterns.shape)} for {len(self.labels)} labels and {len(self.names)} channel names: wanted [k, channels]"
            )
        if not np.isfinite(patterns).all():
            raise BrokenDataError("patterns hold NaN or infinity: the decoder's fit did not converge")
        if self.positions is not None:
            object.__setattr__(self, "positions", np.asarray(self.positions, dtype=float))
            if self.positions.shape != (len(self.names), 3):
                raise BrokenDataError(f"positions are {list(self.positions.shape)} for {len(self.names)} channels: wanted [channels, 3]")


def haufe(weights: np.ndarray, Z: np.ndarray) -> np.ndarray:
    """Turn the weights of a linear decoder into patterns.

    A = cov(Z) W' cov(W Z)^-1

    Parameters
    ----------
    weights : float array [k, d] or [d]
        Answers are Z @ weights.T.
    Z : float array [n, d]
        The representation that the weights were learned on.

    Returns
    -------
    patterns : float array [k, d], units of Z
        What one unit of each answer adds to Z. Answers that depend on each other (the k columns of a softmax) share their pattern.

    Raises
    ------
    BrokenDataError
        Shapes do not fit, fewer than two rows, or NaN.

    Source
    ------
    Haufe et al. 2014, NeuroImage 87, eq. 6. Checked against MNE's `LinearModel`, one answer (tests/explain/test_pattern.py).
    """
    weights, Z = np.atleast_2d(np.asarray(weights, dtype=float)), np.asarray(Z, dtype=float)
    if Z.ndim != 2 or weights.shape[1] != Z.shape[1]:
        raise BrokenDataError(f"weights are {list(weights.shape)} and Z is {list(Z.shape)}: wanted [k, d] and [n, d] with one d")
    if len(Z) < 2:
        raise BrokenDataError(f"a covariance needs two rows or more, Z has {len(Z)}")
    if not (np.isfinite(weights).all() and np.isfinite(Z).all()):
        raise BrokenDataError("weights or Z hold NaN or infinity: the decoder's fit did not converge, or a window holds NaN")
    Z = Z - Z.mean(axis=0)
    said = Z @ weights.T  # [n, k]
    # through the answers, so that no [d, d] covariance is made
    together = Z.T @ said / (len(Z) - 1)  # [d, k]
    return (together @ np.linalg.pinv(said.T @ said / (len(Z) - 1), hermitian=True)).T


def average(patterns: Sequence[np.ndarray], signed: bool = False) -> np.ndarray:
    """Return what the patterns of several folds share.

    Parameters
    ----------
    patterns : sequence of float array [k, channels]
        One per fold, in one order.
    signed : bool
        The sign tells something (a class against another). Otherwise a source and its negative are the same, and each
        fold's map is turned to agree with the others before they are averaged.

    Returns
    -------
    mean : float array [k, channels]

    Raises
    ------
    BrokenDataError
        None given, or of different shapes.
    """
    shapes = {np.shape(one) for one in patterns}
    if len(shapes) != 1:
        raise BrokenDataError(f"patterns of folds must have one shape to be averaged, got {sorted(map(list, shapes))}")
    stack = np.stack([np.asarray(one, dtype=float) for one in patterns])  # [folds, k, channels]
    if signed:
        return stack.mean(axis=0)
    # the first singular vector over folds is the direction that most of them agree on, whatever their signs
    shared = np.linalg.svd(stack.transpose(1, 0, 2), full_matrices=False)[2][:, 0]  # [k, channels]
    signs = np.sign(np.einsum("fkc,kc->fk", stack, shared))
    mean = np.einsum("fk,fkc->kc", np.where(signs == 0, 1, signs), stack) / len(stack)
    # strongest channel positive
    strongest = np.take_along_axis(mean, np.abs(mean).argmax(axis=1)[:, None], axis=1)
    return mean * np.where(strongest < 0, -1, 1)


def save(
    path: Path, patterns: np.ndarray, names: Sequence[str], positions: np.ndarray | None = None, labels: Sequence[str] | None = None
) -> Path:
    """Write patterns [k, channels] and where their channels are as .npz, without pickle."""
    kept = Patterns(patterns, tuple(names), positions, tuple(labels or ()))
    where = np.full((len(kept.names), 3), np.nan) if kept.positions is None else kept.positions
    with store.writing(path) as tmp, tmp.open("wb") as file:
        np.savez(
            file, patterns=kept.patterns, names=np.array(kept.names, dtype=str), positions=where, labels=np.array(kept.labels, dtype=str)
        )
    return Path(path)


def load(path: Path) -> Patterns:
    """Read what `save` wrote.

    Raises
    ------
    BrokenDataError
        Not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("patterns", "names", "positions", "labels")}
    except (ValueError, KeyError, EOFError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise BrokenDataError(f"{path} holds no patterns ({error}): run the command again, finished folds are not repeated") from error
    positions = None if np.isnan(arrays["positions"]).all() else arrays["positions"]
    return Patterns(arrays["patterns"], tuple(arrays["names"].tolist()), positions, tuple(arrays["labels"].tolist()))
