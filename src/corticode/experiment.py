"""The recipe of a run, step by step: from a configuration to a judged decoder and the folder that proves it.

0 check the sentence   1 task   2 recordings -> windows (cached)   3 recipes that make fresh decoders
4 benchmark over folds -> predictions   5 score -> one tidy table   6 outputs
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import catalogue, store
from corticode.decoder import Decoder
from corticode.energy import Meter
from corticode.engine.base import Engine
from corticode.engine.local import Local
from corticode.errors import SentenceError
from corticode.evaluate.benchmark import Benchmark, Outcome, Plan
from corticode.evaluate.conformal import Sets, apart, hold_out
from corticode.evaluate.inside import within
from corticode.evaluate.protocol import describe
from corticode.evaluate.worker import Failed
from corticode.outputs import refuse_foreign_model, withdraw, write_refused, write_run
from corticode.prepared import home, own_windows, prepared
from corticode.progress import progress
from corticode.recipe import is_network, recipes_of, replaced_heads
from corticode.sentence import check, guard
from corticode.split.base import PERSON, Fold
from corticode.split.guard import check_folds
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


@dataclass(frozen=True)
class Sentence:
    """One configuration to run, and the folder that will prove it.

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

    cfg: Mapping[str, Any]
    folder: Path
    data: Any = None
    model: Any = None


def run_config(cfg: Mapping[str, Any], folder: Path, data: Any = None, model: Any = None, command: str = "") -> Result:
    """Run one configuration; see `Sentence` for the parameters.

    Raises
    ------
    CorticodeError
        It cannot be meant, or every fold failed.
    """
    [result] = run_many([Sentence(cfg, Path(folder), data, model)], command)
    if isinstance(result, Exception):
        raise result
    return result


def run_many(sentences: Sequence[Sentence], command: str = "") -> list[Result | Exception]:
    """Run a sweep: the jobs of all its configurations are one list, so that every core has work until the end.

    What is the same in several configurations (prepared windows, features of a window, the fit of a model that no seed
    changes) is computed once. A configuration that cannot be run is an exception in its place and stops no other; one of
    whose folds some failed is a result that says so.

    Parameters
    ----------
    sentences : sequence of Sentence
    command : str
        What was typed, for the record.

    Returns
    -------
    results : list of Result or Exception
        In the order of the sentences.
    """
    engine = engine_of(sentences)
    runs: list[Run | Exception] = []
    shelf: dict[str, Windows] = {}
    for sentence in sentences:
        try:
            runs.append(planned(sentence, engine.n_workers, shelf, command))
        except Exception as error:
            runs.append(error)
            if len(sentences) > 1:  # a row of the sweep's table
                write_refused(sentence.folder, sentence.cfg, error, command)
    able = [run for run in runs if isinstance(run, Run)]
    benchmark = Benchmark([run.plan for run in able])
    with Meter(sentences[0].cfg["energy"]["measure"], sentences[0].cfg["energy"]["country"]) as meter:
        _work(benchmark, able, engine)
    shares = _shares(meter.kwh, [benchmark.seconds(i) for i in range(len(able))])
    alone = len(sentences) == 1
    results = iter([run.finish(benchmark.outcome(i), benchmark.failed(i), shares[i], alone) for i, run in enumerate(able)])
    return [next(results) if isinstance(run, Run) else run for run in runs]


def _shares(kwh: float | None, seconds: Sequence[float]) -> list[float | None]:
    """Give each run its share of a sweep's energy, by the time its fits took; None where nothing was measured or computed."""
    total = sum(seconds)
    return [kwh * mine / total if kwh is not None and mine else None for mine in seconds]


# Bringing run folders up to date while jobs run: the share of the time that may go into it, and seconds between two of them at least.
_WRITING, _PAUSE_S = 0.05, 10.0


def _work(benchmark: Benchmark, runs: Sequence[Run], engine: Engine) -> None:
    """Compute what is missing; the run folders keep up with it, so that a killed process leaves a table of what was done."""
    if not benchmark.n_missing:
        return
    say = progress(runs[0].cfg.get("progress", "auto"))
    if runs[0].cfg.get("progress") != "silent":
        jobs = "1 job" if benchmark.n_missing == 1 else f"{benchmark.n_missing} jobs"
        print(f"engine: {jobs} {engine}", file=sys.stderr, flush=True)

    def write() -> float:
        begin = time.monotonic()
        for i, run in enumerate(runs):
            if benchmark.is_missing(i):  # what is complete stays as it is
                run.write(benchmark.outcome(i))
        return time.monotonic() + max(_PAUSE_S, (time.monotonic() - begin) / _WRITING)

    due = write()
    try:
        with engine.started():
            for _ in benchmark.run(engine, say):
                if time.monotonic() > due:
                    due = write()
    except KeyboardInterrupt:
        write()
        raise


