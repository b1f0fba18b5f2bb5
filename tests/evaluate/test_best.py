from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.best import nested_best, nested_best_pooled
from corticode.metric.base import named
from corticode.predictions import Predictions


def noise(n_people=16, n_pipelines=17, n_trials=90, seed=0):
    """Balanced accuracies of pipelines that know nothing: shares of right guesses."""
    rng = np.random.default_rng(seed)
    values = rng.binomial(n_trials, 0.5, size=(n_people, n_pipelines)) / n_trials
    return pd.DataFrame(values, columns=[f"p{i}" for i in range(n_pipelines)], index=[f"S{i}" for i in range(n_people)])


def pot(n_people=24, skill=0.0, seed=0, scale=1.0):
    """One answer per person, who has one label: a diagnosis."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_people) % 2
    value = scale * ((2 * y - 1) * skill + rng.standard_normal(n_people))
    p = 1 / (1 + np.exp(-value))
    meta = pd.DataFrame({"dataset": "d", "site": "", "subject": [f"S{i}" for i in range(n_people)]})
    for column in ("session", "run", "recording"):
        meta[column] = ""
    return [Predictions(np.stack([1 - p, p], axis=1), "probability", y, meta.assign(trial=0, onset_s=0.0), ("a", "b"), {"seed": 0})]


def by_hand(table, lower=False):
    """The same, one person at a time, by words."""
    picked, score = [], []
    for person in table.index:
        others = table.drop(index=person).mean()
        best = others.idxmin() if lower else others.idxmax()
        picked.append(best)
        score.append(table.loc[person, best])
    return picked, float(np.mean(score))


@pytest.mark.parametrize("lower", [False, True])
def test_equal_to_one_person_at_a_time(lower):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame(rng.standard_normal((7, 5)), columns=list("abcde"), index=list("STUVWXY"))
        found = nested_best(table, lower)
        picked, mean = by_hand(table, lower)
        assert found.chosen.tolist() == picked
        assert found.nested == pytest.approx(mean, abs=1e-12)
        assert found.maximum == pytest.approx((table.mean().min() if lower else table.mean().max()), abs=1e-12)
        assert sum(found.share(name) for name in table) == pytest.approx(1)


def test_the_best_of_seventeen_that_know_nothing_is_at_chance():
    """The highest of 17 means lies 1.8 standard errors above chance; the nested figure lies at chance."""
    found = [nested_best(noise(seed=seed)) for seed in range(200)]
    maximum, nested = np.mean([one.maximum for one in found]), np.mean([one.nested for one in found])
    error = 0.5 / np.sqrt(90 * 16)
    assert maximum - 0.5 > 1.5 * error
    assert abs(nested - 0.5) < 3 * error / np.sqrt(200)


def test_a_clear_winner_keeps_its_score():
    table = noise(n_pipelines=4)
    table["p2"] += 0.2
    found = nested_best(table)
    assert found.winner == "p2"
    assert found.nested == pytest.approx(found.maximum)
    assert found.share("p2") == 1
    assert found.interval[0] < found.nested < found.interval[1]


def test_equals_are_decided_by_their_place_and_not_by_rounding():
    table = pd.DataFrame({"a": [0.1, 0.2, 0.3, 0.7], "b": [0.7, 0.3, 0.2, 0.1]})
    table["c"] = table["a"]
    found = nested_best(table[["a", "c"]])
    assert set(found.chosen) == {"a"}


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(ValueError, match="takes two of each"):
        nested_best(noise(n_pipelines=1))
    with pytest.raises(ValueError, match="has no score for some unit"):
        nested_best(noise().where(lambda t: t != t.iloc[0, 0]))


def test_pooled_with_one_clear_winner_is_its_own_score():
    metric = named("roc_auc")
    answers = {"weak": pot(seed=1), "strong": pot(skill=3.0, seed=2), "none": pot(seed=3)}
    found = nested_best_pooled(answers, metric)
    assert set(found.chosen) == {"strong"}
    assert found.nested == pytest.approx(metric(answers["strong"][0]))
    assert found.maximum == pytest.approx(found.nested)
    assert found.interval[0] <= found.nested <= found.interval[1]
    assert found.unit == "fold of people"


def test_pooled_areas_do_not_depend_on_the_scale_of_a_pipelines_answers():
    """Answers of two pipelines meet in one pot: only their order within each may count."""
    metric = named("roc_auc")
    one = nested_best_pooled({"a": pot(skill=0.5, seed=4), "b": pot(skill=0.5, seed=8)}, metric)
    other = nested_best_pooled({"a": pot(skill=0.5, seed=4, scale=0.01), "b": pot(skill=0.5, seed=8)}, metric)
    assert len(set(one.chosen)) == 2  # both win somewhere, else this would show nothing
    assert one.nested == other.nested


def test_pooled_best_that_knows_nothing_is_at_chance():
    metric = named("roc_auc")
    found = []
    for seed in range(30):
        answers = {f"p{i}": pot(60, seed=100 * seed + i) for i in range(9)}
        found.append(nested_best_pooled(answers, metric, n_resamples=10))
    assert np.mean([one.maximum for one in found]) > 0.58
    assert abs(np.mean([one.nested for one in found]) - 0.5) < 0.04


def test_people_stay_whole_in_folds():
    from corticode.evaluate.best import deal_people

    answers = pot(12)[0]
    twice = answers[np.repeat(np.arange(12), 3)]
    fold = deal_people(twice, 10, 0)
    for person in range(12):
        assert len(set(fold[3 * person : 3 * person + 3])) == 1
    assert all(set(twice.y[fold == k]) == {0, 1} for k in range(fold.max() + 1))
