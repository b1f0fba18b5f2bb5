"""Published networks beside classical pipelines: `python benchmarks/zoo.py FOLDER` writes its part of this folder's page and README's table of networks.

FOLDER holds physionet_mi/, ssvep_exo/, mental_arithmetic/, adhd_children/. Every network runs as `experiment=DATA_NETWORK`
says, three seeds each; those recipes were chosen on people S001-S008 of physionet_mi alone (benchmarks/recipes.py) and not
touched afterwards. All runs are one list of jobs, resumed where they were stopped (`--home`).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from page import PAGE, keep, made_with
from real import ONLINE, POWER, STUDIES, TANGENT, markdown

from corticode.catalogue import conf_folder
from corticode.compose import compose
from corticode.evaluate import leaderboard
from corticode.evaluate.best import Best, nested_best
from corticode.evaluate.column import Column
from corticode.evaluate.pooled import difference_interval, nested_best_pooled
from corticode.evaluate.runs import Candidate
from corticode.evaluate.statistics import interval_over_units
from corticode.experiment import Result, Sentence, planned, run_many
from corticode.metric.base import named

CONF = conf_folder()
SEEDS = "seed=[0,1,2]"
ALWAYS = ["refit=false", "report=false", "progress=off"]
CHOSEN_ON = {f"S{k:03d}" for k in range(1, 9)}  # the people on whom recipes were chosen
NETWORKS = (
    "eegnet", "shallow_convnet", "deep_convnet", "eeg_tcnet", "atcnet", "conformer", "ctnet", "ctnet_ensemble", "fbcnet", "ifnet", "dbconformer", "tcformer",
    "eeg_simpleconv", "mvcnet", "rleegnet", "eegformer", "spdnet", "tsmnet", "matt", "tensor_cspnet",
)  # fmt: skip


@dataclass(frozen=True)
class Contest:
    """One data set on which networks and classical pipelines meet.

    Parameters
    ----------
    title, data : str
    classical : list of str
        Pipelines with the access of the networks, or less.
    unseen : bool
        True where some of the people were used to choose the recipes: the others are shown alone too.
    """

    title: str
    data: str
    classical: list[str]
    unseen: bool = False

    @property
    def networks(self) -> list[str]:
        """Those for which a recipe stands in conf/experiment/."""
        return [name for name in NETWORKS if (CONF / "experiment" / f"{self.data}_{name}.yaml").is_file()]

    def words(self) -> dict[str, str]:
        """Return what is typed for each pipeline."""
        return {name: f"experiment={self.data}_{name} {SEEDS}" for name in self.networks} | {
            " ".join(part.partition("=")[2] for part in words.split()): f"{words} data={self.data}" for words in self.classical
        }


_WITH = {study.data: study.candidates for study in STUDIES}
CONTESTS = [
    Contest("Imagined left or right fist", "physionet_mi", [f"{model} {ONLINE}" for model in _WITH["physionet_mi"]], unseen=True),
    Contest(
        "Flicker at 13, 17, 21 Hz or rest", "ssvep_exo",
        [*(f"{model} {ONLINE}" for model in _WITH["ssvep_exo"]), "model=cca align=none", "model=fbcca align=none"],
    ),
    Contest("Rest or mental arithmetic", "mental_arithmetic", [f"{model} {align}" for model in [*TANGENT, *POWER] for align in (ONLINE, "align=none")]),
    Contest("ADHD or control (area under the curve)", "adhd_children", [f"{model} align=none" for model in _WITH["adhd_children"]]),
]  # fmt: skip

# the protocol of Liu et al. 2026 (arXiv:2601.17883, EEGMat across people), as near as these recordings allow
WINDOWS_4S = "prepare.window.length_s=4 prepare.window.step_s=4"
NEAR = {
    "eegnet": (f"experiment=mental_arithmetic_eegnet {WINDOWS_4S} {SEEDS}", 0.666),
    "shallow_convnet": (f"experiment=mental_arithmetic_shallow_convnet {WINDOWS_4S} {SEEDS}", 0.722),
    "tangent_space": (f"model=tangent_space align=none data=mental_arithmetic {WINDOWS_4S}", None),
    "csp_lda": (f"model=csp_lda align=none data=mental_arithmetic {WINDOWS_4S}", None),
}
DIFFERENCES = (
    "Same: windows of 4 s, two classes, leave one person out, the last epoch, balanced accuracy, mean of 3 seeds. Different: 27 of their 36 people; cleaned by ICA, 125 Hz "
    "instead of 500, 4-30 Hz; one minute each of rest and of arithmetic (their share of rest: unknown); recipes as above, theirs tuned per model and data set (how: unknown); "
    "whether theirs are aligned: unknown. CBraMod, 0.684 there, needs its published weights and is not run here."
)


# -- running ----------------------------------------------------------------------------------------------------------


def sentence(contest: Contest, name: str, words: str, root: Path, home: Path) -> Sentence:
    """Return one configuration, to be run into a folder of its own."""
    folder = home / contest.data / "".join(c if c.isalnum() else "_" for c in name)[:150]
    return Sentence(compose([*words.split(), f"data.root={root / contest.data}", *ALWAYS]), folder)


def n_parameters(one: Sentence) -> int:
    """Return how many numbers of a network are trained, at the size of its windows; all members of an ensemble count."""
    decoder = planned(one, 1, {}).plan.models[0](0)
    return (decoder.encoder.n_parameters + decoder.head.n_parameters) * getattr(decoder.adapter, "n_members", 1)


# -- what came of it --------------------------------------------------------------------------------------------------


@dataclass
class Entrant:
    """What one pipeline reached.

    Parameters
    ----------
    name, words : str
    is_network : bool
    result : Result
    candidate : Candidate
        The same run, as the leaderboard reads it.
    n_parameters : int or None
    """

    name: str
    words: str
    is_network: bool
    result: Result
    candidate: Candidate
    n_parameters: int | None

    @property
    def level(self) -> str:
        """'subject', or 'pooled'."""
        return str(self.result.summary["level"])

    @property
    def by_seed(self) -> pd.DataFrame:
        """Score of each person and seed, [people, seeds]."""
        return self.candidate.per_unit(self.result.summary["metric"], self.level)

    @property
    def seconds(self) -> float:
        """Median seconds of training in one fold, on one core."""
        rows = self.result.scores
        return float(rows.loc[rows["level"] == "fold", "time"].median())

    def row(self, unseen: bool) -> dict[str, Any]:
        """Return its line in the table of its data set."""
        summary = self.result.summary
        low, high = summary["interval"]
        line = {
            "": "network" if self.is_network else "classical", "pipeline": self.name, "parameters": f"{self.n_parameters:,}" if self.n_parameters else "",
            "fit, s": f"{self.seconds:.3g}", "access": summary["access"], "seeds": max(1, len(self.candidate.seeds)) if self.is_network else "",
            "score": f"**{self.result.headline:.3f}**", "95 %": f"{low:.3f} to {high:.3f}", "sd of seeds": f"{summary['sd_seeds']:.3f}" if self.is_network else "",
        }  # fmt: skip
        if unseen:
            others = self.by_seed[[name.split("/")[-1].split()[-1] not in CHOSEN_ON for name in self.by_seed.index]]
            line["S009-S016 alone"] = f"{others.to_numpy().mean():.3f}"
        return line | {"command": f"`python train.py {self.words}`"}


def nested(entrants: list[Entrant]) -> tuple[Best, Any]:
    """Return what the best of some pipelines is worth where others chose it, and its scores there: by person and seed, or its answers."""
    if entrants[0].level == "pooled":
        pots = {e.name: Column([e.candidate]).pots(e.candidate) for e in entrants}
        best = nested_best_pooled(pots, named(entrants[0].result.summary["metric"]))
        return best, best.answers
    tables = {e.name: e.by_seed for e in entrants}
    best = nested_best(pd.DataFrame({name: table.mean(axis=1) for name, table in tables.items()}))
    n_seeds = max(table.shape[1] for table in tables.values())
    # a pipeline with fewer seeds gives its own in turn
    held_out = {unit: np.resize(tables[name].loc[unit].to_numpy(), n_seeds) for unit, name in best.chosen.items()}
    return best, pd.DataFrame.from_dict(held_out, orient="index")


def ahead(first: Any, second: Any, metric: str, confidence: float) -> tuple[float, float]:
    """Return the interval of how far one nested best is ahead of another, paired over people."""
    if not isinstance(first, pd.DataFrame):
        return difference_interval(first, second, named(metric), confidence)
    return interval_over_units((first.sub(second.mean(axis=1), axis=0)).to_numpy(), confidence=confidence)


def verdict(entrants: list[Entrant]) -> tuple[list[str], dict[str, str]]:
    """Say whether the best network beats the best classical pipeline, and return the same as cells of a row."""
    networks, classical = ([e for e in entrants if e.is_network is side] for side in (True, False))
    if min(len(networks), len(classical)) < 2:
        return [], {}
    (ours, ours_there), (theirs, theirs_there) = nested(networks), nested(classical)
    metric, n = entrants[0].result.summary["metric"], len(networks)
    low, high = ahead(ours_there, theirs_there, metric, 0.95)
    wide = ahead(ours_there, theirs_there, metric, 1 - 0.05 / n)
    said = "yes" if wide[0] > 0 else "no: classical is ahead" if wide[1] < 0 else "no: level"
    difference = ours.nested - theirs.nested
    lines = [
        f"Best network, chosen for each {ours.unit} by the others: **{ours.nested:.3f}** (highest {ours.maximum:.3f}, `{ours.winner}`). "
        f"Best classical pipeline, likewise: **{theirs.nested:.3f}** (highest {theirs.maximum:.3f}, `{theirs.winner}`).",
        f"Difference {difference:+.3f}, paired 95 % interval {low:+.3f} to {high:+.3f}; corrected for {n} networks {wide[0]:+.3f} to {wide[1]:+.3f}. "
        f"Does the best network beat the best classical pipeline? **{said}**.",
    ]
    return lines, {
        "best network": f"**{ours.nested:.3f}**", "best classical": f"**{theirs.nested:.3f}**",
        "difference (95 %, corrected)": f"{difference:+.3f} ({wide[0]:+.3f} to {wide[1]:+.3f})", "networks ahead?": said,
    }  # fmt: skip


# -- pages ------------------------------------------------------------------------------------------------------------


def part(contest: Contest, entrants: list[Entrant], failed: Mapping[str, Exception]) -> tuple[list[str], dict[str, str]]:
    """Return the lines of a data set on the page, and its row in README's table of answers."""
    rows = [e.row(contest.unseen) for e in sorted(entrants, key=lambda e: -e.result.headline)]
    said, cells = verdict([e for e in entrants if e.result.summary["complete"]])
    missing = [f"`{name}` failed: {error}" for name, error in failed.items()]
    text = [f"### {contest.title}", "", markdown(pd.DataFrame(rows).fillna("").astype(str)), "", *said, *missing, ""]
    return text, {"data": contest.title, **cells}