@dataclass(frozen=True)
class Run:
    """A sentence that has been understood: its windows, its question and its jobs."""

    cfg: Mapping[str, Any]
    folder: Path
    task: Task
    windows: Windows
    plan: Plan
    folds: Sequence[Fold]
    about: dict[str, Any]
    notes: tuple[str, ...]
    command: str
    since: float

    def write(self, outcome: Outcome) -> None:
        """Write what is known so far, marked as incomplete."""
        self._apart(outcome)
        write_run(self.folder, self.cfg, self.task, self.windows, outcome, self.about, self.notes, self.command, over=False)

    def _apart(self, outcome: Outcome) -> list[Sets]:
        """Take the answers about calibration people out of the outcome, and return the prediction sets they give."""
        wanted = self.cfg["evaluate"]
        if wanted.get("conformal") is None:
            return []
        outcome.predictions, sets = apart(outcome.predictions, self.folds, wanted["conformal"], wanted["conformal_method"])
        if any(np.isinf(one.threshold) for one in sets):
            n = min(one.n_calibration for one in sets)
            outcome.notes.append(
                f"prediction sets: {n} {'person' if n == 1 else 'people'} to calibrate on {'is' if n == 1 else 'are'} too few for evaluate.conformal={wanted['conformal']}, so no class is ever ruled out"
            )
        return sets

    def finish(self, outcome: Outcome, failed: Sequence[Failed], energy_kwh: float | None = None, alone: bool = True) -> Result | Exception:
        """Write the run folder; the error instead where no fold has an answer."""
        if not outcome.predictions:
            if alone:
                withdraw(self.folder)
            else:
                self.write(outcome)
            return failed[0].error()
        sets = self._apart(outcome)
        about = {**self.about, "seconds": round(time.perf_counter() - self.since, 2)}
        # of a run that was resumed only a part was measured
        about |= {"energy_kwh": energy_kwh} if energy_kwh is not None and not outcome.n_resumed else {}
        written = write_run(self.folder, self.cfg, self.task, self.windows, outcome, about, self.notes, self.command, sets)
        return Result(*written, Path(self.folder), {recipe.name: recipe.own for recipe in self.plan.models})


def planned(sentence: Sentence, n_workers: int, shelf: dict[str, Windows], command: str = "") -> Run:
    """Understand a sentence: steps 0 to 3 of the recipe. `shelf` keeps windows that several sentences of a sweep share."""
    begin, cfg = time.perf_counter(), sentence.cfg
    check(cfg)
    refuse_foreign_model(sentence.folder)
    windows = _from_shelf(sentence, n_workers, shelf)
    if sentence.data is not None and not isinstance(sentence.data, str):
        # the files of a run must not name a data set and a preparation that had no part in it
        cfg = {**cfg, "data": {"own": windows.key}, "prepare": None, "choices": {**cfg.get("choices", {}), "data": "own", "prepare": None}}
    task, split, aligner = (catalogue.make(cfg[word]) for word in ("task", "split", "align"))
    labelled = task.label(windows)
    reach = labelled.reach_s
    given = (labelled.meta, labelled.y, aligner.access, aligner.n_align, bool(labelled.info.get("overlap")), reach[1] - reach[0])
    folds, inside = split.folds(*given), {}
    number = cfg["evaluate"].get("inside")
    if number is not None:  # a step of a search: the people that this fold tests are not asked
        split, inside = within(folds, number, cfg["evaluate"].get("n_inside", 3), split.shots, reach[1] - reach[0])
        folds, cfg = split.folds(*given), {**cfg, "refit": False, "report": False, "evaluate": {**cfg["evaluate"], "conformal": None}}
    guard(cfg, labelled, folds)
    alpha = cfg["evaluate"].get("conformal")
    if alpha is not None:
        check_folds(labelled, folds)  # before calibration people join those who are asked; else the plan does it
    asked = folds if alpha is None else [hold_out(fold, labelled.meta, labelled.y, _held_share(alpha, fold, labelled))[0] for fold in folds]
    recipes = recipes_of(
        cfg, sentence.model, labelled, sentence.folder, classes=task.classes, uses=tuple(task.uses), default_head=task.default_head
    )
    first = [recipe(0) for recipe in recipes]  # an impossible pair is refused here
    facts = {
        "prepare_sees": labelled.info.get("sees", "window"), "uses": ",".join(task.uses), "classes": task.classes,
        "channels": len(labelled.space), "n_sessions": int(labelled.meta["session"].nunique()), "aligned": aligner.acts_on != "nothing",
        "window_s": labelled.n_times / labelled.space.sfreq,
    }  # fmt: skip
    plan = Plan(
        recipes, labelled, asked, cfg["seed"] if isinstance(cfg["seed"], list) else [cfg["seed"]],
        jobs_folder=home(cfg) / "jobs", features_folder=home(cfg) / "features",
        described={"uses": list(task.uses)}, facts=facts, refit=bool(cfg.get("refit", True)),
    )  # fmt: skip
    notes = [*labelled.info.get("notes", []), *split.notes, *replaced_heads(recipes, first), *inside.pop("notes", [])]
    about = describe(cfg, plan, folds, task, first) | ({"inside": inside} if inside else {})
    return Run(cfg, Path(sentence.folder), task, labelled, plan, folds, about, tuple(notes), command, begin)


