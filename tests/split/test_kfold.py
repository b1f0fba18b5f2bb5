import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from corticode.errors import SentenceError
from corticode.split.kfold import KFold


def test_people_of_one_class_are_parted_as_scikit_learn_parts_them(table):
    meta, y = table(n_subjects=30, one_label=True)
    folds = KFold(n_folds=5, random_state=3).folds(meta, y)
    names = np.array([f"S{i}" for i in range(1, 31)])
    labels = np.arange(1, 31) % 2
    expected = StratifiedKFold(5, shuffle=True, random_state=3).split(names, labels)
    for fold, (_, test) in zip(folds, expected, strict=True):
        assert set(meta.loc[fold.test, "subject"]) == set(names[test])


def test_stratified_folds_have_the_shares_of_the_whole(table):
    meta, y = table(n_subjects=20, one_label=True)
    for fold in KFold(n_folds=5).folds(meta, y):
        people = meta.loc[fold.test].assign(y=y[fold.test]).groupby("subject")["y"].first()
        assert list(people.value_counts()) == [2, 2]


def test_people_with_both_classes_stay_whole(table):
    meta, y = table()
    folds = KFold(n_folds=4).folds(meta, y)
    assert sorted(meta.loc[fold.test, "subject"].nunique() for fold in folds) == [3, 3, 3, 3]


def test_leave_one_site_out(table):
    meta, y = table()
    folds = KFold(n_folds=None, by="site").folds(meta, y)
    assert [fold.name for fold in folds] == ["site0", "site1"]
    for fold in folds:
        assert set(meta.loc[fold.test, "site"]) == {fold.name}
        assert fold.name not in set(meta.loc[fold.fit, "site"])


def test_what_cannot_be_parted_is_refused(table):
    meta, y = table()
    with pytest.raises(SentenceError, match=r"12 subjects cannot be parted into split.n_folds=13"):
        KFold(n_folds=13).folds(meta, y)
    with pytest.raises(SentenceError, match="needs a site"):
        KFold(n_folds=2, by="site").folds(meta.assign(site=""), y)
    with pytest.raises(SentenceError, match="no class has"):
        KFold(n_folds=10).folds(*table(one_label=True))
    with pytest.raises(SentenceError, match=r"split\.by=run"):
        KFold(by="run")
