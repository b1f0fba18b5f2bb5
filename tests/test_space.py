"""Space: what the channel axis means, and units."""

from __future__ import annotations

import json

import numpy as np
import pytest

from corticode.errors import BrokenDataError, SentenceError
from corticode.space import HOUSE_UNIT, Space, unit_factor


@pytest.mark.parametrize(
    "unit, wanted, factor",
    [("V", "uV", 1e6), ("mV", "uV", 1e3), ("nV", "uV", 1e-3), ("µV", "uV", 1.0), ("uV", "uV", 1.0), ("T", "fT", 1e15), ("z", "z", 1.0)],
)
def test_factors_are_exact(unit, wanted, factor):
    assert unit_factor(unit, wanted) == factor


@pytest.mark.parametrize("unit, wanted", [("V", "fT"), ("count", "uV"), ("furlong", "uV")])
def test_other_quantities_are_refused(unit, wanted):
    with pytest.raises(SentenceError, match=unit):
        unit_factor(unit, wanted)


def test_spaces_are_equal_by_what_is_measured():
    space = Space("eeg", ["C3", "Cz"], "uV", 250)
    assert space == Space("eeg", ("C3", "Cz"), "uV", 250.0, positions=np.ones((2, 3)), types=("eeg", "eeg"))
    assert hash(space) == hash(Space("eeg", ("C3", "Cz"), "uV", 250.0, positions=np.ones((2, 3))))
    for other in (
        Space("eeg", ["Cz", "C3"], "uV", 250),
        Space("eeg", ["C3", "Cz"], "uV", 256),
        Space("ieeg", ["C3", "Cz"], "uV", 250),
        Space("eeg", ["C3", "Cz"], "uV", 250, types=("eeg", "eog")),
    ):
        assert space != other


def test_plain_values_give_it_back():
    positions = np.array([[0.1, 0.2, 0.3], [np.nan] * 3])
    space = Space("eeg", ["C3", "VEOG"], "uV", 250, positions=positions, types=("eeg", "eog"))
    again = Space.from_dict(json.loads(json.dumps(space.to_dict(), allow_nan=False)))
    assert again == space and again.types == ("eeg", "eog")
    assert np.array_equal(again.positions, positions, equal_nan=True)
    assert Space.from_dict(Space("unit", ["n1"], "count", 100).to_dict()).positions is None


def test_channels_are_found_without_regard_to_case():
    space = Space("eeg", ["C3", "Cz", "FP1"], "uV", 250)
    assert space.index(["cz", "Fp1"]) == [1, 2]
    with pytest.raises(BrokenDataError, match=r"no channel named Oz among the 3 there \(C3, Cz, FP1\)"):
        space.index(["C3", "Oz"])


def test_pick_keeps_everything_in_step():
    space = Space("eeg", ["C3", "Cz", "VEOG"], "uV", 250, positions=np.arange(9.0).reshape(3, 3), types=("eeg", "eeg", "eog"))
    picked = space.pick([2, 0])
    assert picked.names == ("VEOG", "C3") and picked.types == ("eog", "eeg")
    assert picked.positions.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert space.pick([0, 1]).types is None  # all of the kind: nothing to spell out
    assert space.pick([0, 1]).channel_types == ("eeg", "eeg")
    assert space.at(128).sfreq == 128.0 and space.at(128).names == space.names


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"kind": "egg"}, SentenceError, "eeg, ieeg"),
        ({"names": ["C3", "C3"]}, BrokenDataError, "twice: C3"),
        ({"sfreq": 0}, BrokenDataError, "above 0 Hz"),
        ({"sfreq": float("nan")}, BrokenDataError, "above 0 Hz"),
        ({"positions": np.zeros((3, 3))}, BrokenDataError, r"wanted \[channels, 3\]"),
        ({"types": ("eeg",)}, BrokenDataError, "1 channel types for 2"),
    ],
)
def test_nonsense_is_refused(change, error, words):
    with pytest.raises(error, match=words):
        Space(**{"kind": "eeg", "names": ["C3", "Cz"], "unit": "uV", "sfreq": 250, **change})


def test_every_kind_has_a_unit():
    assert set(HOUSE_UNIT) == {"eeg", "ieeg", "meg", "voxel", "parcel", "vertex", "unit", "feature"}