def _held_share(alpha: float, fold: Fold, windows: Windows) -> float:
    """Return the share of fit people to calibrate on: a quarter, or as many more as the promise needs, up to half."""
    n_people = len(windows.meta[list(PERSON)].iloc[fold.fit].drop_duplicates())
    wanted = max(round(0.25 * n_people), int(np.ceil(1 / alpha - 1)) if 0 < alpha < 1 else 1)
    return max(1, min(wanted, n_people // 2)) / n_people


def _from_shelf(sentence: Sentence, n_workers: int, shelf: dict[str, Windows]) -> Windows:
    cfg, data = sentence.cfg, sentence.data
    # one's own data are the same object in all sentences
    name = store.key([cfg["data"], cfg["prepare"], cfg["paths"]]) if data is None or isinstance(data, str) else str(id(data))
    if name not in shelf:
        shelf[name] = prepared(cfg, data, n_workers, progress(cfg.get("progress", "auto")))
    return shelf[name]


# -- who works ---------------------------------------------------------------------------------------------------------


def engine_of(sentences: Sequence[Sentence]) -> Engine:
    """Return the one engine of a sweep; networks that take several processes or a GPU are trained here, one after the other.

    Raises
    ------
    SentenceError
        The sweep names several engines.
    """
    first = sentences[0].cfg["engine"]
    if any(sentence.cfg["engine"] != first for sentence in sentences):
        raise SentenceError("engine= is one for the whole sweep: name a single one")
    return Local(n_jobs=1) if any(_many_processes(sentence.cfg) for sentence in sentences) else catalogue.make(first)


def _many_processes(cfg: Mapping[str, Any]) -> bool:
    """Return True when the trainer itself takes several processes or a GPU: folds then run one after the other, here."""
    trainer = cfg["trainer"]
    return trainer.get("accelerator") in ("gpu", "cuda") or (trainer.get("devices") not in (None, 1, "auto"))


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
    augment: str | None = None,
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
    split, task, prepare, align, adapt, augment : str or None
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
    words: dict[str, Any] = {"task": task, "prepare": prepare, "align": align, "adapt": adapt, "augment": augment, "split": split}
    if own_data:
        idle = [
            word for word in ([f"prepare={prepare}"] if prepare else []) + [*overrides] if word.lstrip("+~").startswith(("prepare", "data"))
        ]
        if idle:
            raise SentenceError(
                f"{idle[0]} has no effect on one's own windows: they are taken as they are; prepare them before, or give data a name"
            )
        data = own_windows(data)
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
        model = {
            k: ({**configs[k]["model"], "adapt": configs[k]["adapt"], "augment": configs[k]["augment"]} if k in configs else v)
            for k, v in model.items()
        }
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
    return prepared(cfg, None, catalogue.make(cfg["engine"]).n_workers, shown(progress))
