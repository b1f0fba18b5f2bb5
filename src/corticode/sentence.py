"""Refuse what cannot be meant, before any work: the sentence itself, then what it asks of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corticode.errors import GuardError, SentenceError
from corticode.windows import Windows


def check(cfg: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant, before any work.

    Raises
    ------
    SentenceError
        A seed that is no whole number or is named twice, an unknown kind of progress, a number of workers that is none.
    GuardError
        evaluate.strict with transductive alignment.
    """
    seeds = cfg["seed"] if isinstance(cfg["seed"], list | tuple) else [cfg["seed"]]
    if not seeds or any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise SentenceError(f"seed={cfg['seed']}: wanted a whole number from 0 on, or a list of them such as [0,1,2]")
    if len(set(seeds)) < len(seeds):
        raise SentenceError(f"seed={cfg['seed']} names one seed twice: the same run would be counted twice")
    if cfg.get("progress", "auto") not in ("auto", "off", "silent"):
        raise SentenceError(f"progress={cfg['progress']} is unknown: say auto, off or silent")
    if cfg["evaluate"].get("causal") and cfg["align"].get("access") == "all":
        raise GuardError("evaluate.causal=true refuses align.access=all, which sees the future: use align.access=online")
    if cfg["evaluate"].get("strict") and cfg["align"].get("access") == "all":
        raise GuardError(
            "evaluate.strict=true refuses align.access=all: all test windows would be seen before the first is predicted; use align.access=online"
        )


def guard(cfg: Mapping[str, Any], windows: Windows) -> None:
    """Refuse preparation that looks ahead when a causal run was asked for.

    Raises
    ------
    GuardError
    """
    if cfg["evaluate"].get("causal") and windows.info.get("sees") == "unknown":
        raise GuardError("evaluate.causal=true: how these arrays were prepared is not known, so it cannot be told that they saw no future")
    if cfg["evaluate"].get("causal") and windows.info.get("sees") == "recording":
        greedy = [step["name"] for step in windows.info.get("steps", [])]
        raise GuardError(
            f"evaluate.causal=true refuses preparation that sees the future of a recording (steps: {', '.join(greedy)}): use prepare.filter.phase=causal"
        )
