"""The zoo on real recordings: `python benchmarks/real.py FOLDER` writes benchmarks/leaderboard/, its part of this folder's page and README's table.

FOLDER holds physionet_mi/, ssvep_exo/, mental_arithmetic/, adhd_children/ (see `corticode list data`). All runs are one list of
jobs, resumed where they were stopped. Nothing is tuned on the people that are tested: what is chosen is chosen inside the
fit rows, and the winner of a column is chosen for each person by the others. The fixed pipelines below were named
before the first run, with the settings of the published reference.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from page import PAGE, keep, made_with

import corticode
from corticode.compose import compose
from corticode.evaluate import leaderboard
from corticode.experiment import Result, Sentence, run_many

HERE = Path(__file__).resolve().parent
ONLINE, ALL = "align=riemannian", "align=riemannian align.access=all"

TANGENT = [f"model={name}" for name in ("tangent_space", "tangent_space_svm", "tangent_space_en", "tangent_space_lda")]
POWER = [f"model={name}" for name in ("mdm", "fgmdm", "csp_lda", "csp_svm", "fbcsp", "fb_tangent_space")]
ACM = ["model=acm_tangent_space model.encoder.choose=fixed", "model=acm_mdm model.encoder.choose=fixed"]


@dataclass(frozen=True)
class Study:
    """One data set: who competes, and what is known of it.

    Parameters
    ----------
    title, data : str
    candidates : list of str
        Models, each with each of `aligned`.
    aligned : list of str
    fixed : str
        The pipeline named beforehand, with the settings of the reference; `online` is the same with less access, if there is one.
    reference, error : float
        Published figure and its rough standard error, reached with the access of `fixed`.
    controls : list of (what, words)
        Shown beside the score that they qualify.
    says : str
        What the reader must know.
    """

    title: str
    data: str
    candidates: list[str]
    aligned: list[str]
    fixed: str
    online: str
    reference: float
    error: float
    controls: list[tuple[str, str]]
    says: str = ""


STUDIES = [
    Study(
        "Imagined left or right fist (EEGMMIDB, 16 people)", "physionet_mi", [*TANGENT, *POWER, *ACM], [ONLINE, ALL],
        f"model=tangent_space model.head.C=0.05 {ALL}", f"model=tangent_space model.head.C=0.05 {ONLINE}", 0.675, 0.04,
        [
            ("not aligned", "model=tangent_space model.head.C=0.05 align=none"),
            ("labels shuffled inside each person", f"model=tangent_space model.head.C=0.05 {ONLINE} task.shuffle=true"),
        ],
    ),
    Study(
        "Flicker at 13, 17, 21 Hz or rest (SSVEP exoskeleton, 12 people)", "ssvep_exo",
        ["model=ssvep_tangent_space model.encoder.start_s=2", "model=ssvep_tangent_space", "model=tangent_space", "model=mdm", "model=fgmdm"], [ONLINE, ALL],
        f"model=ssvep_tangent_space model.encoder.start_s=2 model.head.C=0.05 {ALL}", f"model=ssvep_tangent_space model.encoder.start_s=2 model.head.C=0.05 {ONLINE}", 0.669, 0.03,
        [
            ("not aligned", "model=ssvep_tangent_space model.encoder.start_s=2 model.head.C=0.05 align=none"),
            ("canonical correlation, hardly fitted", "model=cca align=none"),
            ("the same in three sub-bands", "model=fbcca align=none"),
        ],
    ),
    Study(
        "Rest or mental arithmetic (27 people)", "mental_arithmetic", [*TANGENT, *POWER], [ONLINE, ALL],
        f"model=tangent_space model.head.C=0.01 {ALL}", f"model=tangent_space model.head.C=0.01 {ONLINE}", 0.858, 0.05,
        [("not aligned", "model=tangent_space model.head.C=0.01 align=none")],
        "Rest always comes first and each condition is one recording: the score says **state or time**, which cannot be told apart here. "
        "Online re-centring sees rest alone for the first minute and is below no alignment.",
    ),
    Study(
        "ADHD or control (91 children, 10 folds of children, pooled AUC)", "adhd_children",
        ["model=fb_tangent_space", *(f"{model} model.encoder.bands_hz=[[1,4],[4,8],[8,13],[13,30]] model.encoder.estimator=lwf" for model in [*TANGENT[1:], "model=mdm", "model=csp_lda"]), "model=logvar_lda"],
        ["align=none"],
        "model=fb_tangent_space model.head.C=0.001", "", 0.796, 0.05,
        [
            ("correlations only: every channel's gain removed", "model=fb_tangent_space model.head.C=0.001 model.encoder.scale=correlation"),
            ("one band, OAS", "model=tangent_space"),
        ],
        "One recording per child: nothing of a tested child is known beforehand, and there is nothing to align.",
    ),
]  # fmt: skip


def sentence(study: Study, words: str, root: Path, home: Path) -> Sentence:
    """Return one configuration, to be run into a folder of its own."""
    own = [f"data={study.data}", f"data.root={root / study.data}", "refit=false", "report=false", "progress=off", *words.split()]
    folder = home / "runs" / study.data / "".join(c if c.isalnum() else "_" for c in words)[:150]
    return Sentence(compose(own), folder)


def words_of(study: Study) -> list[str]:
    """Return everything that is run on a data set, each once."""
    candidates = [f"{model} {aligned}" for model in study.candidates for aligned in study.aligned]
    return list(
        dict.fromkeys([*candidates, study.fixed, *([study.online] if study.online else []), *(words for _, words in study.controls)])
    )


def halves(root: Path, home: Path) -> list[tuple[str, Sentence]]:
    """Return the control of mental arithmetic: the first against the last half of one and the same minute."""
    windows = corticode.load("mental_arithmetic", overrides=[f"data.root={root / 'mental_arithmetic'}"], progress="off")
    found = []
    for task in ("arithmetic", "rest"):
        mine = windows[(windows.meta["task"] == task).to_numpy()]
        half = np.where(mine.meta["onset_s"] < 30, "first", "last")
        own = corticode.Windows.from_arrays(
            np.array(mine.X), half, subject=mine.meta["subject"], sfreq=mine.space.sfreq, ch_names=mine.space.names,
            meta=mine.meta[["recording", "onset_s"]],
        )  # fmt: skip
        words = [
            *f"model=tangent_space model.head.C=0.01 {ALL} task=classification split=loso".split(),
            "refit=false",
            "report=false",
            "progress=off",
        ]
        found.append((f"time alone: first or last 30 s inside {task}", Sentence(compose(words), home / "halves" / task, data=own)))
    return found


# -- tables -----------------------------------------------------------------------------------------------------------


def line(what: str, result: Result | Exception, command: str = "", against: str = "") -> dict[str, str]:
    """Return one line of a study's table."""
    if isinstance(result, Exception):
        return {"what": what, "score": f"failed: {result}", "command": command}
    summary = result.summary
    interval = summary["interval"] or (np.nan, np.nan)
    done = "" if summary["complete"] else f" ({summary['n_folds']} of {summary['n_folds_expected']} folds)"
    return {
        "what": what, "score": f"**{result.headline:.3f}**{done}", "over people (95 %)": f"{interval[0]:.3f} to {interval[1]:.3f}",
        "95 % permutation bound": f"{summary['chance_95']:.3f}", "access": summary["access"], "reference": against, "command": command,
    }  # fmt: skip


