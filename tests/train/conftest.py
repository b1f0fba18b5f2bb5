"""A small network and the rows it learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from corticode.encoder.own import OwnNetwork
from corticode.head.identity import Identity
from corticode.objective.supervised import Supervised
from corticode.train.fit import fit
from corticode.train.settings import Hardware, Training

CPU = Hardware("cpu", precision="32-true")


class LogVariance(nn.Module):
    """What the classes of the fixture differ in, and a line through it."""

    def __init__(self, n_outputs=2, norm=True, drop_prob=0.1):
        super().__init__()
        self.norm = nn.BatchNorm1d(6) if norm else nn.Identity()
        self.drop, self.line = nn.Dropout(drop_prob), nn.Linear(6, n_outputs)

    def forward(self, x):
        return self.line(self.drop(self.norm(x.var(dim=2).log())))


@pytest.fixture
def rows(windows):
    """X, y, meta, space."""
    return np.asarray(windows.X), (windows.meta["event"] == "right_hand").to_numpy().astype(int), windows.meta, windows.space


@pytest.fixture
def network():
    """Make (encoder, head), always with the same weights."""

    def make(**settings):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return OwnNetwork(LogVariance(**settings)), Identity("probability")

    return make


@pytest.fixture
def train(rows, network):
    """Train the network; return (encoder, head, notes)."""

    def run(objective=None, parts=None, data=None, seed=0, checkpoint=None, augment=None, inner=None, **settings):
        X, y, meta, space = data or rows
        encoder, head = parts or network()
        training = Training(**{"max_epochs": 8, "batch_size": 24, "lr": 0.02, "patience": 50, "warmup_epochs": 1, **settings})
        notes = fit(
            encoder, head, objective or Supervised(), X, y, meta, space, training, seed, CPU,
            checkpoint=checkpoint, augment=augment, inner=inner,
        )  # fmt: skip
        return encoder, head, notes

    return run
