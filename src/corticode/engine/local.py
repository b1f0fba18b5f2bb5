"""Worker processes on this machine."""

from __future__ import annotations

from corticode.engine.base import Engine


class Local(Engine):
    """Processes of joblib's loky; with one worker, this process itself."""
