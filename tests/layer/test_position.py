"""Positions are the sines and cosines of Vaswani et al."""

from __future__ import annotations

import math

import pytest

from corticode.layer.position import sinusoid


def test_it_is_the_published_table():
    table = sinusoid(50, 6)
    for position in (0, 1, 49):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            assert table[position, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_a_shorter_table_is_the_beginning_of_a_longer_one():
    assert sinusoid(10, 8).equal(sinusoid(20, 8)[:10])
    assert sinusoid(4, 7).shape == (4, 7)
