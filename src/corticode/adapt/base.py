"""Learning from labels: how encoder and head come to fit the source, and the target's few labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from corticode.encoder.base import Encoder
from corticode.errors import BrokenDataError
from corticode.head.base import Head
from corticode.space import Space
from corticode.state import Stateful


class Lesson(NamedTuple):
    """What `Adapt.fit` takes, as one value."""

    encoder: Encoder
    head: Head
    F: np.ndarray
    y: np.ndarray
    meta: pd.DataFrame
    space: Space
    n_outputs: int
    seed: int
    length_s: float = 0.0


class Adapt(Stateful):
    """Base: what happens when `Decoder.fit` and `Decoder.calibrate` are called.

    Attributes
    ----------
    deterministic : bool
        Gives the same answer whatever the seed (with deterministic parts).
    trains : bool
        A network learns by it.
    temperature : bool
        Probabilities are scaled by one number, found on rows held back inside the fit rows.
    unfinished : Path or None
        Folder in which a long fit is kept while it runs, so that one that was interrupted goes on. Whoever set it removes it, once
        what came of the fit is safe.
    """

    deterministic = True
    trains = False
    temperature = False
    unfinished: Path | None = None

    def check(self, encoder: Encoder, head: Head) -> None:
        """Refuse pairs that cannot work, when the decoder is built.

        Raises
        ------
        SentenceError
            Names the cure.
        """

    @property
    def word(self) -> str:
        """What is typed for it, `adapt=word`."""
        return type(self).__module__.rpartition(".")[2]

    def head_config(self, encoder: Encoder, config: dict[str, Any], kind: str) -> dict[str, Any]:
        """Return the configuration of the head to build for an encoder: the recipe's own, unless this way brings one.

        Parameters
        ----------
        encoder : Encoder
        config : dict
            Of the recipe's head.
        kind : str
            'probability' or 'value': what the task asks for.
        """
        return config

    def rebuild(self, encoder: Encoder, head: Head, shape: Sequence[int], space: Space | None = None, seed: int = 0) -> None:
        """Put in place what `fit` adds to fresh parts, so that saved weights find it; the adapter's own state is there already.

        Parameters
        ----------
        encoder, head
        shape : sequence of int
            Of a window, [channels, times].
        space : Space or None
        seed : int
            Of initial weights.
        """

    def fit(
        self,
        encoder: Encoder,
        head: Head,
        F: np.ndarray,
        y: np.ndarray,
        meta: pd.DataFrame,
        space: Space,
        n_outputs: int,
        seed: int,
        length_s: float = 0.0,
    ) -> dict[str, Any]:
        """Fit encoder and head in place on aligned features F [n, ...] of the source.

        `length_s` is that of what a window is made of, in seconds, so that rows held back for an inner choice share no
        sample with those that are learned from; 0: no two windows do.

        Returns
        -------
        notes : dict
            Plain facts for the table and the report: 'selection' (how the checkpoint was chosen), 'history'
            (list of dicts per epoch), chosen hyper-parameters.
        """
        raise NotImplementedError

    def n_together(self, encoder: Encoder) -> int:
        """Return how many decoders like this one `fit_together` should be given at once; 1: it has no better way than `fit`."""
        return 1

    @staticmethod
    def fit_together(adapters: Sequence[Any], lessons: Sequence[Lesson]) -> Iterator[tuple[int, dict[str, Any] | Exception]]:
        """Fit decoders of one recipe, each by its own adapter and on its own rows.

        Yields
        ------
        number, notes : int, dict or Exception
            As soon as one is done, in any order; the exception that `fit` raised where it did.
        """
        for number, (adapter, lesson) in enumerate(zip(adapters, lessons, strict=True)):
            try:
                yield number, adapter.fit(*lesson)
            except Exception as error:
                yield number, error

    def calibrate(
        self,
        encoder: Encoder,
        head: Head,
        F: np.ndarray,
        y: np.ndarray,
        meta: pd.DataFrame,
        space: Space,
        n_outputs: int,
        seed: int,
        length_s: float = 0.0,
    ) -> dict[str, Any]:
        """Go on from `fit` with few labelled windows of the target."""
        raise NotImplementedError

    def predict(self, encoder: Encoder, head: Head, F: np.ndarray, meta: pd.DataFrame, space: Space) -> np.ndarray:
        """Return answers [n, n_outputs] to aligned features F [n, ...]; `meta` is blind."""
        return head.predict(encoder.encode(F, meta, space))


def persons(meta: pd.DataFrame) -> np.ndarray:
    """Return the name of each row's person [n]: people of two data sets are never the same."""
    return (meta["dataset"].astype(str) + "\x1f" + meta["subject"].astype(str)).to_numpy(dtype=str)


def each_class(y: np.ndarray, classes: np.ndarray, word: str) -> np.ndarray:
    """Return the classes if each has labelled rows.

    Raises
    ------
    BrokenDataError
    """
    absent = np.setdiff1d(classes, y)
    if len(absent):
        raise BrokenDataError(
            f"{word} compares each class's mean with the target's, and its {len(y)} labelled windows hold none of class "
            f"{', '.join(map(str, absent))}: give some of each (split.shots=5)"
        )
    return classes
