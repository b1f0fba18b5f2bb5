"""Engines: the same bits whoever computes them, and a worker that dies costs its own job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import make_windows
from corticode.compose import compose
from corticode.engine.base import Lost, cores
from corticode.engine.dask import Dask
from corticode.engine.local import Local
from corticode.engine.ray import Ray
from corticode.engine.slurm import Slurm
from corticode.errors import SentenceError
from corticode.evaluate.benchmark import Benchmark, Plan
from corticode.recipe import Recipe
from corticode.split.loso import LOSO
from corticode.task.classification import Classification


def square(x):
    return x * x


def dies_at_three(x):
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def dies_once(path):
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_job_is_answered(n_jobs):
    assert dict(Local(n_jobs).run(square, range(7))) == {i: i * i for i in range(7)}


def test_a_dying_worker_costs_its_own_job():
    found = dict(Local(2).run(dies_at_three, range(8)))
    assert isinstance(found[3], Lost) and "died" in found[3].reason
    assert {i: found[i] for i in found if i != 3} == {i: i * i for i in range(8) if i != 3}


def test_a_job_whose_worker_was_killed_runs_again(tmp_path):
    assert dict(Local(2).run(dies_once, [tmp_path / "0", tmp_path / "1"])) == {0: "done", 1: "done"}


def test_what_cannot_travel_is_lost_and_said():
    import threading

    found = dict(Local(2).run(square, [2, threading.Lock(), 3]))
    assert (found[0], found[2]) == (4, 9) and "could not be sent" in found[1].reason


def plan(folder: Path) -> Plan:
    windows = Classification().label(make_windows(n_trials=6).keep(folder / "prepared"))
    recipes = []
    for model in ("tangent_space", "eegnet"):
        cfg = compose([f"model={model}", "align=riemannian" if model == "tangent_space" else "align=none", "trainer=cpu"])
        config = {**cfg["model"]}
        if model == "eegnet":
            config["train"] = {**config["train"], "max_epochs": 1}
        classes = tuple(windows.info["classes"]["event"])
        recipes.append(Recipe(model, config, cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, classes))
    folds = LOSO().folds(windows.meta, windows.y)[:2]
    return Plan(
        recipes, windows, folds, [0], folder / "jobs", folder / "features", described={}, facts={"classes": recipes[0].classes}, refit=False
    )


def answers(engine, folder: Path) -> list[np.ndarray]:
    benchmark = Benchmark([plan(folder)])
    with engine.started():
        list(benchmark.run(engine))
    assert not benchmark.failed(), benchmark.failed()
    return [one.yhat for one in benchmark.outcome().predictions]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What one worker in this process answers."""
    return answers(Local(1), tmp_path_factory.mktemp("here"))


@pytest.mark.parametrize("kind", ["loky", "dask", "ray"])
def test_the_same_bits_from_every_engine(kind, expected, tmp_path):
    for library in {"loky": [], "dask": ["distributed"], "ray": ["ray"]}[kind]:
        pytest.importorskip(library)
    engine = {"loky": Local, "dask": Dask, "ray": Ray}[kind](2)
    found = answers(engine, tmp_path)
    assert len(found) == len(expected) == 4
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_a_cluster_that_runs_already(tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        engine = Dask(address=cluster.scheduler_address)
        with engine.started():
            assert dict(engine.run(square, range(3))) == {0: 0, 1: 1, 2: 4}
    assert cluster.scheduler_address in str(engine)


def test_the_script_of_a_slurm_job():
    pytest.importorskip("dask_jobqueue")
    engine = Slurm(
        3, queue="gpu", account="lab", walltime="02:30:00", memory="6GB", directives=["--gres=gpu:1"], prologue=["module load python"]
    )
    script = engine.script()
    lines = script.splitlines()
    for wanted in ("-p gpu", "-A lab", "--cpus-per-task=1", "--mem=6G", "-t 02:30:00", "--gres=gpu:1"):
        assert any(line.startswith("#SBATCH") and wanted in line for line in lines), (wanted, script)
    assert "module load python" in lines and "--nthreads 1" in script and "distributed.cli.dask_worker" in script


def test_slurm_with_a_cluster_of_this_machine_in_its_place(expected, tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    jobqueue = pytest.importorskip("dask_jobqueue")
    asked = {}

    class Here(distributed.LocalCluster):
        """Starts its workers when it is told how many, as a queue of jobs does."""

        def __init__(self, **options):
            asked.update(options)
            super().__init__(n_workers=0, threads_per_worker=options["cores"], processes=True, dashboard_address=None)

        def scale(self, jobs):
            asked.setdefault("jobs", jobs)  # none when it closes
            return super().scale(jobs)

    monkeypatch.setattr(jobqueue, "SLURMCluster", Here)
    found = answers(Slurm(2, queue="short"), tmp_path)
    assert (asked["queue"], asked["jobs"], asked["cores"], asked["processes"]) == ("short", 2, 1, 1)
    assert all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, True, "many"])
def test_a_number_of_workers_that_is_none(n_jobs):
    with pytest.raises(SentenceError, match="n_jobs"):
        Local(n_jobs)


EARLY = """
import os, signal, sys

from corticode.engine.base import Lost, cores
from corticode.engine.local import Local, start_early


def job(i):
    if i == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return i, "colorsys" in sys.modules, os.getppid()


if __name__ == "__main__":
    start_early(["colorsys", "no_such_module"])
    engine = Local(n_jobs=2)
    with engine.started():
        found = dict(engine.run(job, range(6)))
    assert [i for i in found if isinstance(found[i], Lost)] == [3], found
    there = [found[i] for i in found if i != 3]
    assert all(loaded and parent != os.getpid() for _, loaded, parent in there), there
    print(sorted(i for i, _, _ in there))
"""


@pytest.mark.skipif(sys.platform != "linux" or cores() == 1, reason="workers start on their own here")
def test_workers_are_copies_of_a_process_that_started_early(tmp_path):
    script = tmp_path / "early.py"
    script.write_text(EARLY)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[0, 1, 2, 4, 5]"
