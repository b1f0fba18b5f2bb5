from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.errors import SentenceError
from corticode.evaluate.conformal import (
    conformal,
    hold_out,
    of_truth,
    part,
    person_quantile,
    prediction_sets,
    quantile,
    strangeness,
    summary,
    table,
)
from corticode.predictions import Predictions
from corticode.split.base import Fold
from corticode.split.loso import LOSO


def person_answers(rng, n_people, n_windows=40, k=4, differ=1.5, first=0):
    """People differ much in how well they are read, as people do; windows of a person are alike."""
    parts = []
    for i in range(n_people):
        skill = max(0.0, 2 + differ * rng.standard_normal())
        y = rng.integers(k, size=n_windows)
        values = rng.standard_normal((n_windows, k))
        values[np.arange(n_windows), y] += skill
        p = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        parts.append((p, y, pd.DataFrame({"dataset": "d", "subject": f"S{first + i}"}, index=range(n_windows))))
    p, y, meta = (np.concatenate([q[0] for q in parts]), np.concatenate([q[1] for q in parts]), pd.concat([q[2] for q in parts]))
    return Predictions(p, "probability", y, meta, tuple("abcd"), {"model": "m"})


def test_scores_by_hand():
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    np.testing.assert_allclose(strangeness(p, "lac"), 1 - p)
    np.testing.assert_allclose(strangeness(p, "aps"), [[0.5, 0.8, 1.0], [0.9, 1.0, 0.8]])
    assert prediction_sets(p, 0.75, "lac").tolist() == [[True, True, False], [False, False, True]]
    assert prediction_sets(p, 0.8, "aps").tolist() == [[True, True, False], [False, False, True]]
    with pytest.raises(SentenceError, match="pick one of lac, aps"):
        strangeness(p, "raps")


def test_the_threshold_gives_every_person_the_same_weight():
    # 3 people and the one to come: 1/4 each; B has 4 windows of 1/16
    scores, person = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.9]), np.array(["A", "B", "B", "B", "B", "C"])
    assert quantile(scores, person, 0.75) == 0.1
    assert quantile(scores, person, 0.5) == 0.5
    assert quantile(scores, person, 0.25) == 0.9
    assert quantile(scores, person, 0.2) == np.inf
    # one window each: the classical rule, the ceil((n + 1)(1 - alpha))-th smallest
    ordinary = np.random.default_rng(0).random(19)
    assert quantile(ordinary, np.arange(19), 0.1) == np.sort(ordinary)[17]


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_the_promise_is_kept_over_people(method):
    """Over many draws of calibration people and new people, the truth is missed in no more than 1 - alpha of windows."""
    rng, found = np.random.default_rng(0), []
    for _ in range(150):
        everybody = person_answers(rng, 16)
        test, held = everybody[np.arange(40)], everybody[np.arange(40, 640)]
        found.append(summary(conformal(test, held, 0.2, method).per_person(), 0.2)["coverage"])
    # APS without random ties is larger than promised; LAC meets the promise
    assert np.mean(found) > 0.8 - 2 * np.std(found) / np.sqrt(150)
    if method == "lac":
        assert np.mean(found) < 0.86


def test_few_people_rule_nothing_out_however_many_windows_they_have():
    """Five people cannot promise 9 of 10: the pot of their windows pretends to, and misses it for people to come."""
    rng, pooled = np.random.default_rng(1), []
    for _ in range(150):
        everybody = person_answers(rng, 6)
        test, held = everybody[np.arange(40)], everybody[np.arange(40, 240)]
        ours = conformal(test, held, 0.1)
        assert ours.threshold == np.inf and ours.holds.all()
        threshold = np.quantile(of_truth(held), 0.9)
        pooled.append(np.mean(prediction_sets(test.yhat, threshold)[np.arange(40), test.y]))
    assert np.mean(pooled) < 0.89


def test_the_strict_threshold_serves_most_people():
    rng, own, marginal = np.random.default_rng(2), [], []
    for _ in range(100):
        everybody = person_answers(rng, 20)
        test, held = everybody[np.arange(40)], everybody[np.arange(40, 800)]
        own.append(conformal(test, held, 0.2, delta=0.1).per_person()["coverage"].item() >= 0.8)
        marginal.append(conformal(test, held, 0.2).per_person()["coverage"].item() >= 0.8)
    assert np.mean(own) > 0.87 > np.mean(marginal)
    assert person_quantile(np.ones(8), np.arange(8), 0.2, 0.1) == np.inf


def test_the_worst_person_is_named():
    rng = np.random.default_rng(3)
    good, bad = person_answers(rng, 3, differ=0.0), person_answers(rng, 1, differ=0.0, first=9)
    wrong = Predictions(np.roll(bad.yhat, 1, axis=1), "probability", bad.y, bad.meta, bad.classes, {"model": "m"})
    held = person_answers(rng, 12, differ=0.0)
    rows = table([conformal(good, held, 0.2), conformal(wrong, held, 0.2)])
    facts = summary(rows, 0.2)
    assert facts["worst_person"] == "S9" and facts["worst"] < 0.5 < facts["coverage"]
    assert facts["n"] == 4 and rows["subject"].iloc[0] == "S9"
    assert facts["n_below"] >= 1 and rows["n_calibration"].eq(12).all()


