"""What learning cost: seconds, and the most memory that was taken."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_MIB = 2**20


class Cost:
    """Measures what happens inside a `with` block.

    Attributes
    ----------
    notes : dict
        'seconds', and 'peak_mib' with 'peak_of': 'GPU' (what tensors took there) or 'process' (resident memory on the CPU, all that
        was there before included). Without the last two where the system does not tell.
    """

    def __enter__(self) -> Self:
        self._begin = time.perf_counter()
        # the classical road never loads torch, and then nothing is on a GPU
        cuda = getattr(sys.modules.get("torch"), "cuda", None)
        self._cuda = cuda if cuda is not None and cuda.is_available() else None
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats()
        with contextlib.suppress(OSError):  # Linux counts anew from here
            Path("/proc/self/clear_refs").write_text("5")
        self.notes: dict[str, Any] = {}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.notes["seconds"] = round(time.perf_counter() - self._begin, 3)
        on_gpu = self._cuda.max_memory_allocated() if self._cuda is not None else 0
        peak = on_gpu or _resident_peak()
        if peak:
            self.notes |= {"peak_mib": round(peak / _MIB, 1), "peak_of": "GPU" if on_gpu else "process"}


def _resident_peak() -> int:
    """Return the process's largest resident memory in bytes; 0 where it is not known."""
    with contextlib.suppress(OSError, AttributeError):
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text()).group(1))
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