def near(results: Mapping[str, Result | Exception]) -> list[str]:
    """Return the lines of the protocol that others have published."""
    rows = []
    for name, (words, published) in NEAR.items():
        result = results[name]
        ours = f"failed: {result}" if isinstance(result, Exception) else f"**{result.headline:.3f}**"
        interval = "" if isinstance(result, Exception) else "{:.3f} to {:.3f}".format(*result.summary["interval"])
        shown = "" if published is None else f"{published:.3f}"
        rows.append({"pipeline": name, "here": ours, "95 %": interval, "published": shown, "command": f"`python train.py {words}`"})
    return ["### Mental arithmetic in windows of 4 s, beside published figures", "", DIFFERENCES, "", markdown(pd.DataFrame(rows)), ""]


def across(found: Mapping[str, list[Entrant]]) -> pd.DataFrame:
    """Return README's table: one row per network, one column per data set."""
    titles = {contest.data: contest.title for contest in CONTESTS}
    rows: dict[str, dict[str, str]] = {}
    for data, entrants in found.items():
        for e in entrants:
            if e.is_network:
                low, high = e.result.summary["interval"]
                row = rows.setdefault(e.name, {"network": f"`{e.name}`", "parameters": f"{e.n_parameters:,}", "fit, s": f"{e.seconds:.3g}"})
                row[titles[data]] = f"{e.result.headline:.3f} ({low:.3f} to {high:.3f})"
    return pd.DataFrame(list(rows.values())).fillna("")


