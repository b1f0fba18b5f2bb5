from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from corticode.evaluate.best import nested_best


def noise(n_people=16, n_pipelines=17, n_trials=90, seed=0):
    """Balanced accuracies of pipelines that know nothing: shares of right guesses."""
    rng = np.random.default_rng(seed)
    values = rng.binomial(n_trials, 0.5, size=(n_people, n_pipelines)) / n_trials
    return pd.DataFrame(values, columns=[f"p{i}" for i in range(n_pipelines)], index=[f"S{i}" for i in range(n_people)])


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
