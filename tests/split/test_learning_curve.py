import itertools

import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.split.learning_curve import LearningCurve
from corticode.split.loso import LOSO


def test_sizes_grow_and_are_nested(table):
    meta, y = table()
    split = LearningCurve()
    folds = [fold for fold in split.folds(meta, y) if fold.name.startswith("S1/")]
    assert len(split.notes) == 1 and "mean over all sizes" in split.notes[0]
    assert [fold.size for fold in folds] == [1, 2, 4, 8, 11]
    for small, large in itertools.pairwise(folds):
        assert set(small.fit) < set(large.fit) and np.array_equal(small.test, large.test)
    assert [meta.loc[fold.fit, "subject"].nunique() for fold in folds] == [1, 2, 4, 8, 11]


def test_all_people_are_leave_one_out(table):
    meta, y = table()
    largest = [fold for fold in LearningCurve().folds(meta, y) if fold.size == 11]
    for fold, loso in zip(largest, LOSO().folds(meta, y), strict=True):
        assert np.array_equal(fold.fit, loso.fit) and np.array_equal(fold.test, loso.test) and fold.name == f"{loso.name}/11"


def test_trials_are_the_earliest_of_each_class(table):
    meta, y = table(n_subjects=1)
    folds = LearningCurve(of="trial", sizes=[2, 3]).folds(meta, y)
    assert {fold.size for fold in folds} == {2, 3}
    for fold in folds:
        first = meta.loc[fold.fit].assign(y=y[fold.fit]).drop_duplicates(["session", "run", "trial"])
        assert list(first["y"].value_counts()) == [fold.size, fold.size]
        assert len(fold.fit) == 2 * 2 * fold.size  # two windows of each trial


def test_what_the_data_do_not_have_is_refused(table):
    with pytest.raises(SentenceError, match="only 11 people"):
        LearningCurve(sizes=[12]).folds(*table())
    with pytest.raises(SentenceError, match="from 1 on"):
        LearningCurve(sizes=[0, 1])
    with pytest.raises(SentenceError, match=r"split\.of=window"):
        LearningCurve(of="window")
    with pytest.raises(SentenceError, match="ask for fewer folds"):
        LearningCurve(of="trial", n_folds=11).folds(*table())


def test_one_person_of_one_class_is_no_size(table):
    """Where a person has one label only, curves begin with the first size that has two."""
    meta, y = table(one_label=True)
    folds = LearningCurve().folds(meta, y)
    assert all(len(np.unique(y[fold.fit])) == 2 for fold in folds) and min(fold.size for fold in folds) == 2
