"""Leaks that must be impossible: blind is blind, nothing of the test side reaches the other, shuffled labels give chance."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

import corticode
from conftest import make_windows
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.engine.local import Local
from corticode.errors import GuardError, SentenceError
from corticode.evaluate.benchmark import Benchmark, Plan
from corticode.evaluate.worker import Worker
from corticode.predictions import Predictions
from corticode.recipe import Recipe
from corticode.split.base import TRIAL, Fold, codes
from corticode.split.cross_session import CrossSession
from corticode.split.kfold import KFold
from corticode.split.loso import LOSO
from corticode.split.within_session import WithinSession
from corticode.task.classification import Classification
from corticode.windows import IDENTITY, Block, Windows

SPLITS = {"loso": LOSO(), "kfold": KFold(n_folds=2), "cross_session": CrossSession(), "within_session": WithinSession(n_folds=3)}


@pytest.fixture
def labelled(windows):
    """Windows with y, two facts about the person and a stimulus."""
    facts = windows.meta["subject"].map({"S1": 8, "S2": 30, "S3": 31, "S4": 70})
    return Classification().label(
        windows._replace(meta=windows.meta.assign(age=facts, group=np.where(facts > 30, "old", "young"), stimulus="x"))
    )


# -- blind is blind ---------------------------------------------------------------------------------------------------


def test_blind_windows_know_who_and_when_and_nothing_else(labelled):
    blind = labelled.blind()
    assert blind.is_blind and blind.y is None and blind.y_space is None
    assert list(blind.meta.columns) == list(IDENTITY)
    assert labelled.y is not None and "event" in labelled.meta
    assert np.array_equal(blind.X, labelled.X)


def test_blind_windows_keep_only_declared_uses(labelled):
    assert list(labelled.blind(uses=["age"]).meta.columns) == [*IDENTITY, "age"]


@pytest.mark.parametrize("rows", [slice(None), [5, 3, 90], np.arange(96) % 2 == 0])
def test_blind_rows_stay_blind(labelled, rows):
    part = labelled.blind()[rows]
    assert part.is_blind and list(part.meta.columns) == list(IDENTITY)


def test_blind_windows_stay_blind_in_another_process(labelled, tmp_path):
    """They travel as path + rows, and the folder holds the outcomes: opening it there must not bring them back."""
    saved = labelled.save(tmp_path / "windows")
    rows = np.array([7, 2, 50])
    again = pickle.loads(pickle.dumps(saved[rows].blind(uses=["age"])))
    assert again.is_blind and again.y_space is None
    assert list(again.meta.columns) == [*IDENTITY, "age"]
    assert np.array_equal(again.X, labelled.X[rows])
    assert list(again.meta["subject"]) == list(labelled.meta["subject"].iloc[rows])


def test_what_travels_holds_no_labels(labelled, tmp_path):
    blind = labelled.save(tmp_path / "windows").blind()
    assert b"left_hand" not in pickle.dumps(blind)


# -- nothing straddles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPLITS)
def test_trials_never_straddle(name):
    windows = make_windows(n_trials=24)
    windows = windows._replace(
        meta=windows.meta.assign(trial=np.arange(len(windows)) // 4, event=np.array(["a", "b"])[np.arange(len(windows)) // 4 % 2])
    )
    windows.info["classes"] = {}
    labelled = Classification().label(windows)
    trial = codes(labelled.meta, TRIAL)
    for fold in SPLITS[name].folds(labelled.meta, labelled.y):
        assert not set(trial[fold.fit]) & set(trial[fold.test])


@pytest.mark.parametrize("name", ["loso", "kfold"])
def test_people_never_straddle(name, labelled):
    for fold in SPLITS[name].folds(labelled.meta, labelled.y):
        assert not set(labelled.meta["subject"].iloc[fold.fit]) & set(labelled.meta["subject"].iloc[fold.test])


@pytest.mark.parametrize("name", SPLITS)
def test_folds_do_not_read_outcomes(name, labelled):
    """The same folds come of a table without any outcome column."""
    for one, other in zip(
        SPLITS[name].folds(labelled.meta, labelled.y), SPLITS[name].folds(labelled.blind().meta, labelled.y), strict=True
    ):
        assert np.array_equal(one.fit, other.fit) and np.array_equal(one.test, other.test)


# -- classes belong to the task -----------------------------------------------------------------------------------------


def test_classes_do_not_shrink_to_those_of_a_fold(labelled):
    """A person with one class is scored against all classes of the task."""
    task = Classification()
    task.label(labelled)
    rows = np.flatnonzero((labelled.meta["subject"] == "S1") & (labelled.y == 1))
    answers = Predictions(
        np.tile([0.25, 0.75], (len(rows), 1)), "probability", labelled.y[rows], labelled.meta.iloc[rows], task.classes, {"fold": "S1"}
    )
    found = task.score([answers]).set_index(["level", "metric"])["score"]
    assert found["subject", "log_loss"] == pytest.approx(-np.log(0.75))


# -- shuffled labels give chance ------------------------------------------------------------------------------------------


def balanced_accuracy(windows, task, split):
    """A plain classifier of channel power, by scikit-learn, through the task's labels, the split's folds and the task's scores."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    labelled = task.label(windows)
    power = np.log(labelled.X.var(axis=2))
    predictions = []
    for fold in split.folds(labelled.meta, labelled.y):
        model = LinearDiscriminantAnalysis().fit(power[fold.fit], labelled.y[fold.fit])
        yhat = model.predict_proba(power[fold.test])
        predictions.append(
            Predictions(yhat, "probability", labelled.y[fold.test], labelled.meta.iloc[fold.test], task.classes, {"fold": fold.name})
        )
    return task.headline(task.score(predictions), predictions)["headline"]