def test_seeds_are_averaged_within_a_person():
    rng = np.random.default_rng(4)
    test, held = person_answers(rng, 2), person_answers(rng, 9, first=5)
    once, twice = conformal(test, held, 0.3), conformal(test, held, 0.6)
    rows = table([once, twice]).set_index("subject")
    expected = (once.per_person().set_index("subject")["coverage"] + twice.per_person().set_index("subject")["coverage"]) / 2
    pd.testing.assert_series_equal(rows["coverage"].sort_index(), expected.sort_index())


def test_people_are_held_out_whole_and_strangers_to_all(windows):
    y = np.arange(len(windows)) % 2
    for fold in LOSO().folds(windows.meta, y):
        new, held = hold_out(fold, windows.meta, y, share=0.34)
        subject = windows.meta["subject"].to_numpy()
        fit, calibration, test = set(subject[new.fit]), set(subject[held]), set(subject[fold.test])
        assert len(calibration) == 1 and not (fit & calibration or fit & test or calibration & test)
        assert sorted([*new.fit, *held]) == sorted(fold.fit)
        np.testing.assert_array_equal(new.test, [*fold.test, *held])
        again, same = hold_out(fold, windows.meta, y, share=0.34)
        np.testing.assert_array_equal(held, same)
        assert new.name == again.name == fold.name


def test_one_fit_answers_for_both(windows):
    """The road of a run: one decoder, asked about test and calibration people at once, parted afterwards."""
    from corticode.compose import compose
    from corticode.recipe import Recipe
    from corticode.task.classification import Classification

    labelled = Classification().label(windows)
    cfg = compose(["model=mdm"])
    recipe = Recipe(
        "mdm", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("left_hand", "right_hand")
    )
    fold = LOSO().folds(labelled.meta, labelled.y)[0]
    new, held = hold_out(fold, labelled.meta, labelled.y, 0.34)
    decoder = recipe(0).fit(labelled[new.fit])
    test, calibration = part(decoder.predictions(labelled[new.test]), len(fold.test))
    np.testing.assert_array_equal(test.yhat, decoder.predictions(labelled[fold.test]).yhat)
    np.testing.assert_array_equal(calibration.y, labelled.y[held])
    assert set(calibration.meta["subject"]).isdisjoint(test.meta["subject"])
    sets = conformal(test, calibration, 0.5)
    assert sets.n_calibration == 1 and len(sets.per_person()) == 1


def test_what_breaks_the_promise_is_refused(windows):
    meta, y = windows.meta, np.arange(len(windows)) % 2
    rows = np.arange(len(windows))
    inside = Fold(rows[:10], rows[10:20], "S1")
    with pytest.raises(SentenceError, match="stands in fit and in test"):
        hold_out(inside, meta, y)
    shots = LOSO(shots=2).folds(meta, y)[0]
    with pytest.raises(SentenceError, match="windows of its own beforehand"):
        hold_out(shots, meta, y)
    one = Fold(np.flatnonzero(meta["subject"] == "S1"), np.flatnonzero(meta["subject"] == "S2"), "S2")
    with pytest.raises(SentenceError, match="there is one only"):
        hold_out(one, meta, y)
    answers = person_answers(np.random.default_rng(0), 3)
    decided = Predictions(answers.yhat, "decision", answers.y, answers.meta, answers.classes)
    with pytest.raises(SentenceError, match="needs class probabilities"):
        conformal(decided, decided)
    with pytest.raises(SentenceError, match="wanted between 0 and 1"):
        conformal(answers, answers, alpha=1.5)


def test_the_benchmark_needs_to_know_nothing(windows, tmp_path):
    """Folds of `hold_out` go through the one loop as they are, guards and all; the answers come apart afterwards."""
    from corticode import catalogue
    from corticode.compose import compose
    from corticode.evaluate.benchmark import Benchmark, Plan
    from corticode.evaluate.conformal import apart
    from corticode.recipe import Recipe
    from corticode.task.classification import Classification

    labelled = Classification().label(windows.keep(tmp_path / "prepared"))
    cfg = compose(["model=mdm", "engine.n_jobs=1"])
    recipe = Recipe(
        "mdm", cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("left_hand", "right_hand")
    )
    folds = LOSO().folds(labelled.meta, labelled.y)
    asked = [hold_out(fold, labelled.meta, labelled.y, 0.34)[0] for fold in folds]
    facts = {
        "prepare_sees": "window",
        "uses": "",
        "classes": ("left_hand", "right_hand"),
        "channels": 6,
        "n_sessions": 2,
        "aligned": False,
        "window_s": 1.0,
    }
    plan = Plan([recipe], labelled, asked, [0], tmp_path / "jobs", tmp_path / "features", {}, facts, refit=False)
    benchmark, engine = Benchmark([plan]), catalogue.make(cfg["engine"])
    with engine.started():
        list(benchmark.run(engine, None))
    tests, sets = apart(benchmark.outcome(0).predictions, folds, 0.5)
    assert [len(one) for one in tests] == [len(fold.test) for fold in folds]
    for one, fold in zip(tests, folds, strict=True):
        assert set(one.meta["subject"]) == {fold.name.split("=")[-1]}
        np.testing.assert_array_equal(one.y, labelled.y[fold.test])
    rows = table(sets)
    assert len(rows) == 4 and rows["coverage"].between(0, 1).all() and rows["model"].eq("mdm").all()
