"""Scores on real recordings, each with the command that makes it: `python benchmarks/decoding.py FOLDER` writes benchmarks/README.md.

FOLDER holds physionet_mi/, adhd_children/ and mental_arithmetic/ (see `corticode list data`). Nothing is tuned here: every
setting is the entry's default or stands in the command. Several seeds are averaged, and their range is shown.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from page import PAGE, keep, made_with

import corticode


@dataclass(frozen=True)
class Row:
    """One line of the table: what is shown, the command, and which seed runs over which values."""

    shown: str
    words: str
    repeat: str = ""
    values: tuple[int, ...] = (0,)
    bar: str = ""

    @property
    def command(self) -> str:
        """What a user types; the repeated seed as a sweep."""
        swept = f" {self.repeat}={','.join(map(str, self.values))}" if self.repeat else ""
        return f"python train.py {'-m ' if self.repeat else ''}{self.words}{swept}"


PHYSIONET = "data=physionet_mi split=loso"
ARITHMETIC = "data=mental_arithmetic split=loso"
TABLES = {
    "Imagined left or right fist, 16 people of EEGMMIDB, leave one person out (balanced accuracy, mean over people)": [
        Row("tangent space, re-centred online", f"model=tangent_space align=riemannian {PHYSIONET}", bar="0.665 or more"),
        Row("the same, not aligned", f"model=tangent_space align=none {PHYSIONET}"),
        Row("the same, re-centred by all test windows (transductive)", f"model=tangent_space align=riemannian align.access=all {PHYSIONET}"),
        Row("labels shuffled inside each person, 10 seeds", f"model=tangent_space align=riemannian task.shuffle=true {PHYSIONET}", "task.shuffle_seed", tuple(range(10)), "0.45 to 0.55"),
        Row("minimum distance to mean, re-centred online", f"model=mdm align=riemannian {PHYSIONET}"),
        Row("CSP and LDA, re-centred online", f"model=csp_lda align=riemannian {PHYSIONET}"),
        Row("EEGNet, Euclidean alignment online, 3 seeds", f"model=eegnet align=euclidean {PHYSIONET}", "seed", (0, 1, 2), "above the permutation bound"),
    ],
    "ADHD or control, 91 children, 10 folds of children (pooled ROC AUC)": [
        Row("four bands, Ledoit-Wolf, 5 fold seeds", "model=fb_tangent_space data=adhd_children", "split.random_state", tuple(range(5)), "0.776 or more"),
        Row("correlations only: every channel's gain removed", "model=fb_tangent_space model.encoder.scale=correlation data=adhd_children", "split.random_state", tuple(range(5))),
    ],
    "Rest or mental arithmetic, 27 people, leave one person out (balanced accuracy, mean over people)": [
        Row("tangent space, re-centred by all test windows (transductive)", f"model=tangent_space align=riemannian align.access=all {ARITHMETIC}", bar="0.838 or more"),
        Row("re-centred online", f"model=tangent_space align=riemannian {ARITHMETIC}"),
        Row("not aligned", f"model=tangent_space align=none {ARITHMETIC}"),
    ],
}  # fmt: skip


def run(words: list[str], **own: Any) -> corticode.experiment.Result:
    """Run one sentence as the command line would."""
    named = dict(word.split("=", 1) for word in words)
    model, data, split = (named.pop(word, None) for word in ("model", "data", "split"))
    overrides = [f"{key}={value}" for key, value in named.items()]
    return corticode.run(model, own.get("data", data), split, overrides=[*overrides, "refit=false", "report=false"], progress="off")


def measured(row: Row, root: Path) -> dict[str, Any]:
    """Return one line of a table: the mean over seeds, their range, and what the last run said of itself."""
    words = row.words.split()
    data = next(word.partition("=")[2] for word in words if word.startswith("data="))
    results = [run([*words, f"data.root={root / data}", *([f"{row.repeat}={value}"] if row.repeat else [])]) for value in row.values]
    return line(row, results)


def line(row: Row, results: list[corticode.experiment.Result]) -> dict[str, Any]:
    """Return one line of a table out of the results of its seeds."""
    headlines = [result.headline for result in results]
    summary = results[-1].summary
    interval = np.mean([result.summary["interval"] for result in results], axis=0)
    return {
        "what": row.shown,
        "score": f"**{np.mean(headlines):.3f}**",
        "over seeds": f"{min(headlines):.3f} to {max(headlines):.3f}" if len(headlines) > 1 else "",
        "over people (95 %)": f"{interval[0]:.3f} to {interval[1]:.3f}",
        "chance": f"{summary['chance']:.3f}",
        "95 % permutation bound": f"{np.mean([r.summary['chance_95'] for r in results]):.3f}",
        "access": summary["access"],
        "aim": row.bar,
        "command": f"`{row.command}`",
    }


def halves(root: Path) -> Iterator[dict[str, Any]]:
    """Give the control of mental arithmetic: the first against the last half of one and the same minute."""
    windows = corticode.load("mental_arithmetic", overrides=[f"data.root={root / 'mental_arithmetic'}"], progress="off")
    for task in ("arithmetic", "rest"):
        mine = windows[(windows.meta["task"] == task).to_numpy()]
        half = np.where(mine.meta["onset_s"] < 30, "first", "last")
        own = corticode.Windows.from_arrays(
            np.array(mine.X), half, subject=mine.meta["subject"], sfreq=mine.space.sfreq, ch_names=mine.space.names,
            meta=mine.meta[["recording", "onset_s"]],
        )  # fmt: skip
        row = Row(f"control: first or last 30 s inside {task}, re-centred by all (transductive)", "")
        result = corticode.run(
            "tangent_space", own, "loso", align="riemannian", overrides=["align.access=all", "refit=false", "report=false"], progress="off"
        )
        yield {**line(row, [result]), "command": "`halves` in `benchmarks/decoding.py`"}


def main() -> None:
    """Run every row and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds physionet_mi/, adhd_children/, mental_arithmetic/")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page whose part is replaced")
    chosen = parser.parse_args()
    page = [
        "## Scores on real recordings", "", "Written by `python benchmarks/decoding.py FOLDER`; each figure comes from the command beside it (add `data.root=`).",
        "Nothing is tuned on the people that are tested: C is chosen by people inside the fit rows, a network's checkpoint by people",
        "held back from them. *Access* says what was seen of the test person without labels. Which file formats load: `benchmarks/formats.py`.", "",
    ]  # fmt: skip
    for title, rows in TABLES.items():
        lines = [measured(row, chosen.folder.resolve()) for row in rows]
        if "arithmetic" in title:
            lines += list(halves(chosen.folder.resolve()))
        page += [f"### {title}", "", markdown(pd.DataFrame(lines)), ""]
    keep("decoding", "\n".join([*page, made_with()]), chosen.output)


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown; columns without any entry are left out."""
    table = table.loc[:, (table != "").any()]
    head = "| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns)
    return head + "\n" + "\n".join("| " + " | ".join(map(str, row)) + " |" for row in table.itertuples(index=False))


if __name__ == "__main__":
    main()
