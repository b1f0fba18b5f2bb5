from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from corticode.evaluate.comparison import (
    combined,
    combined_effect,
    critical_difference,
    effect,
    holm,
    pairs,
    permutation_test,
    ranks,
    stouffer,
    wilcoxon_test,
)


def scores(n=12, k=4, seed=0, gain=0.02):
    """People differ more than pipelines do; each pipeline is a little better than the one before."""
    rng = np.random.default_rng(seed)
    people = 0.7 + 0.1 * rng.standard_normal((n, 1))
    values = people + gain * np.arange(k) + 0.03 * rng.standard_normal((n, k))
    return pd.DataFrame(values, columns=[f"p{i}" for i in range(k)], index=[f"S{i}" for i in range(n)])


def moabb_frame(tables):
    rows = [
        {"dataset": name, "subject": subject, "session": "0", "pipeline": pipeline, "score": table.loc[subject, pipeline], "time": 0.0}
        for name, table in tables.items()
        for subject, pipeline in itertools.product(table.index, table.columns)
    ]
    return pd.DataFrame(rows)


# 12 people: all sign patterns; 24: Wilcoxon. Both are MOABB's rule, and neither is drawn at random
@pytest.mark.parametrize("sizes", [(12,), (24,), (9, 12, 30)])
def test_same_statistics_as_moabb(sizes):
    meta_analysis = pytest.importorskip("moabb.analysis.meta_analysis", reason="needs the extra [moabb]")
    tables = {f"d{i}": scores(n, seed=i) for i, n in enumerate(sizes)}
    per_dataset = meta_analysis.compute_dataset_statistics(moabb_frame(tables))
    P, T = meta_analysis.find_significant_differences(per_dataset)
    ours = {name: pairs(table) for name, table in tables.items()}
    for name, table in ours.items():
        for row in table.itertuples():
            theirs = per_dataset[
                (per_dataset["dataset"] == name) & (per_dataset["pipe1"] == row.first) & (per_dataset["pipe2"] == row.second)
            ]
            back = per_dataset[
                (per_dataset["dataset"] == name) & (per_dataset["pipe1"] == row.second) & (per_dataset["pipe2"] == row.first)
            ]
            assert row.p_greater == pytest.approx(theirs["p"].item(), abs=1e-10)
            assert row.p_less == pytest.approx(back["p"].item(), abs=1e-10)
            assert row.effect == pytest.approx(theirs["smd"].item(), abs=1e-10)
            assert row.n == theirs["nsub"].item()
    together = combined(list(ours.values())) if len(sizes) > 1 else ours["d0"]
    assert len(together) == 6
    for row in together.itertuples():
        assert row.p_greater == pytest.approx(P.loc[row.first, row.second], abs=1e-10)
        assert row.p_less == pytest.approx(P.loc[row.second, row.first], abs=1e-10)
        assert row.effect == pytest.approx(T.loc[row.first, row.second], abs=1e-10)


def test_permutation_test_agrees_with_scipy():
    d = np.random.default_rng(0).normal(0.3, 1, 10)
    exact = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater")
    assert permutation_test(d)[0] == pytest.approx(exact.pvalue, abs=1e-12)
    many = np.random.default_rng(1).normal(0.2, 1, 40)
    drawn = stats.permutation_test((many,), np.mean, permutation_type="samples", n_resamples=20_000, alternative="greater", rng=0)
    assert permutation_test(many)[0] == pytest.approx(drawn.pvalue, abs=0.01)


def test_patterns_with_equal_sums_count_however_they_are_added_up():
    """Eight people differ by 0.1 each: 1 of 256 patterns reaches the sum, and it must not be lost to rounding."""
    d = np.full(8, 0.1)
    d[3] = 0.3
    assert permutation_test(d)[0] == 1 / 256
    assert permutation_test(np.zeros(8)) == (255 / 256, 255 / 256)


def test_wilcoxon_is_scipys_halved_on_the_side_of_the_mean():
    d = np.random.default_rng(2).normal(0.4, 1, 25)
    assert d.mean() > 0
    assert wilcoxon_test(d)[0] == pytest.approx(stats.wilcoxon(d).pvalue / 2, abs=1e-12)
    assert wilcoxon_test(-d) == wilcoxon_test(d)[::-1]
    assert wilcoxon_test(np.zeros(5)) == (0.5, 0.5)


@pytest.mark.parametrize("n", [3, 8, 13, 14, 25])
def test_ties_and_zeros_are_treated_as_scipy_does(n):
    """Scores are shares of few windows, so differences are often equal, or zero."""
    for seed in range(4):
        d = np.random.default_rng(seed).integers(-2, 4, n) / 24
        if d.any():
            greater, less = wilcoxon_test(d)
            assert 2 * min(greater, less) == pytest.approx(stats.wilcoxon(d).pvalue, abs=1e-12)


def test_where_nothing_differs_five_of_a_hundred_pairs_seem_to():
    p = np.concatenate([pairs(scores(14, 5, seed=s, gain=0.0))["p"] for s in range(30)])
    assert 0.02 < np.mean(p <= 0.05) < 0.09
    assert 0.45 < p.mean() < 0.58


