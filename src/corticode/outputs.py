"""The run folder: everything a run leaves behind, each file atomic and none of it a pickle."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.errors import CorticodeError, StoreError
from corticode.evaluate import conformal
from corticode.evaluate.benchmark import Outcome
from corticode.evaluate.conformal import Sets
from corticode.predictions import Predictions
from corticode.task.base import Task
from corticode.windows import Windows


def write_run(
    folder: Path,
    cfg: Mapping[str, Any],
    task: Task,
    windows: Windows,
    outcome: Outcome,
    about: dict[str, Any],
    notes: Sequence[str],
    command: str,
    sets: Sequence[Sets] = (),
    over: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Score, summarise and write; return (scores, predictions, summary).

    Writes config.yaml, environment.json, scores.csv, predictions.parquet, history.csv (networks), patterns.npz (linear
    decoders), conformal.csv (prediction sets), model/ (refitted decoders), figures/, summary.json and report.html. While jobs still run (`over` is False) no
    more than the tables and a summary that says how far it is.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not _is_the_same(folder, about["config_hash"]):  # what this very run wrote before is replaced file by file
        clear(folder)
    _write_text(folder / "config.yaml", _yaml(cfg))
    store.write_json(folder / "environment.json", environment(command))
    about = dict(about)
    facts = _progress(outcome, about.pop("of_models"))
    scores, predictions, headline = pd.DataFrame(), pd.DataFrame(), {}
    if outcome.predictions:
        scores = task.score(outcome.predictions)
        predictions = pd.concat([p.to_frame() for p in outcome.predictions], ignore_index=True)
        headline = _headline(task, scores, outcome, over)
        _write_text(folder / "scores.csv", scores.to_csv(index=False, lineterminator="\n"))
        with store.writing(folder / "predictions.parquet") as tmp:
            predictions.to_parquet(tmp, index=False)
        for name, found in headline.pop("models", {}).items():
            facts["models"][name] |= found | (spread(task, outcome.predictions, {**headline, "model": name}) if over else {})
    if sets:
        _write_sets(folder, sets, facts["models"])
    access = ", ".join(dict.fromkeys(str(p.fold["access"]) for p in outcome.predictions))
    protocol = {**about["protocol"], "metric": headline.get("metric"), "level": headline.get("level"), "access": access}
    trust = {k: facts["models"][headline["model"]][k] for k in ("chance_95", "p", "interval")} if headline and over else {}
    summary = {
        **headline, **trust, **about, **facts,
        "unit": task.unit,
        "access": access,
        "prepare_sees": windows.info.get("sees", "window"),
        "selection": _selection(outcome),
        "protocol": protocol,
        "protocol_hash": store.key(protocol)[:16],
        "n_resumed": outcome.n_resumed,
        "notes": [*notes, *headline.get("notes", []), *outcome.notes, *_transductive(outcome), *(_expected(cfg, headline) if headline else [])],
    }  # fmt: skip
    if over:
        _write_details(folder, cfg, task, windows, outcome)
    store.write_json(folder / "summary.json", _finite(summary))
    if over and cfg.get("report", True):
        from corticode.report.page import write

        write(folder)
    return scores, predictions, summary


def _is_the_same(folder: Path, config_hash: str) -> bool:
    """True where the folder holds this run, half-way or whole."""
    try:
        return store.read_json(folder / "summary.json").get("config_hash") == config_hash
    except (OSError, ValueError, AttributeError):
        return False


def write_refused(folder: Path, cfg: Mapping[str, Any], error: Exception, command: str) -> None:
    """Write the folder of a configuration that could not be run: what was asked, and why it was refused."""
    folder, choices = Path(folder), cfg.get("choices", {})
    folder.mkdir(parents=True, exist_ok=True)
    clear(folder)
    _write_text(folder / "config.yaml", _yaml(cfg))
    store.write_json(folder / "environment.json", environment(command))
    name = str((cfg.get("model") or {}).get("name", ""))
    failure = {"model": name, "fold": "", "seed": None, "refit": False, "error": " ".join(str(error).split())}
    summary = {
        "model": name, **{word: choices.get(word) for word in ("data", "task", "split", "align", "adapt")}, "n_folds": 0, "n_folds_expected": None,
        "complete": False, "models": {}, "failures": [failure], "notes": [],
    }  # fmt: skip
    number = (cfg.get("evaluate") or {}).get("inside")
    if number is not None:  # a step of a search is no row of a leaderboard, failed or not
        summary["inside"] = {"number": number}
    store.write_json(folder / "summary.json", summary)


def _headline(task: Task, scores: pd.DataFrame, outcome: Outcome, over: bool) -> dict[str, Any]:
    """Return the headline; half-way, when it may still be undefined (an AUC of one child), perhaps none."""
    try:
        return task.headline(scores, outcome.predictions)
    except CorticodeError:
        if over:
            raise
        return {}


def _write_sets(folder: Path, sets: Sequence[Sets], models: dict[str, dict[str, Any]]) -> None:
    """Write the coverage of prediction sets, person by person, and its summary for each model."""
    rows = conformal.table(sets)
    _write_text(folder / "conformal.csv", rows.to_csv(index=False, lineterminator="\n"))
    for name, mine in rows.groupby("model", sort=False):
        alpha, method = sets[0].alpha, sets[0].method
        models[name]["conformal"] = {
            "alpha": alpha, "method": method, **conformal.summary(mine, alpha), "per_person": mine[["subject", "coverage", "n", "size"]].to_dict("records"),
        }  # fmt: skip


def _progress(outcome: Outcome, of_models: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much of what was asked is there, of each model and of all."""
    done = Counter(p.fold["model"] for p in outcome.predictions)
    seconds = Counter({name: sum(p.fold["time"] for p in outcome.predictions if p.fold["model"] == name) for name in done})
    models = {
        name: {**facts, "n_folds": done[name], "n_folds_expected": outcome.expected.get(name, 0), "seconds": round(seconds[name], 3)}
        for name, facts in of_models.items()
    }
    n, expected = sum(done.values()), sum(outcome.expected.values())
    return {"models": models, "n_folds": n, "n_folds_expected": expected, "complete": n == expected, "failures": outcome.failures}


