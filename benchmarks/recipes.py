"""How the networks' recipes were chosen: `python benchmarks/recipes.py FOLDER` repeats it and writes its part of this folder's page.

FOLDER is physionet_mi. Only people S001-S008 take part, in four folds of two people; every score stands in the table, with
two seeds (the costly ones with one), so that a reader sees how many were tried. benchmarks/zoo.py shows what was chosen.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from page import keep, made_with
from real import markdown

from corticode.compose import compose
from corticode.experiment import Result, Sentence, run_many

PEOPLE = "[S001,S002,S003,S004,S005,S006,S007,S008]"
COMMON = (
    f"data=physionet_mi data.subjects={PEOPLE} split=kfold split.n_folds=4 align=euclidean prepare.resample.sfreq_hz=100 augment=none "
    "model.train.validation=0 model.train.second_stage_epochs=0 model.train.max_epochs=50 model.train.batch_size=32 seed=[0,1] "
    "trainer=cpu refit=false report=false progress=off"
)
SWAP = "augment.hemisphere_swap.probability=0.5"
MANY = f"{SWAP} augment.time_shift.probability=0.5 augment.channel_drop.probability=0.25"
REC = f"{SWAP} augment.recombination.probability=0.5"
FAST = f"{REC} augment.recombination.copies=1 model.train.lr=0.01"
BASE = f"{REC} augment.recombination.copies=0 model.train.lr=0.01 prepare.resample.sfreq_hz=80"
MEAN = f"{BASE} model.train.average_from=0.5"
THREE, TWO = "eegnet shallow_convnet ctnet", "eegnet ctnet"
CHEAP = "shallow_convnet deep_convnet eeg_tcnet atcnet dbconformer spdnet matt eegformer"
WIDE = f"{MEAN} prepare.filter.low_hz=4 prepare.filter.high_hz=40 prepare.resample.sfreq_hz=100"
OWN = f"{SWAP} prepare.resample.sfreq_hz=80 align=spd_batchnorm model.train.average_from=0.5"
DEAR = "conformer tcformer eeg_simpleconv tensor_cspnet"
# in the order in which they were tried
TRIED = [
    (THREE, ""),
    (THREE, "prepare.filter.low_hz=4 prepare.filter.high_hz=38"),
    (THREE, MANY),
    (THREE, f"{MANY} model.train.max_epochs=100"),
    (THREE, f"{MANY} model.train.batch_size=16"),
    (THREE, f"{MANY} model.train.validation=0.2 model.train.patience=15"),
    (THREE, f"{MANY} align=riemannian"),
    (THREE, f"{SWAP} model.train.lr=0.003"),
    (THREE, f"{REC} augment.recombination.copies=1 model.train.lr=0.003"),
    (THREE, f"{SWAP} model.train.lr=0.01"),
    (TWO, FAST),
    (TWO, f"{FAST} prepare.resample.sfreq_hz=80"),
    (TWO, f"{FAST} align=riemannian"),
    (TWO, f"{FAST} augment.mixup.probability=0.5"),
    (TWO, BASE),
    (TWO, MEAN),
    (TWO, f"{BASE} augment.channel_drop.probability=0.5"),
    (TWO, f"{BASE} align=riemannian"),
    (TWO, f"{MEAN} model.train.max_epochs=25"),
    (TWO, f"{MEAN} model.train.max_epochs=100"),
    (CHEAP, MEAN),
    (CHEAP, f"{MEAN} model.train.lr=0.003"),
    ("fbcnet ifnet", WIDE),
    ("fbcnet ifnet", f"{WIDE} model.train.lr=0.003"),
    ("tsmnet", f"{OWN} model.train.lr=0.003"),
    ("tsmnet", f"{OWN} model.train.lr=0.01"),
    (DEAR, f"{MEAN} model.train.lr=0.003 seed=[0]"),
    (DEAR, f"{MEAN} model.train.lr=0.001 seed=[0]"),
]
CLASSICAL = [
    f"model={name} align=riemannian"
    for name in (
        "tangent_space", "tangent_space_svm", "tangent_space_lda", "mdm", "fgmdm", "csp_lda", "fbcsp", "fb_tangent_space", "tangent_space model.head.C=0.05",
    )
]  # fmt: skip


def table(root: Path, home: Path) -> tuple[pd.DataFrame, int]:
    """Run all that was tried and return one row per attempt, and how many attempts there were."""
    rows: list[dict[str, str]] = []
    n_tried = 0
    for nets, words in [*TRIED, *((words, "") for words in CLASSICAL)]:
        classical = nets in CLASSICAL
        models = [nets] if classical else [f"model={name}" for name in nets.split()]
        common = COMMON.split("align=")[0] + "refit=false report=false progress=off" if classical else COMMON
        said = [f"{common} data.root={root} paths.data={home} {model} {words}".split() for model in models]
        results = run_many([Sentence(compose(own), home / "recipes" / f"{len(rows)}_{k}") for k, own in enumerate(said)])
        n_tried += len(models)
        scores = {
            model.split()[0].partition("=")[2]: f"{r.headline:.3f}" if isinstance(r, Result) else "failed"
            for model, r in zip(models, results, strict=True)
        }
        mean = np.mean([r.headline for r in results if isinstance(r, Result)])
        shown = " ".join(nets.split()[1:]) if classical else shortened(words)
        rows.append(
            {"changed": f"`{shown}`" if shown else "", "mean": f"{mean:.3f}", "scores": ", ".join(f"{k} {v}" for k, v in scores.items())}
        )
    return pd.DataFrame(rows), n_tried


def shortened(words: str) -> str:
    """Leave out of words what later ones overrule, and what need not be said."""
    last = {word.partition("=")[0]: word for word in words.split()}
    return " ".join(last.values()).replace(".probability", "").replace("model.train.", "").replace("augment.", "")


def main() -> None:
    """Run all and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="physionet_mi")
    parser.add_argument("--home", type=Path, default=None, help="where jobs are kept, to go on after a stop (default: a temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        rows, n_tried = table(chosen.folder.resolve(), Path(chosen.home or spare).resolve())
    page = [
        "## How recipes were chosen", "",
        "Written by `python benchmarks/recipes.py FOLDER`: balanced accuracy on S001-S008 of physionet_mi, four folds of two people, mean of two seeds (one where `seed=[0]` stands).",
        f"All {n_tried} attempts, in their order; every network begins with `{shortened(COMMON)}`, and what is said of it overrules that. *Changed* leaves out the words `augment.`, `.probability`",
        "and `model.train.`. The last lines are classical pipelines. The highest of so many is optimistic: what was chosen is shown on other people in the table of networks.", "",
        markdown(rows), "", made_with(),
    ]  # fmt: skip
    keep("recipes", "\n".join(page))


if __name__ == "__main__":
    main()
