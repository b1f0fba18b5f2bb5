"""What every metric keeps to."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.metric.base import Metric, catalogue, named

ALL = sorted(catalogue())


def kind_of(metric):
    return "value" if metric.kinds == ("value",) else "probability"


def test_the_folder_is_the_list():
    assert set(ALL) >= {"accuracy", "balanced_accuracy", "kappa", "f1_macro", "roc_auc", "log_loss", "ece", "brier", "mae", "r2", "pearson"}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n_classes", [2, 3, 4])
def test_score_is_a_number_inside_its_bounds(name, n_classes, make_random):
    metric = named(name)
    predictions = make_random(n_classes, kind=kind_of(metric))
    score = metric(predictions)
    assert isinstance(score, float)
    assert metric.bounds[0] <= score <= metric.bounds[1]


@pytest.mark.parametrize("name", ALL)
def test_other_kinds_of_answers_have_no_score(name, make_random):
    metric = named(name)
    other = "probability" if kind_of(metric) == "value" else "value"
    assert metric(make_random(kind=other)) is None
    if metric.kinds == ("probability",):
        assert metric(make_random(kind="decision")) is None


@pytest.mark.parametrize("name", ALL)
def test_perfect_answers_reach_the_better_bound(name, make_answers):
    metric = named(name)
    y = np.arange(30) % 3
    perfect = make_answers(y.astype(float), y[:, None], "value") if kind_of(metric) == "value" else make_answers(y, np.eye(3)[y])
    best = metric.bounds[0] if metric.lower_is_better else metric.bounds[1]
    if np.isinf(best):  # a rate has no bound of its own; nothing passes what is perfect
        assert metric(perfect) > metric(make_answers(y, np.roll(np.eye(3), 1, axis=1)[y])) >= metric.bounds[0]
    else:
        assert metric(perfect) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_no_windows_no_score(name, make_random):
    metric = named(name)
    assert metric(make_random(kind=kind_of(metric))[np.arange(0)]) is None


@pytest.mark.parametrize("name", ALL)
def test_many_truths_score_as_one_by_one(name, make_random):
    metric = named(name)
    predictions = make_random(3, n=40, kind=kind_of(metric))
    rng = np.random.default_rng(1)
    Y = np.array([rng.permutation(predictions.y) for _ in range(5)] + [np.full_like(predictions.y, predictions.y[0])])
    together = metric.many(predictions, Y)
    one_by_one = Metric.many(metric, predictions, Y)
    np.testing.assert_allclose(together[:5], one_by_one[:5], atol=1e-12)
    assert np.isnan(one_by_one[5]) == np.isnan(together[5]) == metric.needs_contrast


@pytest.mark.parametrize("name", [n for n in ALL if kind_of(named(n)) == "probability" and named(n).chance.__func__ is not Metric.chance])
def test_chance_is_what_knowing_nothing_scores(name, make_answers):
    """Guesses drawn from the class shares, or the shares themselves as probabilities, score the chance level."""
    metric = named(name)
    rng = np.random.default_rng(0)
    y = rng.choice(3, size=60000, p=[0.2, 0.3, 0.5])
    shares = np.bincount(y) / len(y)
    if metric.kinds == ("probability",):
        guesses = np.tile(shares, (len(y), 1))
    elif name == "accuracy":
        guesses = np.tile([0.0, 0.0, 1.0], (len(y), 1))
    else:
        guesses = np.eye(3)[rng.choice(3, size=len(y), p=shares)]
    assert metric(make_answers(y, guesses)) == pytest.approx(metric.chance(make_answers(y, guesses)), abs=0.01)


def test_unknown_name_suggests_the_near_one():
    with pytest.raises(SentenceError, match=r"did you mean.*balanced_accuracy"):
        named("balanced_acuracy")


def test_ones_own_metric_by_dotted_path(tmp_path, monkeypatch, make_random):
    (tmp_path / "my_metrics.py").write_text(
        "from corticode.metric.base import Metric\n"
        "class Half(Metric):\n    name = 'half'\n    def score(self, predictions):\n        return 0.5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert named("my_metrics.Half")(make_random()) == 0.5
    with pytest.raises(SentenceError, match="cannot be imported"):
        named("my_metrics.Third")
