"""Windows: views, blocks, folders, and how they travel."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from conftest import make_windows
from corticode.errors import BrokenDataError, MissingDataError, SentenceError, StoreError
from corticode.space import Space
from corticode.windows import IDENTITY, Block, Windows


def two_blocks() -> Windows:
    """Five windows of 3 channels x 50 samples and four of 2 x 40; every sample of a window is its row number."""
    blocks = []
    for channels, times, rows in ((3, 50, range(5)), (2, 40, range(5, 9))):
        X = np.stack([np.full((channels, times), row, dtype=np.float32) for row in rows])
        blocks.append(Block(X, Space("eeg", ["C3", "Cz", "C4"][:channels], "uV", 100)))
    meta = pd.DataFrame({"subject": [f"S{row}" for row in range(9)], "event": list("ababababa")})
    return Windows(blocks, meta, y=np.arange(9) % 2)


def numbers(windows: Windows) -> list[int]:
    """The row numbers that stand in the samples, in the order of the windows."""
    found = np.empty(len(windows), dtype=int)
    for _, X, where in windows.parts():
        assert (X[:, :1, :1] == X).all()
        found[where] = X[:, 0, 0]
    return found.tolist()


# -- views ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows, wanted",
    [
        (slice(1, 6, 2), [1, 3, 5]),
        ([8, 0, 0], [8, 0, 0]),
        (np.arange(9) > 6, [7, 8]),
        ([], []),
        (slice(0, 0), []),
        ([-1], [8]),
    ],
)
def test_rows_are_chosen_in_the_order_given(rows, wanted):
    part = two_blocks()[rows]
    assert len(part) == len(wanted)
    assert numbers(part) == wanted
    assert list(part.meta["subject"]) == [f"S{row}" for row in wanted]
    assert part.y.tolist() == [row % 2 for row in wanted]


def test_a_view_of_a_view():
    part = two_blocks()[[6, 5, 1, 0]][[3, 0]]
    assert numbers(part) == [0, 6]
    assert list(part.meta["event"]) == ["a", "a"]


def test_a_view_copies_nothing(windows, tmp_path):
    saved = windows.save(tmp_path / "w")
    assert saved[10:20].blocks[0].X is saved.blocks[0].X
    assert isinstance(saved.blocks[0].X, np.memmap)
    assert saved.X is saved.blocks[0].X  # all rows: no copy either


def test_parts_tell_where_their_rows_stand():
    part = two_blocks()[[7, 2, 8, 1]]
    given = [(len(space), X.shape, where.tolist()) for space, X, where in part.parts()]
    assert given == [(3, (2, 3, 50), [1, 3]), (2, (2, 2, 40), [0, 2])]
    assert [len(space) for space, _, _ in two_blocks()[[7, 8]].parts()] == [2]  # a block without a shown row is not given


def test_several_spaces_are_no_array():
    windows = two_blocks()
    for ask in ("X", "space", "n_times"):
        with pytest.raises(SentenceError, match=r"3 channels x 50 samples at 100 Hz; 2 channels x 40 samples.*prepare\.match\.channels"):
            getattr(windows, ask)
    assert windows.space_or_none() is None
    with pytest.raises(MissingDataError, match=r"data\.subjects"):
        Windows([], pd.DataFrame()).X  # noqa: B018


def test_it_says_what_it_is(windows):
    assert repr(windows) == "<Windows [96, 6, 128] uV | 4 subjects>"
    assert repr(two_blocks()) == "<Windows [5, 3, 50] + [4, 2, 40] uV | 9 subjects>"
    assert "[0]" in repr(windows[[]])
    same_space = Space("eeg", ["C3"], "uV", 100)
    lengths = Windows([Block(np.zeros((1, 1, n), np.float32), same_space) for n in (10, 20)], pd.DataFrame({"subject": ["a", "b"]}))
    assert repr(lengths) == "<Windows [1, 1, 10] + [1, 1, 20] uV | 2 subjects>"


def test_identity_comes_first_and_is_complete():
    windows = two_blocks()
    assert list(windows.meta.columns) == [*IDENTITY, "event"]
    assert windows.meta["trial"].tolist() == list(range(9))
    assert set(windows.meta["site"]) == {""}


def test_lengths_must_agree():
    block = Block(np.zeros((3, 1, 10), np.float32), Space("eeg", ["C3"], "uV", 100))
    with pytest.raises(BrokenDataError, match="meta has 2 lines for 3 windows"):
        Windows([block], pd.DataFrame({"subject": ["a", "b"]}))
    with pytest.raises(BrokenDataError, match="y has 2 values for 3 windows"):
        Windows([block], pd.DataFrame({"subject": list("abc")}), y=np.zeros(2))
    with pytest.raises(BrokenDataError, match="space names 1 channels"):
        Block(np.zeros((3, 2, 10)), block.space)


# -- on disk ----------------------------------------------------------------------------------------------------------


def test_save_and_open_give_the_same(windows, tmp_path):
    positions = np.arange(18.0).reshape(6, 3)
    positions[2] = np.nan
    space = Space("eeg", windows.space.names, "uV", 128, positions=positions)
    windows = Windows([Block(windows.X, space)], windows.meta.assign(age=np.linspace(20, 80, 96)), info=windows.info).with_y(np.arange(96))
    saved = windows.save(tmp_path / "deep" / "w")
    assert np.array_equal(saved.y, np.arange(96))
    opened = Windows.open(tmp_path / "deep" / "w")
    assert opened.y is None  # the target is the task's
    for one in (saved, opened):
        assert np.array_equal(one.X, windows.X) and one.X.dtype == np.float32
        pd.testing.assert_frame_equal(one.meta, windows.meta)
        assert one.space == space
        assert np.array_equal(one.space.positions, positions, equal_nan=True)
        assert {k: v for k, v in one.info.items() if k != "key"} == windows.info
    assert sorted(p.name for p in (tmp_path / "deep" / "w").iterdir()) == ["X0.npy", "meta.parquet", "windows.json"]


def test_a_saved_part_is_that_part(tmp_path):
    saved = two_blocks()[[8, 1, 5, 0]].save(tmp_path / "w")
    assert numbers(saved) == [1, 0, 8, 5]  # block by block
    assert list(saved.meta["subject"]) == ["S1", "S0", "S8", "S5"]
    assert saved.y.tolist() == [1, 0, 0, 1]
    assert [block.X.shape for block in saved.blocks] == [(2, 3, 50), (2, 2, 40)]


def test_what_is_saved_has_a_key_of_its_content(windows, tmp_path):
    whole = windows.save(tmp_path / "whole")
    assert len(whole.key) == 64
    assert windows.save(tmp_path / "again").key == whole.key == whole.save(tmp_path / "moved").key
    part = whole[:50].save(tmp_path / "part")
    louder = Windows([Block(windows.X * 2, windows.space)], windows.meta, info=windows.info).save(tmp_path / "louder")
    renamed = windows._replace(meta=windows.meta.assign(subject="S1")).save(tmp_path / "renamed")
    sliding = windows._replace(info={**windows.info, "overlap": True}).save(tmp_path / "sliding")
    assert len({one.key for one in (whole, part, louder, renamed, sliding)}) == 5
    assert sliding.info["overlap"] is True


def test_other_windows_are_not_taken_for_these(windows, tmp_path):
    windows.save(tmp_path / "w")
    assert len(windows.save(tmp_path / "w")) == 96  # the same ones are
    with pytest.raises(StoreError, match="holds other windows"):
        make_windows(seed=1).save(tmp_path / "w")


def test_keep_writes_once(windows, tmp_path):
    kept = windows.keep(tmp_path)
    assert kept.folder == tmp_path / kept.key[:32]
    written = (kept.folder / "X0.npy").stat()
    assert windows.keep(tmp_path).folder == kept.folder
    assert (kept.folder / "X0.npy").stat().st_ino == written.st_ino
    assert kept.is_kept and kept[5:9].is_kept and not windows.is_kept
    changed = kept[5:9]
    changed.meta["subject"] = "somebody"
    assert not changed.is_kept


def test_a_damaged_folder_is_named(windows, tmp_path):
    with pytest.raises(BrokenDataError, match="delete that folder"):
        Windows.open(tmp_path / "nothing")
    saved = windows.save(tmp_path / "w")
    (tmp_path / "w" / "meta.parquet").write_bytes(b"")
    with pytest.raises(BrokenDataError, match=str(saved.folder)):
        Windows.open(saved.folder)


# -- travelling -------------------------------------------------------------------------------------------------------


def test_only_path_and_rows_travel(windows, tmp_path):
    saved = windows.save(tmp_path / "w").with_y(np.arange(96))
    saved.info["notes"] = ["said by the task"]
    rows = np.array([90, 3, 17])
    bits = pickle.dumps(saved[rows])
    assert len(bits) < 3000 < windows.X.nbytes / 50
    again = pickle.loads(bits)
    assert isinstance(again.blocks[0].X, np.memmap)
    assert np.array_equal(again.X, windows.X[rows])
    assert again.y.tolist() == rows.tolist()
    pd.testing.assert_frame_equal(again.meta, saved.meta.iloc[rows].reset_index(drop=True))
    assert again.info == saved.info and again.key == saved.key


def test_arrays_in_memory_do_not_travel(windows):
    with pytest.raises(TypeError, match="save"):
        pickle.dumps(windows)


# -- together ---------------------------------------------------------------------------------------------------------


def test_concatenate_joins_what_fits():
    one, other = make_windows(n_subjects=1), make_windows(n_subjects=1, seed=1)
    short = make_windows(n_subjects=1, n_times=64)
    other.info |= {"overlap": True, "sees": "recording", "notes": ["sliding"], "key": "x"}
    joined = Windows.concatenate([one.with_y(np.zeros(24)), short.with_y(np.ones(24)), other.with_y(np.full(24, 2))])
    assert [block.X.shape for block in joined.blocks] == [(48, 6, 128), (24, 6, 64)]
    assert joined.y.tolist() == [0] * 24 + [2] * 24 + [1] * 24
    assert np.array_equal(joined.blocks[0].X, np.concatenate([one.X, other.X]))
    assert joined.info["overlap"] and joined.info["sees"] == "unknown" and joined.info["notes"] == ["sliding"]
    assert joined.info["classes"] == one.info["classes"]
    assert joined.key == ""


def test_concatenate_has_no_half_a_target():
    windows = make_windows(n_subjects=1)
    assert Windows.concatenate([windows.with_y(np.zeros(24)), windows]).y is None
    assert len(Windows.concatenate([windows[:3], windows[[]]])) == 3


# -- one's own arrays -------------------------------------------------------------------------------------------------


def test_from_arrays_names_and_units():
    X = np.random.default_rng(0).standard_normal((4, 2, 100))
    windows = Windows.from_arrays(X * 1e-5, [3, 10, 3, 10], sfreq=50, unit="V", subject=["a", "a", "b", "b"], run="1")
    assert windows.space == Space("eeg", ["EEG001", "EEG002"], "uV", 50)
    np.testing.assert_allclose(windows.X, X * 10, rtol=1e-6)
    assert windows.meta["event"].tolist() == ["3", "10", "3", "10"]
    assert windows.info["classes"] == {"event": ["3", "10"]}  # in the order of numbers
    assert windows.meta["recording"].tolist() == ["a_1", "a_1", "b_1", "b_1"]
    assert windows.meta["onset_s"].tolist() == [0.0, 2.0, 0.0, 2.0]


def test_from_arrays_takes_values_and_further_columns():
    X = 10 * np.random.default_rng(0).standard_normal((3, 2, 100))
    meta = pd.DataFrame({"subject": [7, 8, 9], "age": [20, 30, 40]}, index=[5, 6, 7])
    windows = Windows.from_arrays(X, [0.5, 1.5, 2.5], sfreq=100, subject="nobody", meta=meta)
    assert windows.meta["value"].tolist() == [0.5, 1.5, 2.5] and "event" not in windows.meta
    assert windows.meta["subject"].tolist() == ["7", "8", "9"]
    assert windows.meta["age"].tolist() == [20, 30, 40]
    assert "age" not in windows.blind().meta
    with pytest.raises(BrokenDataError, match="meta has 2 lines"):
        Windows.from_arrays(X, sfreq=100, meta=meta[:2])


@pytest.mark.parametrize("bad", [np.array([["a"] * 4] * 2), np.ones((2, 2, 4), complex)])
def test_from_arrays_refuses_what_is_no_signal(bad):
    with pytest.raises(BrokenDataError):
        Windows.from_arrays(bad, sfreq=100)


def test_trials_have_numbers_or_names_and_every_window_has_one():
    X = 10 * np.random.default_rng(0).standard_normal((4, 2, 64))
    named = Windows.from_arrays(X, sfreq=64, meta=pd.DataFrame({"trial": ["t7", "t7", "a", "t7"]}))
    assert list(named.meta["trial"]) == [0, 0, 1, 0]
    assert list(Windows.from_arrays(X, sfreq=64, meta=pd.DataFrame({"trial": ["3", "3", "10", "2"]})).meta["trial"]) == [3, 3, 10, 2]
    with pytest.raises(BrokenDataError, match="no trial for 1 of 4 windows, the first is window 2"):
        Windows.from_arrays(X, sfreq=64, meta=pd.DataFrame({"trial": [0, 1, np.nan, 1]}))
