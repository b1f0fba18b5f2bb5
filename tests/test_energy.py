from __future__ import annotations

import os
import socket
import sys

import pytest

from corticode.energy import Meter
from corticode.errors import SentenceError


def test_off_measures_nothing_and_needs_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with Meter() as meter:
        pass
    assert meter.kwh is None


def test_without_codecarbon_there_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "codecarbon", None)
    with pytest.raises(SentenceError, match=r"pip install 'corticode\[energy\]'"), Meter(True):
        pass


def test_a_country_is_three_letters():
    with pytest.raises(SentenceError, match="three letters"):
        Meter(True, "Germany")


def test_measures_without_network_files_or_words(tmp_path, monkeypatch, capfd):
    pytest.importorskip("codecarbon", reason="needs the extra [energy]")

    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.chdir(tmp_path)
    with Meter(True, "deu") as meter:
        sum(i * i for i in range(200_000))
    assert 0 < meter.kwh < 1
    assert os.listdir(tmp_path) == []
    said = capfd.readouterr()
    assert "codecarbon" not in said.out + said.err
