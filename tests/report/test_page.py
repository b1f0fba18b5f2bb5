import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from corticode.report import markup, page


class Reader(HTMLParser):
    """Collects tags, identifiers and what a page would load."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.loads, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href", "action", "data"):
                self.loads.append(value)

    def handle_data(self, data):
        self.words.append(data)


def written(folder):
    file = page.write(folder)
    assert file == folder / "report.html"
    return file.read_text(encoding="utf-8")


def test_the_numbers_are_there(run_folder):
    folder = run_folder()
    text = written(folder)
    summary = json.loads((folder / "summary.json").read_text())
    for number in (
        f"{summary['headline']:.3f}",
        "± 0.123",
        "0.432 to 0.765",
        "0.568",
        "mean over 3 people",
        "3 of 3",
        "61 s",
        "python train.py model=mdm",
    ):
        assert number in text, number
    people = pd.read_csv(folder / "scores.csv").query("metric == 'balanced_accuracy'")
    for person, score in zip(people["subject"], people["score"], strict=True):
        assert f"<td>{person}</td><td>20</td><td>{score:.3f}</td>" in text


def test_it_stands_alone(run_folder):
    text = written(run_folder(history=True, models=("mdm", "net")))
    read = Reader(text)
    assert not {"script", "link", "iframe", "object", "embed", "img"} & set(read.tags)
    assert all(load.startswith(("#", "data:image/png")) for load in read.loads)
    assert not re.search(r"@import|url\(\s*['\"]?(?!#)", text)
    assert len(read.ids) == len(set(read.ids)) > 0


def test_every_name_is_escaped(run_folder):
    evil = "<img src=x onerror=alert(1)>&\"'"
    folder = run_folder(
        people=(evil, "S2"), classes=("<i>a", "b&b"), models=("<script>m",), summary={"data": evil, "notes": [evil], "split": evil}
    )
    (folder / "config.yaml").write_text(evil)
    (folder / "environment.json").write_text(json.dumps({evil: evil, "command": evil}))
    read = Reader(written(folder))
    assert not {"img", "script", "i"} & set(read.tags)
    assert "".join(read.words).count(evil) >= 6  # title, note, fact, table, configuration, environment


def test_people_named_like_numbers_or_nothing_keep_their_names(run_folder):
    text = written(run_folder(people=("007", "NA", "nan")))
    assert all(f"<td>{name}</td>" in text for name in ("007", "NA", "nan"))


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"n_folds": 9, "n_folds_expected": 18}, "9 of 18 folds are done"),
        ({"access": "transductive"}, "saw all test windows"),
        ({"notes": ["labels were shuffled"]}, "labels were shuffled"),
        ({"headline": 0.9}, "Better than 95 %"),
        ({"headline": 0.55}, "this can be luck"),
        ({"headline": 0.55, "p": 0.0619}, "this can be luck (p = 0.062)."),
        ({"headline": 11.0, "metric": "mae", "chance_95": 14.0}, "Better than 95 %"),
        ({"level": "pooled"}, "pooled over 3 people"),
    ],
)
def test_what_must_be_known_about_the_number_is_said(run_folder, told, wanted):
    assert wanted in written(run_folder(summary=told))


def test_transductive_is_said_once(run_folder):
    text = written(run_folder(summary={"access": "transductive", "notes": ["transductive: all unlabelled test windows were seen"]}))
    assert text.count('class="note"') == 1


@pytest.mark.parametrize("absent", ["predictions.parquet", "config.yaml", "environment.json"])
def test_a_missing_file_leaves_out_its_part(run_folder, absent):
    folder = run_folder()
    (folder / absent).unlink()
    assert "S10" in written(folder)


def test_scores_and_the_shortest_summary_are_enough(run_folder):
    folder = run_folder()
    for file in ("predictions.parquet", "config.yaml", "environment.json"):
        (folder / file).unlink()
    (folder / "summary.json").write_text(json.dumps({"headline": 0.5, "metric": "balanced_accuracy"}))
    pd.read_csv(folder / "scores.csv")[["subject", "level", "metric", "score"]].to_csv(folder / "scores.csv", index=False)
    assert "mean over 3 people" in written(folder)


@pytest.mark.parametrize(
    ("file", "word"),
    [("predictions.parquet", "predictions.parquet"), ("history.csv", "history.csv"), ("environment.json", "environment.json")],
)
def test_a_broken_extra_is_named_on_the_page(run_folder, file, word):
    folder = run_folder(history=True)
    (folder / file).write_bytes(b"\x00garbage")
    assert f"{word} could not be read" in written(folder)


@pytest.mark.parametrize("absent", ["scores.csv", "summary.json"])
def test_no_run_folder_is_an_error_that_says_so(run_folder, absent):
    folder = run_folder()
    (folder / absent).unlink()
    with pytest.raises(FileNotFoundError, match=absent):
        page.write(folder)
    with pytest.raises(FileNotFoundError, match="not a folder"):
        page.write(folder / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("summary.json", "{", "not readable JSON"),
        ("summary.json", "[]", "no headline"),
        ("scores.csv", "", "not a readable table"),
        ("scores.csv", "a,b\n1,2\n", "no column level"),
        ("scores.csv", "level,metric,score\n", "no score"),
    ],
)
def test_broken_tables_are_an_error_that_names_the_file(run_folder, file, content, match):
    folder = run_folder()
    (folder / file).write_text(content)
    with pytest.raises(ValueError, match=match):
        page.write(folder)
    assert not (folder / "report.html").exists()


def test_one_person_has_no_spread_and_no_rank(run_folder):
    text = written(run_folder(people=("S1",), summary={"sd": None, "interval": None}))
    assert "one person" in text and "±" not in text and "best to worst" not in text


def test_regression_shows_values_and_no_classes(run_folder):
    text = written(run_folder(classes=(), summary={"target": "age, years", "chance": 15.0, "chance_95": 14.0}))
    assert "How well mdm predicts age on toy" in text and "true age, years" in text and "What was taken for what" not in text


def test_several_models_have_a_table_and_a_matrix_each(run_folder):
    text = written(run_folder(models=("mdm", "csp", "net")))
    assert "How well 3 models tell left and right apart" in text
    assert all(f"What was taken for what, {name}." in text for name in ("mdm", "csp", "net"))
    rows = dict(re.findall(r"<tr><td>(mdm|csp|net)</td>.*?<td>([^<]*)</td></tr>", text))
    assert rows == {"mdm": "0.568", "csp": "–", "net": "–"}  # the bound was made for the first alone


def test_answers_are_averaged_to_the_unit_that_was_scored(run_folder):
    folder = run_folder(summary={"unit": "subject"}, n_windows=21)
    text = written(folder)
    rows = pd.read_parquet(folder / "predictions.parquet")
    n = len(rows.groupby(["subject", "y"]))
    assert f"<dd>{n} (averaged by subject)</dd>" in text and "test subjects of all folds" in text


def test_training_is_drawn_for_networks_only(run_folder, tmp_path):
    assert "Training." not in written(run_folder())
    assert "Training." in written(run_folder(history=True))


def test_figures_of_the_folder_are_shown_with_their_words_and_broken_ones_named(run_folder):
    folder = run_folder()
    (folder / "figures").mkdir()
    (folder / "figures" / "patterns.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>x</script><text>Cz</text></svg>')
    (folder / "figures" / "patterns.txt").write_text("Scalp patterns.\nSeen from <above>.")
    (folder / "figures" / "zzz.svg").write_text("no svg")
    text = written(folder)
    assert "<b>Scalp patterns.</b> Seen from &lt;above&gt;." in text and ">Cz</text>" in text and "<script" not in text
    assert "A figure is left out" in text


@pytest.mark.parametrize(
    ("full", "wanted"),
    [([], []), ([0], ["lone"]), ([1, 0, 0, 0, 1], ["full", "half", "half", "lone", "full"]), ([0, 1, 0], ["lone", "full", "lone"])],
)
def test_a_half_figure_without_neighbour_takes_the_line(full, wanted):
    assert markup.placed([bool(f) for f in full]) == wanted


def changed(folder, **columns):
    pd.read_csv(folder / "scores.csv").assign(**columns).to_csv(folder / "scores.csv", index=False)
    return folder


def test_the_checkpoint_is_told_in_one_line(run_folder):
    epochs = [f"inner validation: 1 of 5 people, best val_loss at epoch {i} of {i + 10}" for i in (8, 8, 9, 9, 17, 17)]
    text = written(changed(run_folder(), selection=epochs))
    assert "<dd>inner validation: 1 of 5 people, best val_loss at epochs 8 to 17</dd>" in text


@pytest.mark.parametrize(("seeds", "wanted"), [((0,), "<dt>seed</dt><dd>0</dd>"), ((0, 1, 2), "<dt>seeds</dt><dd>0, 1, 2</dd>")])
def test_seeds_are_told(run_folder, seeds, wanted):
    assert wanted in written(run_folder(seeds=seeds))


@pytest.mark.parametrize(
    ("n", "wanted"),
    [
        (0, "<dd>61 s</dd>"),
        (1, "<dd>61 s (1 finished job was there already)</dd>"),
        (17, "<dd>61 s (17 finished jobs were there already)</dd>"),
    ],
)
def test_the_time_of_a_resumed_call_says_so(run_folder, n, wanted):
    assert wanted in written(run_folder(summary={"n_resumed": n}))


def test_a_pooled_score_is_not_called_a_mean(run_folder):
    text = written(run_folder(summary={"level": "pooled"}))
    assert "At the right the score over 3 people in one pot" in text and "95 % of pooled scores" in text and "the mean" not in text


def test_people_and_folds_of_one_window_each_are_left_out_with_a_sentence(run_folder):
    folder = changed(run_folder(), samples_test=1)
    text = written(folder)
    assert "Left out: each person and fold has one scored window" in text and "<td>S10</td>" not in text


def test_a_partial_run_says_so_at_the_top_and_in_each_caption(run_folder):
    text = written(run_folder(history=True, summary={"n_folds": 9, "n_folds_expected": 18}))
    assert '<span class="badge">9 of 18 folds</span>' in text
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    assert len(captions) > 4 and all("9 of 18 folds." in caption for caption in captions)
    assert "folds.</span>" not in written(run_folder())


def test_failed_jobs_are_listed_by_their_error(run_folder):
    failures = [{"model": "mdm", "fold": f"S{i}", "seed": None, "error": "<no> rank"} for i in range(8)]
    failures.append({"model": "net", "fold": "S1", "seed": 2, "error": "worker died"})
    text = written(run_folder(summary={"failures": failures}))
    assert "9 jobs failed" in text and "<td>S0; S1; S2; S3; S4; S5 and 2 more</td><td>&lt;no&gt; rank</td>" in text
    assert "<td>net</td><td>S1, seed 2</td><td>worker died</td>" in text


def test_several_models_are_paired(run_folder):
    text = written(run_folder(models=("mdm", "csp")))
    assert "The best beside the others." in text and "The best beside the others." not in written(run_folder())


@pytest.mark.parametrize("where", ["summary", "model"])
def test_coverage_of_prediction_sets_names_the_worst(run_folder, where):
    people = [{"subject": "S1", "coverage": 0.95}, {"subject": "S2", "coverage": 0.71}]
    conformal = {"alpha": 0.1, "coverage": 0.83, "worst": 0.71, "mean_size": 1.25, "per_person": people}
    told = {"conformal": conformal} if where == "summary" else {"models": {"mdm": {"headline": 0.5, "conformal": conformal}}}
    text = written(run_folder(summary=told))
    assert (
        "83.0 % of the sets hold the truth, 90 % were wanted" in text and "The worst is S2 with 71.0 %" in text and "1.25 classes" in text
    )


def test_a_learning_curve_shows_what_more_people_bring(run_folder):
    folder = run_folder(summary={"split": "learning_curve", "protocol": {"split_arguments": {"of": "subject"}}})
    scores = pd.read_csv(folder / "scores.csv")
    pd.concat([scores.assign(fold=scores["subject"] + f"/{n}") for n in (1, 2, 4)]).to_csv(folder / "scores.csv", index=False)
    text = written(folder)
    assert "What more people bring." in text and "people learned from" in text and "mean over all sizes" in text


def test_a_deterministic_model_has_no_seed(run_folder):
    folder = changed(run_folder(seeds=(0,)), seed="")
    rows = pd.read_parquet(folder / "predictions.parquet")
    rows.assign(seed=None).to_parquet(folder / "predictions.parquet")
    text = written(folder)
    assert "<dt>seed</dt>" not in text and "AUC 0." in text and "95 % of what guessing scores" in text


def test_access_says_transductive_once(run_folder):
    assert "<dd>transductive (all)</dd>" in written(run_folder(summary={"access": "transductive (all)"}))
    assert "<dd>all (transductive)</dd>" in written(run_folder(summary={"access": "all"}))


def test_many_classes_are_counted(run_folder):
    text = written(run_folder(classes=tuple(f"object {i}" for i in range(20)), n_windows=40))
    assert "<dd>20: object 0, object 1, object 2 …</dd>" in text and "share of the row, over test windows" in text


def test_energy_is_told_where_it_was_measured(run_folder):
    assert "<dt>energy</dt><dd>0.0021 kWh</dd>" in written(run_folder(summary={"energy_kwh": 0.00213}))
    assert "<dt>energy</dt>" not in written(run_folder(summary={"energy_kwh": None}))
