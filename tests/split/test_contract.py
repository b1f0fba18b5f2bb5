"""What every split keeps to, on random tables: nothing is on both sides, trials are whole, each window is asked once."""

from __future__ import annotations

import numpy as np
import pytest

from corticode.errors import SentenceError
from corticode.split.base import SESSION, TRIAL, codes, in_time, people
from corticode.split.cross_dataset import CrossDataset
from corticode.split.cross_session import CrossSession
from corticode.split.kfold import KFold
from corticode.split.learning_curve import LearningCurve
from corticode.split.loso import LOSO
from corticode.split.predefined import Predefined
from corticode.split.pseudo_online import PseudoOnline
from corticode.split.within_session import WithinSession

MAKERS = {
    "loso": LOSO,
    "kfold": lambda **k: KFold(n_folds=4, **k),
    "kfold_site": lambda **k: KFold(n_folds=None, by="site", **k),
    "within_session": WithinSession,
    "within_session_in_time": lambda **k: WithinSession(shuffle=False, **k),
    "cross_session": CrossSession,
    "cross_session_all": lambda **k: CrossSession(order="all", **k),
    "predefined": lambda **k: Predefined(column="session", test=["1"], **k),
    "cross_dataset": CrossDataset,
    "cross_dataset_one_way": lambda **k: CrossDataset(fit=["site0"], **k),
    "pseudo_online": PseudoOnline,
    "pseudo_online_runs": lambda **k: PseudoOnline(n_runs=1, **k),
    "learning_curve": LearningCurve,
    "learning_curve_trials": lambda **k: LearningCurve(of="trial", **k),
}
EACH_ONCE = ("loso", "kfold", "kfold_site", "within_session", "within_session_in_time", "cross_session_all", "cross_dataset")


@pytest.fixture
def table(table, request):
    """The table, as two data sets (one per site) where a split asks for them."""
    name = request.node.callspec.params.get("name", "")

    def made(*args, **kwargs):
        meta, y = table(*args, **kwargs)
        return (meta.assign(dataset=meta["site"]), y) if name.startswith("cross_dataset") else (meta, y)

    return made


every = pytest.mark.parametrize("name", MAKERS)
seeds = pytest.mark.parametrize("seed", range(3))


@every
@seeds
@pytest.mark.parametrize("shots", [0, 1])
@pytest.mark.parametrize("access", ["online", "calibration", "all"])
def test_parts_are_apart_and_trials_whole(name, seed, shots, access, table):
    if shots and access == "calibration" and name in ("within_session", "within_session_in_time", "learning_curve_trials"):
        pytest.skip("the four trials of a fold are too few for two calibrations")
    meta, y = table(seed)
    trial = codes(meta, TRIAL)
    for fold in MAKERS[name](shots=shots).folds(meta, y, access=access, n_align=2):
        target = [fold.calibrate, fold.test] + ([] if access == "all" else [fold.align])
        parts = [fold.fit, *target]
        together = np.concatenate(parts)
        assert len(np.unique(together)) == len(together)
        trials = [set(trial[part]) for part in parts]
        # the two unlabelled and labelled calibration parts may share a trial of the past; no part shares one with test
        assert not trials[2] & set().union(*(t for i, t in enumerate(trials) if i != 2))
        assert not trials[0] & (trials[1] | trials[2])


@pytest.mark.parametrize("name", EACH_ONCE)
@seeds
def test_every_window_is_asked_once(name, seed, table):
    meta, y = table(seed)
    folds = MAKERS[name]().folds(meta, y)
    asked = np.concatenate([fold.test for fold in folds])
    assert np.array_equal(np.sort(asked), np.arange(len(meta)))
    assert len({fold.name for fold in folds}) == len(folds)


@every
def test_test_rows_stand_in_time(name, table):
    meta, y = table()
    for fold in MAKERS[name]().folds(meta, y):
        assert np.array_equal(fold.test, in_time(meta, fold.test))
        assert np.array_equal(fold.fit, np.sort(fold.fit))


@every
def test_same_table_same_folds(name, table):
    meta, y = table()
    one, other = MAKERS[name]().folds(meta, y), MAKERS[name]().folds(meta, y)
    assert [fold.name for fold in one] == [fold.name for fold in other]
    assert all(np.array_equal(a.test, b.test) and np.array_equal(a.fit, b.fit) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "name", ["loso", "kfold_site", "cross_session", "cross_session_all", "predefined", "cross_dataset", "pseudo_online"]
)
def test_labels_decide_nothing_where_nothing_is_balanced(name, table):
    meta, y = table()
    one, other = MAKERS[name]().folds(meta, y), MAKERS[name]().folds(meta, np.random.default_rng(0).permutation(y))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(one, other, strict=True))


