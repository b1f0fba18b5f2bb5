"""Re-reference: average, nearest-neighbour Laplacian or bipolar, each one matrix that mixes channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.base import Step, check_choice, check_finite
from corticode.recording import Signal
from corticode.space import Space

KINDS = ("average", "laplacian", "bipolar")


class Reference(Step):
    """Change the reference of the channels that are decoded; EOG and other companions stay as they are.

    Parameters
    ----------
    kind : str or None
        'average' (minus the mean of all), 'laplacian' (minus the mean of the nearest neighbours), 'bipolar' (differences
        of the named pairs); None or 'none': off.
    n_neighbours : int
        Of the Laplacian. At the rim of the cap neighbours lie on one side only.
    pairs : list of 'A-B' or of [A, B], or None
        Of the bipolar montage; the new channels are called A-B and lie half-way.

    Raises
    ------
    SentenceError
        'bipolar' without pairs, or fewer channels than neighbours.
    BrokenDataError
        A channel of a pair is not there; a Laplacian without positions; NaN in the signal.

    Source
    ------
    Hjorth 1975, Electroencephalogr. Clin. Neurophysiol. 39, with four neighbours of equal weight.
    """

    def __init__(self, kind: str | None = None, n_neighbours: int = 4, pairs: Sequence | None = None):
        self.kind = None if kind in (None, "none") else check_choice(kind, KINDS, "prepare.reference.kind")
        self.n_neighbours = int(n_neighbours)
        self.pairs = None if not pairs else [_pair(pair) for pair in pairs]
        if self.kind == "bipolar" and not self.pairs:
            raise SentenceError("prepare.reference.kind=bipolar needs pairs: give prepare.reference.pairs=[F3-C3,C3-P3]")
        if self.n_neighbours < 1:
            raise SentenceError(f"prepare.reference.n_neighbours={n_neighbours}: wanted 1 or more")

    @property
    def off(self) -> bool:
        """True without a kind."""
        return self.kind is None

    def __call__(self, signal: Signal) -> Signal:
        check_finite(signal, "a new reference")
        space = signal.space
        mine = [i for i, kind in enumerate(space.channel_types) if kind == space.kind]
        others = [i for i in range(len(space)) if i not in mine]
        part = space.pick(mine)
        if self.kind == "average":
            mix, made = average(len(part)), part
        elif self.kind == "laplacian":
            mix, made = laplacian(part, self.n_neighbours), part
        else:
            mix, made = bipolar(part, self.pairs)
        X = np.concatenate([mix @ signal.X[mine], signal.X[others]])
        return signal.replace(X=X, space=_joined(made, space.pick(others)) if others else made)


def average(channels: int) -> np.ndarray:
    """Return the matrix [channels, channels] that takes the mean of all channels away."""
    return np.eye(channels) - 1.0 / channels


def laplacian(space: Space, n_neighbours: int = 4) -> np.ndarray:
    """Return the matrix [channels, channels] that takes away the mean of each channel's nearest neighbours."""
    known = space.positions is not None and np.isfinite(space.positions).all()
    if not known:
        lost = (
            space.names
            if space.positions is None
            else [n for n, p in zip(space.names, space.positions, strict=True) if not np.isfinite(p).all()]
        )
        raise BrokenDataError(
            f"a Laplacian needs to know where the electrodes are, and {len(lost)} have no position ({', '.join(lost[:8])}): "
            "rename them to standard names in the reader, or use prepare.reference.kind=average"
        )
    if len(space) <= n_neighbours:
        raise SentenceError(
            f"a Laplacian of {n_neighbours} neighbours needs more than {len(space)} channels: set prepare.reference.n_neighbours lower"
        )
    distance = np.linalg.norm(space.positions[:, None] - space.positions[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    mix = np.eye(len(space))
    for channel, near in enumerate(np.argsort(distance, axis=1, kind="stable")[:, :n_neighbours]):
        mix[channel, near] = -1.0 / n_neighbours
    return mix


def bipolar(space: Space, pairs: Sequence[Sequence[str]]) -> tuple[np.ndarray, Space]:
    """Return the matrix [pairs, channels] of differences, and the Space of the pairs."""
    where = np.array([space.index(pair) for pair in pairs])
    rows = np.arange(len(where))
    mix = np.zeros((len(where), len(space)))
    mix[rows, where[:, 0]] = 1.0
    mix[rows, where[:, 1]] = -1.0
    names = tuple(f"{space.names[a]}-{space.names[b]}" for a, b in where)
    positions = None if space.positions is None else space.positions[where].mean(axis=1)
    return mix, replace(space, names=names, positions=positions, types=None)


def _pair(pair: Sequence[str] | str) -> list[str]:
    both = pair.split("-") if isinstance(pair, str) else [str(name) for name in pair]
    if len(both) != 2 or both[0] == both[1] or not all(both):
        raise SentenceError(f"prepare.reference.pairs holds {pair!r}: wanted two different channels, as C3-P3 or [C3,P3]")
    return both


def _joined(one: Space, other: Space) -> Space:
    """Return the channels of both, in order."""
    positions = None
    if one.positions is not None or other.positions is not None:
        unknown = [np.full((len(s), 3), np.nan) if s.positions is None else s.positions for s in (one, other)]
        positions = np.concatenate(unknown)
    return replace(one, names=one.names + other.names, positions=positions, types=one.channel_types + other.channel_types)
