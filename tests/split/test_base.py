import numpy as np
import pandas as pd
import pytest

from corticode.errors import GuardError, SentenceError
from corticode.split.base import RECORDING, Fold, Split, codes, in_time, natural, people
from corticode.split.loso import LOSO


class Given(Split):
    """A split that gives what it was told, however wrong."""

    def __init__(self, fit, target, shots=0):
        super().__init__(shots)
        self.fit, self.target = np.array(fit), np.array(target)

    def pairs(self, meta, y):
        yield "given", self.fit, self.target


def tiny(**columns):
    n = len(next(iter(columns.values())))
    base = dict(dataset="d", site="", subject="1", session="", run="", recording="r", trial=range(n), onset_s=np.arange(n, dtype=float))
    return pd.DataFrame({**base, **columns}, index=range(n))


@pytest.mark.parametrize("parts", [
    dict(fit=[0, 1], test=[1, 2]),
    dict(fit=[0, 1], test=[2], calibrate=[1]),
    dict(fit=[0, 1], test=[2], align=[1]),
    dict(fit=[0], test=[1, 2], calibrate=[2]),
    dict(fit=[0], test=[1, 2], align=[2, 3]),
    dict(fit=[0, 0], test=[1]),
])  # fmt: skip
def test_a_row_in_two_parts_is_refused(parts):
    with pytest.raises(GuardError, match="fold x"):
        Fold(name="x", **parts)


def test_align_may_equal_test():
    assert Fold(fit=[0], test=[1, 2], align=[2, 1], name="x").unlabelled == "transductive"


def test_a_trial_on_both_sides_is_refused():
    meta = tiny(trial=[0, 1, 1, 2])
    with pytest.raises(GuardError, match=r"1 trials stand in fit and in test, the first is dataset d, subject 1, recording r, trial 1"):
        Given([0, 1], [2, 3]).folds(meta, np.array([0, 1, 0, 1]))


def test_the_same_trial_number_in_two_runs_is_two_trials():
    meta = tiny(trial=[0, 1, 0, 1], run=["1", "1", "2", "2"])
    assert len(Given([0, 1], [2, 3]).folds(meta, np.array([0, 1, 0, 1]))) == 1


def test_overlapping_windows_keep_a_recording_whole():
    meta, y = tiny(recording=["a", "a", "a", "b"]), np.array([0, 1, 0, 1])
    assert len(Given([0, 1], [2, 3]).folds(meta, y)) == 1
    with pytest.raises(GuardError, match=r"recordings \(their windows overlap\)"):
        Given([0, 1], [2, 3]).folds(meta, y, overlap=True)


@pytest.mark.parametrize("how", [dict(shots=1), dict(access="calibration")])
def test_overlapping_windows_keep_a_calibration_recording_whole(how):
    """The window after a calibration window shares samples with it, so it may not be tested."""
    meta = tiny(subject=["1", "1", *"222222"], recording=["a", "a", *"bbbccc"])
    y = np.array([0, 1] * 4)
    split = Given([0, 1], range(2, 8), shots=how.get("shots", 0))
    folds = split.folds(meta, y, access=how.get("access", "online"), n_align=1, overlap=True)
    assert list(folds[0].test) == [5, 6, 7]
    assert len(split.folds(meta, y, access=how.get("access", "online"), n_align=1)[0].test) > 3
    with pytest.raises(SentenceError, match="stays whole"):
        split.folds(meta.assign(recording=["a", "a", *"bbbbbb"]), y, access=how.get("access", "online"), n_align=1, overlap=True)


def test_a_trial_is_never_half_calibration():
    meta = tiny(subject=["1", "1", "2", "2", "2", "2"], trial=[0, 1, 0, 0, 1, 1])
    fold = Given([0, 1], [2, 3, 4, 5]).folds(meta, np.array([0, 1, 0, 0, 1, 1]), access="calibration", n_align=1)[0]
    assert list(fold.align) == [2]
    assert list(fold.test) == [4, 5]  # row 3 is of the trial that was seen


def test_one_class_to_fit_on_is_refused():
    meta = tiny(subject=["1", "1", "2", "2"])
    with pytest.raises(SentenceError, match="fold 1: all 2 windows to fit on are of one class"):
        LOSO().folds(meta, np.array([0, 1, 1, 1]))


def test_shots_are_counted_per_person_of_each_data_set():
    meta = tiny(
        dataset=["a", "a", "b", "b", "b", "b", "c", "c", "c", "c"], subject=["9"] * 2 + ["1"] * 8, recording=list("rrssssttttt")[:10]
    )
    fold = Given([0, 1], range(2, 10), shots=1).folds(meta, np.array([0, 1] * 5))[0]
    assert list(fold.calibrate) == [2, 3, 6, 7]


