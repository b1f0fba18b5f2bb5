"""Batches cover the rows, in an order that seed and epoch settle."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.train.loader import Batches

X = np.arange(40, dtype=np.float64).reshape(20, 1, 2)
Y = np.arange(20)


def order(batches):
    return [y.tolist() for _, y in batches]


def test_held_back_rows_come_in_order_and_all():
    rows = np.array([3, 4, 5, 10, 11, 19, 2])
    batches = Batches(X, Y, rows, 3)
    assert order(batches) == [[3, 4, 5], [10, 11, 19], [2]]
    assert len(batches) == 3


def test_x_and_y_belong_together():
    for x, y in Batches(X, Y, np.arange(20), 6, seed=0):
        assert x.dtype == torch.float32 and y.dtype == torch.int64
        assert torch.equal(x[:, 0, 0], 2.0 * y)


def test_training_rows_are_shuffled_anew_each_epoch():
    batches = Batches(X, Y, np.arange(20), 6, seed=1)
    first, second = order(batches), order(batches)
    assert len(first) == len(batches) == 3 and {len(b) for b in first} == {6}
    assert len(set(np.concatenate(first))) == 18
    assert first != second
    again = Batches(X, Y, np.arange(20), 6, seed=1)
    assert [order(again), order(again)] == [first, second]
    assert order(Batches(X, Y, np.arange(20), 6, seed=2)) != first


def test_fewer_rows_than_a_batch_are_one_batch():
    batches = Batches(X, Y, np.array([1, 2, 3]), 64, seed=0)
    assert sorted(order(batches)[0]) == [1, 2, 3] and len(batches) == 1


def test_only_the_rows_named():
    seen = np.concatenate(order(Batches(X, Y, np.array([0, 5, 7, 9]), 2, seed=0)))
    assert sorted(seen) == [0, 5, 7, 9]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_every_batch(world, monkeypatch):
    whole = order(Batches(X, Y, np.arange(20), 6, seed=1))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        shares.append(order(Batches(X, Y, np.arange(20), 6, seed=1)))
    for k, batch in enumerate(whole):
        assert sorted(row for share in shares for row in share[k]) == sorted(batch)


def test_floats_stay_floats():
    _, y = next(iter(Batches(X, Y / 2, np.arange(20), 4)))
    assert y.dtype == torch.float32 and y.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_a_memory_map_is_not_read_whole(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    batches = Batches(mapped, Y, np.arange(20), 6, seed=0)
    assert batches.X is mapped
    x, y = next(iter(batches))
    assert torch.equal(x[:, 0, 0], 2.0 * y)


class TestDomains:
    domain = np.array([0] * 30 + [1] * 30 + [2] * 30 + [3] * 12 + [4] * 3)
    n = len(domain)

    def batches(self, seed=1, **settings):
        settings = {"domain": self.domain, "domains_per_batch": 3, **settings}
        return Batches(np.arange(2.0 * self.n).reshape(self.n, 1, 2), np.arange(self.n), np.arange(self.n), 18, seed, **settings)

    def test_a_batch_has_so_many_domains_in_equal_parts(self):
        full = 0
        for _, y, domain in self.batches():
            assert np.array_equal(domain, self.domain[y])
            counts = np.bincount(domain)[np.unique(domain)]
            assert len(counts) <= 3 and counts.max() <= 9
            full += len(counts) == 3
        assert full >= len(self.batches()) - 1

    def test_every_row_has_its_turn_once(self):
        batches = self.batches()
        for _ in range(3):
            rows = [y for _, y, _ in batches]
            assert len(rows) == len(batches)
            assert sorted(np.concatenate(rows)) == list(range(self.n))

    def test_order_follows_seed_and_epoch(self):
        def rows(batches):
            return [y.tolist() for _, y, _ in batches]

        batches, again = self.batches(), self.batches()
        first, second = rows(batches), rows(batches)
        assert first != second and [rows(again), rows(again)] == [first, second]
        assert rows(self.batches(seed=2)) != first

    def test_fewer_domains_than_wanted_share_the_batch(self):
        batches = Batches(X, Y, np.arange(20), 6, seed=0, domain=np.arange(20) % 2, domains_per_batch=5)
        for _, y, domain in batches:
            assert sorted(set(domain.tolist())) == [0, 1] and len(y) in (6, 7, 8)

    def test_no_window_is_alone(self):
        domain = np.array([0] * 20 + [1])
        batches = Batches(X[:21], Y[:21], np.arange(20), 6, 0, np.append(domain[1:], 1), 1)
        for _ in range(5):
            rows = [y.tolist() for _, y, _ in batches]
            assert min(map(len, rows)) == 2 and len(rows) == len(batches)
            assert sorted(np.concatenate(rows)) == list(range(20))

    def test_order_can_be_asked_again(self):
        for batches in (self.batches(), Batches(X, Y, np.arange(20), 6, seed=1)):
            for epoch in range(3):
                asked = [rows.tolist() for rows in batches.order(epoch)]
                assert [batch[1].tolist() for batch in batches] == asked

    def test_held_back_rows_stay_in_order(self):
        batches = self.batches(seed=None)
        assert np.concatenate([y for _, y, _ in batches]).tolist() == list(range(self.n))
        assert next(len(y) for _, y, _ in batches) == 18

    def test_processes_share_every_domain(self, monkeypatch):
        whole = [y.tolist() for _, y, _ in self.batches()]
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        shares = []
        for rank in range(2):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
            shares.append([y.tolist() for _, y, _ in self.batches()])
        for k, batch in enumerate(whole):
            assert sorted(shares[0][k] + shares[1][k]) == sorted(batch)
            assert set(self.domain[shares[0][k]]) == set(self.domain[batch])
