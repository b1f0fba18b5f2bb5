"""Where a montage's channels stand in the list of names that a network knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from corticode.errors import SentenceError
from corticode.space import SYNONYMS, Space

# a message that lists more than so many names is not read
_LISTED = 12


def as_space(space: Space | Mapping[str, Any] | None) -> Space | None:
    """Return a Space, whichever way an encoder was given it: as such, as `Space.to_dict` has it, or not at all."""
    return Space.from_dict(dict(space)) if isinstance(space, Mapping) else space


def channel_index(
    names: Iterable[str], known: Sequence[str], aliases: Mapping[str, str] | None = None, who: str = "this network"
) -> list[int]:
    """Return the place of each channel in the list of names a network knows.

    Capitals do not matter. A name that is not listed is looked for under its alias, then under its other 10-20 name (T3 and T7, T4 and
    T8, T5 and P7, T6 and P8), so a network that lists both T3 and T7 keeps them apart.

    Parameters
    ----------
    names : iterable of str
        Of the channels, in their order.
    known : sequence of str
        What the network knows; the result counts from 0 in it.
    aliases : mapping of str -> str, or None
        Other spellings -> known names: {"M1": "TP9"}.
    who : str
        Whose list it is, for the message.

    Returns
    -------
    places : list of int

    Raises
    ------
    SentenceError
        Channels that are not listed, or two that mean the same electrode: names them.
    """
    names = [str(name) for name in names]
    where = {name.lower(): i for i, name in enumerate(known)}
    other = {alias.lower(): name.lower() for alias, name in (aliases or {}).items()}
    places = [_place(name.lower(), where, other) for name in names]
    unknown = [name for name, place in zip(names, places, strict=True) if place is None]
    if unknown:
        near = sorted({match for name in unknown for match in difflib.get_close_matches(name.lower(), where, n=1)})
        meant = f" (did you mean {', '.join(known[where[name]] for name in near[:_LISTED])}?)" if near else ""
        raise SentenceError(
            f"{who} knows {len(known)} channels by name and not {_shown(unknown)}{meant}: "
            "pick those it knows with prepare.pick.channels=[...], or take a network that does not read names"
        )
    twice = [name for name, place in zip(names, places, strict=True) if places.count(place) > 1]
    if twice:
        raise SentenceError(f"{who} takes {_shown(twice)} for the same channel twice: pick one with prepare.pick.channels=[...]")
    return places


def _place(name: str, where: Mapping[str, int], other: Mapping[str, str]) -> int | None:
    for spelling in (name, other.get(name), SYNONYMS.get(name)):
        if spelling in where:
            return where[spelling]
    return None


def _shown(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