@pytest.mark.parametrize("name", SPLITS)
def test_shuffled_labels_give_chance(name):
    windows = make_windows(n_trials=24)
    assert balanced_accuracy(windows, Classification(), SPLITS[name]) > 0.8
    shuffled = [balanced_accuracy(windows, Classification(shuffle=True, shuffle_seed=seed), SPLITS[name]) for seed in range(10)]
    assert 0.44 < np.mean(shuffled) < 0.56


# -- the whole benchmark ------------------------------------------------------------------------------------------------


def recipe(model, labelled, align="none", own=None, **train):
    """What makes fresh decoders, as a run makes it; C is not searched for."""
    cfg = compose([f"model={model}", f"align={align}", "trainer=cpu"])
    config = dict(cfg["model"])
    if own is None and "Cs" in config["head"]:
        config["head"] = {**config["head"], "C": 1.0}
    if own is None and config.get("train"):
        config["train"] = {**config["train"], "max_epochs": 1, **train}
    classes = tuple(labelled.info["classes"]["event"])
    return Recipe(model, config, cfg["adapt"], cfg["align"], cfg["trainer"], labelled.space, labelled.n_times, classes, own=own)


class Watched:
    """Makes the decoders of a recipe and keeps them, so that a test can look at what each fold left behind."""

    def __init__(self, recipe):
        self.recipe, self.name, self.made = recipe, recipe.name, []

    def __call__(self, seed):
        self.made.append(self.recipe(seed))
        return self.made[-1]

    def describe(self):
        return self.recipe.describe()

    @property
    def fitted(self):
        """The decoders of the folds, in order."""
        return [decoder for decoder in self.made if decoder.fitted]


def judge(recipes, labelled, folds, folder, **options):
    """Run the benchmark in this process, with stores of its own."""
    stores = {"jobs_folder": folder / "jobs", "features_folder": folder / "features"}
    facts = {"classes": tuple(labelled.info["classes"]["event"])}
    plan = Plan(recipes, labelled, folds, [0], described={}, facts=facts, refit=False, **stores, **options)
    benchmark = Benchmark([plan])
    list(benchmark.run(Local(n_jobs=1)))
    for failed in benchmark.failed():
        raise failed.error()
    return benchmark.outcome()


@pytest.fixture
def kept(tmp_path):
    return Classification().label(make_windows(n_trials=8).keep(tmp_path / "prepared"))


PATHS = [("logvar_lda", "none"), ("logvar_lda", "euclidean"), ("tangent_space", "riemannian"), ("csp_lda", "none"), ("eegnet", "none")]


def states(decoder):
    parts = {"encoder": decoder.encoder, "head": decoder.head, "align": decoder.aligner}
    return {f"{part}.{name}": value for part, thing in parts.items() for name, value in thing.state().items()}


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("model, align", PATHS)
def test_what_is_learned_does_not_depend_on_test_rows(model, align, kept, tmp_path):
    """Neither their samples nor their labels: not through the store of features, an aligner, or early stopping either."""
    target = (kept.meta["subject"] == "S4").to_numpy()
    X, y = np.array(kept.X), kept.y.copy()
    X[target] = 50 * np.random.default_rng(0).standard_normal(X[target].shape)
    y[target] = 1 - y[target]
    other = Windows([Block(X, kept.space)], kept.meta, info=kept.info).keep(tmp_path / "prepared").with_y(y)
    fold = [next(fold for fold in LOSO().folds(kept.meta, kept.y) if fold.name == "S4")]
    learned = []
    for rows in (kept, other):
        watched = Watched(recipe(model, rows, align))
        judge([watched], rows, fold, tmp_path)
        learned.append(states(watched.fitted[0]))
    assert same(*learned)
    # and this would have told: other source rows make another decoder
    watched = Watched(recipe(model, kept, align))
    judge([watched], kept, [Fold(fold[0].fit[5:], fold[0].test, "fewer")], tmp_path)
    assert not same(learned[0], states(watched.fitted[0]))


