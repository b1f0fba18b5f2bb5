"""The recipe of a run, step by step: from a configuration to a judged decoder and the folder that proves it.

0 check the sentence   1 task   2 recordings -> windows (cached)   3 recipes that make fresh decoders
4 benchmark over folds -> predictions   5 score -> one tidy table   6 outputs
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import catalogue, store
from corticode.decoder import Decoder
from corticode.errors import GuardError, SentenceError
from corticode.evaluate.benchmark import benchmark
from corticode.outputs import refuse_foreign_model, write_run
from corticode.progress import progress
from corticode.recipe import Recipe, is_network
from corticode.task.base import Task
from corticode.windows import Windows


@dataclass(frozen=True)
class Result:
    """What a run gives back.

    Attributes
    ----------
    scores : DataFrame
        The rows of scores.csv.
    predictions : DataFrame
        The rows of predictions.parquet, one per test window.
    summary : dict
        summary.json: headline, chance, spread.
    folder : Path
        The run folder.
    """

    scores: pd.DataFrame
    predictions: pd.DataFrame
    summary: dict[str, Any]
    folder: Path
    own: Mapping[str, Any]

    @property
    def headline(self) -> float:
        """The number the run ends with (of its first model)."""
        return float(self.summary["headline"])

    @property
    def decoder(self) -> Decoder | dict[str, Decoder]:
        """The decoder refitted on all rows (not the scored one); a dict when several models ran."""
        folder = self.folder / "model"
        if (folder / "decoder.json").is_file():
            return self._loaded(folder, self.summary["model"])
        models = {path.name: self._loaded(path, path.name) for path in sorted(folder.iterdir())} if folder.is_dir() else {}
        if not models:
            raise SentenceError("this run kept no decoder: run it with refit=true")
        return models

    def _loaded(self, folder: Path, name: str) -> Decoder:
        own = self.own.get(name)
        if own is None or is_network(own):
            return Decoder.load(folder, own=own)
        import skops.io

        # the types of one's own estimator are known to be one's own
        return Decoder.load(folder, trusted=skops.io.get_untrusted_types(data=skops.io.dumps(own)))


def run_config(cfg: Mapping[str, Any], folder: Path, data: Any = None, model: Any = None, command: str = "") -> Result:
    """Run one configuration.

    Parameters
    ----------
    cfg : mapping
        Resolved: task, prepare, split, align, adapt, model, engine, trainer, paths, seed ... as in conf/config.yaml.
    folder : Path
        The run folder.
    data : Windows, mne.Epochs, (X, y, meta) or None
        One's own data instead of `cfg.data`.
    model : estimator, nn.Module, dict of them (or of names' configurations), or None
        One's own model instead of `cfg.model`.
    """
    begin = time.perf_counter()
    show, n_jobs = progress(cfg.get("progress", "auto")), workers(cfg)
    check(cfg)
    refuse_foreign_model(folder)
    windows = prepared(cfg, data, n_jobs, show)
    if data is not None and not isinstance(data, str):
        # the files of a run must not name a data set and a preparation that had no part in it
        cfg = {**cfg, "data": {"own": windows.key}, "prepare": None, "choices": {**cfg.get("choices", {}), "data": "own", "prepare": None}}
    task, split, aligner = (catalogue.make(cfg[word]) for word in ("task", "split", "align"))
    labelled = task.label(windows)
    folds = split.folds(labelled.meta, labelled.y, aligner.access, aligner.n_align, overlap=bool(labelled.info.get("overlap")))
    guard(cfg, labelled)
    recipes = recipes_of(cfg, model, task, labelled, folder)
    first = [recipe(0) for recipe in recipes]  # an impossible pair is refused here
    learning = [type(decoder.adapter).__name__.lower() for decoder in first]
    seeds = cfg["seed"] if isinstance(cfg["seed"], list) else [cfg["seed"]]
    facts = {
        "prepare_sees": labelled.info.get("sees", "window"), "uses": ",".join(task.uses), "classes": task.classes,
        "channels": len(labelled.space), "n_sessions": int(labelled.meta["session"].nunique()), "aligned": aligner.acts_on != "nothing",
    }  # fmt: skip
    outcome = benchmark(
        recipes, labelled, folds, seeds, jobs_folder=home(cfg) / "jobs", features_folder=home(cfg) / "features",
        described={"uses": list(task.uses)}, facts=facts, n_jobs=1 if _many_processes(cfg) else n_jobs,
        refit=bool(cfg.get("refit", True)), progress=show,
    )  # fmt: skip
    notes = [*labelled.info.get("notes", []), *split.notes, *replaced_heads(recipes, first)]
    about = describe(cfg, recipes, learning, len(folds) * len(seeds) * len(recipes), begin)
    scores, predictions, summary = write_run(folder, cfg, task, labelled, outcome, about, notes, command)
    return Result(scores, predictions, summary, Path(folder), {r.name: r.own for r in recipes})


# -- 0 the sentence ---------------------------------------------------------------------------------------------------


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
    workers(cfg)
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


def workers(cfg: Mapping[str, Any]) -> int:
    """Return how many worker processes to use: engine.n_jobs, or as many as there are cores.

    Raises
    ------
    SentenceError
        engine.n_jobs is neither a number from 1 on, nor -1 or null.
    """
    asked = cfg["engine"].get("n_jobs")
    if asked not in (None, -1) and (isinstance(asked, bool) or not isinstance(asked, int) or asked < 1):
        raise SentenceError(f"engine.n_jobs={asked}: wanted 1 or more worker processes, or null for as many as there are cores")
    cores = os.cpu_count() or 1
    with_affinity = getattr(os, "sched_getaffinity", None)
    cores = len(with_affinity(0)) if with_affinity else cores
    return cores if asked in (None, -1) else asked


def _many_processes(cfg: Mapping[str, Any]) -> bool:
    """Return True when the trainer itself takes several processes or a GPU: folds then run one after the other, here."""
    trainer = cfg["trainer"]
    return trainer.get("accelerator") in ("gpu", "cuda") or (trainer.get("devices") not in (None, 1, "auto"))


# -- 2 windows --------------------------------------------------------------------------------------------------------


def home(cfg: Mapping[str, Any]) -> Path:
    """Return the folder of data and stores: paths.data, else data/ in a checkout, else the platform's user-data folder."""
    chosen = cfg["paths"].get("data") or os.environ.get("CORTICODE_DATA")
    if chosen:
        return Path(chosen).expanduser()
    checkout = catalogue.conf_folder().parent
    if (checkout / "train.py").is_file():
        return checkout / "data"
    import platformdirs

    return Path(platformdirs.user_data_dir("corticode", appauthor=False))


def prepared(cfg: Mapping[str, Any], data: Any = None, n_jobs: int = 1, show: Any = None) -> Windows:
    """Return the prepared windows of `cfg.data`, or of one's own data, from the cache when it has them."""
    if data is not None and not isinstance(data, str):
        windows = _own_windows(data)
        # workers open windows by path
        return windows if windows.is_kept else windows.keep(home(cfg) / "prepared")
    from corticode.prepare.cache import windows_of

    dataset = catalogue.make(cfg["data"])
    dataset.home = home(cfg)
    prepare = catalogue.make(cfg["prepare"])
    # steps that are off leave the key alone
    code = catalogue.code_of([{"_target_": cfg["data"]["_target_"]}, *({"_target_": step["class"]} for step in prepare.describe())])
    recordings = list(dataset.recordings())
    dataset.check_distinct(recordings, home(cfg) / "prepared" / "digests")
    windows = windows_of(recordings, prepare, home(cfg) / "prepared", code, dataset.classes, n_jobs, show)
    windows.info["notes"] = [*dataset.notes, *windows.info.get("notes", [])]
    return windows


def _own_windows(data: Any) -> Windows:
    """Return one's own data as Windows."""
    if isinstance(data, Windows):
        return data
    if hasattr(data, "get_data") and hasattr(data, "event_id"):
        return Windows.from_epochs(data)
    if not isinstance(data, tuple):
        raise SentenceError(f"data is a {type(data).__name__}: give a name, mne.Epochs, (X, y, meta) or corticode.Windows")
    if len(data) != 3 or "sfreq" not in getattr(data[2], "columns", []):
        raise SentenceError(
            "a tuple of data is (X, y, meta) with a column `sfreq` in meta; else give "
            "corticode.Windows.from_arrays(X, y, sfreq=..., subject=..., ch_names=...)"
        )
    X, y, meta = data
    return Windows.from_arrays(X, y, sfreq=float(meta["sfreq"].iloc[0]), meta=meta.drop(columns="sfreq"))


# -- 3 models ---------------------------------------------------------------------------------------------------------


def recipes_of(cfg: Mapping[str, Any], model: Any, task: Task, windows: Windows, folder: Path) -> list[Recipe]:
    """Return one recipe per model, for these windows and this question."""
    logger = {**cfg["logger"], "folder": str(Path(folder) / cfg["logger"].get("folder", "logs"))} if cfg["logger"].get("kind") else None
    return [
        Recipe(
            name=name, model=config, adapt=config.get("adapt") or cfg["adapt"], align=cfg["align"], trainer=cfg["trainer"],
            space=windows.space, n_times=windows.n_times, classes=task.classes, uses=tuple(task.uses),
            default_head=task.default_head, own=own, logger=logger,
        )
        for name, config, own in models_of(cfg, model)
    ]  # fmt: skip


def replaced_heads(recipes: Sequence[Recipe], decoders: Sequence[Decoder]) -> list[str]:
    """Say it where a recipe's classifier gave way to the task's own head, since the question asks for a number."""
    notes = []
    for recipe, decoder in zip(recipes, decoders, strict=True):
        wanted = str((recipe.model.get("head") or {}).get("_target_", "")).rpartition(".")[2]
        if wanted and wanted != type(decoder.head).__name__:
            notes.append(
                f"{recipe.name}: its head {wanted} answers classes and the task asks for a number: {type(decoder.head).__name__} took its place"
            )
    return notes


def models_of(cfg: Mapping[str, Any], model: Any) -> list[tuple[str, dict[str, Any], Any]]:
    """Return (name, configuration, own prototype) of each model to run."""
    if model is None or isinstance(model, str):
        return [(cfg["model"]["name"], dict(cfg["model"]), None)]
    if isinstance(model, Mapping):
        odd = [name for name in model if not re.fullmatch(r"[\w .+-]*\w[\w .+-]*", str(name)) or str(name).startswith(".")]
        if odd:
            raise SentenceError(f"the model name {odd[0]!r} becomes a folder: use letters, digits, spaces, and . + - inside")
        return [entry for name, thing in model.items() for entry in _named(cfg, str(name), thing)]
    return _named(cfg, type(model).__name__, model)


def _named(cfg: Mapping[str, Any], name: str, thing: Any) -> list[tuple[str, dict[str, Any], Any]]:
    if isinstance(thing, dict):  # a configuration, composed from a name
        return [(name, thing, None)]
    training = {k: cfg["model"][k] for k in ("objective", "train")} if is_network(thing) else {}
    return [(name, {"name": name, **training}, thing)]


# -- 6 what the summary says --------------------------------------------------------------------------------------------


def describe(cfg: Mapping[str, Any], recipes: Sequence[Recipe], learning: Sequence[str], n_folds: int, begin: float) -> dict[str, Any]:
    """Return the facts of a run that stand in summary.json beside its headline."""
    choices = cfg.get("choices", {})
    return {
        "model": ", ".join(r.name for r in recipes),
        "data": choices.get("data", "own"),
        "task": choices.get("task", ""),
        "split": choices.get("split", ""),
        "align": choices.get("align", ""),
        "adapt": ", ".join(dict.fromkeys(learning)),
        "n_folds_expected": n_folds,
        "config_hash": store.key(
            [[r.describe() for r in recipes], {k: cfg[k] for k in ("data", "task", "prepare", "split", "seed") if k in cfg}]
        )[:16],
        "seconds": round(time.perf_counter() - begin, 2),
    }


# -- from Python --------------------------------------------------------------------------------------------------------


def run(
    model: Any = "eegformer",
    data: Any = "simulated",
    split: str | None = None,
    *,
    task: str | None = None,
    prepare: str | None = None,
    align: str | None = None,
    adapt: str | None = None,
    overrides: Sequence[str] = (),
    output: str | Path | None = None,
    seed: int | Sequence[int] = 0,
    progress: str = "auto",
    config_dir: str | Path | None = None,
) -> Result:
    """Run an experiment: the code behind `python train.py`.

    Parameters
    ----------
    model : str, scikit-learn estimator, nn.Module, or dict of them
        A name of `corticode list model`, or one's own. Estimators of scikit-learn alone get rows
        [n, channels x times]; pipelines that begin elsewhere (pyriemann, MNE) get [n, channels, times]. Networks map
        [b, channels, times] to [b, n_outputs]; each fold starts from a copy of the given one.
    data : str, mne.Epochs, (X, y, meta) or Windows
    split, task, prepare, align, adapt : str or None
        Names; None takes what the data set brings (LOSO, or within-session for one person, for one's own data).
    overrides : sequence of str
        Anything else that can be typed on the command line: `["align.access=all", "data.root=/data"]`.
    output : path or None
        The run folder; default outputs/<date>/<time>.
    seed : int or several
    progress : 'auto', 'off' or 'silent'
    config_dir : path or None
        Folder with one's own YAML entries.

    Returns
    -------
    result : Result
        `.scores`, `.predictions`, `.decoder`, `.summary`, `.folder`.

    Examples
    --------
    >>> result = corticode.run(model="tangent_space", data="simulated", split="loso")  # doctest: +SKIP
    >>> result.scores  # doctest: +SKIP
    """
    from corticode.compose import compose, new_folder

    own_data = not isinstance(data, str)
    words: dict[str, Any] = {"task": task, "prepare": prepare, "align": align, "adapt": adapt, "split": split}
    if own_data:
        idle = [
            word for word in ([f"prepare={prepare}"] if prepare else []) + [*overrides] if word.lstrip("+~").startswith(("prepare", "data"))
        ]
        if idle:
            raise SentenceError(
                f"{idle[0]} has no effect on one's own windows: they are taken as they are; prepare them before, or give data a name"
            )
        data = _own_windows(data)
        regression = "value" in data.meta and "event" not in data.meta
        words["task"] = task or ("regression" if regression else "classification")
        words["split"] = split or ("loso" if data.meta["subject"].nunique() > 1 else "within_session")
        if regression and task is None:
            overrides = ["task.target=value", "task.unit=window", *overrides]
    chosen = [f"{word}={entry}" for word, entry in words.items() if entry is not None]
    chosen += [] if own_data else [f"data={data}"]
    seeds = int(seed) if isinstance(seed, int | np.integer) else "[" + ",".join(str(int(s)) for s in seed) + "]"
    chosen += [f"seed={seeds}", f"progress={progress}", *overrides]
    several = model if isinstance(model, dict) else {model: model} if isinstance(model, str) else {}
    names = {key: entry for key, entry in several.items() if isinstance(entry, str)}
    configs = {key: compose([f"model={entry}", *chosen], config_dir) for key, entry in names.items()}
    cfg = next(iter(configs.values())) if names and len(names) == len(several) else compose(["model=own", *chosen], config_dir)
    if isinstance(model, dict):
        # a name in a dict brings its own way of learning along
        model = {k: ({**configs[k]["model"], "adapt": configs[k]["adapt"]} if k in configs else v) for k, v in model.items()}
    folder = Path(output) if output is not None else new_folder(cfg)
    return run_config(
        cfg, folder, data=data if own_data else None, model=None if isinstance(model, str) else model, command="corticode.run(...)"
    )


def load(data: str, *, prepare: str | None = None, overrides: Sequence[str] = (), progress: str = "auto") -> Windows:
    """Return the windows of a data set, prepared as a run would prepare them, from the cache when it has them.

    Parameters
    ----------
    data : str
        A name of `corticode list data`.
    prepare : str or None
        None takes what the data set brings.
    overrides : sequence of str
        As typed on the command line: `["data.root=/data", "prepare.filter.low_hz=4"]`.
    """
    from corticode.compose import compose
    from corticode.progress import progress as shown

    cfg = compose([f"data={data}", *([f"prepare={prepare}"] if prepare else []), *overrides])
    return prepared(cfg, None, workers(cfg), shown(progress))
