"""Run independent jobs: every engine is one of joblib's backends, and a worker that dies costs its own job alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from corticode.errors import SentenceError
from corticode.state import Stateful


@dataclass(frozen=True)
class Lost:
    """In the place of a result: the worker died each time, or the job could not be sent to it."""

    reason: str


class Engine(Stateful):
    """Base of all engines: worker processes that take one job after the other.

    Parameters
    ----------
    n_jobs : int or None
        Workers; None or -1 for as many as there are cores. The numbers do not depend on it.

    Raises
    ------
    SentenceError
        `n_jobs` is neither a number from 1 on, nor -1 or None.
    """

    backend = "loky"

    def __init__(self, n_jobs: int | None = None):
        if n_jobs not in (None, -1) and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1):
            raise SentenceError(f"engine.n_jobs={n_jobs}: wanted 1 or more worker processes, or null for as many as there are cores")
        self.n_jobs = n_jobs

    @property
    def n_workers(self) -> int:
        """How many jobs run at once."""
        return cores() if self.n_jobs in (None, -1) else self.n_jobs

    @property
    def in_parent(self) -> bool:
        """True where there is no worker but this process."""
        return self.n_workers == 1

    def __str__(self) -> str:
        where = "in this process" if self.in_parent else f"in {self.n_workers} processes"
        return f"{where} of this machine, one thread each"

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Have workers while the block runs."""
        yield

    def renew(self) -> None:
        """Let the next jobs have new workers, where that is cheap."""

    def run(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Give (number of the item, function(item)) as they are done, in any order.

        A worker that dies (killed, out of memory) may take the jobs of its neighbours along: those that were running then
        run again, each on its own, and one that loses its worker even so is `Lost`; the rest goes on.

        Parameters
        ----------
        function : picklable; its exceptions are its own to catch
        items : sequence of picklable values
        """
        if self.in_parent:
            yield from ((i, function(item)) for i, item in enumerate(items))
            return
        left = dict(enumerate(items))
        while left:
            try:
                for i, result in self._parallel(function, dict(left)):
                    del left[i]
                    yield i, result
            except Exception:
                # jobs start in order, so those that were running stand first
                for i in list(left)[: self.n_workers]:
                    yield i, self._alone(function, i, left.pop(i))

    def _alone(self, function: Callable[[Any], Any], i: int, item: Any) -> Any:
        """Run one job in a pool of its own; whoever was killed from outside deserves a second worker."""
        for _ in range(2):
            try:
                return next(self._parallel(function, {i: item}))[1]
            except Exception as error:
                reason = f"{type(error).__name__}: {_first_line(error)}"
        return Lost(f"its worker died, or it could not be sent to one ({reason})")

    def _parallel(self, function: Callable[[Any], Any], items: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config(backend=self.backend):
            # two workers at least: with one, joblib would run the job here
            pool = Parallel(n_jobs=max(2, min(self.n_workers, len(items))), return_as="generator_unordered", batch_size=1)
            results = pool(delayed(numbered)(function, i, item) for i, item in items.items())
        yield from results


class Cluster(Engine):
    """Base of engines whose workers may stand elsewhere; they must see the same files: data travel as path and rows.

    Parameters
    ----------
    n_jobs : int or None
        Workers to start (None: one per core) where no `address` is given.
    address : str or None
        Of a cluster that runs; None starts one on this machine, reachable from it alone.
    """

    library = ""

    def __init__(self, n_jobs: int | None = None, address: str | None = None):
        super().__init__(n_jobs)
        self.address = address

    @property
    def in_parent(self) -> bool:
        """Never: even one worker is a process of its own."""
        return False

    def __str__(self) -> str:
        return (
            f"on the {self.library} cluster at {self.address}, one thread per job"
            if self.address
            else f"on {self.library}, {super().__str__()}"
        )


def numbered(function: Callable[[Any], Any], i: int, item: Any) -> tuple[int, Any]:
    """Return the job's number with its result: they come back in any order."""
    return i, function(item)


def cores() -> int:
    """Return how many cores this process may use."""
    with_affinity = getattr(os, "sched_getaffinity", None)
    return len(with_affinity(0)) if with_affinity else os.cpu_count() or 1


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
