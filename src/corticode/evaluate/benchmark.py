"""The one loop: every fold starts from a fresh decoder, is fitted, and answers for people it has never seen.

jobs = plans x models x folds x seeds (+ one refit on all rows per model), one list whatever asks for them
a job's result is on disk the moment it exists; what is there already is not computed again
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from corticode import store
from corticode.encoder.base import Encoder
from corticode.engine.base import Engine, Lost
from corticode.errors import CorticodeError
from corticode.evaluate.worker import AT_ONCE, Failed, Finished, Job, NewDecoder, Worker, one_thread
from corticode.predictions import Predictions
from corticode.split.access import seen
from corticode.split.base import Fold
from corticode.split.guard import check_folds
from corticode.windows import Windows


@dataclass(frozen=True)
class Plan:
    """What one run asks for: every model on every fold and seed of one set of windows.

    Parameters
    ----------
    models : sequence of NewDecoder
    windows : Windows
        Labelled, in a folder of the prepared store.
    folds : sequence of Fold
    seeds : sequence of int
        A decoder that is deterministic runs once whatever they are.
    jobs_folder, features_folder : Path
        Stores for finished jobs and per-window features.
    described : dict
        Plain values that belong to every job's key: task, align access.
    facts : dict
        Columns for every score row: prepare_sees, uses ...
    refit : bool
        Fit one decoder per model on all rows (never the scored one).

    Raises
    ------
    GuardError
        A fold's test rows could be known from what is learned (see `split.guard`), whoever made the fold.
    """

    models: Sequence[NewDecoder]
    windows: Windows
    folds: Sequence[Fold]
    seeds: Sequence[int]
    jobs_folder: Path
    features_folder: Path
    described: dict[str, Any]
    facts: dict[str, Any]
    refit: bool = True

    def __post_init__(self):
        check_folds(self.windows, self.folds)

    def worker(self) -> Worker:
        """Return what runs its jobs."""
        return Worker(self.windows, Path(self.jobs_folder), Path(self.features_folder))

    def jobs(self) -> list[Job]:
        """Return all of its jobs, in the order model, seed, fold; a refit last of its model."""
        everything = Fold(np.arange(len(self.windows)), np.arange(0), "all")
        base = {"windows": self.windows.key, "y": _digest(self.windows), **self.described}
        rows = [(fold, _rows_key(fold)) for fold in self.folds]
        jobs = []
        for new_decoder in self.models:
            base["model"] = new_decoder.describe()
            seeds = [None] if new_decoder(self.seeds[0]).deterministic else self.seeds
            jobs += [Job(new_decoder, fold, seed, _key(base, of_fold, seed)) for seed in seeds for fold, of_fold in rows]
            if self.refit:
                jobs.append(Job(new_decoder, everything, seeds[0], _key(base, _rows_key(everything), seeds[0]), refit=True))
        return jobs


@dataclass
class Outcome:
    """All that is known of a plan at its end, or when it was stopped."""

    predictions: list[Predictions] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    patterns: dict[str, list[dict[str, np.ndarray]]] = field(default_factory=dict)
    refits: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    n_jobs: int = 0
    n_resumed: int = 0


class Benchmark:
    """The jobs of one plan or of many, each computed once.

    Parameters
    ----------
    plans : sequence of Plan
        Jobs that several of them ask for (a deterministic model under three seeds) are one job.
    """

    def __init__(self, plans: Sequence[Plan]):
        self.plans = list(plans)
        self._jobs = [plan.jobs() for plan in plans]
        self._failed: dict[str, Failed] = {}
        self._missing: dict[str, tuple[Worker, Job]] = {}
        self._at_once: dict[tuple, int] = {}  # by recipe and windows
        for plan, jobs in zip(self.plans, self._jobs, strict=True):
            worker = plan.worker()
            self._missing |= {job.key: (worker, job) for job in jobs if not job.is_done(worker.jobs_folder)}
        self._resumed = [sum(job.key not in self._missing for job in jobs) for jobs in self._jobs]

    @property
    def n_missing(self) -> int:
        """How many jobs are to be computed."""
        return len(self._missing)

    def is_missing(self, number: int = 0) -> bool:
        """True where jobs of a plan were to be computed."""
        return any(job.key in self._missing for job in self._jobs[number])

    def run(self, engine: Engine, progress: Callable[..., Any] | None = None) -> Iterator[Finished | Failed]:
        """Compute what is missing; gives each result as it comes, so that who consumes it can stop at any time.

        Parameters
        ----------
        engine : Engine
            Has workers (`engine.started`).
        progress : function (iterable, total, label) -> iterable, or None
        """
        show = progress or (lambda items, total, label: items)
        tasks = self._with_features(engine, list(self._missing.values()))
        yield from show(self._results(engine, self._groups(engine, tasks)), len(tasks), "folds")

    def _groups(self, engine: Engine, tasks: list[tuple[Worker, Job]]) -> list[tuple[Worker, list[Job]]]:
        """Bring together what is best fitted at once: jobs of one recipe on one set of windows, a share for each worker."""
        mine: dict[tuple, list[tuple[Worker, Job]]] = {}
        for worker, job in tasks:
            mine.setdefault(_whose(worker, job), []).append((worker, job))
        groups = []
        for whose, of_one in mine.items():
            n, at_once = len(of_one), self._at_once[whose]
            # where one ends early another takes its place, so a group is longer than what is fitted at once
            n_groups = n if at_once == 1 else max(-(-n // (2 * at_once)), min(engine.n_workers, -(-n // at_once)))
            groups += [(of_one[0][0], [of_one[i][1] for i in part]) for part in np.array_split(np.arange(n), n_groups)]
        return groups

    def _results(self, engine: Engine, groups: list[tuple[Worker, list[Job]]]) -> Iterator[Finished | Failed]:
        """Give what comes of each job; a group whose worker died is done again one by one."""
        again = []
        for i, results in engine.run(_perform, groups):
            worker, jobs = groups[i]
            if isinstance(results, Lost) and len(jobs) > 1:
                again += [(worker, [job]) for job in jobs if not job.is_done(worker.jobs_folder)]
                yield from (Finished(job.new_decoder.name) for job in jobs if job.is_done(worker.jobs_folder))
                continue
            if isinstance(results, Lost):
                name, fold = jobs[0].new_decoder.name, jobs[0].fold.name
                results = [Failed(name, "CorticodeError", f"{name}, fold {fold}: {results.reason}", ours=True)]
            self._failed |= {job.key: result for job, result in zip(jobs, results, strict=True) if isinstance(result, Failed)}
            yield from results
        if again:
            yield from self._results(engine, again)

    def _with_features(self, engine: Engine, tasks: list[tuple[Worker, Job]]) -> list[tuple[Worker, Job]]:
        """Compute what depends on one window alone, once for all jobs that ask for it; return the jobs that can go on."""
        asked: dict[tuple, Path | None] = {}
        refused: dict[Path | None, Failed] = {}
        neural = False
        for worker, job in tasks:
            name = _whose(worker, job)
            if name in asked:
                continue
            decoder = job.new_decoder(job.seed or 0)
            neural |= decoder.encoder.neural
            self._at_once[name] = decoder.n_together
            stored = decoder.asks_the_store and type(decoder.encoder).per_window is not Encoder.per_window
            path = asked[name] = worker.features_path(decoder.encoder) if stored else None
            if path is not None and not path.exists() and path not in refused:
                problem = _features(engine, worker, decoder.encoder, path)
                if problem is not None:
                    refused[path] = problem
        if neural:
            engine.renew()
        able = []
        for worker, job in tasks:
            problem = refused.get(asked[_whose(worker, job)])
            if problem is None:
                able.append((worker, job))
            else:
                self._failed[job.key] = replace(problem, model=job.new_decoder.name, reason=f"{job.new_decoder.name}: {problem.reason}")
        return able

    def outcome(self, number: int = 0) -> Outcome:
        """Return what is on disk of a plan now, in the order of its jobs."""
        plan, jobs = self.plans[number], self._jobs[number]
        worker, outcome = plan.worker(), Outcome(n_jobs=len(jobs), n_resumed=self._resumed[number])
        for job in jobs:
            if not job.refit:
                outcome.expected[job.new_decoder.name] = outcome.expected.get(job.new_decoder.name, 0) + 1
            if job.is_done(worker.jobs_folder):
                _collect(outcome, job, worker, plan.facts)
            elif job.key in self._failed:
                outcome.failures.append({"model": job.new_decoder.name, "fold": job.fold.name, "seed": job.seed, "refit": job.refit, "error": self._failed[job.key].reason})  # fmt: skip
        return outcome

    def seconds(self, number: int = 0) -> float:
        """Return how long the fits of a plan took that were computed here."""
        worker, plan = self.plans[number].worker(), self._jobs[number]
        found = [_facts(job.path(worker.jobs_folder))["time"] for job in plan if not job.refit and job.key in self._missing and job.is_done(worker.jobs_folder)]  # fmt: skip
        return float(sum(found))

    def failed(self, number: int = 0) -> list[Failed]:
        """Return the errors of a plan's jobs."""
        return [self._failed[job.key] for job in self._jobs[number] if job.key in self._failed]


