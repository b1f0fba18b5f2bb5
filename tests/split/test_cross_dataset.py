import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.split.cross_dataset import CrossDataset


def three(table):
    meta, y = table()
    return meta.assign(dataset=np.where(meta["subject"].isin(["S1", "S2"]), "a", meta["site"])), y


def test_each_set_is_asked_by_the_others(table):
    meta, y = three(table)
    folds = CrossDataset().folds(meta, y)
    assert [fold.name for fold in folds] == ["a", "site0", "site1"]
    assert set(meta.loc[folds[0].fit, "dataset"]) == {"site0", "site1"} and set(meta.loc[folds[0].test, "dataset"]) == {"a"}


def test_one_way(table):
    meta, y = three(table)
    (fold,) = CrossDataset(fit="a", test=["site1"]).folds(meta, y)
    assert set(meta.loc[fold.fit, "dataset"]) == {"a"} and set(meta.loc[fold.test, "dataset"]) == {"site1"}
    assert [fold.name for fold in CrossDataset(fit=["a"]).folds(meta, y)] == ["site0", "site1"]


def test_what_makes_no_sense_is_refused(table):
    with pytest.raises(SentenceError, match="data=joined"):
        CrossDataset().folds(*table())
    with pytest.raises(SentenceError, match="no data set b among these windows, only a, site0, site1"):
        CrossDataset(test=["b"]).folds(*three(table))
    with pytest.raises(SentenceError, match="both name a"):
        CrossDataset(fit=["a"], test=["a"])
