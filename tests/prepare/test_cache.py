"""Prepared windows are made once, known by what made them, and never half there."""

from __future__ import annotations

import multiprocessing
import shutil
import subprocess
import sys

import numpy as np
import pytest

from corticode import store
from corticode.compose import compose
from corticode.data.physionet_mi import PhysionetMI
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.prepare.base import Prepare
from corticode.prepare.cache import content_key, windows_of
from corticode.prepare.filter import BandPass, Notch
from corticode.prepare.scale import Scale
from corticode.prepare.window import Cue, Sliding
from corticode.prepared import prepared
from corticode.recording import Recording
from corticode.windows import Windows
from counted import preparation, prepare_elsewhere, recordings
from edf import physionet_folder


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def reads(log) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def key(made, prepare=None, code=None) -> str:
    return content_key(made, prepare or preparation(), code or {})[0]


# -- made once --------------------------------------------------------------------------------------------------------


def test_what_was_prepared_is_not_read_again(log, tmp_path):
    first = windows_of(recordings(log), preparation(), tmp_path / "home")
    assert reads(log) == 3
    for _ in range(20):
        again = windows_of(recordings(log), preparation(), tmp_path / "home")
    assert reads(log) == 3
    assert np.array_equal(first.X, again.X) and first.meta.equals(again.meta) and first.info == again.info


def test_windows_are_what_the_steps_give(log, tmp_path):
    windows = windows_of(recordings(log), preparation(), tmp_path)
    assert windows.X.dtype == np.float32 and isinstance(windows.X, np.memmap) and windows.space.unit == "uV"
    assert windows.X.shape == (15, 4, 100)
    expected, table, space = preparation()(recordings(log)[1].read())
    mine = windows[windows.meta["subject"] == "S2"]
    assert np.array_equal(mine.X, expected) and mine.space == space
    assert mine.meta["onset_s"].tolist() == table["onset_s"].tolist() == [2, 7, 12, 17, 22]
    assert set(mine.meta["age"]) == {21} and set(mine.meta["recording"]) == {"S2"}
    assert mine.meta["event"].tolist() == ["left", "right", "left", "right", "left"]


def test_workers_give_the_same_bits(log, tmp_path):
    alone = windows_of(recordings(log), preparation(), tmp_path / "one")
    together = windows_of(recordings(log), preparation(), tmp_path / "two", n_jobs=2)
    assert np.array_equal(alone.X, together.X) and alone.meta.equals(together.meta) and alone.key == together.key


def test_facts_and_notes_are_kept(log, tmp_path):
    steps = preparation(window=Cue(0.0, 1.0, reject_uv=40))
    made = windows_of(recordings(log), steps, tmp_path, classes={"event": ["left", "right"]})
    info = windows_of(recordings(log), steps, tmp_path, classes={"event": ["left", "right"]}).info
    assert info == made.info
    assert info["classes"] == {"event": ["left", "right"]} and info["sees"] == "recording"
    assert [step["name"] for step in info["steps"]] == ["filter", "window"] and info["steps"][0]["low_hz"] == 4.0
    assert any(line.startswith("S1: ") and "above 40.0 µV" in line for line in info["notes"])


def test_declared_classes_are_those_of_now(log, tmp_path):
    """They are no part of what was prepared: the same windows may be asked other questions."""
    windows_of(recordings(log), preparation(), tmp_path, classes={"event": ["left", "right"]})
    assert windows_of(recordings(log), preparation(), tmp_path, classes={"event": ["right"]}).info["classes"] == {"event": ["right"]}


# -- known by what made them --------------------------------------------------------------------------------------------


