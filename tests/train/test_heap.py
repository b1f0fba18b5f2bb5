"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from corticode.train import heap


@pytest.mark.skipif(heap._glibc() is None, reason="needs the C library of Linux")
def test_memory_is_asked_for_once():
    import resource

    def faults(n):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(n):
            np.ones(48 * 2**17)  # 48 MB: more than the library ever keeps by itself
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    pages = 48 * 2**20 // resource.getpagesize()
    outside = faults(4)
    with heap.kept_heap():
        faults(1)
        inside = faults(4)
    assert inside < pages / 10
    if outside > pages:  # no huge pages here
        assert inside < outside / 10


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert heap._glibc() is None
    with heap.kept_heap():
        pass
