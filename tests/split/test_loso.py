import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.split.loso import LOSO


def test_folds_are_people_in_natural_order(table):
    meta, y = table()
    folds = LOSO().folds(meta, y)
    assert [fold.name for fold in folds] == [f"S{i}" for i in range(1, 13)]
    for fold in folds:
        assert set(meta.loc[fold.test, "subject"]) == {fold.name}
        assert fold.name not in set(meta.loc[fold.fit, "subject"])
        assert len(fold.fit) + len(fold.test) == len(meta)


def test_one_person_is_refused_with_a_cure(table):
    meta, y = table()
    mine = (meta["subject"] == "S3").to_numpy()
    with pytest.raises(SentenceError, match=r"only S3: use split=within_session"):
        LOSO().folds(meta[mine].reset_index(drop=True), y[mine])
    with pytest.raises(SentenceError, match="nobody"):
        LOSO().folds(meta[:0], np.arange(0))