@pytest.mark.parametrize("model, align", PATHS)
def test_test_labels_do_not_change_answers(model, align, kept, tmp_path):
    target = (kept.meta["subject"] == "S4").to_numpy()
    y = kept.y.copy()
    y[target] = np.random.default_rng(0).permutation(y[target])
    folds = LOSO().folds(kept.meta, kept.y)[-1:]
    one = judge([recipe(model, kept, align)], kept, folds, tmp_path / "one").predictions[0]
    other = judge([recipe(model, kept, align)], kept.with_y(y), folds, tmp_path / "other").predictions[0]
    assert not np.array_equal(one.y, other.y)
    assert np.array_equal(one.yhat, other.yhat)


@pytest.mark.parametrize("model, align", PATHS)
def test_test_rows_are_not_loaded_while_learning(model, align, kept, tmp_path, monkeypatch):
    loaded, learning = [], []
    read, later, fit, features = Windows.X.fget, Windows.lazy.fget, Decoder.fit, Worker.features

    def fit_watched(self, source):
        learning.append(True)
        try:
            return fit(self, source)
        finally:
            learning.clear()

    def noted(function):
        def note(self, *arguments):
            rows = arguments[-1].rows if arguments else self.rows
            loaded.extend(rows.tolist() if learning else [])
            return function(self, *arguments)

        return note

    # the store computes what depends on one window alone for all rows, and hands out those asked for
    monkeypatch.setattr(Windows, "X", property(noted(read)))
    monkeypatch.setattr(Windows, "lazy", property(noted(later)))
    monkeypatch.setattr(Worker, "features", noted(features))
    monkeypatch.setattr(Decoder, "fit", fit_watched)
    [fold] = LOSO().folds(kept.meta, kept.y)[-1:]
    judge([recipe(model, kept, align)], kept, [fold], tmp_path)
    assert set(loaded) == set(fold.fit.tolist())


@pytest.mark.parametrize("model, align", PATHS)
def test_a_decoder_is_told_who_and_when_and_nothing_else(model, align, kept, tmp_path):
    """Neither while it answers nor while it learns: labels come as y alone, facts about a person not at all."""
    told = set()

    class Listening(Watched):
        def __call__(self, seed):
            decoder = super().__call__(seed)
            for part in (decoder.encoder, decoder.adapter, decoder.aligner):
                for verb in ("fit", "encode", "calibrate", "predict", "fit_source", "observe", "transform"):
                    if hasattr(part, verb):
                        object.__setattr__(part, verb, self.listening(getattr(part, verb)))
            return decoder

        def listening(self, function):
            def listen(*arguments, **named):
                for thing in arguments:
                    if hasattr(thing, "columns"):
                        told.update(thing.columns)
                return function(*arguments, **named)

            return listen

    labelled = kept.with_y(kept.y)
    labelled.meta["age"] = 30
    folds = CrossSession(shots=1).folds(labelled.meta, labelled.y)[:1]
    judge([Listening(recipe(model, labelled, align))], labelled, folds, tmp_path)
    assert told == set(IDENTITY)


# -- every fold begins with nothing -------------------------------------------------------------------------------------


class CountsItsFits(ClassifierMixin, BaseEstimator):
    """An estimator that would give a reused decoder away."""

    def fit(self, X, y):
        self.n_fits_ = getattr(self, "n_fits_", 0) + 1
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        assert self.n_fits_ == 1
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_an_estimator_is_fitted_once_and_the_given_one_never(kept, tmp_path):
    mine = CountsItsFits()
    watched = Watched(recipe("own", kept, own=mine))
    outcome = judge([watched], kept, LOSO().folds(kept.meta, kept.y), tmp_path)
    assert len(outcome.predictions) == 4
    assert [decoder.head.fitted.n_fits_ for decoder in watched.fitted] == [1] * 4
    assert not hasattr(mine, "n_fits_")


@pytest.mark.parametrize("model, align", [*PATHS, ("fb_tangent_space", "none"), ("mdm", "riemannian"), ("eegformer", "euclidean")])
def test_a_fold_does_not_know_the_one_before(model, align, kept, tmp_path):
    """Folds in another order, or one alone, give the same bits."""
    folds = CrossSession().folds(kept.meta, kept.y)[:3]
    watched = Watched(recipe(model, kept, align))
    forwards = judge([watched], kept, folds, tmp_path / "forwards").predictions
    backwards = judge([recipe(model, kept, align)], kept, folds[::-1], tmp_path / "backwards").predictions[::-1]
    for one, other in zip(forwards, backwards, strict=True):
        assert np.array_equal(one.yhat, other.yhat)
    parts = [getattr(decoder, name) for decoder in watched.fitted for name in ("encoder", "head", "adapter", "aligner")]
    assert len({id(part) for part in parts}) == len(parts) == 12


