import pytest

from corticode.errors import SentenceError
from corticode.split.predefined import Predefined


def test_a_column_of_ones_own_decides(table):
    meta, y = table()
    meta = meta.assign(part=meta["subject"].map(lambda s: {"S1": "test", "S2": "spare"}.get(s, "train")))
    (fold,) = Predefined(column="part", fit=["train"]).folds(meta, y)
    assert fold.name == "test"
    assert set(meta.loc[fold.test, "subject"]) == {"S1"}
    assert set(meta.loc[fold.fit, "part"]) == {"train"}
    (wider,) = Predefined(column="part").folds(meta, y)
    assert set(meta.loc[wider.fit, "part"]) == {"train", "spare"}


def test_unknown_column_and_value_are_named(table):
    meta, y = table()
    with pytest.raises(SentenceError, match=r"split\.column=split: the windows have no such column, only dataset"):
        Predefined().folds(meta, y)
    with pytest.raises(SentenceError, match="column session holds no 7, only 0, 1, 2"):
        Predefined(column="session", test=["7"]).folds(meta, y)
