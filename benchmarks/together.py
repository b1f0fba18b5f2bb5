"""Leave one person out with EEGNet: folds that are trained at once beside one process per fold, two at a time, one thread each.

`python benchmarks/together.py` writes its tables into benchmarks/README.md; where there is a GPU, all of it runs there. Three figures:
what a step costs (folds at once beside the same network by itself, in turn in one process, so that a busy machine slows both down),
what a whole run costs (start of Python, imports and reading inside), and how far the answers lie apart.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is there

import argparse
import pickle
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from page import PAGE, keep, made_with

from corticode.encoder.eegnet import EEGNet
from corticode.evaluate.benchmark import Benchmark, Plan
from corticode.head.linear import Linear
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe
from corticode.split.base import Fold
from corticode.task.classification import Classification
from corticode.train.heap import kept_heap
from corticode.train.optimizer import optimizer_of
from corticode.train.settings import Training
from corticode.train.stack import Net, Stack
from corticode.windows import Windows

GPU = torch.cuda.is_available()
CLASSES = ("left_hand", "right_hand")
ON_A_CPU = (
    "On a CPU the start of an operation is a small part of a step, and k folds at once need k times the cache: small batches of short windows gain "
    "a little, all else loses, so `trainer.together=auto` trains folds one by one there. What a whole run gains is what each process of the peer "
    "takes to start and import, and is the less the longer a fold trains; ratios are of processor time."
)
# What a training, a fold and a network take in a process of its own.
PEER = (
    "import pickle, sys; worker, job = pickle.load(open(sys.argv[1], 'rb')); result = worker(job); sys.exit(not hasattr(result, 'score'))"
)

OURS = """
import pickle, sys
from corticode.engine.local import Local
from corticode.evaluate.benchmark import Benchmark
plan, n_jobs = pickle.load(open(sys.argv[1], "rb"))
engine = Local(n_jobs=n_jobs)
with engine.started():
    results = list(Benchmark([plan]).run(engine))
    if n_jobs > 1:  # what workers took is known once they have ended
        from joblib.externals.loky import get_reusable_executor
        get_reusable_executor().shutdown(wait=True)
sys.exit(not results or not all(hasattr(result, "score") for result in results))
"""

# -- what a step costs ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Size:
    """Windows of one kind."""

    channels: int
    times: int
    sfreq: float
    batch: int


def step_times(size: Size, k: int, seconds: float, device: torch.device) -> tuple[float, float]:
    """Return the time of one fold's training step alone and among k at once, s; on a CPU of the processor, on a GPU of the clock."""
    nets = [network(size) for _ in range(k)]
    x = torch.randn(k, size.batch, size.channels, size.times, device=device)
    y = torch.randint(0, 2, (k, size.batch), device=device)
    training = Training()
    stack = Stack(nets, range(k), training, device)
    lone = network(size).to(device).train()
    optimizer = optimizer_of([lone], training)

    def alone() -> None:
        optimizer.zero_grad()
        lone(x[0], y[0])["loss"].backward()
        torch.nn.utils.clip_grad_norm_(lone.parameters(), training.gradient_clip)
        optimizer.step()

    def at_once() -> None:
        stack.learn(range(k), x, y)
        stack.step(range(k), [1e-3] * k)

    with kept_heap():
        return in_turn([lambda: [alone() for _ in range(k)], at_once], seconds, k, device)


def network(size: Size) -> Net:
    """Return EEGNet with its dense layer, and the loss."""
    encoder = EEGNet(size.channels, size.times, size.sfreq, drop_prob=0.25)
    head = Linear(encoder.n_features, 2, encoder.n_tokens, pool="flatten", max_norm=0.25)
    return Net(encoder, head, Supervised(), None)


def in_turn(acts: Sequence[Callable[[], object]], seconds: float, k: int, device: torch.device) -> tuple[float, ...]:
    """Return the median time of each act over k, s."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    taken: list[list[float]] = [[] for _ in acts]
    begin = time.perf_counter()
    while len(taken[0]) < 4 or time.perf_counter() - begin < seconds:
        for act, mine in zip(acts, taken, strict=True):
            start = clock()
            act()
            if device.type == "cuda":
                torch.cuda.synchronize()
            mine.append(clock() - start)
    return tuple(float(np.median(mine[1:])) / k for mine in taken)


# -- what a run costs -----------------------------------------------------------------------------------------------------


def people(folder: Path, n_people: int, n_trials: int, size: Size, seed: int = 0) -> Windows:
    """Keep simulated windows in which one channel per class is stronger, and people mix their channels differently."""
    rng = np.random.default_rng(seed)
    X, y = [], np.tile(np.arange(2), n_trials // 2)
    for _ in range(n_people):
        mixing = np.eye(size.channels) + 0.2 * rng.standard_normal((size.channels, size.channels))
        sources = rng.standard_normal((n_trials, size.channels, size.times), dtype=np.float32)
        sources[np.arange(n_trials), y] *= 1.15
        X.append((10 * mixing @ sources).astype(np.float32))
    names = [f"S{person + 1}" for person in range(n_people)]
    windows = Windows.from_arrays(
        np.concatenate(X), np.tile(np.array(CLASSES)[y], n_people), sfreq=size.sfreq, subject=np.repeat(names, n_trials)
    )
    windows.save(folder)
    return Classification().label(Windows.open(folder))


def plan(windows: Windows, folder: Path, seeds: Sequence[int], epochs: int, batch: int, together: int) -> Plan:
    """Return all folds and seeds of EEGNet, each for a fixed number of epochs."""
    model = {
        "name": "eegnet",
        "encoder": {"_target_": "corticode.encoder.eegnet.EEGNet", "drop_prob": 0.25},
        "head": {"_target_": "corticode.head.linear.Linear", "pool": "flatten", "max_norm": 0.25},
        "objective": {"_target_": "corticode.objective.supervised.Supervised"},
        "train": {"_target_": "corticode.train.settings.Training", "max_epochs": epochs, "patience": epochs, "batch_size": batch},
    }
    trainer = {"accelerator": "gpu" if GPU else "cpu", "together": together}
    recipe = Recipe(
        "eegnet", model, {"_target_": "corticode.adapt.full.Full"}, {"_target_": "corticode.align.base.NoAlign"}, trainer,
        windows.space, windows.n_times, CLASSES,
    )  # fmt: skip
    subject = windows.meta["subject"].to_numpy()
    folds = [Fold(np.flatnonzero(subject != one), np.flatnonzero(subject == one), one) for one in np.unique(subject)]
    return Plan([recipe], windows, folds, list(seeds), folder, folder / "features", {}, {"classes": CLASSES}, refit=False)


def one_process_per_fold(chosen: Plan, folder: Path, at_once: int = 2) -> tuple[float, float]:
    """Run every fold in a process of its own; return seconds by the clock and of processors."""
    folder.mkdir(parents=True, exist_ok=True)
    worker, files = chosen.worker(), []
    for i, job in enumerate(chosen.jobs()):
        files.append(folder / f"{i}.pickle")
        files[-1].write_bytes(pickle.dumps((worker, job)))
    with ThreadPoolExecutor(at_once) as pool:
        return taken(lambda: list(pool.map(lambda file: subprocess.run([sys.executable, "-c", PEER, str(file)], check=True), files)))


def in_one_run(chosen: Plan, folder: Path, n_jobs: int) -> tuple[float, float]:
    """Run all folds by the benchmark, started anew; return seconds by the clock and of processors, its workers' included."""
    file = folder / "plan.pickle"
    file.write_bytes(pickle.dumps((chosen, n_jobs)))
    return taken(lambda: subprocess.run([sys.executable, "-c", OURS, str(file)], check=True))


