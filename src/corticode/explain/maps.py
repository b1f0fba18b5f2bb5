"""Maps of what a decoder used, one per class, beside the same maps of a decoder that knows nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from corticode import store
from corticode.errors import BrokenDataError

_FEWEST = 8  # values of which a rank correlation says anything
VIEWS = ("electrode", "time", "frequency", "time_frequency")


@dataclass(frozen=True)
class Map:
    """What a method found, seen from one side or several.

    Parameters
    ----------
    method : str
        Name of the method, a key of `explain.methods.METHODS`.
    labels : tuple of k str
        What each row is of: a class, or a filter; '' for what is of all classes.
    views : dict of float array
        'electrode' [k, channels], 'time' [k, times], 'frequency' [k, frequencies], 'time_frequency' [k, frequencies, times].
    unit : str
        Of the values; '' where only their shape tells.
    names : tuple of str
        Of the channels.
    positions : float array [channels, 3] or None
        Metres in head coordinates; NaN where unknown.
    edges_s : float array [times + 1], s
        From the beginning of the window.
    edges_hz : float array [frequencies + 1], Hz
    n_windows : int
        How many windows were asked.

    Raises
    ------
    BrokenDataError
        A view holds NaN, or does not fit its axes.
    """

    method: str
    labels: tuple[str, ...]
    views: dict[str, np.ndarray]
    unit: str = ""
    names: tuple[str, ...] = ()
    positions: np.ndarray | None = None
    edges_s: np.ndarray = field(default_factory=lambda: np.zeros(1))
    edges_hz: np.ndarray = field(default_factory=lambda: np.zeros(1))
    n_windows: int = 0

    def __post_init__(self):
        times, frequencies = len(self.edges_s) - 1, len(self.edges_hz) - 1
        shapes = {"electrode": (len(self.names),), "time": (times,), "frequency": (frequencies,), "time_frequency": (frequencies, times)}
        for name, view in self.views.items():
            wanted = (len(self.labels), *shapes[name])
            if view.shape != wanted:
                raise BrokenDataError(f"{self.method}: view {name} is {list(view.shape)}, its axes say {list(wanted)}")
            if not np.isfinite(view).all():
                raise BrokenDataError(f"{self.method}: view {name} holds NaN or infinity: the decoder's fit did not converge")


@dataclass(frozen=True)
class Explanation:
    """A map with its sanity control.

    Parameters
    ----------
    found : Map
    control : Map
        By one decoder that knows nothing.
    agreement : dict of float
        For each view of eight values or more the rank correlation with such decoders, sign left aside, mean of several: near 1 where the
        map shows the data, or the shape of the network, and nothing that was learned.
    against : str
        What the control is: 'shuffled weights' or 'shuffled labels'.
    """

    found: Map
    control: Map
    agreement: dict[str, float]
    against: str


def class_means(rows: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean over the rows of each class, [k, ...]; classes as `np.unique` orders them."""
    return np.stack([rows[y == label].mean(axis=0) for label in np.unique(y)])


def agreement(found: Map, other: Map) -> dict[str, float]:
    """Return for each view of eight values or more the rank correlation of two maps, all classes together; 0 where one of them is flat.

    Source
    ------
    Adebayo et al. 2018, NeurIPS: a map that stays when weights are randomised tells nothing of what was learned.
    """
    from scipy.stats import spearmanr

    correlations = {}
    for name in found.views:
        pair = found.views[name].ravel(), other.views[name].ravel()
        if len(pair[0]) < _FEWEST:
            continue
        flat = any(np.ptp(values) == 0 for values in pair)
        correlations[name] = 0.0 if flat else float(spearmanr(*pair).statistic)
    return correlations


_PLAIN = ("method", "unit", "against")


def save(path: Path, explanation: Explanation) -> Path:
    """Write an explanation as .npz, without pickle."""
    found, control = explanation.found, explanation.control
    where = np.full((len(found.names), 3), np.nan) if found.positions is None else found.positions
    arrays = {
        "method": np.array(found.method), "unit": np.array(found.unit), "against": np.array(explanation.against),
        "labels": np.array(found.labels, dtype=str), "names": np.array(found.names, dtype=str), "positions": where,
        "edges_s": found.edges_s, "edges_hz": found.edges_hz, "n_windows": np.array(found.n_windows),
    }  # fmt: skip
    for name in found.views:
        arrays |= {f"found_{name}": found.views[name], f"control_{name}": control.views[name]}
    arrays |= {f"agreement_{name}": np.array(value) for name, value in explanation.agreement.items()}
    with store.writing(path) as tmp, tmp.open("wb") as file:
        np.savez(file, **arrays)
    return Path(path)


def load(path: Path) -> Explanation:
    """Read what `save` wrote.

    Raises
    ------
    BrokenDataError
        Not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        method, unit, against = (str(arrays[name]) for name in _PLAIN)
        labels, names = (tuple(arrays[name].tolist()) for name in ("labels", "names"))
        positions = None if np.isnan(arrays["positions"]).all() else arrays["positions"]
        views = [name for name in VIEWS if f"found_{name}" in arrays]
        found, control = (
            Map(method, labels, {name: arrays[f"{kind}_{name}"] for name in views}, unit, names, positions,
                arrays["edges_s"], arrays["edges_hz"], int(arrays["n_windows"]))
            for kind in ("found", "control")
        )  # fmt: skip
        return Explanation(
            found, control, {name: float(arrays[f"agreement_{name}"]) for name in views if f"agreement_{name}" in arrays}, against
        )
    except FileNotFoundError:
        raise
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise BrokenDataError(f"{path} holds no explanation ({error}): run corticode explain again") from error