def best(board: leaderboard.Board, access: str, data: str) -> dict[str, Any] | None:
    """Return the nested figure of the best in one column."""
    mine = board.protocols[(board.protocols["data"] == data) & (board.protocols["access"] == access)]
    if mine.empty or board.best.empty:
        return None
    rows = board.best[board.best["protocol"].isin(mine["protocol"])].sort_values("n_candidates", ascending=False)
    return None if rows.empty else rows.iloc[0].to_dict()


def study_part(
    study: Study, results: dict[str, Result | Exception], more: list[dict[str, str]], board: leaderboard.Board
) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a study on the page, and its row in README's table."""
    command = "`python train.py {} data={}`".format
    rows, compact = [], {"data": study.title}
    columns = dict.fromkeys(
        r.summary["access"] for words, r in results.items() if isinstance(r, Result) and any(words.startswith(c) for c in study.candidates)
    )
    for access in columns:
        found = best(board, access, study.data)
        if found is not None:
            what = f"best of {found['n_candidates']:.0f}, chosen for each {found['unit']} by the others"
            text = f"**{found['nested']:.3f}**"
            rows.append({"what": what, "score": text, "over people (95 %)": f"{found['nested_low']:.3f} to {found['nested_high']:.3f}", "access": access, "reference": f"highest {found['maximum']:.3f}: {found['maximum_pipeline']}", "command": ""})  # fmt: skip
            compact["best, chosen by the others"] = "; ".join(
                filter(None, [compact.get("best, chosen by the others", ""), f"{access} {text}"])
            )
    if study.online:
        rows.append(line("fixed beforehand, online", results[study.online], command(study.online, study.data)))
        compact["fixed pipeline, online"] = rows[-1]["score"]
    rows.append(
        line(
            "fixed beforehand, as the reference",
            results[study.fixed],
            command(study.fixed, study.data),
            f"{study.reference:.3f} ± {study.error:.2f}",
        )
    )
    compact |= {"fixed, with the reference's access": rows[-1]["score"], "reference": rows[-1]["reference"]}
    rows += [line(f"control: {what}", results[words], command(words, study.data)) for what, words in study.controls] + more
    controls = [row for row in rows if row["what"].startswith(("control", "time"))]
    compact["controls"] = "; ".join(f"{row['what'].removeprefix('control: ')} {row['score'].strip('*')}" for row in controls)
    text = [f"### {study.title}", "", *([study.says, ""] if study.says else []), markdown(pd.DataFrame(rows).fillna("")), ""]
    return text, compact


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown; columns without any entry are left out."""
    table = table.loc[:, (table != "").any()]
    head = "| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns)
    return head + "\n" + "\n".join("| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False))


def main() -> None:
    """Run everything and write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds physionet_mi/, ssvep_exo/, mental_arithmetic/, adhd_children/")
    parser.add_argument("--home", type=Path, default=None, help="where runs are kept, to go on after a stop (default: a temporary folder)")
    parser.add_argument("--studies", nargs="*", default=[study.data for study in STUDIES])
    parser.add_argument("--dry", action="store_true", help="print instead of writing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        made(chosen, Path(chosen.home or spare).resolve())


def made(chosen: argparse.Namespace, home: Path) -> None:
    """Run the sweep into `home` and write what came of it."""
    root = chosen.folder.resolve()
    studies = [study for study in STUDIES if study.data in chosen.studies]
    asked = [(study, words) for study in studies for words in words_of(study)]
    time = halves(root, home) if "mental_arithmetic" in chosen.studies else []
    sentences = [*(sentence(study, words, root, home) for study, words in asked), *(one for _, one in time)]
    results = run_many(sentences, f"python benchmarks/{Path(__file__).name} FOLDER")
    found = {(study.data, words): result for (study, words), result in zip(asked, results, strict=False)}
    more = [
        line(f"control: {what}", result, "`halves` in `benchmarks/real.py`")
        for (what, _), result in zip(time, results[len(asked) :], strict=True)
    ]
    # a run whose labels were shuffled is no candidate
    runs = [
        one.folder
        for one, result in zip(sentences, results, strict=True)
        if isinstance(result, Result) and not one.cfg["task"].get("shuffle") and one.data is None
    ]
    board = leaderboard.collect(runs)
    page = [
        "## Scores on real recordings", "", "Written by `python benchmarks/real.py FOLDER`; add `data.root=` to a command to repeat one line. *Access* says what was seen of the test",
        "person without labels: *transductive* is all of it before the first answer. All candidates stand in [leaderboard/](leaderboard/leaderboard.md).", "",
    ]  # fmt: skip
    rows = []
    for study in studies:
        mine = {words: result for (data, words), result in found.items() if data == study.data}
        text, row = study_part(study, mine, more if study.data == "mental_arithmetic" else [], board)
        page += text
        rows.append(row)
    said = f"{pd.Timestamp.now():%Y-%m-%d}, content hash `{board.hash}`. {made_with()}"
    short = markdown(pd.DataFrame(rows).fillna(""))
    if chosen.dry:
        print("\n".join(page), short, sep="\n\n")
        return
    leaderboard.write(board, home / "leaderboard", ["FOLDER"], "python benchmarks/real.py FOLDER", "The zoo on real recordings")
    (HERE / "leaderboard").mkdir(exist_ok=True)
    shutil.copy(home / "leaderboard" / "leaderboard.md", HERE / "leaderboard")
    # where the runs lay is nobody's business
    board.scores.drop(columns="runs").to_csv(HERE / "leaderboard" / "leaderboard.csv", index=False, lineterminator="\n")
    keep("real", "\n".join([*page, said]), PAGE)
    keep("real", f"{short}\n\n`python benchmarks/real.py FOLDER`, {said}", HERE.parent / "README.md")


if __name__ == "__main__":
    main()
