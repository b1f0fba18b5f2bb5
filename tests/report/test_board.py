import json
import re

import pandas as pd
import pytest

from corticode.report import board


def written(folder):
    file = board.write(folder)
    assert file == folder / "leaderboard.html"
    return file.read_text(encoding="utf-8")


def cells(text, pipeline):
    row = re.search(rf"<tr><td>{pipeline}(?: \(best mean\))?</td>(.*?)</tr>", text)[1]
    return re.findall(r"<td>(.*?)</td>", row)


def test_the_nested_figure_is_the_headline_and_the_maximum_stands_beside_it(board_folder):
    folder = board_folder()
    text, best = written(folder), pd.read_csv(folder / "best.csv").iloc[0]
    assert f'<div class="number">{best["nested"]:.3f}</div>' in text
    assert (
        f"{best['maximum']:.3f}, {best['maximum_pipeline']}" in text
        and "best mean (optimistic)" in text
        and "best mean of 3 candidates" in text
    )


def test_every_candidate_is_in_the_table_with_its_facts(board_folder):
    folder = board_folder(partial=("csp_lda",), failed=("tangent_space",))
    text = written(folder)
    rows = pd.read_csv(folder / "leaderboard.csv").set_index("pipeline")
    assert cells(text, "mdm")[0] == f"{rows.loc['mdm', 'score']:.3f}" and "9 of 9" in cells(text, "mdm")
    assert "4 of 9" in cells(text, "csp_lda") and cells(text, "tangent_space")[0] == "–"
    assert "The same for all: chance 0.500" in text and "access online" in text


def test_what_is_incomplete_is_said_at_the_top_in_each_caption_and_with_its_error(board_folder):
    text = written(board_folder(partial=("csp_lda",), failed=("tangent_space",)))
    assert "Incomplete: " in text and "csp_lda 4 of 9 folds" in text.split("<h2")[0]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert captions and all("csp_lda: 4 of 9 folds." in caption for caption in captions)
    assert "the covariance of row 3 is not positive definite" in text.split("Incomplete and failed</h2>")[1]


def test_refused_runs_are_listed_with_the_reason(board_folder):
    text = written(board_folder(refused=["outputs/x: its summary names no protocol: run it again"]))
    assert "1 run was refused" in text and "<li>outputs/x: its summary names no protocol: run it again</li>" in text


def test_protocols_are_never_mixed(board_folder):
    folder = board_folder(datasets=("one", "two"))
    text = written(folder)
    rows = pd.read_csv(folder / "leaderboard.csv", dtype={"protocol": str})
    parts = re.split(r'<h2 id="protocol\d">', text)[1:]
    assert len(parts) == 2
    for part, protocol in zip(parts, ("00000000", "00000001"), strict=True):
        mine = rows[(rows["protocol"] == protocol) & (rows["pipeline"] == "mdm")]["score"].iloc[0]
        assert cells(part, "mdm")[0] == f"{mine:.3f}"


def test_several_data_sets_have_effects_and_a_way_there(board_folder):
    text = written(board_folder(datasets=("one", "two")))
    assert "Over 2 data sets" in text and 'href="#family0"' in text and "one (9)" in text and "combined (18)" in text
    assert "Over 2 data sets" not in written(board_folder(datasets=("one",)))


def test_one_candidate_is_its_own_headline(board_folder):
    folder = board_folder(models=("mdm",))
    text, score = written(folder), pd.read_csv(folder / "leaderboard.csv")["score"].iloc[0]
    assert f'<div class="number">{score:.3f}</div>' in text and "nothing was chosen" in text


def test_many_pairs_are_folded(board_folder):
    text = written(board_folder(models=tuple(f"m{i}" for i in range(7))))
    assert "<details><summary>Paired tests of 21 pairs</summary>" in text


def test_nothing_is_scored_yet(board_folder):
    text = written(board_folder(failed=("mdm", "csp_lda", "tangent_space")))
    assert "<svg" not in text and "Incomplete and failed" in text


def test_a_board_without_people_has_no_dots(board_folder):
    folder = board_folder()
    for name in ("people", "best"):
        (folder / f"{name}.csv").unlink()
    assert "All candidates." in written(folder) and "Each person" not in written(folder)


def test_it_stands_alone_and_names_are_escaped(board_folder):
    evil = "<img src=x onerror=alert(1)>"
    folder = board_folder(models=(evil, "b&b"), refused=[evil], title=evil, command=evil, datasets=(evil,))
    text = written(folder)
    assert "<img" not in text and "<script" not in text and "&lt;img src=x" in text
    assert not re.search(r"""(src|href)=["'](?!#)""", text.replace("&lt;img src=x onerror=alert(1)&gt;", ""))
    identifiers = re.findall(r' id="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers)) > 0


def test_the_same_tables_make_the_same_bytes(board_folder):
    folder = board_folder()
    assert written(folder) == written(folder)


@pytest.mark.parametrize("file", ["leaderboard.csv", "protocols.csv"])
def test_no_leaderboard_leaves_no_page(board_folder, file):
    folder = board_folder()
    (folder / file).unlink()
    with pytest.raises(FileNotFoundError, match=file):
        board.write(folder)
    assert not (folder / "leaderboard.html").exists()


def test_the_page_needs_no_description(board_folder):
    folder = board_folder()
    (folder / "leaderboard.json").unlink()
    assert "<h1>Leaderboard</h1>" in written(folder)
    (folder / "leaderboard.json").write_text(json.dumps({"title": "Zoo"}))
    assert "<h1>Zoo</h1>" in written(folder)