def _write_details(folder: Path, cfg: Mapping[str, Any], task: Task, windows: Windows, outcome: Outcome) -> None:
    if outcome.history:
        _write_text(folder / "history.csv", pd.DataFrame(outcome.history).to_csv(index=False, lineterminator="\n"))
    _write_patterns(folder, windows, outcome, draw=bool(cfg.get("report", True)))
    _write_models(folder / "model", cfg, task, outcome)


def spread(task: Task, predictions: Sequence[Predictions], headline: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far the headline can be trusted: permutation bound, p, interval over people."""
    from corticode.evaluate.statistics import bootstrap_interval, permutation_bound

    mine = [p for p in predictions if p.fold.get("model") == headline["model"]]
    metric, level = next(m for m in task.metrics if m.name == headline["metric"]), headline["level"]
    facts = permutation_bound(mine, metric, level, task.unit)
    interval = bootstrap_interval(mine, metric, level, task.unit)
    return {"chance_95": facts["chance_95"], "p": facts["p"], "interval": None if interval is None else list(interval)}


def environment(command: str) -> dict[str, Any]:
    """Return what the numbers were made with: versions, hardware, the state of the code, the command."""
    packages = [
        "corticode",
        "numpy",
        "scipy",
        "pandas",
        "scikit-learn",
        "mne",
        "mne-bids",
        "nilearn",
        "pyriemann",
        "torch",
        "lightning",
        "hydra-core",
        "joblib",
    ]
    versions = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    found: dict[str, Any] = {
        "command": command,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "git": git_state(),
        "versions": versions,
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name(0)
    return found


def git_state() -> str | None:
    """Return the commit of a checkout, with '+changes' when files differ from it; None elsewhere."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists() or shutil.which("git") is None:
        return None
    try:
        sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return sha + ("+changes" if changed else "")


def _write_models(folder: Path, cfg: Mapping[str, Any], task: Task, outcome: Outcome) -> None:
    """Copy the refitted decoders, with what is needed to prepare a new file exactly as in training."""
    for name, source in outcome.refits.items():
        target = folder if len(outcome.refits) == 1 else folder / name
        with store.writing(target) as tmp:
            shutil.copytree(source, tmp)
            plain = store.read_json(tmp / "decoder.json")
            plain |= {"data": cfg["data"], "prepare": cfg["prepare"], "task": cfg["task"], "name": name}
            store.write_json(tmp / "decoder.json", plain)


def withdraw(folder: Path) -> None:
    """Remove what was written at the beginning of a run of which nothing came, and the folder, if nothing else is in it."""
    clear(folder)
    for name in ("config.yaml", "environment.json"):
        (Path(folder) / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        Path(folder).rmdir()


def refuse_foreign_model(folder: Path) -> None:
    """Refuse a run folder in which `model/` holds something else than decoders: it would be replaced.

    Raises
    ------
    StoreError
    """
    model = Path(folder) / "model"
    inside = [model] if (model / "decoder.json").is_file() or not model.exists() else list(model.iterdir())
    if model.exists() and not all((path / "decoder.json").is_file() for path in inside):
        raise StoreError(f"{model} is not a decoder of an earlier run, and a run keeps its decoder there: choose another hydra.run.dir=")


def clear(folder: Path) -> None:
    """Remove what an earlier run left in its folder, so that two runs never mix; other people's files stay."""
    refuse_foreign_model(folder)
    if (folder / "model").exists():
        shutil.rmtree(folder / "model")
    for name in (
        "scores.csv",
        "predictions.parquet",
        "history.csv",
        "summary.json",
        "report.html",
        "conformal.csv",
        "patterns*.npz",
        "figures/patterns*",
        "explain_*.npz",
        "figures/explain_*",
    ):
        for path in folder.glob(name):
            path.unlink()


def _write_patterns(folder: Path, windows: Windows, outcome: Outcome, draw: bool) -> None:
    """Write the mean patterns of each model; `draw` them as maps too, which takes longer than a classical fold."""
    from corticode.explain import pattern

    for name, found in outcome.patterns.items():
        # folds agree in number and order of patterns when the classes do; their mean is what they share
        same = [p["patterns"] for p in found if p["patterns"].shape == found[0]["patterns"].shape]
        path = folder / ("patterns.npz" if len(outcome.patterns) == 1 else f"patterns_{name}.npz")
        pattern.save(path, pattern.average(same), list(windows.space.names), windows.space.positions, found[0]["labels"])
        if draw and windows.space.positions is not None:
            from corticode.explain.topomap import write_topomap

            write_topomap(path, folder / "figures" / f"{path.stem}.svg", title=f"{name}: mean of {len(same)} folds")


def _selection(outcome: Outcome) -> str:
    said = list(dict.fromkeys(str(p.fold["selection"]) for p in outcome.predictions if p.fold["selection"]))
    return said[0] + (f" (and {len(said) - 1} more, see scores.csv)" if len(said) > 1 else "") if said else ""


def _transductive(outcome: Outcome) -> list[str]:
    if any("transductive" in str(p.fold["access"]) for p in outcome.predictions):
        return ["transductive: all unlabelled test windows were seen before the first was predicted"]
    return []


def _expected(cfg: Mapping[str, Any], headline: Mapping[str, Any]) -> list[str]:
    """Say whether an `experiment=` reached what it promises."""
    least = (cfg.get("expects") or {}).get("at_least")
    if least is None:
        return []
    return [f"expected {headline['metric']} of {least} or more: {'reached' if headline['headline'] >= least else 'missed'}"]


def _write_text(path: Path, text: str) -> None:
    with store.writing(path) as tmp:
        tmp.write_text(text, encoding="utf-8", newline="\n")


def _yaml(cfg: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(json.loads(json.dumps(cfg, default=str)), sort_keys=False, allow_unicode=True)


def _finite(value: Any) -> Any:
    """Return plain values that JSON can hold: numpy numbers as numbers, NaN as null."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
