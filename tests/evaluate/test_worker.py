"""A job that was killed inside its fit goes on where it stood, and leaves nothing behind but its result."""

from __future__ import annotations

import io

import numpy as np
import pytest

from corticode.adapt import full
from corticode.evaluate.worker import Finished, Job, Worker
from corticode.objective.supervised import Supervised
from corticode.recipe import Recipe
from corticode.split.base import Fold
from corticode.task.classification import Classification
from corticode.train.checkpoint import Checkpoint

MODEL = {
    "name": "eegnet",
    "encoder": {"_target_": "corticode.encoder.eegnet.EEGNet"},
    "head": {"_target_": "corticode.head.linear.Linear", "pool": "flatten"},
    "objective": {"_target_": "corticode.objective.supervised.Supervised"},
    "train": {"_target_": "corticode.train.settings.Training", "max_epochs": 4, "batch_size": 16},
}


@pytest.fixture
def job(windows, monkeypatch):
    windows = Classification().label(windows)
    test = (windows.meta["subject"] == "S4").to_numpy()
    fold = Fold(np.flatnonzero(~test), np.flatnonzero(test), "S4")
    recipe = Recipe(
        "eegnet", MODEL, {"_target_": "corticode.adapt.full.Full"}, {"_target_": "corticode.align.base.NoAlign"}, {"accelerator": "cpu"},
        windows.space, windows.n_times, ("left_hand", "right_hand"),
    )  # fmt: skip
    monkeypatch.setattr(full, "Checkpoint", lambda path: Checkpoint(path, every_s=0.0))
    return windows, Job(recipe, fold, 0, "ab" * 32)


def answers(job, folder):
    with np.load(io.BytesIO(job.path(folder).read_bytes())) as stored:
        return stored["yhat"]


@pytest.mark.parametrize("refit", [False, True])
def test_a_killed_job_goes_on(job, tmp_path, monkeypatch, refit):
    windows, job = job
    job = Job(job.new_decoder, job.fold, job.seed, job.key, refit)
    worker = Worker(windows, tmp_path / "jobs", tmp_path / "features")
    whole = Worker(windows, tmp_path / "whole", tmp_path / "features")
    assert isinstance(whole(job), Finished)

    steps, call = [], Supervised.__call__

    def killing(self, encoder, *batch, **more):
        steps.append(encoder.training)
        if sum(steps) == 7:
            raise KeyboardInterrupt
        return call(self, encoder, *batch, **more)

    monkeypatch.setattr(Supervised, "__call__", killing)
    with pytest.raises(KeyboardInterrupt):
        worker(job)
    assert not job.is_done(tmp_path / "jobs") and list(job.unfinished(tmp_path / "jobs").iterdir())
    assert isinstance(worker(job), Finished)
    assert sum(steps) < 2 * 4 * len(job.fold.fit) // 16  # not all over again
    assert sorted(path.name for path in job.path(tmp_path / "jobs").parent.iterdir()) == [job.path(tmp_path).name]
    if not refit:
        assert np.array_equal(answers(job, tmp_path / "jobs"), answers(job, tmp_path / "whole"))
    else:
        saved = [
            (tmp_path / name / job.path(tmp_path).relative_to(tmp_path) / "state.safetensors").read_bytes() for name in ("jobs", "whole")
        ]
        assert saved[0] == saved[1]
