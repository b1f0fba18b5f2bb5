"""A search hears of people inside each fold alone: labels of those who are tested move neither what is tried nor what is chosen."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

import corticode
from conftest import make_windows
from corticode import cli
from corticode.compose import compose
from corticode.errors import GuardError, SentenceError
from corticode.evaluate.leaderboard import collect
from corticode.experiment import Sentence, run_many
from corticode.search import best, loss
from corticode.task.classification import Classification

SMALL = ("data.n_subjects=4", "data.n_trials=12", "data.n_sessions=1", "data.n_channels=5", "data.lapse=0.4")


# -- inside a fold --


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Run inside a fold of one's own windows; return the Result."""
    monkeypatch.chdir(tmp_path)

    def inside(windows, number=0, *words, model="csp_lda"):
        always = [f"paths.data={tmp_path}/store", "engine.n_jobs=1", f"evaluate.inside={number}"]
        return corticode.run(model, windows, overrides=[*always, *words], progress="silent")

    return inside


def with_noise_of(windows, person, labels_too=True):
    """The same windows, but the person's are noise and their labels are shuffled."""
    rng, mine = np.random.default_rng(1), (windows.meta["subject"] == person).to_numpy()
    X, event = np.array(windows.X), windows.meta["event"].to_numpy(dtype=object).copy()
    X[mine] = rng.normal(0, 5, X[mine].shape)
    event[mine] = rng.permutation(event[mine])
    keep = ["dataset", "subject", "session", "run", "trial", "onset_s"]
    return corticode.Windows.from_arrays(X, event, sfreq=128.0, meta=windows.meta[keep].assign(event=event))


def test_nothing_of_a_fold_s_test_person_is_asked_or_learned_from(inside):
    windows = make_windows(n_subjects=5, effect=0.5)
    clean, spoilt, other = (
        inside(w) for w in (with_noise_of(windows, "nobody"), with_noise_of(windows, "S1"), with_noise_of(windows, "S3"))
    )
    assert clean.headline == spoilt.headline != other.headline
    assert set(clean.predictions["subject"]) == {"S2", "S3", "S4", "S5"}
    assert np.allclose(clean.predictions.filter(like="p_"), spoilt.predictions.filter(like="p_"), atol=0)
    assert clean.summary["inside"] == {"fold": "S1", "number": 0, "of": 5} and clean.summary["n_folds"] == 3
    assert any("no result" in note for note in clean.summary["notes"])
    assert not (clean.folder / "model").exists() and not (clean.folder / "report.html").exists()


def test_a_refused_step_of_a_search_is_no_row_of_a_leaderboard(tmp_path):
    small = ["data=simulated", *SMALL, f"paths.data={tmp_path}/store", "engine.n_jobs=1", "report=false", "refit=false", "progress=silent"]
    tried = {"kept": ["model=csp_lda"], "refused": ["model=csp_lda", "evaluate.inside=99"]}
    results = run_many([Sentence(compose([*small, *words]), tmp_path / "runs" / name) for name, words in tried.items()])
    assert isinstance(results[1], SentenceError)
    board = collect(tmp_path / "runs")
    assert len(board.scores) == 1 and not board.failed


def test_people_inside_are_given_what_test_people_are_given(inside):
    result = inside(make_windows(n_subjects=5), 1, "split.shots=2", "align=euclidean", "align.access=calibration", "align.n_align=4")
    folds = result.scores[result.scores["fold"] != ""]
    assert set(folds["access"]) == {"4 labelled + unlabelled calibration"}
    assert sorted(name.rpartition("/")[2] for name in set(folds["fold"])) == ["S1", "S3", "S4", "S5"]


def test_a_session_is_held_out_where_there_is_one_person(inside):
    result = inside(make_windows(n_subjects=1, n_sessions=2), 0, "split=within_session", "split.n_folds=3")
    asked = result.predictions
    assert set(asked["session"]) == {asked["session"].iloc[0]} and len(asked) == 8


def test_a_fold_that_is_not_there_is_refused(inside):
    for number in (5, -1):
        with pytest.raises(SentenceError, match="this split makes 5, 0 to 4"):
            inside(make_windows(n_subjects=5), number)
    with pytest.raises(SentenceError, match=r"evaluate\.n_inside=1: wanted 2 or more"):
        inside(make_windows(n_subjects=5), 0, "evaluate.n_inside=1")


