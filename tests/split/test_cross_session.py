import pytest

from corticode.errors import SentenceError
from corticode.split.cross_session import CrossSession


def test_the_past_teaches_the_future(table):
    meta, y = table()
    folds = CrossSession().folds(meta, y)
    n_sessions = meta.groupby("subject")["session"].nunique()
    assert len(folds) == (n_sessions - 1).sum()
    for fold in folds:
        person, session = fold.name.split("/")
        assert set(meta.loc[fold.test, "subject"]) == set(meta.loc[fold.fit, "subject"]) == {person}
        assert set(meta.loc[fold.test, "session"]) == {session}
        assert set(meta.loc[fold.fit, "session"]) == {str(k) for k in range(int(session))}


def test_train_then_evaluation_session_of_the_competition(table):
    meta, y = table()
    two = meta["session"].isin(["0", "1"]).to_numpy()
    meta = meta[two].replace({"session": {"0": "0train", "1": "1test"}}).reset_index(drop=True)
    folds = CrossSession().folds(meta, y[two])
    assert [fold.name for fold in folds] == [f"S{i}/1test" for i in range(1, 13)]
    assert len(CrossSession(order="all").folds(meta, y[two])) == 24


def test_people_with_one_session_are_left_out_and_named(table):
    meta, y = table()
    keep = ((meta["subject"] != "S4") | (meta["session"] == "0")).to_numpy()
    split = CrossSession()
    folds = split.folds(meta[keep].reset_index(drop=True), y[keep])
    assert not [fold for fold in folds if fold.name.startswith("S4/")]
    assert split.notes == ["1 people have one session only and are left out: S4"]


def test_one_session_each_is_refused_with_a_cure(table):
    meta, y = table()
    first = (meta["session"] == "0").to_numpy()
    with pytest.raises(SentenceError, match="use split=within_session or split=loso"):
        CrossSession().folds(meta[first].reset_index(drop=True), y[first])


def test_unknown_order_is_refused():
    with pytest.raises(SentenceError, match=r"split\.order=backwards"):
        CrossSession(order="backwards")
