"""Tables of facts: types by column, separators of all spreadsheets, errors with their line."""

from __future__ import annotations

import pytest

from corticode.data import table
from corticode.errors import BrokenDataError


def write(path, text, encoding="utf-8"):
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_of_any_separator(tmp_path, separator):
    text = (
        separator.join(["file", "subject", "age"])
        + "\n"
        + separator.join(["a.edf", "anna", "31"])
        + "\n\n"
        + separator.join(["b.edf", "ben"])
        + "\n"
    )
    lines = table.rows(write(tmp_path / "t.csv", text, "utf-8-sig"))
    assert lines == [
        {"": "2", "file": "a.edf", "subject": "anna", "age": "31"},
        {"": "4", "file": "b.edf", "subject": "ben", "age": ""},
    ]


def test_quoted_commas_stay(tmp_path):
    assert table.rows(write(tmp_path / "t.csv", 'a,b\n"x, y",2\n'))[0]["a"] == "x, y"


def test_too_many_cells_names_the_line(tmp_path):
    with pytest.raises(BrokenDataError, match="line 3 has 3 cells for 2 columns"):
        table.rows(write(tmp_path / "t.csv", "a,b\n1,2\n1,2,3\n"))


def test_a_column_named_twice(tmp_path):
    with pytest.raises(BrokenDataError, match="names the column a twice"):
        table.rows(write(tmp_path / "t.csv", "a,b,a\n1,2,3\n"))


def test_not_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(BrokenDataError, match="UTF-8"):
        table.rows(tmp_path / "t.csv")


def test_types_belong_to_columns():
    lines = [
        {"": "2", "age": "31", "score": "1.5", "code": "007", "patient": "true", "label": "1", "mixed": "4"},
        {"": "3", "age": "n/a", "score": "2", "code": "012", "patient": "False", "label": "2", "mixed": "four"},
    ]
    first, second = table.typed(lines, text=("label",))
    assert first == {"age": 31, "score": 1.5, "code": "007", "patient": True, "label": "1", "mixed": "4"}
    assert second == {"age": None, "score": 2.0, "code": "012", "patient": False, "label": "2", "mixed": "four"}
    assert isinstance(second["score"], float)


def test_levels_are_of_text_columns():
    assert table.levels(["b", None, "a", "b"]) == ["a", "b"]
    assert table.levels([1, 2]) == []


def test_natural_order():
    assert sorted(["S10", "S2", "v1p", "S1"], key=table.natural) == ["S1", "S2", "S10", "v1p"]
