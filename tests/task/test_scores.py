import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.metric.base import named
from corticode.split.cross_session import CrossSession
from corticode.split.kfold import KFold
from corticode.split.within_session import WithinSession
from corticode.task.classification import Classification
from corticode.task.scores import COLUMNS, per_unit


def only(scores, level, metric="balanced_accuracy"):
    return scores[(scores["level"] == level) & (scores["metric"] == metric)]


def test_one_row_per_level_fold_seed_and_metric(windows, answer):
    task = Classification()
    scores = task.score(answer(task.label(windows), task.classes, seeds=(0, 1), models=("a", "b"), prepare_sees="recording"))
    assert tuple(scores.columns) == COLUMNS
    for level, rows in (("subject", 4 * 2 * 2), ("fold", 4 * 2 * 2), ("pooled", 2 * 2), ("site", 0)):
        for metric in task.metrics:
            # a rate needs the length of a window, which these answers do not tell
            assert len(only(scores, level, metric.name)) == (rows if metric.name != "itr" else 0)
    assert not scores.duplicated(["model", "seed", "fold", "level", "subject", "metric"]).any()
    row = only(scores, "subject").iloc[0]
    assert (row["subject"], row["fold"], row["samples"], row["samples_test"], row["n_classes"]) == ("S1", "S1", 72, 24, 2)
    assert (row["access"], row["prepare_sees"], row["time"]) == ("none", "recording", 2.0)
    pooled = only(scores, "pooled").iloc[0]
    assert (pooled["fold"], pooled["subject"], pooled["samples_test"], pooled["time"], pooled["access"]) == ("", "", 96, 8.0, "none")


def test_scores_are_those_of_the_rows_they_name(windows, answer):
    task = Classification()
    predictions = answer(task.label(windows), task.classes, split=KFold(n_folds=2))
    scores = task.score(predictions)
    for one in predictions:
        for person, rows in one.meta.groupby("subject").indices.items():
            expected = named("balanced_accuracy")(one[rows])
            found = only(scores, "subject").set_index("subject").loc[person, "score"]
            assert found == pytest.approx(expected)
    y, decided = np.concatenate([p.y for p in predictions]), np.concatenate([p.decided for p in predictions])
    assert only(scores, "pooled", "accuracy")["score"].item() == pytest.approx((y == decided).mean())


def test_a_session_is_named_where_one_was_asked(windows, answer):
    task = Classification()
    labelled = task.label(windows)
    crossed = only(task.score(answer(labelled, task.classes, split=CrossSession())), "subject")
    assert list(crossed["session"]) == ["1"] * 4
    assert list(only(task.score(answer(labelled, task.classes)), "subject")["session"]) == [""] * 4
    within = only(task.score(answer(labelled, task.classes, split=WithinSession(n_folds=3))), "subject")
    assert within.groupby(["subject", "session"]).size().tolist() == [3] * 8


def test_sites_are_scored_over_all_folds(windows, answer):
    task = Classification()
    two = windows._replace(meta=windows.meta.assign(site=windows.meta["subject"].map({"S1": "a", "S2": "a", "S3": "b", "S4": "b"})))
    scores = only(task.score(answer(task.label(two), task.classes)), "site")
    assert list(zip(scores["site"], scores["samples_test"], strict=True)) == [("a", 48), ("b", 48)]


def test_answers_are_averaged_over_a_trial(windows, answer):
    trials = windows._replace(
        meta=windows.meta.assign(trial=np.arange(96) // 4, event=np.where(np.arange(96) // 4 % 2, "left_hand", "right_hand"))
    )
    by_window, by_trial = Classification(), Classification(unit="trial")
    predictions = answer(by_window.label(trials), ("left_hand", "right_hand"), skill=0.15)
    by_trial.label(trials)
    one, other = by_window.score(predictions), by_trial.score(predictions)
    assert set(only(other, "subject")["samples_test"]) == {6}
    assert only(other, "pooled")["score"].item() > only(one, "pooled")["score"].item()


def test_headline_is_the_mean_over_people_of_their_own_means(windows, answer):
    task = Classification()
    predictions = answer(task.label(windows), task.classes, split=CrossSession(order="all"), seeds=(0, 1, 2))
    scores = task.score(predictions)
    people = only(scores, "subject").groupby("subject")["score"].mean()
    found = task.headline(scores, predictions)
    assert found["headline"] == pytest.approx(people.mean())
    assert found["sd"] == pytest.approx(people.std(ddof=1))
    assert found["sd_seeds"] == pytest.approx(only(scores, "subject").groupby("seed")["score"].mean().std(ddof=1))
    assert (found["metric"], found["level"], found["n"], found["chance"], found["model"]) == ("balanced_accuracy", "subject", 4, 0.5, "m")
    assert per_unit(scores, "balanced_accuracy", "subject", "m").to_numpy() == pytest.approx(people.to_numpy())


def test_several_models_stand_side_by_side(windows, answer):
    task = Classification()
    predictions = answer(task.label(windows), task.classes, models=("a", "b"))
    scores = task.score(predictions)
    found = task.headline(scores, predictions)
    assert list(found["models"]) == ["a", "b"]
    assert found["headline"] == found["models"]["a"]["headline"]
    means = only(scores, "subject").groupby("model")["score"].mean()
    assert found["models"]["b"]["headline"] == pytest.approx(means["b"])


def test_one_class_per_person_has_no_balanced_accuracy_there(windows, answer):
    """Saying one thing about a person with one class would be perfect: no row, and the headline says what to do."""
    clinical = windows._replace(meta=windows.meta.assign(group=windows.meta["subject"].map({"S1": "a", "S2": "b", "S3": "a", "S4": "b"})))
    task = Classification(target="group")
    predictions = answer(task.label(clinical), ("a", "b"))
    scores = task.score(predictions)
    assert not len(only(scores, "subject")) and len(only(scores, "subject", "accuracy")) == 4
    with pytest.raises(SentenceError, match=r"undefined for each subject here.*task\.headline_level=pooled"):
        task.headline(scores, predictions)
    pooled = Classification(target="group", headline_metric="roc_auc", headline_level="pooled", unit="subject")
    pooled.label(clinical)
    found = pooled.headline(pooled.score(predictions), predictions)
    assert (found["n"], found["chance"], found["sd"]) == (4, 0.5, None)
    assert 0 <= found["headline"] <= 1


def test_some_people_with_one_class_are_left_out_and_counted(windows, answer):
    events = windows.meta["event"].where(windows.meta["subject"] != "S3", "left_hand")
    task = Classification()
    predictions = answer(task.label(windows._replace(meta=windows.meta.assign(event=events))), task.classes)
    found = task.headline(task.score(predictions), predictions)
    assert (found["n"], found["n_left_out"]) == (3, 1)
    assert found["notes"] == ["1 people have no balanced_accuracy of their own and are left out of the mean"]


def test_a_headline_that_cannot_be_says_why(windows, answer):
    task = Classification(headline_metric="log_loss")
    predictions = answer(task.label(windows), task.classes, kind="decision")
    with pytest.raises(SentenceError, match="log_loss is defined for answers of the kind probability, and m gives decision"):
        task.headline(task.score(predictions), predictions)
    task = Classification(headline_level="site")
    with pytest.raises(SentenceError, match="no window has a site"):
        task.headline(task.score(predictions), predictions)
