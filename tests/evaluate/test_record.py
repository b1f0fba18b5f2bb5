from __future__ import annotations

import pandas as pd
import pytest

from corticode import store
from corticode.errors import MissingDataError
from corticode.evaluate.leaderboard import collect, write


def rewrite(folder, **changes):
    store.write_json(folder / "summary.json", {**store.read_json(folder / "summary.json"), **changes})


def cut(file, lines=None, size=None):
    data = file.read_bytes()
    file.write_bytes(b"".join(data.splitlines(keepends=True)[:lines]) if lines else data[:size])


DAMAGES = {
    "models": (lambda f: rewrite(f, models={"m": "x"}), "its summary.json is damaged: what it says of 'm' is 'x'"),
    "all models": (lambda f: rewrite(f, models=[1]), "its summary.json is damaged: 'models' is [1]"),
    "protocol": (lambda f: rewrite(f, protocol="x"), "its summary.json is damaged: 'protocol' is 'x'"),
    "failures": (lambda f: rewrite(f, failures=["x"]), "its summary.json is damaged"),
    "summary": (lambda f: cut(f / "summary.json", size=80), "its summary.json cannot be read, it is cut off or damaged"),
    "answers": (lambda f: cut(f / "predictions.parquet", size=500), "its predictions.parquet is cut off or damaged"),
    "no scores": (lambda f: (f / "scores.csv").unlink(), "its scores.csv is missing, and 8 folds have ended"),
    "one person": (lambda f: cut(f / "scores.csv", lines=8), "its scores.csv is cut off, scores for 1 of 8 people are there"),
    "inside a line": (lambda f: cut(f / "scores.csv", size=700), "its scores.csv is cut off, scores for"),
    "last bytes": (lambda f: cut(f / "scores.csv", size=-14), "its scores.csv is cut off, scores for 8 of 8 people are there"),
    "last line": (lambda f: cut(f / "scores.csv", lines=-1), "its scores.csv is cut off, scores for 8 of 8 people are there"),
    "empty": (lambda f: (f / "scores.csv").write_text(""), "its scores.csv is no table"),
    "letters": (
        lambda f: pd.read_csv(f / "scores.csv").assign(score="x").to_csv(f / "scores.csv", index=False),
        "its scores.csv has 'x' where a number should be (score)",
    ),
    "seed": (
        lambda f: pd.read_csv(f / "scores.csv").assign(seed="x").to_csv(f / "scores.csv", index=False),
        "its scores.csv has a seed that is no number",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_by_what_is_damaged_and_the_others_go_on(tmp_path, run, damage):
    run(tmp_path / "good", {"mdm": 0.1})
    make, said = DAMAGES[damage]
    make(run(tmp_path / "bad", {"ts": 0.1}))
    board = collect(tmp_path)
    assert list(board.scores["pipeline"]) == ["mdm"]
    [sentence] = board.refused
    assert sentence.startswith(f"{tmp_path / 'bad'}: {said}")


def test_answers_damaged_inside_are_found_when_they_are_read(tmp_path, run):
    settings = {
        "n_people": 12,
        "n_trials": 6,
        "one_label": True,
        "metric": "roc_auc",
        "level": "pooled",
        "unit": "subject",
        "split": "kfold",
    }
    run(tmp_path / "good", {"mdm": 0.1, "csp": 0.05}, **settings)
    folder = run(tmp_path / "bad", {"ts": 0.1}, **settings)
    data = bytearray((folder / "predictions.parquet").read_bytes())
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    data[4:end] = bytes(end - 4)  # the end of the file, which tells the columns, is whole
    (folder / "predictions.parquet").write_bytes(data)
    board = collect(tmp_path)
    assert set(board.scores["pipeline"]) == {"mdm", "csp"}
    assert [str(folder) in sentence for sentence in board.refused] == [True]


def test_lost_answers_of_a_pooled_score_are_said(tmp_path, run):
    settings = {
        "n_people": 12,
        "n_trials": 6,
        "one_label": True,
        "metric": "roc_auc",
        "level": "pooled",
        "unit": "subject",
        "split": "kfold",
    }
    run(tmp_path / "good", {"mdm": 0.1, "csp": 0.05}, **settings)
    (run(tmp_path / "lost", {"ts": 0.1}, **settings) / "predictions.parquet").unlink()
    assert any(note.startswith("ts is compared with no other") and "lost" in note for note in collect(tmp_path).notes)


def test_a_run_of_which_nothing_came_is_listed_with_what_was_asked(tmp_path, run):
    run(tmp_path / "0", {"mdm": 0.1})
    nothing = {
        "model": "fbcsp", "data": "d", "split": "loso", "n_folds": 0, "n_folds_expected": None, "complete": False, "models": {},
        "failures": [{"model": "fbcsp", "fold": "", "seed": None, "error": "SentenceError: 3 bands | wanted 4"}],
    }  # fmt: skip
    (tmp_path / "1").mkdir()
    store.write_json(tmp_path / "1" / "summary.json", nothing)
    board = collect(tmp_path)
    assert [(one.words, one.error) for one in board.failed] == [("model=fbcsp data=d split=loso", "SentenceError: 3 bands | wanted 4")]
    assert board.refused == [] and list(board.scores["pipeline"]) == ["mdm"]
    folder = write(board, tmp_path / "board")
    for name in ("leaderboard.md", "leaderboard.html", "leaderboard.json"):
        text = (folder / name).read_text()
        assert "model=fbcsp data=d split=loso" in text and "3 bands | wanted 4" in text
    with pytest.raises(MissingDataError, match="model=fbcsp data=d split=loso failed: SentenceError: 3 bands"):
        collect(tmp_path / "1")
