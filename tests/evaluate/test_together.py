"""Folds that are trained at once give the scores of folds that are trained one by one, and a fold that cannot goes its own way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from corticode.adapt.full import Full
from corticode.engine.local import Local
from corticode.evaluate.benchmark import Benchmark, Plan
from corticode.evaluate.worker import Failed, Worker
from corticode.recipe import Recipe
from corticode.split.base import Fold
from corticode.task.classification import Classification
from corticode.train import stack

TRAIN = {"_target_": "corticode.train.settings.Training", "max_epochs": 4, "batch_size": 16, "validation": 0.3}
MODEL = {
    "name": "eegnet",
    "encoder": {"_target_": "corticode.encoder.eegnet.EEGNet", "drop_prob": 0.0},
    "head": {"_target_": "corticode.head.linear.Linear", "pool": "flatten"},
    "objective": {"_target_": "corticode.objective.supervised.Supervised"},
    "train": TRAIN,
}
FULL = {"_target_": "corticode.adapt.full.Full", "temperature": True}
NONE, EUCLIDEAN = ({"_target_": f"corticode.align.{name}"} for name in ("base.NoAlign", "euclidean.Euclidean"))


@pytest.fixture
def plan(windows, tmp_path):
    """Make a plan of four folds and two seeds."""
    windows.save(tmp_path / "windows")
    labelled = Classification().label(type(windows).open(tmp_path / "windows"))
    people = labelled.meta["subject"].to_numpy()
    folds = [Fold(np.flatnonzero(people != one), np.flatnonzero(people == one), one) for one in np.unique(people)]

    def make(name, together, model=MODEL, align=NONE, adapt=FULL, refit=True, own=None):
        recipe = Recipe(
            "eegnet", model, adapt, align, {"accelerator": "cpu", "together": together}, labelled.space, labelled.n_times,
            ("left_hand", "right_hand"), own=own,
        )  # fmt: skip
        facts = {"classes": ("left_hand", "right_hand")}
        return Plan([recipe], labelled, folds, [0, 1], tmp_path / name, tmp_path / "features", {}, facts, refit)

    return make


def run(plan, engine=None):
    benchmark = Benchmark([plan])
    results = list(benchmark.run(engine or Local(n_jobs=1)))
    return benchmark, results, benchmark.outcome()


@pytest.fixture
def stacks(monkeypatch):
    """How many networks were trained at once, each time."""
    sizes, init = [], stack.Stack.__init__

    def counting(self, nets, *more):
        sizes.append(len(nets))
        init(self, nets, *more)

    monkeypatch.setattr(stack.Stack, "__init__", counting)
    return sizes


def test_people_who_are_aligned_by_themselves_are_kept_once(plan, monkeypatch):
    """Each fold's windows are rows of one array, not copies."""
    given, fit_together = [], Full.fit_together

    def noting(adapters, lessons):
        given.extend(lesson.F for lesson in lessons)
        return fit_together(adapters, lessons)

    monkeypatch.setattr(Full, "fit_together", staticmethod(noting))
    run(plan("kept", 4, align=EUCLIDEAN, refit=False))
    assert len(given) == 8 and len({id(F.array) for F in given}) == 1


@pytest.mark.parametrize("align", [NONE, EUCLIDEAN], ids=["none", "euclidean"])
def test_scores_are_those_of_folds_one_by_one(plan, stacks, align):
    _, _, alone = run(plan("alone", 1, align=align))
    assert not stacks
    _, results, together = run(plan("together", 4, align=align))
    assert stacks == [4, 4]
    assert len(results) == 9 and not together.failures and len(together.predictions) == 8 and together.refits
    for one, other in zip(alone.predictions, together.predictions, strict=True):
        assert one.fold["fold"] == other.fold["fold"] and one.fold["seed"] == other.fold["seed"]
        assert np.allclose(one.yhat, other.yhat, atol=1e-2)  # a bias that does nothing goes where rounding takes it
        assert np.mean(one.decided == one.y) == pytest.approx(np.mean(other.decided == other.y), abs=1e-3)
        assert one.fold["selection"] == other.fold["selection"]
        assert "alone" not in other.fold["notes"]
    assert [line["epoch"] for line in alone.history] == [line["epoch"] for line in together.history]


def test_the_key_knows_of_it(plan):
    alone, together, wider = ({job.key for job in plan(name, n).jobs()} for name, n in (("a", 1), ("b", 4), ("c", 8)))
    assert not alone & together and together == wider


def test_what_is_finished_stays_when_a_run_is_killed(plan, monkeypatch):
    whole = plan("whole", 2)
    run(whole)
    killed, keep, kept = plan("killed", 2), Worker._keep, []

    def killing(self, job, decoder, seconds):
        if len(kept) == 3:
            raise KeyboardInterrupt
        kept.append(job.key)
        return keep(self, job, decoder, seconds)

    monkeypatch.setattr(Worker, "_keep", killing)
    with pytest.raises(KeyboardInterrupt):
        run(killed)
    monkeypatch.setattr(Worker, "_keep", keep)
    benchmark = Benchmark([killed])
    assert benchmark.n_missing == 9 - 3
    list(benchmark.run(Local(n_jobs=1)))
    for one, other in zip(run(whole)[2].predictions, benchmark.outcome().predictions, strict=True):
        assert np.array_equal(one.yhat, other.yhat)


class Lstm(torch.nn.Module):
    """Draws nothing, and `vmap` has no rule for it all the same."""

    def __init__(self):
        super().__init__()
        self.recurrent = torch.nn.LSTM(6, 2, batch_first=True)

    def forward(self, x):
        return self.recurrent(x.transpose(1, 2))[1][0][-1]


def test_a_network_without_rules_is_trained_alone_and_says_so(plan):
    _, results, outcome = run(plan("lstm", 4, {**MODEL, "encoder": None}, refit=False, own=Lstm()))
    assert len(results) == 8 and not outcome.failures
    assert all("lstm" in predictions.fold["notes"]["alone"] for predictions in outcome.predictions)


def test_a_fold_that_breaks_fails_by_itself(plan, stacks, monkeypatch):
    broken = plan("broken", 4, refit=False)
    job, source = broken.jobs()[2], Worker._source

    def spoiled(self, one):
        found = source(self, one)
        return found.with_y(np.zeros(len(found) + 1)[1:].astype(int) + 7) if one.key == job.key else found

    monkeypatch.setattr(Worker, "_source", spoiled)
    _, results, outcome = run(broken)
    assert sum(isinstance(result, Failed) for result in results) == 1
    assert [failure["fold"] for failure in outcome.failures] == [job.fold.name] and len(outcome.predictions) == 7


def test_workers_share_the_folds(plan):
    benchmark = Benchmark([plan("shares", 2)])
    tasks = list(benchmark._missing.values())
    sizes = [
        [len(jobs) for _, jobs in benchmark._groups(Local(n_jobs=n), benchmark._with_features(Local(n_jobs=1), tasks))] for n in (1, 2, 8)
    ]
    assert sizes == [[3, 3, 3], [3, 3, 3], [2, 2, 2, 2, 1]]