def test_a_figure_for_choosing_is_in_no_leaderboard(inside):
    result = inside(make_windows(n_subjects=4))
    with pytest.raises(corticode.errors.MissingDataError):
        collect(result.folder)


def test_a_search_hears_a_loss_and_never_that_of_test_people():
    of = {"headline": 0.7, "metric": "accuracy", "complete": True, "inside": {"fold": "S1", "number": 0, "of": 3}}
    assert loss(of) == -0.7 and loss({**of, "metric": "log_loss"}) == 0.7
    assert np.isnan(loss({**of, "complete": False}))
    with pytest.raises(GuardError, match="score of test people"):
        loss({**of, "inside": None})


# -- the whole search --


class Climber(Sweeper):
    """Tries 2 and 4 sources, then one more or one fewer than the better: what it hears decides what is tried."""

    __module__ = "hydra_plugins.climber"  # Hydra takes plugins from nowhere else
    heard: list[list[float]] = []

    names: list[str] = []

    def __init__(self, direction="minimize", study_name=None):
        Climber.names.append(study_name)

    def setup(self, *, hydra_context, task_function, config):
        self.launcher = Plugins.instance().instantiate_launcher(config=config, hydra_context=hydra_context, task_function=task_function)

    def sweep(self, arguments):
        def ask(*numbers):
            done = self.launcher.launch([[*arguments, f"model.encoder.n_components={n}"] for n in numbers], initial_job_idx=self.asked)
            self.asked += len(numbers)
            return [one.return_value for one in done]

        self.asked = 0
        first = ask(2, 4)
        third = ask(1 if first[0] < first[1] else 5)
        Climber.heard.append([*first, *third])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """An empty folder in which `hydra/sweeper=climber` is known."""
    folder = tmp_path_factory.mktemp("search")
    module = types.ModuleType(Climber.__module__)
    module.Climber = Climber
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(sys.modules, Climber.__module__, module)
        Plugins.instance().register(Climber)
        node = {"_target_": f"{Climber.__module__}.Climber", "direction": "minimize", "study_name": None}
        ConfigStore.instance().store(group="hydra/sweeper", name="climber", node=node, provider="tests")
        yield folder


class Searched(NamedTuple):
    """What a search printed, wrote and heard."""

    status: int
    out: str
    err: str
    folder: Path
    heard: list[list[float]]


