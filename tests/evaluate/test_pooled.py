from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.pooled import deal_people, difference_interval, nested_best_pooled, pairs_pooled
from corticode.metric.base import named
from corticode.predictions import Predictions


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
    answers = pot(12)[0]
    twice = answers[np.repeat(np.arange(12), 3)]
    fold = deal_people(twice, 10, 0)
    for person in range(12):
        assert len(set(fold[3 * person : 3 * person + 3])) == 1
    assert all(set(twice.y[fold == k]) == {0, 1} for k in range(fold.max() + 1))


def test_exchanging_people_tells_skill_from_none():
    answers = {"weak": pot(40, seed=1), "strong": pot(40, skill=2.0, seed=2), "none": pot(40, seed=3)}
    metric = named("roc_auc")
    found = pairs_pooled(answers, metric, n_permutations=300).set_index(["first", "second"])
    row = found.loc[("weak", "strong")]
    assert row["difference"] == metric(answers["weak"][0]) - metric(answers["strong"][0])
    assert row["p"] < 0.02 and row["p_less"] < 0.01 and row["p_greater"] > 0.9
    assert found.loc[("weak", "none"), "p"] > 0.05
    assert found["p_holm"].ge(found["p"]).all()
    assert (found["n"] == 40).all()


def test_exchanging_people_holds_its_level():
    p = [
        pairs_pooled({"a": pot(30, seed=2 * s), "b": pot(30, seed=2 * s + 1)}, named("roc_auc"), 99, random_state=s)["p"].item()
        for s in range(100)
    ]
    assert 0.0 < np.mean(np.array(p) <= 0.1) < 0.2


def test_a_mean_over_people_gives_the_sign_flip_test():
    """Accuracy of one answer per person is a mean over people: exchanging people is flipping signs."""
    from corticode.evaluate.comparison import pairs

    answers = {"a": pot(12, skill=1.0, seed=1), "b": pot(12, seed=2)}
    right = pd.DataFrame({name: (seeds[0].decided == seeds[0].y).astype(float) for name, seeds in answers.items()})
    exact = pairs(right)
    drawn = pairs_pooled(answers, named("accuracy"), n_permutations=4000)
    assert abs(drawn["p_greater"].item() - exact["p_greater"].item()) < 0.03


def test_lower_is_better_turns_the_pooled_test_around():
    answers = {"strong": pot(40, skill=2.0, seed=2), "none": pot(40, seed=3)}
    found = pairs_pooled(answers, named("log_loss"), n_permutations=200)
    assert found["difference"].item() < 0 and found["p_greater"].item() < 0.05


def test_the_fast_road_of_areas_is_the_plain_one():
    from corticode.metric.roc_auc import ROCAUC

    class Plain(ROCAUC):
        name = "plain"

    from corticode.evaluate.pooled import on_one_scale

    metric = named("roc_auc")
    answers = {
        name: [on_one_scale(one, metric) for one in pot(20, skill=skill, seed=seed)] for name, skill, seed in (("a", 0.8, 1), ("b", 0.2, 2))
    }
    fast, plain = (pairs_pooled(answers, m, n_permutations=60) for m in (metric, Plain()))
    pd.testing.assert_frame_equal(fast, plain)


def test_how_far_one_best_is_ahead_of_another():
    metric = named("roc_auc")
    strong, weak = pot(40, skill=1.5, seed=1), pot(40, skill=0.2, seed=2)
    low, high = difference_interval(strong, weak, metric, n_resamples=300)
    assert low < metric(strong[0]) - metric(weak[0]) < high
    assert low > 0
    wide = difference_interval(strong, weak, metric, confidence=0.999, n_resamples=300)
    assert wide[0] < low and wide[1] > high
    # with itself: nothing, whoever is drawn
    assert difference_interval(strong, strong, metric, n_resamples=50) == (0.0, 0.0)


def test_what_winners_answered_is_kept():
    metric = named("roc_auc")
    answers = {"weak": pot(seed=1), "strong": pot(skill=3.0, seed=2)}
    found = nested_best_pooled(answers, metric)
    assert metric(found.answers[0]) == pytest.approx(found.nested)
