"""The information transfer rate against its formula at known points, and mutual information."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.metric.base import named
from corticode.metric.itr import ITR, bits


def test_known_points():
    assert bits(1.0, 4) == 2.0 and bits(0.25, 4) == pytest.approx(0.0) and bits(0.1, 4) == pytest.approx(0.0)
    assert bits(0.9, 2) == pytest.approx(1 + 0.9 * np.log2(0.9) + 0.1 * np.log2(0.1))
    # Wolpaw's own figure: 90 % of two targets is 0.53 bits, 4 targets at 90 % 1.37 bits
    assert bits(0.9, 2) == pytest.approx(0.53, abs=0.005) and bits(0.9, 4) == pytest.approx(1.37, abs=0.005)


@pytest.mark.parametrize("k,p", [(2, 0.7), (4, 0.55), (8, 0.9)])
def test_equals_the_mutual_information_of_a_symmetric_channel(k, p):
    joint = np.full((k, k), (1 - p) / (k - 1)) / k
    np.fill_diagonal(joint, p / k)
    assert bits(p, k) == pytest.approx((joint * np.log2(joint * k * k)).sum())


def test_rate_is_bits_over_the_windows_length(make_answers):
    y = np.arange(40) % 4
    answers = make_answers(y, np.eye(4)[y])
    answers.fold["window_s"] = 4.0
    assert named("itr")(answers) == pytest.approx(2 * 15)
    assert ITR(seconds=2.0)(answers) == pytest.approx(2 * 30)
    wrong = make_answers(y, np.eye(4)[(y + 1) % 4])
    wrong.fold["window_s"] = 4.0
    assert named("itr")(wrong) == 0.0


def test_without_a_length_there_is_no_rate(make_answers):
    answers = make_answers(np.arange(4), np.eye(4))
    answers.fold.pop("window_s", None)
    assert ITR()(answers) is None and ITR(seconds=1.0)(answers) == pytest.approx(120)


def test_the_windows_length_reaches_all_levels_of_the_table(make_random):
    from corticode.task.scores import table

    folds = [make_random(seed=seed) for seed in (0, 1)]
    for name, one in zip("ab", folds, strict=True):
        one.meta[["site", "session"]] = ""
        one.fold.update(fold=name, seed=0, model="m", window_s=4.0)
    scores = table(folds, [ITR()])
    assert set(scores["level"]) == {"subject", "fold", "pooled"} and scores["score"].notna().all()
