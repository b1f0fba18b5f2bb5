"""What every task keeps to."""

from __future__ import annotations

import json

import pytest
import yaml

from corticode import catalogue
from corticode.errors import GuardError, SentenceError
from corticode.task.base import Task
from corticode.task.classification import Classification
from corticode.task.regression import Regression
from corticode.task.scores import LEVELS

ENTRIES = sorted(catalogue.names("task"))
KINDS = pytest.mark.parametrize("kind", [Classification, Regression])


def build(entry) -> Task:
    return catalogue.make(yaml.safe_load((catalogue.conf_folder() / "task" / f"{entry}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("entry", ENTRIES)
def test_arguments_are_plain_and_make_the_same_task(entry):
    task = build(entry)
    plain = json.loads(json.dumps(task.arguments()))
    assert type(task)(**plain).arguments() == task.arguments()


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_headline_is_among_the_metrics_and_at_a_level(entry):
    task = build(entry)
    assert task.headline_metric in [metric.name for metric in task.metrics]
    assert task.headline_level in LEVELS
    assert set(task.default_head) == {"_target_"}


@KINDS
def test_a_headline_that_is_not_among_the_metrics_is_added(kind):
    metric = "brier" if kind is Classification else "mae"
    assert [m.name for m in kind(metrics=(), headline_metric=metric).metrics] == [metric]


@KINDS
@pytest.mark.parametrize("column", ["subject", "session", "site", "recording"])
def test_who_and_when_cannot_be_the_target(kind, column):
    with pytest.raises(GuardError, match=f"task.target={column}"):
        kind(target=column)


@KINDS
def test_the_answer_cannot_be_used(kind):
    with pytest.raises(GuardError, match="would be told the answer"):
        kind(target="age", uses=["sex", "age"])


@KINDS
@pytest.mark.parametrize(
    "wrong", [dict(headline_level="person"), dict(unit="hour"), dict(metrics=["accurracy"]), dict(headline_metric="f2")]
)
def test_unknown_words_are_refused(kind, wrong):
    with pytest.raises(SentenceError, match=r"task\."):
        kind(**wrong)
