"""Which channels, under which names, in which order; missing and broken ones by spherical splines."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from corticode.errors import BrokenDataError, SentenceError
from corticode.prepare.base import Step, check_choice, check_finite, words
from corticode.recording import Signal
from corticode.space import SYNONYMS, Space

MISSING = ("error", "zero", "interpolate")


class Rename(Step):
    """Give channels other names.

    Parameters
    ----------
    mapping : mapping of old -> new name, or None
        None or empty: off.

    Raises
    ------
    BrokenDataError
        An old name is not there, or a new one stands twice.
    """

    def __init__(self, mapping: Mapping[str, str] | None = None):
        self.mapping = None if not mapping else {str(old): str(new) for old, new in mapping.items()}

    @property
    def off(self) -> bool:
        """True without a mapping."""
        return self.mapping is None

    def __call__(self, signal: Signal) -> Signal:
        names = list(signal.space.names)
        for place, new in zip(signal.space.index(list(self.mapping)), self.mapping.values(), strict=True):
            names[place] = new
        return signal.replace(space=replace(signal.space, names=tuple(names)))


class Pick(Step):
    """Keep some channels.

    Parameters
    ----------
    channels : list of str or None
        These, in this order, whatever their type.
    types : list of str or None
        All of these types ('eeg', 'eog'). Without either: the channels that are decoded, EOG and the like left behind.

    Raises
    ------
    BrokenDataError
        A channel is not there, or nothing would be left.
    """

    def __init__(self, channels: Sequence[str] | None = None, types: Sequence[str] | None = None):
        self.channels = words(channels)
        self.types = words(types)
        if self.channels and self.types:
            raise SentenceError("prepare.pick has both channels= and types=: give one of them")

    def __call__(self, signal: Signal) -> Signal:
        space = signal.space
        if self.channels:
            where = space.index(self.channels)
        else:
            types = self.types or [space.kind]
            where = [i for i, kind in enumerate(space.channel_types) if kind in types]
            if not where:
                raise BrokenDataError(
                    f"no channel of type {' or '.join(types)} (types there: {', '.join(sorted(set(space.channel_types)))}): change prepare.pick.types"
                )
        if where == list(range(len(space))):
            return signal
        return signal.replace(X=signal.X[where], space=space.pick(where))


class Match(Step):
    """Bring any recording to one list of channels, in its order: what a pretrained network or a second data set needs.

    T3 T4 T5 T6 are taken for T7 T8 P7 P8, and the other way round.

    Parameters
    ----------
    channels : list of str or None
        None: off.
    missing : str
        What to do for a channel that is not there: 'error', 'zero' (a flat channel) or 'interpolate' (spherical
        splines from those there, at the standard 10-05 position).

    Raises
    ------
    BrokenDataError
        A channel is missing and `missing` is 'error'; interpolation without known positions; NaN in the signal.
    """

    def __init__(self, channels: Sequence[str] | None = None, missing: str = "error"):
        self.channels = words(channels)
        self.missing = check_choice(missing, MISSING, "prepare.match.missing")

    @property
    def off(self) -> bool:
        """True without channels."""
        return self.channels is None

    def __call__(self, signal: Signal) -> Signal:
        space = signal.space
        there = {name.lower(): i for i, name in enumerate(space.names)}
        where = [there.get(name.lower(), there.get(SYNONYMS.get(name.lower()))) for name in self.channels]
        absent = [name for name, place in zip(self.channels, where, strict=True) if place is None]
        if absent and self.missing == "error":
            raise BrokenDataError(
                f"no channel named {', '.join(absent)} among the {len(space)} there ({', '.join(space.names[:40])}): "
                "set prepare.match.missing=interpolate or =zero, or leave them out of prepare.match.channels"
            )
        if not absent:
            matched = space.pick(where)
            return signal.replace(X=signal.X[where], space=replace(matched, names=tuple(self.channels)))
        whole = _with_absent(signal, absent)
        if self.missing == "interpolate":
            whole = _splined(whole, absent)
        there = {name: i for i, name in enumerate(whole.space.names)}
        where = [there[name] if place is None else place for name, place in zip(self.channels, where, strict=True)]
        return signal.replace(X=whole.X[where], space=replace(whole.space.pick(where), names=tuple(self.channels)))


class Interpolate(Step):
    """Replace broken channels by spherical splines over the others.

    Parameters
    ----------
    bad : list of str or None
        None: off. The same channels in every recording; for one person's broken channel, use one run per person.

    Raises
    ------
    BrokenDataError
        A channel is not there, positions are unknown, or NaN stands in another channel.

    Source
    ------
    Perrin et al. 1989, Electroencephalogr. Clin. Neurophysiol. 72, by mne.io.Raw.interpolate_bads.
    """

    def __init__(self, bad: Sequence[str] | None = None):
        self.bad = words(bad)

    @property
    def off(self) -> bool:
        """True without channels."""
        return self.bad is None

    def __call__(self, signal: Signal) -> Signal:
        where = signal.space.index(self.bad)
        X = np.array(signal.X, dtype=np.float64)
        X[where] = 0.0  # what stands there is not looked at, so it may be NaN
        return _splined(signal.replace(X=X), [signal.space.names[i] for i in where])


# -- splines ------------------------------------------------------------------------------------------------------


def _with_absent(signal: Signal, absent: Sequence[str]) -> Signal:
    """Return the signal with flat channels added, at their standard positions where the others have positions too."""
    space = signal.space
    positions = space.positions
    if positions is not None:
        known = standard_positions()
        unknown = np.full(3, np.nan)
        positions = np.concatenate([positions, [known.get(name.lower(), unknown) for name in absent]])
    wider = replace(space, names=(*space.names, *absent), positions=positions, types=space.channel_types + (space.kind,) * len(absent))
    return signal.replace(X=np.concatenate([signal.X, np.zeros((len(absent), signal.X.shape[1]))]), space=wider)


def _splined(signal: Signal, bad: Sequence[str]) -> Signal:
    """Return the signal with the `bad` channels made from the other channels of its kind."""
    import mne

    check_finite(signal, "interpolation")
    space = signal.space
    mine = [i for i, kind in enumerate(space.channel_types) if kind == space.kind]
    if not set(bad) <= {space.names[i] for i in mine}:
        raise BrokenDataError(f"only {space.kind} channels can be interpolated, {', '.join(bad)} are not all of that type")
    part = space.pick(mine)
    places = _located(part)
    info = mne.create_info(list(part.names), space.sfreq, "eeg")
    info.set_montage(mne.channels.make_dig_montage(dict(zip(part.names, places, strict=True)), coord_frame="head"))
    raw = mne.io.RawArray(signal.X[mine], info, verbose="error")
    raw.info["bads"] = list(bad)
    raw.interpolate_bads(origin=_centre(places), verbose="error")
    X = np.array(signal.X, dtype=np.float64)
    X[mine] = raw.get_data()
    return signal.replace(X=X)


def _located(space: Space) -> np.ndarray:
    """Return positions [channels, 3] in metres: the recording's own, else the standard ones of these names."""
    positions = np.full((len(space), 3), np.nan) if space.positions is None else space.positions
    if space.positions is None:
        known = standard_positions()
        positions = np.array([known.get(name.lower(), np.full(3, np.nan)) for name in space.names])
    lost = [name for name, place in zip(space.names, positions, strict=True) if not np.isfinite(place).all()]
    if lost:
        raise BrokenDataError(
            f"interpolation needs to know where the electrodes are, and {', '.join(lost[:8])} have no position and no name of the 10-05 system: "
            "rename them with prepare.rename.mapping={...}, or leave them out with prepare.pick.channels=[...]"
        )
    return positions


def _centre(positions: np.ndarray) -> np.ndarray:
    """Return the centre of the sphere that fits best: |p|² = 2 p·c + k is linear in c and k.

    Electrodes on one small patch do not settle a sphere; the usual head centre, 4 cm above the ears, serves then.
    """
    usual = np.array([0.0, 0.0, 0.04])
    if len(positions) < 8:
        return usual
    A = np.c_[2 * positions, np.ones(len(positions))]
    centre = np.linalg.lstsq(A, (positions**2).sum(axis=1), rcond=None)[0][:3]
    return centre if np.linalg.norm(centre - usual) < 0.04 else usual


@functools.cache
def standard_positions() -> dict[str, np.ndarray]:
    """Return the place of every 10-05 electrode in head coordinates, metres, by its name in small letters."""
    import mne

    # MNE 1.13 gave its template montages new names
    known = mne.channels.get_builtin_montages()
    montage = mne.channels.make_standard_montage("colin27_1005" if "colin27_1005" in known else "standard_1005")
    info = mne.create_info(montage.ch_names, 256.0, "eeg")
    info.set_montage(montage)
    return {channel["ch_name"].lower(): np.array(channel["loc"][:3]) for channel in info["chs"]}
