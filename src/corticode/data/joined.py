"""Several data sets as one: their common channels and labels, told apart by the `dataset` column."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from corticode import catalogue, store
from corticode.data.base import Card, DataSet
from corticode.errors import SentenceError
from corticode.recording import Recording, Signal
from corticode.space import Space, same_electrode


class Joined(DataSet):
    """Recordings of several data sets behind each other, brought to the channels that all of them have.

    Channels are matched by name (T3 is T7; capitals do not matter) and take the names and the order of the first set;
    positions stay those of each recording. Labels are matched by name, and those that all sets declare are asked about.
    Signals are in µV in any case; the rate is brought together by `prepare.resample.sfreq_hz`, which this entry sets.

    Parameters
    ----------
    sets : list of str, or of one-key mappings
        Names of `corticode list data`, with arguments where they need any: [physionet_mi, {simulated: {n_subjects: 3}}]. A
        name that stands twice gets a number: simulated, simulated_2.

    Raises
    ------
    SentenceError
        An unknown name or argument, fewer than two channels or labels in common, signals of different kinds.
    """

    name = "joined"
    card = Card(
        title="Several data sets as one",
        source="the data sets that are named",
        licence="those of the data sets",
        citation="those of the data sets",
        notes=("references and amplifiers differ between sets: an average reference over the common channels is the entry's default",),
    )

    def __init__(self, sets: Sequence[str | Mapping[str, Any]] = ("physionet_mi", "bnci2014_001")):
        super().__init__()
        self.sets = [sets] if isinstance(sets, str) else list(sets)
        if not self.sets:
            raise SentenceError("data.sets is empty: name two data sets or more, such as data.sets=[physionet_mi,bnci2014_001]")

    @functools.cached_property
    def members(self) -> dict[str, DataSet]:
        """The data sets by the name in their `dataset` column."""
        found: dict[str, DataSet] = {}
        for entry in self.sets:
            member = entry if isinstance(entry, DataSet) else _made(entry)
            member.home = self.home
            times = sum(name == member.name or name.startswith(f"{member.name}_") for name in found)
            found[member.name if not times else f"{member.name}_{times + 1}"] = member
        return found

    @property
    def classes(self) -> dict[str, list[str]]:
        """Labels that every set declares, by column, in the order of the first.

        Raises
        ------
        SentenceError
            There are fewer than two: names those of each set.
        """
        declared = {name: member.classes for name, member in self.members.items()}
        first, *others = declared.values()
        common = {c: [label for label in first[c] if all(label in other.get(c, ()) for other in others)] for c in first}
        common = {column: labels for column, labels in common.items() if len(labels) > 1}
        if not common:
            each = "; ".join(
                f"{name}: {', '.join(label for labels in found.values() for label in labels)}" for name, found in declared.items()
            )
            raise SentenceError(f"data.sets have fewer than two labels in common ({each})")
        return common

    def recordings(self) -> Iterator[Recording]:
        """Give the recordings of each set in turn; one of each set is read, to see its channels."""
        everything = {name: list(member.recordings()) for name, member in self.members.items()}
        channels = self._common({name: recordings[0].read().space for name, recordings in everything.items() if recordings})
        self.notes = [f"{name}: {note}" for name, member in self.members.items() for note in member.notes]
        self.notes.append(f"joined on {len(channels)} channels: {', '.join(channels)}")
        for name, recordings in everything.items():
            code = store.code_key(type(self.members[name]).__module__)
            for recording in recordings:
                yield replace(
                    recording,
                    who={**recording.who, "dataset": name},
                    read=functools.partial(_matched, recording.read, channels),
                    origin={**recording.origin, "channels": channels, "code": code},
                )

    def _common(self, spaces: Mapping[str, Space]) -> list[str]:
        """Return the names of channels that all sets have, as the first one writes them."""
        first, *others = spaces.values()
        kinds = {name: space.kind for name, space in spaces.items()}
        if len(set(kinds.values())) > 1:
            raise SentenceError(f"data.sets are of different kinds ({', '.join(f'{name}: {kind}' for name, kind in kinds.items())})")
        known = [{same_electrode(name) for name in space.names} for space in others]
        common = [name for name in first.names if all(same_electrode(name) in names for names in known)]
        if len(common) < 2:
            each = "; ".join(f"{name}: {', '.join(space.names[:12])}" for name, space in spaces.items())
            raise SentenceError(f"data.sets have fewer than two channels in common ({each})")
        return common

    def fetch(self) -> Path:
        """Download what is missing of each set; return the folder of the first."""
        folders = [member.fetch() for member in self.members.values()]
        return folders[0]

    def recording_of(self, file: Path) -> Recording:
        """Refuse: a new file does not say which of the sets it is like."""
        raise SentenceError(f"{file}: a decoder of joined data sets does not know which of them a new file is like: give windows instead")


def _made(entry: str | Mapping[str, Any]) -> DataSet:
    """Return a data set of the catalogue, its entry's arguments changed by those given."""
    name, given = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
    if not isinstance(entry, str) and len(entry) != 1:
        raise SentenceError(f"data.sets has {dict(entry)}: wanted a name, or one name with its arguments, {{simulated: {{n_subjects: 3}}}}")
    known = catalogue.names("data")
    name = catalogue.canonical_name("data", str(name))
    if name not in known or name == Joined.name:
        raise SentenceError(f"data.sets names {name}, which is no data set{catalogue.near(name, list(known))}: see `corticode list data`")
    text = (catalogue.conf_folder() / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)["data"]
    absent = [key for key in given or {} if key not in config]
    if absent:
        raise SentenceError(f"data.sets: {name} has no argument {absent[0]}{catalogue.near(absent[0], list(config))}")
    return catalogue.make({**config, **(given or {})})


def _matched(read: Callable[[], Signal], channels: Sequence[str]) -> Signal:
    """Return what `read` gives, brought to these channels under these names."""
    signal = read()
    there = {same_electrode(name): name for name in signal.space.names}
    # a recording that lacks what the first of its set has is named by `index`
    where = signal.space.index([there.get(same_electrode(name), name) for name in channels])
    return signal.replace(X=signal.X[where], space=replace(signal.space.pick(where), names=tuple(channels)))
