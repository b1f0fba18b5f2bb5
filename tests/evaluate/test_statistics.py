from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.statistics import (
    binomial_bound,
    binomial_interval,
    bootstrap_interval,
    guesses,
    interval_over_units,
    permutation_bound,
)
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


# -- guesses --------------------------------------------------------------------------------------------------------


def test_the_bound_of_guesses_is_moabbs():
    chance_level = pytest.importorskip("moabb.analysis.chance_level", reason="needs the extra [moabb]")
    for n, k, alpha in [(40, 2, 0.05), (72, 4, 0.01), (288, 4, 0.05), (7, 3, 0.2)]:
        assert binomial_bound(n, 1 / k, alpha) == pytest.approx(chance_level.adjusted_chance_level(k, n, alpha), abs=1e-12)


def test_guesses_fall_into_their_interval():
    low, high = binomial_interval(60, 0.25)
    drawn = np.random.default_rng(0).binomial(60, 0.25, 20000) / 60
    assert 0.95 <= np.mean((drawn >= low) & (drawn <= high)) < 0.98  # shares come in steps
    beyond = np.mean(drawn > binomial_bound(60, 0.25))
    assert 0.02 < beyond <= 0.055


def test_skewed_classes_are_worth_fewer_guesses():
    """The variance of balanced accuracy under guessing, by simulation, is that of as many guesses."""
    counts = (60, 20, 10)
    rng = np.random.default_rng(1)
    recalls = np.stack([rng.binomial(n, 1 / 3, 40000) / n for n in counts])
    worth = (1 / 3) * (2 / 3) / recalls.mean(axis=0).var()
    assert guesses(counts, "balanced_accuracy") == pytest.approx(worth, rel=0.03)
    assert guesses(counts, "accuracy") == 90
    assert guesses((30, 30), "balanced_accuracy") == 60
    assert guesses(counts, "roc_auc") is None


# -- people and seeds -----------------------------------------------------------------------------------------------


def test_one_seed_is_scipys_interval():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).normal(0.7, 0.1, 15)
    theirs = bootstrap((values,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    assert interval_over_units(values) == (theirs.low, theirs.high)


def test_seeds_widen_the_interval_by_their_own_luck():
    """Variance of the mean over drawn people and seeds: that of people / n + that of seeds / s, less their finite numbers."""
    rng = np.random.default_rng(0)
    people, seeds = rng.normal(0, 0.1, (20, 1)), rng.normal(0, 0.1, (1, 5))
    scores = 0.7 + people + seeds
    low, high = interval_over_units(scores, n_resamples=20000)
    expected = 3.92 * np.sqrt(people.var() / 20 + seeds.var() / 5)
    assert high - low == pytest.approx(expected, rel=0.05)
    only_people = interval_over_units(scores.mean(axis=1), n_resamples=20000)
    assert high - low > 1.3 * (only_people[1] - only_people[0])


def test_lost_scores_do_not_count():
    scores = np.random.default_rng(0).normal(0.7, 0.1, (10, 3))
    scores[2, 1] = np.nan
    low, high = interval_over_units(scores)
    assert low < np.nanmean(scores) < high
    assert interval_over_units(np.array([0.5, 0.6, np.nan])) is None
    assert interval_over_units(np.full((4, 2), 0.5)) == (0.5, 0.5)


@pytest.mark.parametrize("level", ["subject", "pooled"])
def test_the_interval_of_a_run_draws_seeds_too(level):
    same = answers(skill=0.1, seeds=range(4), same_answers=True)
    other = answers(skill=0.1, seeds=range(4))
    for one in other:  # a seed that went wrong
        if one.fold["seed"] == 3:
            object.__setattr__(one, "yhat", one.yhat[:, ::-1])
    wide, narrow = (bootstrap_interval(each, "accuracy", level, n_resamples=400) for each in (other, same))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