# -- what was seen is said ------------------------------------------------------------------------------------------------


def run_here(tmp_path, monkeypatch, windows, *words, **options):
    monkeypatch.chdir(tmp_path)
    words = [f"paths.data={tmp_path}/store", "engine.n_jobs=1", "refit=false", "report=false", *words]
    return corticode.run("logvar_lda", windows, overrides=words, progress="silent", **options)


@pytest.mark.parametrize(
    "words, access",
    [
        (["align=none"], "none"),
        (["align=euclidean"], "online"),
        (["align=euclidean", "align.access=all"], "transductive"),
        (["align=euclidean", "align.access=calibration", "align.n_align=4"], "unlabelled calibration"),
        (["align=none", "split.shots=2"], "4 labelled"),
        (["align=euclidean", "align.access=all", "split.shots=2"], "4 labelled + transductive"),
    ],
)
def test_scores_say_what_of_the_target_was_seen(words, access, tmp_path, monkeypatch):
    result = run_here(tmp_path, monkeypatch, make_windows(n_trials=8), *words)
    assert set(result.scores["access"]) == set(result.predictions["access"]) == {access}
    assert result.summary["access"] == access
    said = [note for note in result.summary["notes"] if note.startswith("transductive: all unlabelled test windows were seen")]
    assert len(said) == ("transductive" in access)


def test_strict_runs_refuse_to_look_ahead(tmp_path, monkeypatch):
    with pytest.raises(GuardError, match=r"align\.access=online"):
        run_here(tmp_path, monkeypatch, make_windows(), "align=euclidean", "align.access=all", "evaluate.strict=true")
    assert run_here(tmp_path, monkeypatch, make_windows(), "align=euclidean", "evaluate.strict=true").headline > 0.7


def test_causal_runs_refuse_preparation_that_looks_ahead(tmp_path, monkeypatch):
    words = ["data.n_subjects=2", "data.n_trials=8", "evaluate.causal=true"]
    with pytest.raises(GuardError, match=r"prepare\.filter\.phase=causal"):
        run_here(tmp_path, monkeypatch, "simulated", *words)
    result = run_here(tmp_path, monkeypatch, "simulated", *words, "prepare.filter.phase=causal")
    assert set(result.scores["prepare_sees"]) == {"past"}


def test_overlapping_windows_of_ones_own_are_not_split(tmp_path, monkeypatch):
    X, y = np.array(make_windows(n_subjects=1, n_sessions=1).X), ["a", "b"] * 6
    sliding = corticode.Windows.from_arrays(X, y, sfreq=128, overlap=True)
    with pytest.raises((GuardError, SentenceError)):
        run_here(tmp_path, monkeypatch, sliding, split="within_session")
    assert run_here(tmp_path, monkeypatch, corticode.Windows.from_arrays(X, y, sfreq=128), split="within_session").headline >= 0
    with pytest.raises((GuardError, SentenceError)):  # the same samples, kept by the run before
        run_here(tmp_path, monkeypatch, sliding, split="within_session")


def test_a_class_that_was_not_learned_has_its_column(tmp_path):
    """The columns of an answer are the task's classes, whoever was learned from and whoever is asked."""
    windows = make_windows(n_subjects=3, n_classes=3, n_trials=12)
    feet_of_others = (windows.meta["event"] == "feet") & (windows.meta["subject"] != "S3")
    labelled = Classification().label(windows[~feet_of_others.to_numpy()].keep(tmp_path / "prepared"))
    folds = LOSO().folds(labelled.meta, labelled.y)
    for model in ("logvar_lda", "tangent_space", "mdm", "eegnet"):
        for answers in judge([recipe(model, labelled)], labelled, folds, tmp_path).predictions:
            assert answers.yhat.shape[1] == 3 and answers.classes == ("feet", "left_hand", "right_hand")
            if answers.fold["fold"] == "S3" and model != "eegnet":
                assert (answers.yhat[:, 0] == 0).all()


@pytest.mark.parametrize("model, align", [("logvar_lda", "none"), ("tangent_space", "riemannian")])
def test_shuffled_labels_give_chance_on_the_whole_road(model, align, tmp_path):
    windows = make_windows(n_trials=12).keep(tmp_path / "prepared")

    def balanced(task):
        labelled = task.label(windows)
        predictions = judge([recipe(model, labelled, align)], labelled, LOSO().folds(labelled.meta, labelled.y), tmp_path).predictions
        return task.headline(task.score(predictions), predictions)["headline"]

    assert balanced(Classification()) > 0.8
    assert 0.4 < np.mean([balanced(Classification(shuffle=True, shuffle_seed=seed)) for seed in range(8)]) < 0.6
