"""What the channel axis of an array means: names, unit, rate, positions.

X [n, channels, times]
      |         `-- one step = 1 / sfreq seconds
      `------------ Space.names[i], in Space.unit
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from corticode.errors import BrokenDataError, SentenceError

# The unit in which windows of each kind are kept, so that "microvolts" is decided in one place.
HOUSE_UNIT = {"eeg": "uV", "ieeg": "uV", "meg": "fT", "voxel": "z", "parcel": "z", "vertex": "z", "unit": "count", "feature": "1"}

_SCALE = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "nV": 1e-9, "T": 1.0, "pT": 1e-12, "fT": 1e-15, "T/m": 1.0, "fT/m": 1e-15}
_QUANTITY = {unit: ("volt" if unit.endswith("V") else "gradient" if unit.endswith("/m") else "tesla") for unit in _SCALE}


# One electrode, two names: the 10-20 system of 1958 and the 10-10 system.
SYNONYMS = {"t3": "t7", "t4": "t8", "t5": "p7", "t6": "p8", "t7": "t3", "t8": "t4", "p7": "t5", "p8": "t6"}


def same_electrode(name: str) -> str:
    """Return one name for all spellings of an electrode: capitals do not matter, and T3 T4 T5 T6 are T7 T8 P7 P8."""
    name = str(name).lower()
    return SYNONYMS[name] if name in ("t3", "t4", "t5", "t6") else name


def unit_factor(unit: str, wanted: str) -> float:
    """Return the number that turns amplitudes in `unit` into amplitudes in `wanted`.

    Raises
    ------
    SentenceError
        The two do not measure the same quantity.
    """
    if unit == wanted:
        return 1.0
    if _QUANTITY.get(unit) is None or _QUANTITY.get(unit) != _QUANTITY.get(wanted):
        known = ", ".join(sorted(_SCALE))
        raise SentenceError(f"cannot turn unit {unit!r} into {wanted!r}: known units are {known}")
    # a ratio of powers of ten: rounding it gives back the exact decimal factor
    return float(f"{_SCALE[unit] / _SCALE[wanted]:.12g}")


@dataclass(frozen=True)
class Space:
    """What axis 1 of a window means.

    Parameters
    ----------
    kind : str
        'eeg', 'ieeg', 'meg', 'voxel', 'parcel', 'vertex', 'unit' or 'feature'.
    names : tuple of str
        One name per channel, unique.
    unit : str
        'uV' for EEG and iEEG, 'fT' for MEG, 'z' or 'percent' for fMRI, 'count' for spikes.
    sfreq : float, Hz
        Samples per second; 1 / TR for fMRI.
    positions : float array [channels, 3] or None
        Metres in head coordinates for sensors, mm in MNI for fMRI. NaN where unknown. Not compared: people whose
        electrodes were digitised share a Space with people whose electrodes were not.
    types : tuple of str or None
        Type of each channel where some are not of `kind` ('eog', 'ecg', 'misc'); None means all are.
    image : str or None
        The way back to a volume or a surface.
    """

    kind: str
    names: tuple[str, ...]
    unit: str
    sfreq: float
    positions: np.ndarray | None = field(default=None, compare=False, repr=False)
    types: tuple[str, ...] | None = None
    image: str | None = None

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "sfreq", float(self.sfreq))
        if self.kind not in HOUSE_UNIT:
            raise SentenceError(f"kind {self.kind!r} is unknown: pick one of {', '.join(HOUSE_UNIT)}")
        if len(set(self.names)) != len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise BrokenDataError(f"channel names must be unique, these occur twice: {', '.join(twice)}")
        if not self.sfreq > 0:
            raise BrokenDataError(f"sfreq must be above 0 Hz, got {self.sfreq}")
        if self.positions is not None:
            positions = np.asarray(self.positions, dtype=float)
            if positions.shape != (len(self.names), 3):
                raise BrokenDataError(
                    f"positions are {list(positions.shape)} but space names {len(self.names)} channels: wanted [channels, 3]"
                )
            object.__setattr__(self, "positions", positions)
        if self.types is not None:
            object.__setattr__(self, "types", tuple(self.types))
            if len(self.types) != len(self.names):
                raise BrokenDataError(f"{len(self.types)} channel types for {len(self.names)} channel names")
            if set(self.types) == {self.kind}:
                object.__setattr__(self, "types", None)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def channel_types(self) -> tuple[str, ...]:
        """Type of each channel, spelled out."""
        return self.types if self.types is not None else (self.kind,) * len(self)

    def index(self, names: list[str] | tuple[str, ...]) -> list[int]:
        """Return the place of each name, compared without regard to case.

        Raises
        ------
        BrokenDataError
            A name is not among the channels.
        """
        where = {name.lower(): i for i, name in enumerate(self.names)}
        absent = [name for name in names if name.lower() not in where]
        if absent:
            raise BrokenDataError(
                f"no channel named {', '.join(absent)} among the {len(self)} there ({', '.join(self.names[:40])}): "
                "pick others with prepare.pick.channels=[...]"
            )
        return [where[name.lower()] for name in names]

    def pick(self, where: list[int] | np.ndarray) -> Space:
        """Return the Space of the channels at these places, in this order."""
        where = [int(i) for i in where]
        return replace(
            self,
            names=tuple(self.names[i] for i in where),
            positions=None if self.positions is None else self.positions[where],
            types=None if self.types is None else tuple(self.types[i] for i in where),
        )

    def at(self, sfreq: float) -> Space:
        """Return the same channels at another rate, in Hz."""
        return replace(self, sfreq=float(sfreq))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "unit": self.unit,
            "sfreq": self.sfreq,
            # JSON has no NaN: an unknown position is null
            "positions": None if self.positions is None else [None if np.isnan(p).any() else [float(v) for v in p] for p in self.positions],
            "types": None if self.types is None else list(self.types),
            "image": self.image,
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Space:
        """Build from what `to_dict` gave."""
        plain = dict(plain)
        if plain.get("positions") is not None:
            plain["positions"] = np.array([[np.nan] * 3 if p is None else p for p in plain["positions"]], dtype=float)
        return cls(**plain)