def _whose(worker: Worker, job: Job) -> tuple:
    return worker.windows.key, str(worker.features_folder), id(job.new_decoder)


def _perform(task: tuple[Worker, list[Job]]) -> list[Finished | Failed]:
    worker, jobs = task
    return worker.together(jobs)


# Fewer windows than these are not worth a worker's time.
_FEW = 8 * AT_ONCE


def _features(engine: Engine, worker: Worker, encoder: Encoder, path: Path) -> Failed | None:
    """Compute one feature for all windows, in slices that the workers share; return the error, if there is one."""
    whole = Windows.open(worker.windows.folder)
    with store.locked(path):
        if path.exists():
            return None
        try:
            with store.writing(path) as tmp, one_thread():
                edges = list(range(0, len(whole), _FEW))
                # the first slice is computed here and makes the array
                Worker.compute(encoder, whole, tmp, 0, min(_FEW, len(whole)))
                slices = [(encoder, whole, tmp, first, min(first + _FEW, len(whole))) for first in edges[1:]]
                for _, result in engine.run(_slice, slices):
                    if isinstance(result, Exception | Lost):
                        raise result if isinstance(result, Exception) else RuntimeError(result.reason)
        except Exception as error:
            return Failed("", type(error).__name__, str(error), isinstance(error, CorticodeError), traceback.format_exc())
    return None


