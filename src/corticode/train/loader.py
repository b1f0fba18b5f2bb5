"""Batches straight out of an array or a memory map, in an order that seed and epoch settle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch


class Batches:
    """Iterate over rows of X and y as tensors; each pass is one epoch.

    With several processes each takes its share of every batch, so that a step sees the same windows whatever their number.

    Parameters
    ----------
    X : array [n, ...]
        May be memory-mapped: a batch is copied when its turn comes.
    y : array [n, ...]
        Integers become int64 tensors, all else float32.
    rows : int array [m]
        The rows to go over.
    batch_size : int
    seed : int or None
        Shuffles, in a new order each epoch, and leaves out the last batch if it is not full (a batch of a few windows
        has no batch statistics to speak of). None keeps the order and all rows, in every process.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, rows: np.ndarray, batch_size: int, seed: int | None = None):
        y = np.asarray(y)
        self.X, self.y = X, y.astype(np.int64 if np.issubdtype(y.dtype, np.integer) else np.float32)
        self.rows = np.asarray(rows)
        self.batch_size, self.seed, self.epoch = min(int(batch_size), len(self.rows)), seed, 0

    def __len__(self) -> int:
        """Batches per epoch."""
        n, size = len(self.rows), self.batch_size
        return -(-n // size) if self.seed is None else n // size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        rows = self.rows
        rank, world = 0, 1
        if self.seed is not None:
            rows = np.random.default_rng([self.seed, self.epoch]).permutation(rows)
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.epoch += 1
        for k in range(len(self)):
            mine = rows[k * self.batch_size : (k + 1) * self.batch_size][rank::world]
            yield torch.from_numpy(np.array(self.X[mine], dtype=np.float32)), torch.from_numpy(self.y[mine])
