import numpy as np
import pandas as pd
import pytest

from corticode.errors import MissingDataError, SentenceError
from corticode.task.classification import Classification


def with_column(windows, **columns):
    return windows._replace(meta=windows.meta.assign(**columns))


def test_labels_become_numbers_in_the_order_the_data_set_declares(windows):
    windows.info["classes"] = {"event": ["right_hand", "left_hand"]}
    task = Classification()
    labelled = task.label(windows)
    assert task.classes == ("right_hand", "left_hand")
    assert task.n_outputs == 2
    assert labelled.y.dtype == np.int64
    assert [task.classes[k] for k in labelled.y] == list(windows.meta["event"])
    assert windows.y is None


def test_undeclared_labels_are_left_out_and_counted(windows):
    events = windows.meta["event"].to_numpy(dtype=object)
    events[::4] = "rest"
    events[1] = None
    task = Classification()
    labelled = task.label(with_column(windows, event=events))
    assert task.classes == ("left_hand", "right_hand")
    assert len(labelled) == len(windows) - 24 - 1
    assert labelled.info["notes"] == ["24 windows of other labels are left out (rest)", "1 windows have no event and are left out"]
    assert "notes" not in windows.info or not windows.info["notes"]


def test_without_a_declaration_all_labels_are_asked(windows):
    windows.info["classes"] = {}
    task = Classification(target="stage")
    task.label(with_column(windows, stage=np.arange(96) % 3 * 5.0))
    assert task.classes == ("0", "5", "10")  # numbers sort as numbers, 5.0 reads 5


def test_asked_classes_keep_their_order(windows):
    task = Classification(classes=["right_hand", "left_hand"])
    assert task.classes == ("right_hand", "left_hand")
    assert list(task.label(windows).y[:2]) == [1, 0]


def test_labels_can_be_merged_under_a_new_name(windows):
    four = with_column(windows, event=np.array(["left_hand", "right_hand", "feet", "tongue"])[np.arange(96) % 4])
    task = Classification(classes={"hand": ["left_hand", "right_hand"], "feet": ["feet"]})
    labelled = task.label(four)
    assert task.classes == ("hand", "feet")
    assert list(np.bincount(labelled.y)) == [48, 24]
    assert task.arguments()["classes"] == {"hand": ["left_hand", "right_hand"], "feet": ["feet"]}


def test_a_missing_column_names_the_near_one(windows):
    with pytest.raises(MissingDataError, match=r"task.target=evnt: the windows have no such column: did you mean event"):
        Classification(target="evnt").label(windows)
    with pytest.raises(MissingDataError, match="there are event"):
        Classification(target="group").label(windows)
    with pytest.raises(MissingDataError, match=r"task.uses=age"):
        Classification(uses=["age"]).label(windows)


def test_a_single_class_is_refused(windows):
    windows.info["classes"] = {}
    with pytest.raises(MissingDataError, match=r"holds a single class \(control\)"):
        Classification(target="group").label(with_column(windows, group="control"))
    with pytest.raises(MissingDataError, match="holds no labels"):
        Classification(target="group").label(with_column(windows, group=None))
    with pytest.raises(SentenceError, match="wanted two or more"):
        Classification(classes=["left_hand"])


def test_a_class_without_a_window_is_refused(windows):
    with pytest.raises(MissingDataError, match=r"no window is labelled left_hnd \(did you mean left_hand\?\).*right_hand \(48\)"):
        Classification(classes=["left_hnd", "right_hand"]).label(windows)
    windows.info["classes"] = {"event": ["left_hand", "right_hand", "feet"]}
    with pytest.raises(MissingDataError, match="no window is labelled feet"):
        Classification().label(windows)


@pytest.mark.parametrize("classes", [["a", "b", "a"], {"x": ["a", "b"], "y": ["b"]}, "left_hand"])
def test_classes_that_make_no_sense_are_refused(classes):
    with pytest.raises(SentenceError, match=r"task\.classes"):
        Classification(classes=classes)


def test_shuffle_keeps_class_counts_per_person_and_moves_labels(windows):
    plain = Classification().label(windows)
    shuffled = Classification(shuffle=True, shuffle_seed=1).label(windows)

    def counts(y):
        return pd.crosstab(plain.meta["subject"], y)

    assert (counts(plain.y) == counts(shuffled.y)).all().all()
    assert 0.3 < (plain.y == shuffled.y).mean() < 0.7
    assert np.array_equal(shuffled.y, Classification(shuffle=True, shuffle_seed=1).label(windows).y)
    assert not np.array_equal(shuffled.y, Classification(shuffle=True, shuffle_seed=2).label(windows).y)
    assert shuffled.info["notes"] == ["control: the labels of trials inside each person were shuffled (task.shuffle_seed=1)"]


def test_labels_travel_to_other_processes(windows, tmp_path):
    import pickle

    labelled = Classification().label(windows.save(tmp_path / "w"))
    again = pickle.loads(pickle.dumps(labelled))
    assert np.array_equal(again.y, labelled.y)
