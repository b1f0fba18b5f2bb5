"""Seconds and memory."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from corticode.adapt.cost import Cost


def test_it_tells_seconds_and_the_peak_of_the_block():
    with Cost() as before:
        pass
    with Cost() as cost:
        there = np.ones(64 * 2**17)
        del there
    assert set(cost.notes) == {"seconds", "peak_mib", "peak_of"} and cost.notes["peak_of"] == "process"
    assert cost.notes["seconds"] > 0
    if sys.platform == "linux":
        assert cost.notes["peak_mib"] - before.notes["peak_mib"] == pytest.approx(64, abs=8)


def test_what_fails_fails():
    with pytest.raises(ZeroDivisionError), Cost():
        1 / 0  # noqa: B018
