"""The one loop: every fold starts from a fresh decoder, is fitted, and answers for people it has never seen.

jobs = models x folds x seeds (+ one refit on all rows per model)
a job's result is on disk the moment it exists; what is there already is not computed again
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from corticode import store
from corticode.decoder import Decoder
from corticode.encoder.base import Encoder
from corticode.errors import CorticodeError
from corticode.predictions import Predictions
from corticode.split.base import PERSON, Fold
from corticode.windows import Windows


class NewDecoder(Protocol):
    """Makes a fresh decoder; picklable, and described by plain values for the key."""

    name: str

    def __call__(self, seed: int) -> Decoder:
        """Return a decoder that has seen nothing (but named pretrained weights)."""

    def describe(self) -> Any:
        """Return plain values that make two decoders the same: configuration and code."""


@dataclass(frozen=True)
class Job:
    """One thing to compute: a decoder fitted on `fold.fit` and asked about `fold.test`; a refit has no test rows."""

    new_decoder: NewDecoder
    fold: Fold
    seed: int
    key: str
    refit: bool = False


@dataclass
class Outcome:
    """All that a benchmark knows at its end (or when it was stopped)."""

    predictions: list[Predictions] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    patterns: dict[str, list[dict[str, np.ndarray]]] = field(default_factory=dict)
    refits: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    n_jobs: int = 0
    n_resumed: int = 0


def benchmark(
    models: Sequence[NewDecoder],
    windows: Windows,
    folds: Sequence[Fold],
    seeds: Sequence[int],
    *,
    jobs_folder: Path,
    features_folder: Path,
    described: dict[str, Any],
    facts: dict[str, Any],
    n_jobs: int = 1,
    refit: bool = True,
    progress: Callable[..., Any] | None = None,
) -> Outcome:
    """Run every model on every fold and seed.

    Parameters
    ----------
    models : sequence of NewDecoder
    windows : Windows
        Labelled, in a folder of the prepared store.
    folds : sequence of Fold
    seeds : sequence of int
    jobs_folder, features_folder : Path
        Stores for finished jobs and per-window features.
    described : dict
        Plain values that belong to every job's key: task, align access.
    facts : dict
        Columns for every score row: prepare_sees, uses ...
    n_jobs : int
        Worker processes; the numbers do not depend on it.
    refit : bool
        Fit one decoder per model on all rows (never the scored one).
    progress : function (iterable, total, label, running) -> iterable, or None

    Returns
    -------
    outcome : Outcome
        Predictions in the order model, seed, fold.
    """
    every = Fold(np.arange(len(windows)), np.arange(0), "all") if refit else None
    base = {"windows": windows.key, "y": _digest(windows), **described}
    jobs = []
    for new_decoder in models:
        described_model = new_decoder.describe()
        for seed in seeds:
            jobs += [Job(new_decoder, fold, seed, _job_key(base, described_model, fold, seed)) for fold in folds]
        if every is not None:
            jobs.append(Job(new_decoder, every, seeds[0], _job_key(base, described_model, every, seeds[0]), refit=True))
    missing = [job for job in jobs if not _done(jobs_folder, job)]
    outcome = Outcome(n_jobs=len(jobs), n_resumed=len(jobs) - len(missing))
    worker = Worker(windows, Path(jobs_folder), Path(features_folder))
    _compute(missing, worker, n_jobs, progress)
    for job in jobs:
        _collect(outcome, job, worker, facts)
    return outcome


def _job_key(base: dict, model: Any, fold: Fold, seed: int) -> str:
    rows = {part: getattr(fold, part).tolist() for part in ("fit", "align", "calibrate", "test")}
    return store.key(
        {**base, "model": model, "rows": store.key(rows), "seed": int(seed), "code": store.code_key("corticode.evaluate.benchmark")}
    )


def _digest(windows: Windows) -> str:
    return store.key({"rows": windows.rows.tolist(), "y": np.asarray(windows.y).tolist()})


def _done(folder: Path, job: Job) -> bool:
    path = _path(folder, job)
    return any((path / name).is_file() for name in ("decoder.json", "refused.json")) if job.refit else path.is_file()


def _path(folder: Path, job: Job) -> Path:
    return Path(folder) / (job.key[:2]) / (job.key[:40] + (".decoder" if job.refit else ".npz"))


# -- running --------------------------------------------------------------------------------------------------------


def _compute(jobs: list[Job], worker: Worker, n_jobs: int, progress: Callable | None) -> None:
    """Run the missing jobs in worker processes, or here when there is one worker."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if not jobs:
        return
    for encoder, rows in _shared_features(jobs, worker.windows):
        worker.features(encoder, rows)  # once, before the workers ask for it

    def results() -> Iterator[float | None]:
        if n_jobs == 1 or len(jobs) == 1:
            yield from (worker(job) for job in jobs)
            return
        try:
            pool = Parallel(n_jobs=min(n_jobs, len(jobs)), return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
            yield from pool(delayed(worker)(job) for job in jobs)
        except TerminatedWorkerError:
            # a worker was killed (out of memory, most likely): what it had finished is on disk, the rest runs alone
            yield from (worker(job) for job in jobs if not _done(worker.jobs_folder, job))

    done = results()
    for _ in progress(done, len(jobs), "folds") if progress is not None else done:
        pass


def _shared_features(jobs: list[Job], windows: Windows) -> list[tuple[Encoder, Windows]]:
    """Return one encoder per distinct per-window feature that the jobs will ask the store for."""
    seen: dict[str, tuple[Encoder, Windows]] = {}
    for new_decoder in {id(job.new_decoder): job.new_decoder for job in jobs}.values():
        decoder = new_decoder(0)
        encoder = decoder.encoder
        if decoder.asks_the_store and type(encoder).per_window is not Encoder.per_window:
            seen.setdefault(feature_key(encoder, windows), (encoder, windows))
    return list(seen.values())


@dataclass(frozen=True)
class Worker:
    """Runs one job, in a worker process or in the parent, with one thread so that the bits are the same in both."""

    windows: Windows
    jobs_folder: Path
    features_folder: Path

    def __call__(self, job: Job) -> float | None:
        """Compute and store one job; return the share of right answers for the progress bar."""
        with one_thread():
            return self._refit(job) if job.refit else self._score(job)

    def _score(self, job: Job) -> float | None:
        decoder = job.new_decoder(job.seed)
        decoder.features = self.features
        fold, begin = job.fold, time.perf_counter()
        try:
            decoder.fit(self.windows[fold.fit])
            seconds = time.perf_counter() - begin
            if len(fold.align):
                decoder.align(self.windows[fold.align].blind(decoder.uses))
            if len(fold.calibrate):
                decoder.calibrate(self.windows[fold.calibrate])
            predictions = decoder.predictions(self.windows[fold.test])
        except CorticodeError as error:
            raise type(error)(f"{job.new_decoder.name}, fold {fold.name}: {error}") from error
        notes = {k: v for k, v in decoder.notes.items() if k != "history"}
        facts = {"time": seconds, "notes": notes, "history": decoder.notes.get("history", []), "yhat_kind": predictions.yhat_kind}
        arrays = {
            "yhat": predictions.yhat,
            "facts": np.frombuffer(json.dumps(facts, allow_nan=False, default=float).encode(), dtype=np.uint8),
        }
        patterns = decoder.patterns()
        if patterns is not None:
            arrays["patterns"] = patterns["patterns"]
            arrays["pattern_labels"] = np.frombuffer(json.dumps(patterns["labels"]).encode(), dtype=np.uint8)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        with store.writing(_path(self.jobs_folder, job)) as tmp:
            tmp.write_bytes(buffer.getvalue())
        return float(np.mean(predictions.decided == predictions.y)) if predictions.classes else None

    def _refit(self, job: Job) -> None:
        decoder = job.new_decoder(job.seed)
        decoder.features = self.features
        decoder.fit(self.windows)
        path = _path(self.jobs_folder, job)
        try:
            decoder.save(path, refit="fitted on all rows: not the scored decoder")
        except (CorticodeError, OSError):
            raise
        except Exception as error:  # somebody's own estimator may hold what skops cannot keep: the scores stand all the same
            with store.writing(path) as tmp:
                tmp.mkdir(parents=True)
                store.write_json(
                    tmp / "refused.json", {"reason": f"the refitted {job.new_decoder.name} cannot be kept without pickle: {error}"}
                )

    def features(self, encoder: Encoder, windows: Windows) -> np.ndarray:
        """Return per-window features of these rows from the store; computed once for the whole data set."""
        if type(encoder).per_window is Encoder.per_window:
            return np.asarray(windows.X)
        path = self.features_folder / (feature_key(encoder, windows)[:40] + ".npy")
        if not path.exists():
            with store.locked(path):
                if not path.exists():
                    whole = Windows.open(windows.folder)
                    with one_thread():
                        parts = [encoder.per_window(np.asarray(whole.X[i : i + 256]), whole.space) for i in range(0, len(whole), 256)]
                    with store.writing(path) as tmp, tmp.open("wb") as file:
                        np.save(file, np.concatenate(parts), allow_pickle=False)
        return np.load(path, mmap_mode="r", allow_pickle=False)[windows.rows]


def feature_key(encoder: Encoder, windows: Windows) -> str:
    """Return the hash of (windows, encoder class and the arguments that matter to one window, code)."""
    arguments = {name: getattr(encoder, name) for name in encoder.window_arguments}
    kind = type(encoder)
    definer = next(c for c in kind.__mro__ if "per_window" in vars(c))  # models that share the computation share the result
    return store.key(
        {
            "windows": windows.key,
            "class": f"{definer.__module__}.{definer.__qualname__}",
            "arguments": json.loads(json.dumps(arguments, default=list)),
            "code": store.code_key(definer.__module__),
        }
    )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Use one BLAS, OpenMP and torch thread inside the block: jobs share the cores, and sums keep their order."""
    import sys

    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else None
    asked = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # for a torch that is imported inside the block
    try:
        with threadpool_limits(1):
            if torch is not None:
                torch.set_num_threads(1)
            yield
    finally:
        if before is not None:
            torch.set_num_threads(before)
        if asked is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = asked


# -- reading back ---------------------------------------------------------------------------------------------------


def _collect(outcome: Outcome, job: Job, worker: Worker, facts: dict[str, Any]) -> None:
    path, name = _path(worker.jobs_folder, job), job.new_decoder.name
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
            "access": _access(job.fold, worker.windows.meta, bool(facts.get("aligned"))),
            "selection": notes.pop("selection", ""),
            "notes": notes,
            "samples": len(job.fold.fit),
            "samples_test": len(job.fold.test),
            "time": plain["time"],
            **{k: v for k, v in facts.items() if k != "aligned"},
        }
        outcome.predictions.append(Predictions(stored["yhat"], plain["yhat_kind"], test.y, test.meta, facts["classes"], row))
        outcome.history += [{"model": name, "fold": job.fold.name, "seed": job.seed, **line} for line in plain["history"]]
        if "patterns" in stored:
            labels = json.loads(stored["pattern_labels"].tobytes())
            outcome.patterns.setdefault(name, []).append({"patterns": stored["patterns"], "labels": labels})


def _access(fold: Fold, meta: pd.DataFrame, aligned: bool) -> str:
    """Return what of the target people a decoder saw, in words: 'none' for strangers of whom nothing was seen.

    Labelled windows of theirs in the fit rows (within-session, cross-session) and for calibration; then, without labels,
    'online' (an aligner that follows the past), 'unlabelled calibration' or 'transductive'.
    """
    parts = []
    for words, columns in (("labelled windows of the session", [*PERSON, "session"]), ("labelled other sessions", list(PERSON))):
        key = meta[columns].astype(str).agg("\x1f".join, axis=1).to_numpy()
        if np.isin(key[fold.test], key[fold.fit]).any():
            parts.append(words)
            break
    if len(fold.calibrate):
        parts.append(f"{len(fold.calibrate)} labelled")
    unlabelled = fold.unlabelled or ("online" if aligned else "")
    return " + ".join([*parts, *([unlabelled] if unlabelled else [])]) or "none"