@every
def test_access_says_what_was_seen(name, table):
    meta, y = table()
    split = MAKERS[name]()
    assert {fold.unlabelled for fold in split.folds(meta, y)} == {""}
    assert {fold.unlabelled for fold in split.folds(meta, y, access="all")} == {"transductive"}
    assert {fold.unlabelled for fold in split.folds(meta, y, access="calibration", n_align=2)} == {"unlabelled calibration"}
    for fold in MAKERS[name](shots=1).folds(meta, y, access="all"):
        assert fold.unlabelled == "transductive" and len(fold.calibrate)


@every
def test_shots_are_the_earliest_of_each_class(name, table):
    meta, y = table()
    before = {fold.name: fold for fold in MAKERS[name]().folds(meta, y)}
    for fold in MAKERS[name](shots=1).folds(meta, y):
        asked = before[fold.name].test
        for person in meta.loc[asked, "subject"].unique():
            mine = in_time(meta, asked[(meta.loc[asked, "subject"] == person).to_numpy()])
            first = [mine[y[mine] == label][0] for label in (0, 1)]
            given = fold.calibrate[(meta.loc[fold.calibrate, "subject"] == person).to_numpy()]
            assert sorted(given) == sorted(first)


@every
def test_a_factor_to_regress_can_be_split(name, table):
    meta, y = table()
    folds = MAKERS[name](shots=2).folds(meta, y + np.random.default_rng(0).random(len(y)))
    for fold in folds:
        assert len(fold.calibrate) == 2 * meta.loc[np.concatenate([fold.calibrate, fold.test]), "subject"].nunique()


@every
def test_too_many_shots_are_refused(name, table):
    meta, y = table()
    with pytest.raises(SentenceError, match="shots"):
        MAKERS[name](shots=10000).folds(meta, y)


@every
def test_an_unknown_access_is_refused(name, table):
    with pytest.raises(SentenceError, match=r"align\.access=future"):
        MAKERS[name]().folds(*table(), access="future")


@every
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_share_is_the_first_of_each_session(name, share, table):
    """Labelled and unlabelled calibration of 20 % take the same windows; what is left of their trials is not tested."""
    meta, y = table()
    before = {fold.name: fold for fold in MAKERS[name]().folds(meta, y)}
    labelled = MAKERS[name](shots=share).folds(meta, y)
    unlabelled = MAKERS[name]().folds(meta, y, access="calibration", n_align=share)
    for one, other in zip(labelled, unlabelled, strict=True):
        asked = before[one.name].test
        for _, rows in people(meta.iloc[asked].reset_index(drop=True), SESSION):
            mine = in_time(meta, asked[rows])
            n = max(1, int(share * len(mine)))
            for part in (one.calibrate, other.align):
                assert set(part) & set(mine) == set(mine[:n])
        assert np.array_equal(one.test, other.test) and len(one.test)
        assert one.given == (f"labelled {100 * share:.0f} %",) and other.given == (f"unlabelled {100 * share:.0f} %",)


@every
def test_a_split_keeps_what_it_promises(name, table):
    meta, y = table()
    columns = {"trial": TRIAL, "session": SESSION, "subject": SESSION[:2], "site": ("dataset", "site"), "dataset": ("dataset",)}
    for fold in MAKERS[name]().folds(meta, y):
        group = codes(meta, columns[fold.unseen])
        assert not np.intersect1d(group[fold.fit], group[fold.test]).size
        if fold.past:
            order = np.argsort(in_time(meta, np.arange(len(meta))))
            for person in meta.loc[fold.test, "subject"].unique():
                mine = (meta["subject"] == person).to_numpy()
                fit, test = fold.fit[mine[fold.fit]], fold.test[mine[fold.test]]
                assert not len(fit) or order[fit].max() < order[test].min()


@pytest.mark.parametrize("shots", [-1, 1.5, True, "two"])
def test_a_number_of_shots_is_a_count_or_a_share(shots):
    with pytest.raises(SentenceError, match=r"split\.shots"):
        LOSO(shots=shots)
