"""Whole processes, watched: seconds from start to end, and the peak of the memory that a command and all its workers hold together."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Watched:
    """What a command took."""

    seconds: float
    pss_mb: float
    out: str


def watched(command: Sequence[str], env: Mapping[str, str], every_s: float = 0.25) -> Watched:
    """Run a command to its end.

    Memory is the proportional set size of all its processes, summed: a page that several of them share counts once.

    Raises
    ------
    SystemExit
        It failed: the end of what it printed.
    """
    peak = [0.0]

    def watch() -> None:
        while process.poll() is None:
            peak[0] = max(peak[0], _pss(process.pid))
            time.sleep(every_s)

    begin = time.perf_counter()
    process = subprocess.Popen(list(command), env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    out, _ = process.communicate()
    seconds = time.perf_counter() - begin
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:300]}\nended with status {process.returncode}:\n{out[-3000:]}")
    return Watched(seconds, peak[0], out)


def _pss(pid: int) -> float:
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            # the kernel's own sum is much cheaper to read than the list of all mappings
            with contextlib.suppress(OSError, IndexError):
                text = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
                total += int(text.partition("\nPss:")[2].split()[0]) / 1000
    return total
