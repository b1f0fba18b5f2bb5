"""Channels find their place in a network's list by any of their names."""

from __future__ import annotations

import pytest

from corticode.errors import SentenceError
from corticode.layer.montage import as_space, channel_index
from corticode.space import Space


def test_order_and_capitals():
    assert channel_index(["cz", "FP1", "Fz"], ["Fp1", "FZ", "CZ"]) == [2, 0, 1]
    assert channel_index([], ["Fp1"]) == []


@pytest.mark.parametrize("old,new", [("T3", "T7"), ("T4", "T8"), ("T5", "P7"), ("T6", "P8")])
def test_both_names_of_an_electrode(old, new):
    assert channel_index([old], ["Cz", new]) == channel_index([new], ["Cz", old]) == [1]
    assert channel_index([old, new], [new, old]) == [1, 0], "a list with both keeps them apart"


def test_aliases_come_before_the_other_name():
    assert channel_index(["t3", "m1"], ["T7", "TP9", "FT7"], aliases={"T3": "FT7", "M1": "TP9"}) == [2, 1]
    assert channel_index(["M1"], ["TP9", "M1"], aliases={"M1": "TP9"}) == [1], "its own name comes first"


def test_unknown_channels_are_listed_with_near_names():
    with pytest.raises(SentenceError, match=r"BIOT knows 2 channels by name and not CZZ, EOG \(did you mean Cz\?\): pick"):
        channel_index(["CZZ", "Fp1", "EOG"], ["Cz", "Fp1"], who="BIOT")
    with pytest.raises(SentenceError, match="E11 and 3 more"):
        channel_index([f"E{i}" for i in range(15)], ["Cz"])


def test_one_electrode_under_two_names_is_refused():
    with pytest.raises(SentenceError, match="takes T3, T7 for the same channel twice"):
        channel_index(["T3", "Cz", "T7"], ["Cz", "T7"])


def test_a_space_comes_in_three_forms():
    space = Space("eeg", ("Cz", "Pz"), "uV", 200.0)
    assert as_space(space) is space and as_space(space.to_dict()) == space and as_space(None) is None