@pytest.fixture(scope="module")
def search(home):
    """Search by `hydra/sweeper=climber`; return what came of it."""

    def search(name, *words):
        Climber.heard, Climber.names, out, err = [], [], io.StringIO(), io.StringIO()
        always = ["model=csp_lda", *always_of(home), f"hydra.sweep.dir={home / name}"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(["train", "-m", "hydra/sweeper=climber", *SMALL, *always, *words])
        return Searched(status, out.getvalue(), err.getvalue(), home / name, Climber.heard)

    return search


def always_of(home):
    return [f"paths.data={home}/store", "progress=off", "report=false", "engine.n_jobs=1"]


@pytest.fixture(scope="module")
def clean(search):
    """A search with nothing peculiar."""
    done = search("clean")
    assert done.status == 0, done.err
    return done


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_labels_of_test_people_move_neither_what_is_tried_nor_what_is_chosen(search, clean, monkeypatch):
    label = Classification.label

    def turned(self, windows):
        labelled = label(self, windows)
        mine = (labelled.meta["subject"] == "S1").to_numpy()
        return labelled.with_y(np.where(mine, 1 - labelled.y, labelled.y))

    monkeypatch.setattr(Classification, "label", turned)
    spoilt = search("spoilt")
    assert spoilt.status == 0, spoilt.err
    assert spoilt.heard[0] == clean.heard[0], "inside fold S1 the labels of S1 are not heard of"
    assert spoilt.heard[1:] != clean.heard[1:], "and are in the others, where S1 is learned from"
    both = (clean.folder, spoilt.folder)
    tried = [[yaml.safe_load((f / "0" / str(i) / "config.yaml").read_text())["model"] for i in range(3)] for f in both]
    assert tried[0] == tried[1]
    chosen = [yaml.safe_load((f / "chosen" / "config.yaml").read_text())["chosen"]["S1"] for f in both]
    assert chosen[0] == chosen[1]
    of_s1 = [pd.read_parquet(f / "chosen" / "predictions.parquet").query("subject == 'S1'") for f in both]
    assert np.array_equal(of_s1[0].filter(like="p_"), of_s1[1].filter(like="p_")) and (of_s1[0]["y"] != of_s1[1]["y"]).all()


def test_what_is_chosen_is_judged_once_on_each_test_person(clean):
    assert len(clean.heard) == 4 and all(len(of_fold) == 3 and max(of_fold) <= 0 for of_fold in clean.heard)
    whole = summary(clean.folder / "chosen")
    assert (whole["n_folds"], whole["n_folds_expected"], whole["complete"]) == (4, 4, True)
    assert list(whole["models"]) == ["searched csp_lda"] and not whole.get("inside")
    assert sorted(pd.read_parquet(clean.folder / "chosen" / "predictions.parquet")["subject"].unique()) == ["S1", "S2", "S3", "S4"]
    for number, of_fold in enumerate(clean.heard):
        components = [2, 4, 1 if of_fold[0] < of_fold[1] else 5][int(np.argmin(of_fold))]
        told = [note for note in whole["notes"] if note.startswith(f"fold S{number + 1}: ")]
        assert len(told) == 1 and f"model.encoder.n_components={components} (" in told[0] and "best of 3" in told[0]
        assert "data.n_subjects" not in told[0]
    assert "searched csp_lda on simulated, loso" in clean.out
    assert len(collect(clean.folder).candidates) == 1, "tries are no results"


def test_it_stands_in_one_protocol_with_what_was_not_searched(clean, home):
    assert cli.main(["train", "model=csp_lda", *SMALL, *always_of(home), "refit=false", f"hydra.run.dir={home}/plain"]) == 0
    plain, searched = summary(home / "plain"), summary(clean.folder / "chosen")
    assert plain["protocol_hash"] == searched["protocol_hash"] and plain["config_hash"] != searched["config_hash"]


def test_in_one_fold_alone_it_goes_on_from_what_is_there_and_judges_nobody(search, clean):
    one = search("one", "evaluate.inside=2")
    assert one.status == 0 and one.heard == [clean.heard[2]] and "engine:" in clean.err and "engine:" not in one.err
    assert not (one.folder / "chosen").exists()


def test_a_search_that_would_hear_test_people_is_refused(search):
    deaf = search("refused", "evaluate.inside=null")
    assert deaf.status == 2 and "would hear the scores of test people" in deaf.err and not deaf.heard
    most = search("most", "hydra.sweeper.direction=maximize")
    assert most.status == 2 and "the smaller the better" in most.err and not most.heard


def test_each_fold_has_a_study_of_its_own(search, clean):
    named = search("named", "hydra.sweeper.study_name=mine")
    assert named.heard == clean.heard and Climber.names == ["mine-0", "mine-1", "mine-2", "mine-3"]


def test_a_sweeper_that_is_not_installed_is_named_with_its_package(capsys):
    assert cli.main(["train", "-m", "hydra/sweeper=nowhere", "model=csp_lda"]) == 2
    assert "pip install hydra-nowhere-sweeper" in capsys.readouterr().err


def test_a_try_that_fails_is_not_chosen(search):
    failed = search("failed", "model.encoder.contrast=none")
    assert failed.status == 2 and "contrast 'none' is unknown" in failed.err and not (failed.folder / "chosen").exists()


def test_the_best_is_the_first_of_the_smallest():
    class One:
        def __init__(self, loss):
            self.loss = loss

    tried = [One(float("nan")), One(-0.5), One(-0.7), One(-0.7)]
    assert best(tried) is tried[2]
    with pytest.raises(SentenceError, match="no configuration"):
        best(tried[:1])


def test_optuna_searches(home):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="needs the package hydra-optuna-sweeper")
    words = ["model=csp_lda", "model.encoder.n_components=choice(2,4)", "model.head.shrinkage=tag(log,interval(0.01,0.9))"]
    words += ["hydra.sweeper.n_trials=3", f"hydra.sweep.dir={home}/optuna"]
    assert cli.main(["train", "-m", "hydra/sweeper=optuna", *words, *SMALL, *always_of(home)]) == 0
    best_value = yaml.safe_load((home / "optuna" / "0" / "optimization_results.yaml").read_text())["best_value"]
    assert best_value == min(loss(summary(home / "optuna" / "0" / str(i))) for i in range(3))
    assert summary(home / "optuna" / "chosen")["complete"]