def taken(act: Callable[[], object]) -> tuple[float, float]:
    """Return what the processes that an act starts and waits for take: seconds by the clock and of processors."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    act()
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def answers(chosen: Plan) -> np.ndarray:
    """Return the probabilities of all test windows, in order of jobs."""
    return np.concatenate([predictions.yhat for predictions in Benchmark([chosen]).outcome().predictions])


def runs(size: Size, n_people: int, n_trials: int, seeds: int, epochs: int, widths: Sequence[int]) -> list[str]:
    """Return the lines of the table of whole runs."""
    folder = Path(tempfile.mkdtemp())
    try:
        windows = people(folder / "windows", n_people, n_trials, size)
        ask = [plan(windows, folder / f"jobs_{k}", range(seeds), epochs, size.batch, k) for k in widths]
        base = plan(windows, folder / "jobs_peer", range(seeds), epochs, size.batch, 1)
        peer = one_process_per_fold(base, folder / "pickles")
        expected = answers(base)
        lines = [f"| one process per fold, two at a time | {peer[0]:.0f} s | {peer[1]:.1f} s | 1 | |"]
        for width, chosen in zip(widths, ask, strict=True):
            ours = in_one_run(chosen, folder, 1 if GPU else 2)
            apart = float(np.abs(answers(chosen) - expected).max())
            how = f"{'one process' if GPU else 'two processes'}, folds {'one after the other' if width == 1 else f'{width} at once'}"
            # another's work on the machine changes the clock, not what processors do; a GPU's work stands in the clock alone
            ratio = peer[0] / ours[0] if GPU else peer[1] / ours[1]
            lines.append(f"| {how} | {ours[0]:.0f} s | {ours[1]:.1f} s | **{ratio:.2f}** | {apart:.0e} |")
            print(lines[0], lines[-1], file=sys.stderr, flush=True)
        return lines
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# -- the page ---------------------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--trials", type=int, default=96, help="of each person")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=6.0, help="that each line of the first table takes")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page whose part is replaced")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if GPU else "cpu")
    steps = ["| windows, batch | folds at once | alone | among them | times faster |", "|---|---|---|---|---|"]
    for channels, times, sfreq in ((21, 480, 160.0), (22, 1001, 250.0)):
        for batch in (16, 32, 64):
            for k in (4, 16) if GPU else (4, 8):
                alone, among = step_times(Size(channels, times, sfreq, batch), k, chosen.seconds, device)
                steps.append(
                    f"| {channels} x {times}, {batch} | {k} | {1000 * alone:.2f} ms | {1000 * among:.2f} ms | **{alone / among:.2f}** |"
                )
                print(steps[-1], file=sys.stderr, flush=True)
    whole = ["| | by the clock | of processors | times faster | answers apart, at most |", "|---|---|---|---|---|"]
    whole += runs(Size(21, 480, 160.0, 16), chosen.people, chosen.trials, chosen.seeds, chosen.epochs, (1, 4, 16) if GPU else (1, 4))
    where = "GPU" if GPU else "CPU"
    text = [
        "## Folds trained at once (EEGNet)", "", f"Written by `python benchmarks/together.py`, on a {where}.", "",
        f"A training step of one fold, {'by the clock' if GPU else 'in processor time on one thread'}: alone, and as one of several that are one network "
        "with stacked weights (`torch.func`), in turn in one process.", "", *steps, "",
        f"Leave one of {chosen.people} people out ({chosen.trials} windows of 21 x 480 each, {chosen.seeds} seed(s), batch 16, {chosen.epochs} epochs), whole "
        "runs with the start of Python, imports and reading.", "", *whole, "", "" if GPU else ON_A_CPU, "", made_with("torch"),
    ]  # fmt: skip
    keep("together", "\n".join(text), chosen.output)


if __name__ == "__main__":
    main()