def _slice(task: tuple[Encoder, Windows, Path, int, int]) -> Exception | None:
    try:
        with one_thread():
            Worker.compute(*task)
    except Exception as error:
        return error
    return None


# -- keys -----------------------------------------------------------------------------------------------------------


def _key(base: dict[str, Any], rows: str, seed: int | None) -> str:
    return store.key({**base, "rows": rows, "seed": seed, "code": store.code_key("corticode.evaluate.worker")})


def _rows_key(fold: Fold) -> str:
    return store.key({part: getattr(fold, part).tolist() for part in ("fit", "align", "calibrate", "test")})


def _digest(windows: Windows) -> str:
    return store.key({"rows": windows.rows.tolist(), "y": np.asarray(windows.y).tolist()})


# -- reading back ---------------------------------------------------------------------------------------------------


def _facts(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        return json.loads(stored["facts"].tobytes())


# what a fold notes and the whole run has to say: lost dimensions, a loss that was no number, a batch cut to fit
_SAID_ALOUD = ("rank", "diverged", "memory")


def _collect(outcome: Outcome, job: Job, worker: Worker, facts: dict[str, Any]) -> None:
    path, name = job.path(worker.jobs_folder), job.new_decoder.name
    if job.refit:
        if (path / "refused.json").is_file():
            outcome.notes.append(store.read_json(path / "refused.json")["reason"])
        else:
            outcome.refits[name] = path
        return
    with np.load(path, allow_pickle=False) as stored:
        plain = json.loads(stored["facts"].tobytes())
        test = worker.windows[job.fold.test]
        notes = plain["notes"]
        row = {
            "model": name,
            "fold": job.fold.name,
            "seed": job.seed,
            "access": seen(job.fold, worker.windows.meta, bool(facts.get("aligned"))),
            "selection": notes.pop("selection", ""),
            "notes": notes,
            "samples": len(job.fold.fit),
            "samples_test": len(job.fold.test),
            "time": plain["time"],
            **{k: v for k, v in facts.items() if k != "aligned"},
        }
        said = [f"{name}: {notes[word]}" for word in _SAID_ALOUD if word in notes]
        outcome.notes += [line for line in said if line not in outcome.notes]
        outcome.predictions.append(Predictions(stored["yhat"], plain["yhat_kind"], test.y, test.meta, facts["classes"], row))
        outcome.history += [{"model": name, "fold": job.fold.name, "seed": job.seed, **line} for line in plain["history"]]
        if "patterns" in stored:
            labels = json.loads(stored["pattern_labels"].tobytes())
            outcome.patterns.setdefault(name, []).append({"patterns": stored["patterns"], "labels": labels})
