import numpy as np
import pytest

from corticode.errors import MissingDataError
from corticode.task.regression import Regression


def aged(windows, **age):
    ages = (
        windows.meta["subject"]
        .map(dict(zip(["S1", "S2", "S3", "S4"], [8.0, 30.0, 31.5, 70.0], strict=True)))
        .map(lambda a: age.get("instead", {}).get(a, a))
    )
    return windows._replace(meta=windows.meta.assign(age=ages))


def test_numbers_are_the_target(windows):
    labelled = Regression().label(aged(windows))
    assert labelled.y.dtype == np.float64
    assert sorted(set(labelled.y)) == [8.0, 30.0, 31.5, 70.0]
    assert Regression().classes == ()
    assert Regression().n_outputs == 1


def test_people_without_a_number_are_left_out_and_counted(windows):
    labelled = Regression().label(aged(windows, instead={8.0: "n/a", 30.0: np.nan}))
    assert set(labelled.meta["subject"]) == {"S3", "S4"}
    assert labelled.info["notes"] == ["48 windows have no number as age and are left out"]


def test_labels_are_refused_with_a_cure(windows):
    with pytest.raises(MissingDataError, match=r"holds no number \(but 'left_hand'\): for labels use task=classification"):
        Regression(target="event").label(windows)


def test_a_constant_is_refused(windows):
    with pytest.raises(MissingDataError, match="is 30 in all 96 windows"):
        Regression().label(windows._replace(meta=windows.meta.assign(age=30)))


def test_shuffled_ages_change_people(windows):
    plain, shuffled = Regression().label(aged(windows)), Regression(shuffle=True, shuffle_seed=3).label(aged(windows))
    by_person = shuffled.meta.assign(y=shuffled.y).groupby("subject")["y"]
    assert (by_person.nunique() == 1).all()
    assert sorted(by_person.first()) == [8.0, 30.0, 31.5, 70.0]
    assert not np.array_equal(plain.y, shuffled.y)


def test_headline_is_pooled_over_recordings(windows, answer):
    task = Regression()
    labelled = task.label(aged(windows))
    predictions = answer(labelled, ())
    scores = task.score(predictions)
    pooled = scores[scores["level"] == "pooled"].set_index("metric")
    assert pooled.loc["r2", "samples_test"] == 8  # 4 people x 2 sessions
    assert "r2" not in set(scores[scores["level"] == "subject"]["metric"])  # one age per person
    assert task.headline(scores, predictions)["headline"] == pooled.loc["r2", "score"]
