"""One job at a time: fit a fresh decoder, ask it, and put its answers on disk; here or in a worker process, with equal bits."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from corticode import errors, store
from corticode.decoder import Decoder
from corticode.encoder.base import Encoder
from corticode.errors import CorticodeError
from corticode.predictions import Predictions
from corticode.rows import Rows, lazily
from corticode.split.base import Fold
from corticode.windows import Windows

# Windows of which features are computed at once: what that takes stays far below what a data set takes.
AT_ONCE = 256


class NewDecoder(Protocol):
    """Makes a fresh decoder; picklable, and described by plain values for the key."""

    name: str

    def __call__(self, seed: int) -> Decoder:
        """Return a decoder that has seen nothing (but named pretrained weights)."""

    def describe(self) -> Any:
        """Return plain values that make two decoders the same: configuration and code."""


@dataclass(frozen=True)
class Job:
    """One thing to compute: a decoder fitted on `fold.fit` and asked about `fold.test`; a refit has no test rows.

    `seed` is None for a decoder that is the same whatever the seed.
    """

    new_decoder: NewDecoder
    fold: Fold
    seed: int | None
    key: str
    refit: bool = False

    def path(self, folder: Path) -> Path:
        """Return where its result lies."""
        return Path(folder) / self.key[:2] / (self.key[:40] + (".decoder" if self.refit else ".npz"))

    def unfinished(self, folder: Path) -> Path:
        """Return where a long fit is kept while it runs."""
        return self.path(folder).with_suffix(".unfinished")

    def is_done(self, folder: Path) -> bool:
        """True when its result is on disk."""
        path = self.path(folder)
        return any((path / name).is_file() for name in ("decoder.json", "refused.json")) if self.refit else path.is_file()


@dataclass(frozen=True)
class Finished:
    """A job's result is on disk; `score` is the share of right answers, for the progress bar."""

    model: str
    score: float | None = None


@dataclass(frozen=True)
class Failed:
    """A job ended in an error, which stops no other: `kind` is its class, `ours` tells a sentence from a fault."""

    model: str
    kind: str
    reason: str
    ours: bool = False
    trace: str = ""

    def error(self) -> Exception:
        """Return the error to raise where nothing else came of a run."""
        error = getattr(errors, self.kind)(self.reason) if self.ours else RuntimeError(f"{self.kind}: {self.reason}")
        if self.trace:
            error.add_note(self.trace)
        return error


