import numpy as np
import pandas as pd
import pytest

from corticode.task.shuffle import exchange


def table(labels, **columns):
    n = len(labels)
    base = dict(dataset="d", site="", subject="1", session="", run="", recording=columns.get("subject", "r"), trial=np.arange(n))
    return np.array(labels), pd.DataFrame({**base, **columns}, index=range(n))


def draws(y, meta, n=400):
    moving = exchange(y, meta)
    return moving, moving.draw(np.random.default_rng(0), n)


def test_trials_move_inside_a_person_with_their_windows():
    y, meta = table([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0], subject=list("aaaaaabbbbbb"), trial=[0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2])
    moving, Y = draws(y, meta)
    assert "trials inside" in moving.rule
    assert (Y[:, 0::2] == Y[:, 1::2]).all()
    assert (Y[:, :6].sum(axis=1) == 2).all()
    assert (Y[:, 6:].sum(axis=1) == 4).all()
    # each trial bears the rarer label equally often
    np.testing.assert_allclose(Y[:, 0:6:2].mean(axis=0), 1 / 3, atol=0.08)


def test_recordings_with_one_label_move_whole():
    y, meta = table([0, 0, 1, 1, 0, 0, 1, 1], subject=list("aaaabbbb"), recording=list("rrssttuu"))
    moving, Y = draws(y, meta)
    assert "recordings inside" in moving.rule
    assert (Y[:, 0::2] == Y[:, 1::2]).all()
    assert (Y[:, 0] != Y[:, 2]).all()
    assert 0.4 < Y[:, 0].mean() < 0.6


def test_people_with_one_label_change_places_inside_their_data_set():
    y, meta = table([0, 0, 1, 1, 0, 1, 2], subject=list("aabbcde"), dataset=list("ddddddo"))
    moving, Y = draws(y, meta)
    assert "people" in moving.rule
    assert (Y[:, 0] == Y[:, 1]).all()
    assert (np.sort(Y[:, [0, 2, 4, 5]], axis=1) == [0, 0, 1, 1]).all()
    assert (Y[:, 6] == 2).all()
    assert 0.4 < Y[:, 0].mean() < 0.6


def test_where_only_some_people_have_several_labels_recordings_move_among_all():
    y, meta = table([0, 1, 0, 1], subject=list("aabc"), recording=list("rstu"))
    moving, Y = draws(y, meta)
    assert "among all people" in moving.rule
    np.testing.assert_allclose(Y.mean(axis=0), 0.5, atol=0.1)


def test_trials_of_two_labels_move_window_by_window():
    y, meta = table([0, 1, 0, 1], trial=[0, 0, 1, 1])
    moving, Y = draws(y, meta)
    assert "windows" in moving.rule
    assert (Y.sum(axis=1) == 2).all()


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_the_kind_of_number_stays(dtype):
    y, meta = table(np.array([0, 1, 0, 1], dtype=dtype))
    assert draws(y, meta)[1].dtype == dtype
