"""Workers of a Ray cluster, one's own or one that runs already."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from corticode.engine.base import Cluster
from corticode.errors import SentenceError


class Ray(Cluster):
    """Jobs on Ray's pool of processes. The workers must see the same files: data travel as path and rows.

    Parameters
    ----------
    n_jobs : int or None
        Workers; None for one per core.
    address : str or None
        'auto' or 'ray://host:10001' of a cluster that runs; None starts Ray on this machine, reachable from it alone.

    Raises
    ------
    SentenceError
        Ray is not installed, or nobody answers at the address.
    """

    backend, library = "ray", "Ray"

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Start Ray, or connect to the cluster at `address`, while the block runs."""
        try:
            import ray
            from ray.util.joblib import register_ray
        except ImportError as error:
            raise SentenceError("engine=ray needs Ray: pip install 'corticode[cluster]'") from error
        here = {"num_cpus": self.n_workers, "include_dashboard": False} if self.address is None else {"address": self.address}
        try:
            ray.init(logging_level="error", log_to_driver=False, ignore_reinit_error=True, **here)
        except ConnectionError as error:
            raise SentenceError(f"no Ray cluster answers at engine.address={self.address} ({error})") from error
        register_ray()
        try:
            yield
        finally:
            ray.shutdown()

    def _parallel(self, function: Callable[[Any], Any], items: Mapping[int, Any]) -> Iterator[tuple[int, Any]]:
        """As all engines do; results come through a queue of Ray's, since its pool tells joblib of them at the end only."""
        from joblib import Parallel, delayed, parallel_config
        from ray.util.queue import Empty, Queue

        queue, failure = Queue(), []

        def work() -> None:
            try:
                with parallel_config(backend=self.backend):
                    Parallel(n_jobs=self.n_workers, batch_size=1)(delayed(_tell)(function, queue, i, item) for i, item in items.items())
            except BaseException as error:  # told to the thread that waits
                failure.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        told = 0
        while told < len(items):
            over = not thread.is_alive()  # asked before the queue: what was put in is then there
            try:
                yield queue.get(timeout=0.2)
                told += 1
            except Empty:
                if over:
                    break
        thread.join()
        queue.shutdown()
        if failure and told < len(items):
            raise failure[0]


def _tell(function: Callable[[Any], Any], queue: Any, i: int, item: Any) -> None:
    queue.put((i, function(item)))
