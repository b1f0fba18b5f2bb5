"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from corticode.engine.base import Engine, cores


class Local(Engine):
    """Processes of joblib's loky; with one worker, this process itself."""

    @contextlib.contextmanager
    def started(self) -> Iterator[None]:
        """Start workers with the first job, and end them with the block: idle ones would keep their memory."""
        try:
            yield
        finally:
            self.renew()

    def renew(self) -> None:
        """End the workers: loky takes one that goes from preparing to training for a leak, and restarts it in the middle."""
        if not self.in_parent:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=False)


def start_early(modules: Sequence[str]) -> None:
    """Load what workers need in a process of its own, while this one still reads the command: workers are then copies of that process.

    For programs whose main module may be imported again (the command line), on Linux; elsewhere workers start on their own, later.

    Parameters
    ----------
    modules : sequence of str
        Names; those that cannot be imported are left to the workers.
    """
    if sys.platform != "linux" or cores() == 1:
        return
    import multiprocessing
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload(list(modules))
    forkserver.ensure_running()
    # joblib is slow to import, and knows no better way to be told
    from joblib.externals.loky.backend.context import set_start_method

    set_start_method("forkserver", force=True)
