"""Show how far long work has come: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any


def progress(mode: str = "auto"):
    """Return a function (iterable, total, label) -> iterable that shows progress while it is consumed.

    Parameters
    ----------
    mode : str
        'auto' (a bar on a terminal, else plain lines), 'off' (plain lines), 'silent'.
    """
    if mode == "silent":
        return lambda items, total, label: items
    return _bar if mode == "auto" and sys.stderr.isatty() else _lines


def _bar(items: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    from tqdm import tqdm

    bar = tqdm(items, total=total, desc=label, unit="", leave=False, dynamic_ncols=True)
    running: list[float] = []
    for item in bar:
        if isinstance(item, float):
            running.append(item)
            bar.set_postfix_str(f"accuracy so far {sum(running) / len(running):.3f}")
        yield item


def _lines(items: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    begin, running = time.monotonic(), []
    # about ten lines, however long the work
    every = max(1, total // 10)
    for done, item in enumerate(items, start=1):
        if isinstance(item, float):
            running.append(item)
        if done % every == 0 or done == total:
            seconds = time.monotonic() - begin
            left = seconds / done * (total - done)
            score = f", accuracy so far {sum(running) / len(running):.3f}" if running else ""
            print(f"{label} {done}/{total}, {seconds:.0f} s, {left:.0f} s left{score}", file=sys.stderr, flush=True)
        yield item