@dataclass(frozen=True)
class Worker:
    """Runs jobs on one set of windows, with one thread, so that the bits are the same wherever it runs."""

    windows: Windows
    jobs_folder: Path
    features_folder: Path

    def __call__(self, job: Job, alone: str = "") -> Finished | Failed:
        """Compute and store one job; errors come back as values. `alone` is noted: why it was not done with others at once."""
        try:
            with one_thread():
                decoder, begin = self._fresh(job), perf_counter()
                decoder.fit(self._source(job))
                decoder.notes |= {"alone": alone} if alone else {}
                return self._keep(job, decoder, perf_counter() - begin)
        except Exception as error:
            where = "the refit on all rows" if job.refit else f"fold {job.fold.name}"
            kind, ours, said = type(error).__name__, isinstance(error, CorticodeError), str(error)
            if not ours and getattr(job.new_decoder, "is_own", False):
                kind, ours, said = "CorticodeError", True, f"your model raised {kind}: {said} (CORTICODE_DEBUG=1 shows where)"
            return Failed(job.new_decoder.name, kind, f"{job.new_decoder.name}, {where}: {said}", ours, traceback.format_exc())

    def together(self, jobs: Sequence[Job]) -> list[Finished | Failed]:
        """Compute and store jobs of one recipe by fitting them at once; what cannot be done so is done one by one.

        Each is on disk as soon as its fit has ended.
        """
        done: dict[int, Finished | Failed] = {}
        alone = ""
        if len(jobs) > 1:
            try:
                with one_thread():
                    decoders, begin = [self._fresh(job) for job in jobs], perf_counter()
                    for number, error in Decoder.fit_together(decoders, [self._source(job) for job in jobs]):
                        if error is None:
                            done[number] = self._keep(jobs[number], decoders[number], (perf_counter() - begin) / len(jobs))
            except Exception as error:  # of a network, of one fold's rows, of the disk: by itself each says what is its own
                alone = f"not trained with other folds at once ({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        return [done.get(number) or self(job, alone) for number, job in enumerate(jobs)]

    def _source(self, job: Job) -> Windows:
        return self.windows if job.refit else self.windows[job.fold.fit]

    def _keep(self, job: Job, decoder: Decoder, seconds: float) -> Finished:
        """Put on disk what comes of a fitted decoder."""
        score = self._refit(job, decoder) if job.refit else self._score(job, decoder, seconds)
        shutil.rmtree(job.unfinished(self.jobs_folder), ignore_errors=True)
        return Finished(job.new_decoder.name, score)

    def _fresh(self, job: Job) -> Decoder:
        decoder = job.new_decoder(job.seed or 0)
        decoder.features, decoder.adapter.unfinished = self.features, job.unfinished(self.jobs_folder)
        return decoder

    def _score(self, job: Job, decoder: Decoder, seconds: float) -> float | None:
        fold = job.fold
        if len(fold.align):
            decoder.align(self.windows[fold.align].blind(decoder.uses))
        if len(fold.calibrate):
            decoder.calibrate(self.windows[fold.calibrate])
        predictions = _answers(decoder, self.windows[fold.test], one_by_one="trialwise" in fold.given)
        notes = {k: v for k, v in decoder.notes.items() if k != "history"}
        facts = {"time": seconds, "notes": notes, "history": decoder.notes.get("history", []), "yhat_kind": predictions.yhat_kind}
        arrays = {"yhat": predictions.yhat, "facts": _text(json.dumps(facts, allow_nan=False, default=float))}
        patterns = decoder.patterns()
        if patterns is not None:
            arrays |= {"patterns": patterns["patterns"], "pattern_labels": _text(json.dumps(patterns["labels"]))}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        with store.writing(job.path(self.jobs_folder)) as tmp:
            tmp.write_bytes(buffer.getvalue())
        return float(np.mean(predictions.decided == predictions.y)) if predictions.classes else None

    def _refit(self, job: Job, decoder: Decoder) -> None:
        path = job.path(self.jobs_folder)
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

    # -- features ---------------------------------------------------------------------------------------------

    def features(self, encoder: Encoder, windows: Windows) -> np.ndarray | Rows:
        """Return per-window features of these rows from the store; computed once for the whole data set."""
        if type(encoder).per_window is Encoder.per_window:
            return np.asarray(windows.X)
        path = self.features_path(encoder)
        if not path.exists():
            with store.locked(path):
                if not path.exists():
                    whole = Windows.open(windows.folder)
                    with one_thread(), store.writing(path) as tmp:
                        self.compute(encoder, whole, tmp, 0, len(whole))
        return lazily(np.load(path, mmap_mode="r", allow_pickle=False), windows.rows)

    def features_path(self, encoder: Encoder) -> Path:
        """Return where the features of this encoder lie."""
        return self.features_folder / (feature_key(encoder, self.windows)[:40] + ".npy")

    @staticmethod
    def compute(encoder: Encoder, whole: Windows, path: Path, first: int, last: int) -> None:
        """Write the features of some rows into the array at `path`, a few windows at a time; makes the array where there is none."""
        array = np.load(path, mmap_mode="r+", allow_pickle=False) if path.exists() else None
        for i in range(first, last, AT_ONCE):
            rows = slice(i, min(i + AT_ONCE, last))
            part = encoder.per_window(np.asarray(whole.X[rows]), whole.space)
            if array is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                array = np.lib.format.open_memmap(path, mode="w+", dtype=part.dtype, shape=(len(whole), *part.shape[1:]))
            array[rows] = part
        if array is not None:
            array.flush()


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


def _answers(decoder: Decoder, asked: Windows, one_by_one: bool) -> Predictions:
    """Return the answers for labelled windows; one by one, none can lean on the others (as an estimator of one's own might)."""
    if not one_by_one:
        return decoder.predictions(asked)
    parts = [decoder.predictions(asked[[row]]) for row in range(len(asked))]
    yhat = np.concatenate([part.yhat for part in parts])
    return Predictions(yhat, parts[0].yhat_kind, asked.y, asked.meta, parts[0].classes)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Use one BLAS, OpenMP and torch thread inside the block: jobs share the cores, and sums keep their order."""
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


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)