def test_another_preparation_is_another_result(log):
    one = recordings(log)
    keys = [
        key(one),
        key(one, preparation(low_hz=8)),
        key(one, preparation(window=Cue(0.0, 1.5))),
        key(one, preparation(notch=Notch(50.0))),
        key(one, code={"corticode.prepare.filter": "mended"}),
        key(recordings(log, 2)),
        key(recordings(log, seconds=40.0)),
        key([Recording({**r.who, "session": "2"}, r.read, r.facts, r.files, r.origin) for r in one]),
        key([Recording(r.who, r.read, {"age": 99}, r.files, r.origin) for r in one]),
    ]
    assert len(set(keys)) == len(keys)
    assert key(recordings(log)) == keys[0]


def test_the_order_of_steps_counts(log):
    filter, scale, window = BandPass(4.0, 30.0), Scale("robust"), Cue(0.0, 1.0)
    one, other = Prepare(filter=filter, scale=scale, window=window), Prepare(scale=scale, filter=filter, window=window)
    assert key(recordings(log), one) != key(recordings(log), other)


def test_a_step_that_is_off_is_no_step(log):
    assert key(recordings(log), preparation(notch=Notch(None))) == key(recordings(log), preparation(notch=None)) == key(recordings(log))


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return physionet_folder(tmp_path_factory.mktemp("physionet"), 1, n_trials=2)


def test_files_are_known_by_their_bytes(people, tmp_path):
    def of(root, **options):
        return key(list(PhysionetMI(root=str(root), **options).recordings()))

    moved, changed = tmp_path / "elsewhere", tmp_path / "changed"
    for folder in (moved, changed):
        shutil.copytree(people, folder)
    file = changed / "S001" / "S001R04.edf"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert of(moved) == of(people)
    assert len({of(people), of(changed), of(people, unit_factor=0.5)}) == 3


def test_typing_a_step_off_changes_nothing(people, tmp_path):
    typed = ["data=physionet_mi", f"data.root={people}", f"paths.data={tmp_path}"]
    one = prepared(compose(typed))
    assert prepared(compose([*typed, "prepare.notch.freq_hz=null", "prepare.eog.regress=false"])).folder == one.folder
    assert prepared(compose([*typed, "data.unit_factor=2.0"])).folder != one.folder
    louder = prepared(compose([*typed, "data.unit_factor=2.0"]))
    np.testing.assert_allclose(louder.X, 2 * one.X, rtol=1e-5, atol=1e-5)


# -- blocks -------------------------------------------------------------------------------------------------------------


def test_recordings_of_two_kinds_make_two_blocks(log, tmp_path):
    windows = windows_of(recordings(log, channels=[4, 3, 4], sfreq=[100.0, 100.0, 100.0]), preparation(), tmp_path)
    assert [block.X.shape for block in windows.blocks] == [(10, 4, 100), (5, 3, 100)]
    assert windows.meta["subject"].tolist() == ["S1"] * 5 + ["S3"] * 5 + ["S2"] * 5
    with pytest.raises(SentenceError, match=r"4 channels x 100 samples at 100 Hz; 3 channels x 100 samples.*prepare\.match\.channels"):
        windows.X  # noqa: B018
    alone = windows_of(recordings(log, channels=[4, 3, 4])[1:2], preparation(), tmp_path)
    assert np.array_equal(windows[windows.meta["subject"] == "S2"].save(tmp_path / "S2").X, alone.X)


def test_two_rates_make_two_blocks(log, tmp_path):
    windows = windows_of(recordings(log, 2, sfreq=[100.0, 200.0]), preparation(), tmp_path)
    assert [(block.space.sfreq, block.X.shape[2]) for block in windows.blocks] == [(100, 100), (200, 200)]


# -- never half there -----------------------------------------------------------------------------------------------------


def test_two_processes_make_one_cache(log, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=prepare_elsewhere, args=(log, tmp_path / "home")) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert reads(log) == 6  # one of them read, the other waited
    assert len({line.split()[1] for line in log.read_text().splitlines()}) == 1
    assert len({file.read_text() for file in tmp_path.glob("*.json")}) == 1 and len(list(tmp_path.glob("*.json"))) == 2
    assert len(list((tmp_path / "home").glob("*/windows.json"))) == 1


