"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from corticode.engine.base import Engine


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
