"""The store: keys by content, files that appear whole or not at all, one maker at a time, errors in words."""

from __future__ import annotations

import errno
import json
import multiprocessing
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from corticode import store
from corticode.errors import StoreError
from counted import count_up

# -- keys -------------------------------------------------------------------------------------------------------------


def test_equal_values_have_equal_keys():
    assert store.key({"a": 1, "b": [1.5, None, "µ"]}) == store.key({"b": (1.5, None, "µ"), "a": 1})
    assert len({store.key(v) for v in ({"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"b": 1}, [1], [1, 1])}) == 7
    with pytest.raises(ValueError):
        store.key({"a": float("nan")})


def test_a_file_is_known_by_its_bytes(tmp_path):
    for name, text in (("a", "same"), ("b", "same"), ("c", "else")):
        (tmp_path / name).write_text(text)
    a, b, c = (store.file_digest(tmp_path / name) for name in "abc")
    assert a == b != c
    assert a == "0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5"


def test_digests_are_remembered_until_the_file_changes(tmp_path):
    file, memo = tmp_path / "a", tmp_path / "memo"
    file.write_text("one")
    first = store.file_digest(file, memo)
    [note] = memo.iterdir()
    note.write_text("0" * 64)
    assert store.file_digest(file, memo) == "0" * 64  # the bytes were not read again
    note.write_text("torn")
    assert store.file_digest(file, memo) == first
    file.write_text("longer")
    assert store.file_digest(file, memo) == store.file_digest(file) != first


# -- whole or not at all ------------------------------------------------------------------------------------------------


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    with store.writing(tmp_path / "deep" / "x.txt") as tmp:
        tmp.write_text("half")
        assert tmp.parent == tmp_path / "deep" and not (tmp_path / "deep" / "x.txt").exists()
    assert (tmp_path / "deep" / "x.txt").read_text() == "half"
    with store.writing(tmp_path / "deep" / "x.txt") as tmp:
        tmp.write_text("new")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["x.txt"]
    assert (tmp_path / "deep" / "x.txt").read_text() == "new"


@pytest.mark.parametrize("folder", [True, False])
def test_an_error_leaves_nothing(tmp_path, folder):
    (tmp_path / "x").write_text("old")
    for target in ("x", "y"):
        with pytest.raises(RuntimeError), store.writing(tmp_path / target) as tmp:
            tmp.mkdir() if folder else tmp.write_text("half")
            raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_the_first_folder_of_equal_content_stays(tmp_path):
    with store.writing(tmp_path / "x") as slow:
        slow.mkdir()
        (slow / "a").write_text("slow")
        with store.writing(tmp_path / "x") as fast:
            fast.mkdir()
            (fast / "a").write_text("fast")
    assert (tmp_path / "x" / "a").read_text() == "fast"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_writer_leaves_no_file(tmp_path):
    code = "import os, sys; from pathlib import Path; from corticode import store\nwith store.writing(Path(sys.argv[1])) as tmp:\n    tmp.write_text('half'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=False)
    assert not (tmp_path / "x").exists()
    assert [p.name.startswith(".tmp-x-") for p in tmp_path.iterdir()] == [True]


def test_json_is_readable_and_strict(tmp_path):
    store.write_json(tmp_path / "a.json", {"µ": [1, None]})
    assert "µ" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert store.read_json(tmp_path / "a.json") == {"µ": [1, None]}
    with pytest.raises(ValueError):
        store.write_json(tmp_path / "b.json", {"a": np.inf})
    assert not (tmp_path / "b.json").exists()


# -- one at a time ------------------------------------------------------------------------------------------------------


def test_one_process_at_a_time(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=count_up, args=(tmp_path / "n", 200)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert (tmp_path / "n").read_text() == "400"


# -- in words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOSPC, "disk that holds .* is full"),
        (errno.EACCES, "no right to write"),
        (errno.EPERM, "no right to write"),
        (errno.EROFS, "no right to write"),
        (errno.ENOTDIR, "choose another folder"),
    ],
)
@pytest.mark.parametrize("act", ["writing", "locked"])
def test_what_the_disk_refuses_is_said(tmp_path, number, words, act):
    with pytest.raises(StoreError, match=words), getattr(store, act)(tmp_path / "x"):
        raise OSError(number, "what the system says", str(tmp_path / "x"))
    assert not list(tmp_path.glob(".tmp*"))


def test_a_short_write_of_numpy_is_a_full_disk(tmp_path):
    with pytest.raises(StoreError, match="is full"), store.writing(tmp_path / "x"):
        raise OSError("1000 requested and 10 written")


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError), store.writing(tmp_path / "x"):
        (tmp_path / "nothing").read_text()


# -- the code behind a result -------------------------------------------------------------------------------------------


FIRST = '''
"""What it does."""
from store_probe.second import two  # why

def one(x):
    """Return it."""
    return x + two()
'''
SECOND = "def two():\n    return 2\n"


def code_of(folder: Path, first: str = FIRST, second: str = SECOND) -> str:
    """The key of a little package, computed in a process of its own."""
    package = folder / "store_probe"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text(textwrap.dedent(first))
    (package / "second.py").write_text(second)
    (package / "third.py").write_text("unused = 1\n" + second)
    code = "import json; from corticode import store; print(json.dumps(store.code_key('store_probe.first')))"
    return json.loads(subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True).stdout)


def test_words_about_code_are_not_code(tmp_path):
    before = code_of(tmp_path)
    spoken = FIRST.replace("What it does", "What else it does").replace("Return it", "Give it back").replace("# why", "# because")
    assert code_of(tmp_path, spoken.replace("\n\ndef", "\n\n\n\ndef")) == before
    assert code_of(tmp_path, FIRST.replace("x + two()", "x - two()")) != before
    assert code_of(tmp_path, second="def two():\n    return 3\n") != before  # what it imports counts, at any depth
