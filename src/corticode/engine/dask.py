"""Workers of a Dask cluster, one's own or one that runs already."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from corticode.engine.base import Cluster
from corticode.errors import SentenceError


class Dask(Cluster):
    """Jobs as tasks of a Dask scheduler. The workers must see the same files: data travel as path and rows.

    Parameters
    ----------
    n_jobs : int or None
        Workers to start (None: one per core) where no `address` is given.
    address : str or None
        'tcp://host:8786' of a scheduler that runs; None starts worker processes on this machine, reachable from it alone.

    Raises
    ------
    SentenceError
        Dask is not installed, or nobody answers at the address.
    """

    backend, library = "dask", "Dask"

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Start a cluster, or connect to the one at `address`, and be its client while the block runs."""
        distributed = _distributed()
        with contextlib.ExitStack() as stack:
            cluster = self.address or stack.enter_context(self.cluster(distributed))
            try:
                stack.enter_context(distributed.Client(cluster, timeout="20s"))
            except OSError as error:
                raise SentenceError(f"no Dask scheduler answers at engine.address={self.address} ({error})") from error
            yield

    def cluster(self, distributed: Any) -> Any:
        """Return worker processes on this machine; one thread each, since more would change the order of sums."""
        return distributed.LocalCluster(n_workers=self.n_workers, threads_per_worker=1, processes=True, dashboard_address=None)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise SentenceError("engine=dask needs Dask: pip install 'corticode[cluster]'") from error
    return distributed