def made(chosen: argparse.Namespace, home: Path) -> None:
    """Run everything into `home` and write what came of it."""
    root = chosen.folder.resolve()
    contests = [contest for contest in CONTESTS if contest.data in chosen.data]
    asked = [(c, name, words) for c in contests for name, words in c.words().items() if name in chosen.networks or name not in NETWORKS]
    sentences = [sentence(*one, root, home) for one in asked]
    published = [(name, words) for name, (words, _) in NEAR.items() if "mental_arithmetic" in chosen.data]
    arithmetic = Contest("", "mental_arithmetic", [])
    sentences += [sentence(arithmetic, f"near_{name}", words, root, home) for name, words in published]
    results = run_many(sentences, f"python benchmarks/{Path(__file__).name} FOLDER")
    beside = {name: result for (name, _), result in zip(published, results[len(asked) :], strict=True)}
    found: dict[str, list[Entrant]] = {contest.data: [] for contest in contests}
    failed: dict[str, dict[str, Exception]] = {contest.data: {} for contest in contests}
    for (contest, name, words), one, result in zip(asked, sentences, results, strict=False):
        if isinstance(result, Exception):
            failed[contest.data][name] = result
            continue
        is_network = name in contest.networks
        candidate = leaderboard.collect(one.folder).candidates[0]
        found[contest.data].append(Entrant(name, words, is_network, result, candidate, n_parameters(one) if is_network else None))
    page = [
        "## Networks beside classical pipelines", "",
        "Written by `python benchmarks/zoo.py FOLDER`. Add `data.root=` to a command to repeat one line. Recipes of the networks stand in `conf/experiment/`; they were",
        "chosen on S001-S008 of physionet_mi alone. Intervals are over people, and over seeds where there are several; *fit* is the median of a fold on one core.", "",
    ]  # fmt: skip
    answers = []
    for contest in contests:
        text, row = part(contest, found[contest.data], failed[contest.data])
        page += text
        answers.append(row)
    page += near(beside) if beside else []
    said = made_with()
    tables = [markdown(table) for table in (across(found), pd.DataFrame(answers).fillna(""))]
    if chosen.dry:
        print("\n".join(page), *tables, sep="\n\n")
        return
    keep("zoo", "\n".join([*page, said]), PAGE)
    keep("zoo", "\n\n".join([*tables, f"`python benchmarks/zoo.py FOLDER`. {said}"]), PAGE.parent.parent / "README.md")


def main() -> None:
    """Read what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds physionet_mi/, ssvep_exo/, mental_arithmetic/, adhd_children/")
    parser.add_argument("--home", type=Path, default=None, help="where runs are kept, to go on after a stop (default: a temporary folder)")
    parser.add_argument("--data", nargs="*", default=[contest.data for contest in CONTESTS])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), help="which take part, to share the work over days")
    parser.add_argument("--dry", action="store_true", help="print instead of writing")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        made(chosen, Path(chosen.home or spare).resolve())


if __name__ == "__main__":
    main()
