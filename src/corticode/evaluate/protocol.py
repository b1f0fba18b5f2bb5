"""What a run asked of whom, and by which pipeline: the hashes that say which runs may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corticode import store
from corticode.decoder import Decoder
from corticode.evaluate.benchmark import Plan
from corticode.split.fold import Fold
from corticode.split.rows import PERSON
from corticode.task.base import Task
from corticode.windows import Windows


def describe(cfg: Mapping[str, Any], plan: Plan, folds: Sequence[Fold], task: Task, decoders: Sequence[Decoder]) -> dict[str, Any]:
    """Return the facts of a run that stand in summary.json beside its headline."""
    choices = cfg.get("choices", {})
    described = {recipe.name: recipe.describe() for recipe in plan.models}
    return {
        "model": ", ".join(described),
        "data": choices.get("data", "own"),
        "task": choices.get("task", ""),
        "split": choices.get("split", ""),
        "align": choices.get("align", ""),
        "adapt": ", ".join(dict.fromkeys(type(decoder.adapter).__name__.lower() for decoder in decoders)),
        "config_hash": store.key(
            [list(described.values()), {k: cfg[k] for k in ("data", "task", "prepare", "split", "seed") if k in cfg}]
        )[:16],
        "of_models": {
            recipe.name: {
                "config_hash": store.key([described[recipe.name], cfg.get("prepare"), cfg["task"]])[:16],
                "pipeline_hash": store.key({k: v for k, v in described[recipe.name].items() if k in _PIPELINE})[:16],
                "deterministic": decoder.deterministic,
                "seeds": [None] if decoder.deterministic else list(plan.seeds),
            }
            for recipe, decoder in zip(plan.models, decoders, strict=True)
        },
        "protocol": {
            "data": ", ".join(sorted(set(plan.windows.meta["dataset"].astype(str)))), "content": _content(cfg, plan.windows),
            "task": choices.get("task", ""), "unit": task.unit, "split": choices.get("split", ""),
            "split_arguments": {k: v for k, v in cfg["split"].items() if k != "_target_"}, "rows": _asked_rows(plan.windows, folds),
            **({"conformal": cfg["evaluate"]["conformal"]} if cfg["evaluate"].get("conformal") is not None else {}),
        },
    }  # fmt: skip


def _content(cfg: Mapping[str, Any], windows: Windows) -> str:
    """Return a hash of which data these are, however they are prepared and wherever they lie."""
    asked = {k: v for k, v in (cfg.get("data") or {}).items() if k != "root"}
    return store.key(asked or windows.key)[:16]


# What makes two pipelines one, on whatever data.
_PIPELINE = ("model", "adapt", "align", "augment", "code", "own")


def _asked_rows(windows: Windows, folds: Sequence[Fold]) -> str:
    """Return a hash of who is asked about what in each fold: runs that agree in it can be compared person by person."""
    who, y = windows.meta[[*PERSON, "session", "run", "trial"]].astype(str), np.asarray(windows.y)
    asked = [[fold.name, who.iloc[fold.test].to_csv(index=False), y[fold.test].tolist()] for fold in folds]
    return store.key(asked)[:16]
