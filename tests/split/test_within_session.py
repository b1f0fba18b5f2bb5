import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.split.within_session import WithinSession


def test_folds_stay_inside_a_session_with_equal_class_shares(table):
    meta, y = table()
    folds = WithinSession(n_folds=5).folds(meta, y)
    assert len(folds) == 5 * len(meta[["subject", "session"]].drop_duplicates())
    for fold in folds:
        person, session, _ = fold.name.split("/")
        for rows in (fold.fit, fold.test):
            assert set(meta.loc[rows, "subject"]) == {person}
            assert set(meta.loc[rows, "session"]) == {session}
        assert list(np.bincount(y[fold.test])) == [4, 4]  # 20 trials of 2 windows in 5 folds


def test_the_seed_draws_and_time_does_not(table):
    meta, y = table()

    def first(**how):
        return list(WithinSession(**how).folds(meta, y)[0].test)

    assert first(random_state=0) != first(random_state=1)
    in_time = WithinSession(shuffle=False).folds(meta, y)
    assert first(shuffle=False, random_state=0) == first(shuffle=False, random_state=1)
    ends = [meta.loc[fold.test, "onset_s"].mean() + 1000 * meta.loc[fold.test, "run"].astype(int).mean() for fold in in_time[:5]]
    assert ends == sorted(ends)


def test_a_session_of_one_class_is_refused(table):
    meta, y = table(one_label=True)
    with pytest.raises(SentenceError, match="session S1/0 holds one class only"):
        WithinSession().folds(meta, y)


def test_more_folds_than_trials_of_a_class_are_refused(table):
    meta, y = table()
    with pytest.raises(SentenceError, match=r"a class has 10 trials for split.n_folds=11: ask for 10 folds or fewer"):
        WithinSession(n_folds=11).folds(meta, y)
    with pytest.raises(SentenceError, match="2 or more"):
        WithinSession(n_folds=1)
