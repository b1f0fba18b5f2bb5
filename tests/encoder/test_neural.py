"""What all networks share; test_networks.py asks each of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.encoder.neural import NeuralEncoder, tensors


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    X = np.random.default_rng(0).normal(0, 10, (8, 6, 256)).astype(np.float32)
    np.save(tmp_path / "x.npy", X)
    parts = list(tensors(np.load(tmp_path / "x.npy", mmap_mode="r"), 3))
    assert [len(p) for p in parts] == [3, 3, 2]
    assert np.array_equal(torch.cat(parts).numpy(), X)


def test_a_base_has_no_forward():
    with pytest.raises(NotImplementedError):
        NeuralEncoder(2, 32, 100.0)(torch.zeros(1, 2, 32))