def test_a_killed_process_leaves_nothing_half_made(log, tmp_path):
    code = (
        "import sys; from pathlib import Path; from counted import preparation, recordings; from corticode.prepare.cache import windows_of\n"
        "windows_of(recordings(Path(sys.argv[1]), what=['', 'kill', '']), preparation(), Path(sys.argv[2]))"
    )
    arguments = [sys.executable, "-c", code, str(log), str(tmp_path / "home")]
    killed = subprocess.run(arguments, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert killed.returncode == -9 and reads(log) == 2
    assert not list((tmp_path / "home").glob("[!.]*/windows.json"))
    windows = windows_of(recordings(log), preparation(), tmp_path / "home")  # a lock that died with its holder holds nobody up
    assert reads(log) == 5 and len(windows) == 15
    assert np.array_equal(windows.X, windows_of(recordings(log), preparation(), tmp_path / "fresh").X)


def test_what_killed_processes_left_is_swept_after_a_day(log, tmp_path):
    import os
    import time

    for name, age in ((".tmp-old", 2), (".tmp-new", 0)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age * 86400,) * 2)
    windows_of(recordings(log), preparation(), tmp_path)
    assert [p.name for p in tmp_path.glob(".tmp-*")] == [".tmp-new"]


# -- what is wrong is said ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_nan_names_the_file(log, tmp_path, n_jobs):
    bad = recordings(log, what=["", "nan", ""])
    bad = [Recording(r.who, r.read, r.facts, (tmp_path / f"person{i}.edf",), r.origin) for i, r in enumerate(bad)]
    for recording in bad:
        recording.files[0].write_text(recording.name)
    with pytest.raises(BrokenDataError, match=r"person1\.edf: channel Cz is NaN or infinite at 7\.000 s"):
        windows_of(bad, preparation(), tmp_path / "home", n_jobs=n_jobs)
    assert not list((tmp_path / "home").glob("*/windows.json"))


def test_without_a_filter_windows_with_nan_are_counted_and_dropped(log, tmp_path):
    windows = windows_of(recordings(log, what=["", "nan", ""]), preparation(filter=None), tmp_path)
    assert len(windows) == 14 and np.isfinite(windows.X).all()
    assert any(line.startswith("S2: 1 of 5 windows hold NaN") for line in windows.info["notes"])


def test_nothing_to_prepare(log, tmp_path):
    with pytest.raises(MissingDataError, match=r"data\.root and data\.subjects"):
        windows_of([], preparation(), tmp_path)
    with pytest.raises(MissingDataError, match="no event named feet"):
        windows_of(recordings(log), preparation(window=Cue(0.0, 1.0, events=["feet"])), tmp_path)


def test_one_run_is_claimed_once(log, tmp_path):
    with pytest.raises(BrokenDataError, match="two files claim subject S1"):
        windows_of([*recordings(log), recordings(log)[0]], preparation(), tmp_path)


@pytest.mark.parametrize(
    "every_s, window, overlap",
    [
        (5.0, Cue(0.0, 1.0), False),
        (1.0, Cue(0.0, 1.0), False),  # back to back
        (0.5, Cue(0.0, 1.0), True),  # cues in quick succession
        (5.0, Sliding(2.0, 1.0), True),
        (5.0, Sliding(2.0, 2.0), False),
    ],
)
def test_windows_that_share_samples_are_known(log, tmp_path, every_s, window, overlap):
    for _ in range(2):
        windows = windows_of(recordings(log, every_s=every_s), preparation(window=window), tmp_path)
        assert windows.info["overlap"] is overlap


def test_a_damaged_cache_names_its_folder(log, tmp_path):
    made = windows_of(recordings(log), preparation(), tmp_path)
    plain = store.read_json(made.folder / "windows.json")
    store.write_json(made.folder / "windows.json", {**plain, "spaces": plain["spaces"] * 2})
    with pytest.raises(BrokenDataError, match=f"{made.key[:32]} is damaged"):
        Windows.open(made.folder)
