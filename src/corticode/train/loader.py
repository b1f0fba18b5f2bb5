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
    domain : int array [n] or None
        Number of each row's domain, given beside X and y as an int64 tensor [b].
    domains_per_batch : int
        Shuffled batches hold about equal numbers of rows of so many domains, fewer where there are fewer. All rows have
        their turn in each epoch, so a batch may be a little larger or smaller than the others. 0 draws without regard to domains.
    """

    def __init__(
        self,
        X: np.ndarray,
        y: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        seed: int | None = None,
        domain: np.ndarray | None = None,
        domains_per_batch: int = 0,
    ):
        y = np.asarray(y)
        self.X, self.y = X, y.astype(np.int64 if np.issubdtype(y.dtype, np.integer) else np.float32)
        self.rows = np.asarray(rows)
        self.batch_size, self.seed, self.epoch = min(int(batch_size), len(self.rows)), seed, 0
        self.domain = None if domain is None else np.asarray(domain, dtype=np.int64)
        self.domains_per_batch = 0 if domain is None or seed is None else int(domains_per_batch)
        self._length = len(self._by_domain(np.random.default_rng(0))) if self.domains_per_batch else None

    def __len__(self) -> int:
        """Batches per epoch."""
        if self._length is not None:
            return self._length
        n, size = len(self.rows), self.batch_size
        return -(-n // size) if self.seed is None else n // size

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        rank, world = 0, 1
        if self.seed is not None and torch.distributed.is_available() and torch.distributed.is_initialized():
            rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        epoch, self.epoch = self.epoch, self.epoch + 1
        for batch in self.order(epoch):
            mine = batch[rank::world]
            more = () if self.domain is None else (torch.from_numpy(self.domain[mine]),)
            yield torch.from_numpy(np.ascontiguousarray(self.X[mine], dtype=np.float32)), torch.from_numpy(self.y[mine]), *more

    def order(self, epoch: int) -> Iterator[np.ndarray] | list[np.ndarray]:
        """Return the rows of each batch of an epoch, which counts from 0: the same whenever it is asked."""
        if self.seed is None:
            return self._in_order(self.rows)
        random = np.random.default_rng([self.seed, epoch])
        return self._by_domain(random) if self.domains_per_batch else self._in_order(random.permutation(self.rows))

    def _in_order(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for k in range(len(self)):
            yield rows[k * self.batch_size : (k + 1) * self.batch_size]

    def _by_domain(self, random: np.random.Generator) -> list[np.ndarray]:
        """Return the rows of each batch: pieces of the domains that have most left, in random order; how many depends on no chance."""
        number = self.domain[self.rows]
        mine = {d: self.rows[number == d] for d in np.unique(number)}
        together = min(self.domains_per_batch, len(mine))
        size = max(1, self.batch_size // together)
        pieces = {d: np.array_split(random.permutation(rows), max(1, round(len(rows) / size))) for d, rows in mine.items()}
        batches = []
        while pieces:
            drawn = sorted(random.permutation(list(pieces)), key=lambda d: -len(pieces[d]))[:together]
            batches.append(np.concatenate([pieces[d].pop() for d in drawn]))
            pieces = {d: left for d, left in pieces.items() if left}
        for alone in (k for k, batch in enumerate(batches) if len(batch) == 1):
            most = max(range(len(batches)), key=lambda k: len(batches[k]))
            if len(batches[most]) > 2:  # one window has no batch statistics
                batches[alone] = np.append(batches[alone], batches[most][-1])
                batches[most] = batches[most][:-1]
        return [batches[k] for k in random.permutation(len(batches))]


class Whole:
    """All batches of an epoch as one item.

    What a trainer does around each item takes it half a millisecond: as long as a small network takes for its step.

    Parameters
    ----------
    batches : Batches
    """

    def __init__(self, batches: Batches):
        self.batches = batches

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batches]:
        yield self.batches