def test_effect_is_cohens_d_of_the_differences():
    d = np.array([1.0, 2.0, 3.0])
    assert effect(d) == pytest.approx(2.0)
    assert effect(np.zeros(3)) == 0.0
    assert effect(np.full(3, -0.1)) == -np.inf


def test_lower_is_better_turns_the_tests_but_not_the_difference():
    table = scores()
    up, down = pairs(table), pairs(table, lower_is_better=True)
    np.testing.assert_allclose(down["effect"], -up["effect"])
    np.testing.assert_allclose(down["p_greater"], up["p_less"])
    np.testing.assert_allclose(down["difference"], up["difference"])
    assert list(ranks(table, lower_is_better=True)["pipeline"]) == list(ranks(table)["pipeline"])[::-1]


def test_a_pair_stands_on_the_people_that_both_have():
    table = scores()
    table.iloc[:3, 0] = np.nan
    found = pairs(table).set_index(["first", "second"])
    assert found.loc[("p0", "p1"), "n"] == 9
    assert found.loc[("p1", "p2"), "n"] == 12
    rest = pairs(table.iloc[3:]).set_index(["first", "second"])
    assert found.loc[("p0", "p1"), "p"] == rest.loc[("p0", "p1"), "p"]


def test_holm_by_hand():
    # 3 x 0.01, 2 x 0.02, 1 x 0.04
    np.testing.assert_allclose(holm([0.04, 0.01, np.nan, 0.02]), [0.04, 0.03, np.nan, 0.04])
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])
    assert len(holm([])) == 0


def test_stouffer_by_hand():
    z = np.array([stats.norm.isf(0.01), stats.norm.isf(0.2)])
    w = np.sqrt([9, 16])
    assert stouffer([0.01, 0.2], [9, 16]) == pytest.approx(stats.norm.sf((w @ z) / np.sqrt(w @ w)), abs=1e-12)
    assert combined_effect([1.0, 0.0], [9, 16]) == pytest.approx(3 / 7)


def test_data_sets_that_name_a_pair_the_other_way_round_are_combined():
    one, other = scores(seed=0), scores(seed=1)
    straight = combined([pairs(one[["p0", "p1"]]), pairs(other[["p0", "p1"]])])
    turned = combined([pairs(one[["p0", "p1"]]), pairs(other[["p1", "p0"]])])
    pd.testing.assert_frame_equal(straight, turned)
    assert straight["n_datasets"].item() == 2
    assert combined([pairs(one)]).empty  # one data set is no combination


# Demsar 2006, table 5a: q_0.05 for 2 to 10 classifiers
@pytest.mark.parametrize(
    "k,q", [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)]
)
def test_critical_difference_has_demsars_values(k, q):
    assert critical_difference(k, 14) == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 14)), abs=1e-3)


def test_demsars_example():
    """Demsar 2006, section 3.2.2: mean ranks of four classifiers on 14 data sets, Friedman chi2 = 9.28, distance 1.25."""
    table = pd.DataFrame(
        {
            "C4.5": [.763, .599, .954, .628, .882, .936, .661, .583, .775, 1.0, .94, .619, .972, .957],
            "C4.5+m": [.768, .591, .971, .661, .888, .931, .668, .583, .838, 1.0, .962, .666, .981, .978],
            "C4.5+cf": [.771, .590, .968, .654, .886, .916, .609, .563, .866, 1.0, .965, .614, .9751, .946],
            "C4.5+m+cf": [.798, .569, .967, .657, .898, .931, .685, .625, .875, 1.0, .962, .669, .975, .970],
        }
    )  # fmt: skip
    found = ranks(table).set_index("pipeline")
    np.testing.assert_allclose(found.loc[list(table), "rank"], [3.143, 2.000, 2.893, 1.964], atol=0.001)
    assert found["critical_difference"].iloc[0] == pytest.approx(1.25, abs=0.01)
    assert found["friedman_chi2"].iloc[0] == pytest.approx(stats.friedmanchisquare(*table.to_numpy().T)[0])
    # the paper's formula, which does not correct for ties, on the same mean ranks
    assert 12 * 14 / 20 * (np.sum(found["rank"] ** 2) - 25) == pytest.approx(9.28, abs=0.01)
    # all four span 1.18 ranks, less than the distance: one group
    assert set(found["groups"]) == {"1"}


def test_groups_are_the_maximal_sets_that_cannot_be_told_apart():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((40, 1))
    table = pd.DataFrame(base + np.array([0.0, 0.05, 1.0, 1.1]) + 0.3 * rng.standard_normal((40, 4)), columns=list("abcd"))
    found = ranks(table).set_index("pipeline")["groups"]
    assert found["a"] == found["b"] == "2"
    assert found["c"] == found["d"] == "1"
    assert ranks(table[["a", "c"]])["groups"].tolist() == ["", ""]
    assert np.isnan(ranks(table[["a", "c"]])["friedman_p"].iloc[0])