def test_what_is_tested_comes_after_the_last_shot():
    """A class that comes late: the windows before it are neither learned from nor asked."""
    meta = tiny(subject=["1", "1", *"22222222"])
    y = np.array([0, 1, 0, 0, 0, 0, 1, 0, 1, 0])
    fold = Given([0, 1], range(2, 10), shots=1).folds(meta, y)[0]
    assert list(fold.calibrate) == [2, 6] and list(fold.test) == [7, 8, 9]
    with pytest.raises(SentenceError, match=r"split\.shots=2 leaves no window to test: the last one given comes too late"):
        Given([0, 1], range(2, 9), shots=2).folds(meta, y)


def test_natural_order():
    assert sorted(["S10", "S2", "S1", "", "2", "B"], key=natural) == ["", "2", "B", "S1", "S2", "S10"]


def test_in_time_goes_person_session_run_onset():
    meta = tiny(
        subject=["S10", "S2", "S2", "S2", "S2"], session=["0", "1test", "0train", "0train", "0train"],
        run=["1", "1", "10", "2", "2"], onset_s=[0.0, 0.0, 0.0, 9.0, 3.5],
    )  # fmt: skip
    assert list(in_time(meta, np.arange(5))) == [4, 3, 2, 1, 0]
    assert list(in_time(meta, np.array([0, 3, 4]))) == [4, 3, 0]


def test_codes_number_combinations_in_natural_order():
    meta = tiny(subject=["2", "10", "2", "1"], recording=["x", "x", "a", "x"])
    assert list(codes(meta, RECORDING)) == [2, 3, 1, 0]


def test_people_of_two_data_sets_with_one_name_are_two():
    meta = tiny(dataset=["a", "b", "a"], subject=["1", "1", "2"])
    assert [name for name, _ in people(meta)] == ["a/1", "a/2", "b/1"]
    assert [name for name, _ in people(meta.assign(dataset="a"))] == ["1", "2"]


def test_recordings_of_one_class_are_not_split():
    """Rest in one file, work in another: windows of both files on both sides would tell files apart, not conditions."""
    meta = pd.DataFrame({
        "dataset": "d", "site": "", "subject": "1", "session": "", "run": np.repeat(["1", "2"], 10), "recording": np.repeat(["a", "b"], 10),
        "trial": np.arange(20), "onset_s": np.tile(np.arange(10.0), 2),
    })  # fmt: skip
    y = np.repeat([0, 1], 10)
    from corticode.split.within_session import WithinSession

    with pytest.raises(GuardError, match="recording again"):
        WithinSession(n_folds=2).folds(meta, y)
    assert WithinSession(n_folds=2).folds(meta, np.tile([0, 1], 10))


def test_people_lost_to_calibration_are_named():
    meta = pd.DataFrame({
        "dataset": "d", "site": "", "subject": np.repeat(["1", "2", "3", "4"], [10, 10, 10, 3]), "session": "", "run": "", "recording": np.repeat(["1", "2", "3", "4"], [10, 10, 10, 3]),
        "trial": np.arange(33), "onset_s": np.arange(33.0),
    })  # fmt: skip
    from corticode.split.kfold import KFold

    split = KFold(n_folds=2)
    split.folds(meta, np.arange(33) % 2, access="calibration", n_align=4)
    assert any("4" in note and "no window to test" in note for note in split.notes)


def test_a_person_of_two_sites_is_not_split_by_site():
    from corticode.split.kfold import KFold

    meta = pd.DataFrame({
        "dataset": "d", "site": np.repeat(["A", "B"], 10), "subject": np.repeat(["1", "2", "1", "3"], 5), "session": "", "run": "", "recording": np.repeat(list("abcd"), 5),
        "trial": np.arange(20), "onset_s": np.arange(20.0),
    })  # fmt: skip
    with pytest.raises(SentenceError, match="1 was recorded at two sites"):
        KFold(n_folds=None, by="site").folds(meta, np.arange(20) % 2)


def test_sessions_whose_names_sort_backwards_are_refused():
    from corticode.split.cross_session import CrossSession

    meta = pd.DataFrame({
        "dataset": "d", "site": "", "subject": "1", "session": np.repeat(["pre", "post"], 10), "run": "", "recording": np.repeat(["pre", "post"], 10),
        "trial": np.arange(20), "onset_s": np.tile(np.arange(10.0), 2),
    })  # fmt: skip
    with pytest.raises(SentenceError, match="pre, post"):
        CrossSession().folds(meta, np.arange(20) % 2)
    assert CrossSession(order="all").folds(meta, np.arange(20) % 2)
