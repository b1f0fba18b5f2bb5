"""Swap the left and right half of the head, and what the classes say about left and right with it."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import torch

from corticode.augment.base import Augment
from corticode.errors import SentenceError
from corticode.space import same_electrode

# Rows of the 10-20, 10-10 and 10-05 systems, and ear lobes and mastoids; numbers are odd on the left and go up to 10.
_ROWS = "n|nfp|fp|afp|af|aff|f|fft|ffc|ft|fc|ftt|fcc|fct|t|c|ttp|ccp|tcp|tp|cp|tpp|cpp|p|ppo|po|poo|o|oi|i|a|m"
_ELECTRODE = re.compile(rf"({_ROWS})(z|10|[1-9])(h?)")
_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


class HemisphereSwap(Augment):
    """Channels by 10-20 name: C3 <-> C4, FC5 <-> FC6, Cz stays; classes by word: left_hand <-> right_hand, feet stays.

    A class whose name has no side keeps its label, and so does a regressed value. Every window must have both of each pair.

    Parameters
    ----------
    labels : str
        'swap' for classes that have a side; or 'keep', where the side of the head does not follow that of the class, and for
        sets such as right hand against feet, of which MVCNet keeps the labels too.
    probability : float
    classes : sequence of str or None
        Names of the classes that y counts; none for a regression.

    Raises
    ------
    SentenceError
        A class has a side and its counterpart is no class; channels have no partner.

    Source
    ------
    Channel reflection, the spatial view of MVCNet: Wang et al. 2025, Knowledge-Based Systems 328:114205.
    """

    def __init__(self, labels: str = "swap", probability: float = 0.0, classes: Sequence[str] | None = None):
        super().__init__(probability)
        if labels not in ("swap", "keep"):
            raise SentenceError(f"augment.hemisphere_swap.labels={labels} is unknown: pick swap or keep")
        self.labels, self.classes = labels, None if classes is None else tuple(classes)
        self._swapped = None if self.off or labels == "keep" else swapped_classes(self.classes or ())

    def check(self, space, n_times):
        """Refuse channels without a partner.

        Raises
        ------
        SentenceError
        """
        mirrored(space.names)

    def change(self, x, y, space, generator):
        """Return x with channels in mirrored order, and y."""
        where = torch.tensor(mirrored(space.names), device=x.device)
        return x.index_select(1, where), self._labels(y)

    def _labels(self, y: torch.Tensor) -> torch.Tensor:
        if not self._swapped:
            return y
        table = torch.tensor(self._swapped, device=y.device)
        if y.is_floating_point():  # probabilities of classes
            return y.index_select(1, table)
        return table[y]


def swapped_classes(classes: Sequence[str]) -> tuple[int, ...]:
    """Return the place of each class's counterpart, its own where its name has no side; () for no classes.

    Raises
    ------
    SentenceError
        A class has a side and its counterpart is no class.
    """
    known = {name.lower(): place for place, name in enumerate(classes)}
    partners = [_SIDE.sub(lambda found: "right" if found.group().lower() == "left" else "left", name).lower() for name in classes]
    alone = [name for name, partner in zip(classes, partners, strict=True) if partner not in known]
    if alone:
        raise SentenceError(
            f"augment.hemisphere_swap: class {alone[0]} has a side and its counterpart is none of {', '.join(classes)}: use "
            "augment.hemisphere_swap.labels=keep, or augment.hemisphere_swap.probability=0"
        )
    return tuple(known[partner] for partner in partners)


@functools.lru_cache(maxsize=64)
def mirrored(names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the place of each electrode's counterpart on the other half of the head, its own on the midline.

    Raises
    ------
    SentenceError
        A name is none of the 10-20 system, its counterpart is absent, or there are electrodes on the midline alone.
    """
    known = {same_electrode(name): place for place, name in enumerate(names)}
    partners = [homologue(name) for name in names]
    alone = [name for name, partner in zip(names, partners, strict=True) if partner not in known]
    if alone:
        raise SentenceError(
            f"augment.hemisphere_swap takes electrodes by their 10-20 names, and {len(alone)} of {len(names)} have no counterpart among the "
            f"channels ({', '.join(alone[:10])}): leave them out with prepare.pick.channels=[...], or use augment.hemisphere_swap.probability=0"
        )
    places = tuple(known[partner] for partner in partners)
    if places == tuple(range(len(names))):
        raise SentenceError("augment.hemisphere_swap: all channels lie on the midline, so there is nothing to swap: leave it out")
    return places


def homologue(name: str) -> str | None:
    """Return the lower-case name of the electrode on the other half of the head: C3 -> c4, Cz -> cz; None for no 10-20 name."""
    found = _ELECTRODE.fullmatch(same_electrode(name))
    if found is None:
        return None
    row, number, between = found.groups()
    if number == "z" or (row == "a" and number not in "12"):  # A3 ... A32 are places of a cap of 128
        return found.group() if number == "z" else None
    return f"{row}{int(number) + (1 if int(number) % 2 else -1)}{between}"
