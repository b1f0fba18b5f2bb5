from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.statistics import bootstrap_interval, permutation_bound
from corticode.metric.base import Metric, named
from corticode.predictions import Predictions
from corticode.task.classification import Classification
from corticode.task.scores import table


def answers(skill=0.0, n_people=10, n_trials=40, seeds=(0,), seed=0, model="m", one_label=False, same_answers=False):
    """One fold per person and seed; answers right with a probability of 1/2 + skill."""
    rng = np.random.default_rng(seed)
    predictions, first = [], {}
    for s in seeds:
        for person in range(n_people):
            y = np.full(n_trials, person % 2) if one_label else np.arange(n_trials) % 2
            p = np.clip(0.5 + 0.2 * rng.standard_normal(n_trials) + (2 * y - 1) * skill, 0.01, 0.99)
            if same_answers:
                p = first.setdefault(person, p)
            who = dict(
                dataset="d",
                site="",
                subject=f"S{person}",
                session="",
                run="",
                recording=f"S{person}",
                trial=np.arange(n_trials),
                onset_s=0.0,
            )
            meta = pd.DataFrame(who, index=range(n_trials))
            predictions.append(
                Predictions(
                    np.stack([1 - p, p], axis=1), "probability", y, meta, ("a", "b"), {"model": model, "seed": s, "fold": f"S{person}"}
                )
            )
    return predictions


def test_nothing_learned_lies_below_the_bound_nineteen_times_of_twenty():
    beyond = 0
    for seed in range(100):
        predictions = answers(seed=seed)
        found = permutation_bound(predictions, "balanced_accuracy", n_permutations=200, random_state=seed)
        score = np.mean([named("balanced_accuracy")(one) for one in predictions])
        beyond += score > found["chance_95"]
        assert abs(found["chance_mean"] - 0.5) < 0.01
    assert 1 <= beyond <= 12  # 5 expected


def test_skill_lies_beyond_the_bound():
    found = permutation_bound(answers(skill=0.1), "balanced_accuracy")
    assert found["p"] == pytest.approx(1 / 1001)
    # 400 trials: 1.64 standard errors of a coin
    assert found["chance_95"] == pytest.approx(0.5 + 1.64 * 0.5 / np.sqrt(400), abs=0.01)


@pytest.mark.parametrize("level", ["subject", "fold", "pooled"])
@pytest.mark.parametrize("metric", ["balanced_accuracy", "accuracy", "roc_auc"])
def test_fast_and_plain_roads_agree(level, metric):
    """A metric of one's own, scored one truth at a time, gets the same bound as the vectorised one."""
    fast = named(metric)

    class Plain(type(fast)):
        many = Metric.many

    def score(self, predictions):
        from sklearn import metrics

        if metric == "roc_auc":
            return metrics.roc_auc_score(predictions.y, predictions.yhat[:, 1])
        return {"balanced_accuracy": metrics.balanced_accuracy_score, "accuracy": metrics.accuracy_score}[metric](
            predictions.y, predictions.decided
        )

    Plain.score = score
    predictions = answers(skill=0.02, n_people=4, n_trials=16, seeds=(0, 1))
    one = permutation_bound(predictions, fast, level, n_permutations=25, random_state=3)
    other = permutation_bound(predictions, Plain(), level, n_permutations=25, random_state=3)
    assert one == pytest.approx(other)


@pytest.mark.parametrize("level", ["subject", "fold", "pooled"])
def test_the_observed_headline_is_that_of_the_table(level):
    """p counts the observed headline as the table has it: with one permutation that cannot beat it, p = 1/2."""
    predictions = answers(skill=0.3, seeds=(0, 1))
    scores = table(predictions, [named("balanced_accuracy")])
    mean = scores[scores["level"] == level]["score"].mean()
    low, high = bootstrap_interval(predictions, "balanced_accuracy", level, n_resamples=200) if level != "pooled" else (mean, mean)
    assert low <= mean <= high
    assert permutation_bound(predictions, "balanced_accuracy", level, n_permutations=1)["p"] == 0.5


def test_seeds_that_agree_do_not_narrow_the_bound():
    """The truth is shuffled once for all seeds: five copies of the same answers are no more evidence than one."""
    one = permutation_bound(answers(), "balanced_accuracy")
    five = permutation_bound(answers(seeds=range(5), same_answers=True), "balanced_accuracy")
    assert five["chance_95"] == pytest.approx(one["chance_95"], abs=1e-9)


def test_people_with_one_label_are_shuffled_as_people():
    predictions = answers(skill=0.0, one_label=True, n_people=30)
    by_person = permutation_bound(predictions, "roc_auc", "pooled", unit="subject")
    by_window = permutation_bound(predictions, "roc_auc", "pooled")
    assert by_person["chance_95"] > 0.6  # 30 people: wide
    assert by_window["chance_mean"] == pytest.approx(0.5, abs=0.02)
    assert permutation_bound(predictions, "balanced_accuracy", "subject") == {
        "chance_95": None,
        "chance_mean": None,
        "p": None,
        "n_permutations": 0,
    }


def test_lower_is_better_turns_the_bound_around():
    found = permutation_bound(answers(skill=0.2), "brier", n_permutations=100)
    assert found["p"] == pytest.approx(1 / 101)
    assert found["chance_95"] < found["chance_mean"]


def test_several_models_are_refused():
    with pytest.raises(ValueError, match="predictions of one model, got 2: a, b"):
        permutation_bound([*answers(model="a"), *answers(model="b")], "accuracy")


def test_interval_over_people_is_about_two_standard_errors():
    predictions = answers(skill=0.1, n_people=25)
    low, high = bootstrap_interval(predictions, "accuracy")
    people = [named("accuracy")(one) for one in predictions]
    error = np.std(people, ddof=1) / 5
    assert low < np.mean(people) < high
    assert high - low == pytest.approx(3.92 * error, rel=0.15)


def test_interval_of_a_pooled_score_draws_whole_people():
    """Windows of a person are not independent: with one label per person the interval is that of 20 people, not of 800 windows."""
    predictions = answers(skill=0.15, n_people=20, one_label=True)
    low, high = bootstrap_interval(predictions, "roc_auc", "pooled", n_resamples=300)
    by_person = bootstrap_interval(predictions, "roc_auc", "pooled", unit="subject", n_resamples=300)
    pot = Classification().score(predictions)
    score = pot[(pot["level"] == "pooled") & (pot["metric"] == "roc_auc")]["score"].item()
    assert low < score < high
    assert by_person[0] <= by_person[1]


def test_too_few_people_have_no_interval():
    assert bootstrap_interval(answers(n_people=2), "accuracy") is None
    assert bootstrap_interval(answers(n_people=2), "accuracy", "pooled") is None
    same = answers(skill=5.0, n_people=4)
    assert bootstrap_interval(same, "accuracy") == (1.0, 1.0)
