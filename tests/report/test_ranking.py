import pytest

from corticode.report import ranking


def test_names_are_text_scores_are_numbers_truths_are_bool(board_folder):
    board = ranking.read(board_folder(models=("007", "NA", "csp"), partial=("csp",)))
    rows = board.leaderboard.set_index("pipeline")
    assert {"007", "NA"} <= set(rows.index) and rows["score"].dtype == float
    assert list(rows["complete"]) == [name != "csp" for name in rows.index] and rows["maximum"].sum() == 1
    assert board.best["maximum"].dtype == float and board.people["chosen"].dtype == bool and board.people["unit"].iloc[0] == "S1"
    assert len(board.of("tests", "0" * 8)) == 1


def test_tables_that_are_absent_are_empty(board_folder):
    folder = board_folder()
    for name in ("best", "people", "tests", "ranks"):
        (folder / f"{name}.csv").unlink()
    assert all(getattr(ranking.read(folder), name).empty for name in ("best", "people", "tests", "ranks"))


def test_no_leaderboard_is_an_error_that_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no protocols.csv and no leaderboard.csv.*corticode leaderboard"):
        ranking.read(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [("leaderboard.json", "{", "not readable JSON"), ("leaderboard.json", "[]", "not a mapping"), ("people.csv", "", "not a readable table"),
     ("tests.csv", "a,b\n1,2\n", "no column protocol")],
)  # fmt: skip
def test_broken_tables_are_an_error_that_names_the_file(board_folder, file, content, match):
    folder = board_folder()
    (folder / file).write_text(content)
    with pytest.raises(ValueError, match=match):
        ranking.read(folder)
