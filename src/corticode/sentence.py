"""Refuse what cannot be meant, before any work: the sentence itself, then what it asks of the data and of the folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corticode import catalogue
from corticode.errors import GuardError, SentenceError
from corticode.split.base import RECORDING, SESSION, Fold, codes
from corticode.split.guard import check_past
from corticode.split.rows import PERSON, said
from corticode.windows import Windows

_LEVELS = {"subject": PERSON, "session": SESSION, "recording": RECORDING}


def check(cfg: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant, before any work.

    Raises
    ------
    SentenceError
        A seed that is no whole number or is named twice, an unknown kind of progress, two steps that both re-centre people.
    GuardError
        evaluate.strict or evaluate.causal with transductive alignment.
    """
    seeds = cfg["seed"] if isinstance(cfg["seed"], list | tuple) else [cfg["seed"]]
    if not seeds or any(isinstance(seed, bool) or not isinstance(seed, int) or seed < 0 for seed in seeds):
        raise SentenceError(f"seed={cfg['seed']}: wanted a whole number from 0 on, or a list of them such as [0,1,2]")
    if len(set(seeds)) < len(seeds):
        raise SentenceError(f"seed={cfg['seed']} names one seed twice: the same run would be counted twice")
    if cfg.get("progress", "auto") not in ("auto", "off", "silent"):
        raise SentenceError(f"progress={cfg['progress']} is unknown: say auto, off or silent")
    if not _aligns(cfg):
        return  # whatever align.access says, nobody looks at these windows
    if cfg["evaluate"].get("causal") and cfg["align"].get("access") == "all":
        raise GuardError("evaluate.causal=true refuses align.access=all, which sees the future: use align.access=online")
    if cfg["evaluate"].get("strict") and cfg["align"].get("access") == "all":
        raise GuardError(
            "evaluate.strict=true refuses align.access=all: all test windows would be seen before the first is predicted; use align.access=online"
        )
    if _turns(cfg):
        raise SentenceError(
            "adapt=procrustes re-centres each person itself, and an aligner before it would leave it little to do: use align=none"
        )


def guard(cfg: Mapping[str, Any], windows: Windows, folds: Sequence[Fold] = ()) -> None:
    """Refuse what the words ask of these windows and folds, and cannot have.

    Raises
    ------
    GuardError
        A causal run whose preparation looks ahead, or that learns from a test person's future; a strict one whose preparation
        chose the test windows by looking at all of them.
    SentenceError
        A test person, session or recording of which nothing is known to align it by, or no label to turn it by.
    """
    if cfg["evaluate"].get("causal"):
        _refuse_foresight(windows, folds)
    if cfg["evaluate"].get("strict"):
        _refuse_choice(windows)
    if _aligns(cfg) and cfg["align"].get("access") != "online":
        by, access = cfg["align"]["by"], cfg["align"]["access"]
        cure = f"access={access} aligns by windows seen before, and none are: use align.access=online"
        _refuse_strangers(windows, folds, by, ("fit", "align"), f"align.{cure}" + ("" if by == "subject" else ", or align.by=subject"))
    if _turns(cfg):
        by = cfg["adapt"].get("by", "subject")
        cure = f"adapt=procrustes needs some labelled windows of each {by}: " + (
            "give some of each person, split.shots=5"
            if by == "subject"
            else "split.shots=0.2 gives the first of each session, or use adapt.by=subject"
        )
        _refuse_strangers(windows, folds, by, ("fit", "calibrate"), cure)


def _aligns(cfg: Mapping[str, Any]) -> bool:
    """Return True when windows of a person change how that person is answered."""
    return catalogue.make(cfg["align"]).acts_on != "nothing"


def _turns(cfg: Mapping[str, Any]) -> bool:
    return str(cfg["adapt"].get("_target_", "")).endswith(".Procrustes")


def _refuse_foresight(windows: Windows, folds: Sequence[Fold]) -> None:
    sees = windows.info.get("sees")
    if sees == "unknown":
        raise GuardError("evaluate.causal=true: how these arrays were prepared is not known, so it cannot be told that they saw no future")
    if sees == "recording":
        guilty = [name for name, step in _steps(windows) if step.sees == "recording"]
        cures = ", ".join(dict.fromkeys(_cure(name, step) for name, step in _steps(windows) if step.sees == "recording"))
        raise GuardError(
            f"evaluate.causal=true refuses preparation that sees the future of a recording (steps: {', '.join(guilty)}): use {cures}"
        )
    for fold in folds:
        align = fold.align if fold.unlabelled != "transductive" else fold.align[:0]
        why = "evaluate.causal=true allows the past alone; use split.shots=5 or split=cross_session, which tests what comes after"
        check_past(windows.meta, np.concatenate([fold.calibrate, align]), fold.test, fold.name, why)


def _refuse_choice(windows: Windows) -> None:
    """Refuse test windows that were chosen by a look at all of them."""
    for name, step in _steps(windows):
        if step.sees == "recording" and getattr(step, "keep", None) == "clean":
            raise GuardError(
                f"evaluate.strict=true refuses prepare.{name}.keep=clean with prepare.{name}.learn=recording: which windows are tested would depend on "
                f"all of the test recording; use prepare.{name}.learn=past or prepare.{name}.keep=marked"
            )


def _steps(windows: Windows) -> list[tuple[str, Any]]:
    """Return (name, step) of what prepared these windows, built again from what they say about it."""
    return [
        (step["name"], catalogue.make({"_target_": step["class"], **{k: v for k, v in step.items() if k not in ("name", "class")}}))
        for step in windows.info.get("steps", [])
    ]


def _cure(name: str, step: Any) -> str:
    """Return what to type so that a step leaves the future alone."""
    if hasattr(step, "phase"):
        return f"prepare.{name}.phase=causal"
    if hasattr(step, "learn"):
        return f"prepare.{name}.learn=past"
    cures = {
        "resample": "sfreq_hz=null",
        "scale": "kind=exponential with prepare.scale.init_block_s=null",
        "eog": "regress=false",
        "window": "baseline=null",
    }
    return f"prepare.{name}.{cures[name]}" if name in cures else f"a preparation without {name}"


def _refuse_strangers(windows: Windows, folds: Sequence[Fold], by: str, parts: Sequence[str], cure: str) -> None:
    """Refuse folds that ask about somebody (or a session, a recording) of whom none of the parts has a window."""
    number = codes(windows.meta, _LEVELS[by])
    for fold in folds:
        known = np.concatenate([getattr(fold, part) for part in parts])
        strange = fold.test[~np.isin(number[fold.test], number[known])]
        if len(strange):
            raise SentenceError(f"fold {fold.name} asks about {said(windows.meta, strange[0], _LEVELS[by])}: {cure}")
