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
    running = _Running()
    for item in bar:
        running.add(item)
        bar.set_postfix_str(str(running))
        yield item


def _lines(items: Iterable[Any], total: int, label: str) -> Iterator[Any]:
    begin, running = time.monotonic(), _Running()
    # about ten lines, however long the work
    every = max(1, total // 10)
    for done, item in enumerate(items, start=1):
        running.add(item)
        if done % every == 0 or done == total:
            seconds = time.monotonic() - begin
            left = seconds / done * (total - done)
            parts = [f"{label} {done}/{total}", f"{seconds:.0f} s", f"{left:.0f} s left", str(running)]
            print(", ".join(part for part in parts if part), file=sys.stderr, flush=True)
        yield item


class _Running:
    """The share of right answers so far, of each model, and how many jobs failed."""

    def __init__(self):
        self.scores: dict[str, list[float]] = {}
        self.n_failed = 0

    def add(self, item: Any) -> None:
        score = getattr(item, "score", None)
        if score is not None:
            self.scores.setdefault(item.model, []).append(score)
        self.n_failed += hasattr(item, "reason")

    def __str__(self) -> str:
        means = " ".join(f"{model} {sum(scores) / len(scores):.3f}" for model, scores in self.scores.items())
        failed = f"{self.n_failed} failed" if self.n_failed else ""
        return "; ".join(part for part in (f"accuracy so far: {means}" if means else "", failed) if part)
