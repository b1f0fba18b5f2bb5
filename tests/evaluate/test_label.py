from __future__ import annotations

import pytest

from corticode import store
from corticode.evaluate.label import differing, spoken
from corticode.evaluate.leaderboard import collect


def asked(folder, **changes):
    """Change what a run was asked, and its hash with it."""
    summary = store.read_json(folder / "summary.json")
    protocol = {**summary["protocol"], **changes}
    store.write_json(folder / "summary.json", {**summary, "protocol": protocol, "protocol_hash": store.key(protocol)[:16]})
    return folder


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("adapt__temperature", (False, True), {"m (adapt.temperature=false)", "m (adapt.temperature=true)"}),
        ("prepare__filter__low_hz", (4.0, 8), {"m (prepare.filter.low_hz=4)", "m (prepare.filter.low_hz=8)"}),
        ("model__head__shrinkage", ("auto", 0.5), {"m (model.head.shrinkage=auto)", "m (model.head.shrinkage=0.5)"}),
    ],
)
def test_a_sweep_over_a_key_is_named_by_that_key(tmp_path, run, config, key, values, said):
    for i, value in enumerate(values):
        config(run(tmp_path / str(i), {"m": 0.1}, pipeline=str(i)), **{key: value})
    assert set(collect(tmp_path).scores["pipeline"]) == said


def test_another_entry_is_named_and_not_what_lies_below_it(tmp_path, run, config):
    config(run(tmp_path / "0", {"m": 0.1}, pipeline="0"))
    head = {"_target_": "corticode.head.svm.SVM", "C": 1.0}
    config(run(tmp_path / "1", {"m": 0.1}, pipeline="1"), model__head=head)
    assert set(collect(tmp_path).scores["pipeline"]) == {"m (model.head=lda)", "m (model.head=svm)"}


def test_many_keys_are_cut_down_to_those_that_tell_pipelines_apart(tmp_path, run, config):
    for i in range(2):
        config(run(tmp_path / str(i), {"m": 0.1}, pipeline=str(i)), **{f"model__encoder__k{k}": i for k in range(9)})
    assert set(collect(tmp_path).scores["pipeline"]) == {"m (model.encoder.k0=0)", "m (model.encoder.k0=1)"}


def test_configurations_that_differ_in_no_key_get_a_hash(tmp_path, run, config):
    for i in range(2):
        config(run(tmp_path / str(i), {"m": 0.1}, pipeline=str(i)))
    labels = collect(tmp_path).scores["pipeline"]
    assert labels.is_unique and labels.str.startswith("m #").all()


def test_preparation_that_a_data_set_brings_does_not_part_one_pipeline(tmp_path, run, config):
    config(run(tmp_path / "0", {"m": 0.1, "n": 0.2}, data="one"))
    config(run(tmp_path / "1", {"m": 0.1, "n": 0.2}, data="two"), prepare__filter__low_hz=8.0)
    board = collect(tmp_path)
    assert set(board.scores["pipeline"]) == {"m", "n"}
    assert (board.tests["family"] != "").sum() == 1


def test_titles_name_the_data_and_split_keys_that_differ(tmp_path, run, config):
    config(asked(run(tmp_path / "0", {"m": 0.1}), content="0"), data__subjects=[1, 2, 3])
    config(asked(run(tmp_path / "1", {"m": 0.1}), content="1"), data__subjects=list(range(1, 100)))
    titles = set(collect(tmp_path).protocols["title"])
    assert titles == {"d, loso, access none, data.subjects=[1,2,3]", "d, loso, access none, data.subjects=[1,2,..,99: 99]"}
    for i, shots in enumerate((0, 5)):
        asked(run(tmp_path / "shots" / str(i), {"m": 0.1}), split_arguments={"shots": shots, "n_folds": 5})
    assert set(collect(tmp_path / "shots").protocols["title"]) == {
        "d, loso, access none, split.shots=0",
        "d, loso, access none, split.shots=5",
    }


def test_preparation_names_a_protocol_only_where_all_of_it_share_it(tmp_path, run, config):
    for i, low in enumerate((4.0, 8.0)):
        config(asked(run(tmp_path / f"a{i}", {"m": 0.1}, pipeline=str(i)), rows="a"), prepare__filter__low_hz=low)
    config(asked(run(tmp_path / "b", {"m": 0.1}), rows="b"), prepare__filter__low_hz=8.0)
    assert not any("low_hz=4" in title for title in collect(tmp_path).protocols["title"])
    assert collect(tmp_path).protocols["title"].is_unique


def test_conformal_runs_are_told_from_plain_ones(tmp_path, run):
    run(tmp_path / "0", {"m": 0.1})
    folder = asked(run(tmp_path / "1", {"m": 0.1}), conformal=0.1)
    summary = store.read_json(folder / "summary.json")
    summary["models"]["m"]["conformal"] = {"coverage": 0.91, "worst": 0.7, "worst_person": "S3", "size": 1.4}
    store.write_json(folder / "summary.json", summary)
    asked(run(tmp_path / "2", {"m": 0.1}, data="other"))
    board = collect(tmp_path)
    assert set(board.protocols["title"]) == {"d, loso, access none", "d, loso, access none, conformal 0.1", "other, loso, access none"}
    # held-out people are other training data: never combined with plain runs
    family = board.protocols.set_index("title")["family"]
    assert family["d, loso, access none"] == family["other, loso, access none"] != family["d, loso, access none, conformal 0.1"]
    with_sets = board.scores[board.scores["coverage"].notna()].squeeze()
    assert (with_sets["coverage"], with_sets["coverage_worst"], with_sets["set_size"]) == (0.91, 0.7, 1.4)
    from corticode.evaluate.markdown import markdown

    text = markdown(board, {"title": "t", "date": "", "hash": ""})
    assert text.count("| coverage |") == 1 and "| 0.910 | 0.700 | 1.400 |" in text


def test_whole_numbers_are_the_same_as_floats_and_true_is_none():
    assert differing([{"a": 1.0, "b": None}, {"a": 1.0, "b": True}]) == ["b"]
    assert [spoken("b", {"b": value}) for value in (None, True, 8.0, "x", [1, 2])] == ["b=null", "b=true", "b=8", "b=x", "b=[1,2]"]
