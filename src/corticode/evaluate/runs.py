"""Run folders put together: which pipeline ran under which protocol, with what scores and answers.

    folder/**/summary.json --find--> Part (one model of one run) --gather--> Candidate (one pipeline under one protocol, all seeds)

A folder that is damaged or does not say how it was made is refused in a sentence; the others go on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from corticode import store
from corticode.errors import MissingDataError
from corticode.evaluate.label import label
from corticode.evaluate.record import Damaged, Failed, check_answers, check_hashes, failed, read_answers, read_scores, read_summary
from corticode.predictions import Predictions
from corticode.task.scores import UNITS
from corticode.windows import natural


@dataclass(frozen=True)
class Part:
    """One model of one run folder.

    Parameters
    ----------
    folder : Path
    model : str
    summary : dict
        summary.json.
    facts : dict
        summary['models'][model]: config_hash, deterministic, n_folds ...
    scores : DataFrame
        Its rows of scores.csv; `seed` is text, '' for a model that ran once whatever the seeds.
    date : float
        When summary.json was written, seconds.
    size : str
        The point of a learning curve it is, else ''.
    """

    folder: Path
    model: str
    summary: Mapping[str, Any]
    facts: Mapping[str, Any]
    scores: pd.DataFrame
    date: float
    size: str = ""

    @property
    def errors(self) -> list[str]:
        """What went wrong in its jobs."""
        return [str(f.get("error", "")) for f in self.summary.get("failures") or [] if f.get("model") in (self.model, "", None)]

    @property
    def seeds(self) -> list[str]:
        """Seeds that were asked for, as text; [''] for a model that runs once."""
        return ["" if seed is None else str(seed) for seed in self.facts.get("seeds") or [None]]

    @property
    def folds_by_seed(self) -> dict[str, int]:
        """How many folds of each seed have a score."""
        if not len(self.scores):
            return {}
        return self.scores[self.scores["fold"] != ""].groupby("seed")["fold"].nunique().to_dict()

    @property
    def complete(self) -> bool:
        """True when every expected fold is there."""
        return self.facts.get("n_folds", 0) >= self.facts.get("n_folds_expected", 0) > 0


@dataclass
class Candidate:
    """One pipeline under one protocol, over all its seeds and runs.

    Parameters
    ----------
    parts : list of Part
        Of one protocol and one configuration; the ones that count, best first.
    scores : DataFrame
        Rows of scores.csv, each seed from one part.
    protocol_hash : str
        The column it stands in.
    label : str
        How it is called beside the others.
    """

    parts: list[Part]
    scores: pd.DataFrame
    protocol_hash: str
    label: str = ""
    _answers: list[Predictions] | None = field(default=None, repr=False)

    @property
    def first(self) -> Part:
        """The part whose facts stand for all."""
        return self.parts[0]

    @property
    def config_hash(self) -> str:
        """Hash of the configuration."""
        return str(self.first.facts["config_hash"])

    @property
    def seeds(self) -> list[str]:
        """Seeds that ran; [''] for a deterministic model."""
        return sorted(self.scores["seed"].unique(), key=lambda s: (len(s), s)) if len(self.scores) else []

    @property
    def n_folds(self) -> int:
        """Folds that are there, over all seeds."""
        return int(sum(part.facts.get("n_folds") or 0 for part in self.parts)) if self._own_seeds() else self._counted_folds()

    @property
    def n_folds_expected(self) -> int:
        """Folds that should be there, over all seeds that were begun, be it that none of a seed's folds ended."""
        per_seed = [(part.facts.get("n_folds_expected") or 0) / len(part.seeds) for part in self.parts]
        return round(max(per_seed) * len({*self.seeds, *(seed for part in self.parts for seed in part.seeds)}))

    @property
    def complete(self) -> bool:
        """True when every fold of every seed is there."""
        return self.n_folds >= self.n_folds_expected > 0

    def _own_seeds(self) -> bool:
        """True when no seed ran twice: then what the runs counted can be added up."""
        named = [seed for part in self.parts for seed in part.seeds]
        return len(set(named)) == len(named)

    def _counted_folds(self) -> int:
        rows = self.scores[self.scores["fold"] != ""]
        return len(rows[["seed", "fold"]].drop_duplicates())

    def per_unit(self, metric: str, level: str, value: str = "score", over_folds: str = "mean") -> pd.DataFrame:
        """Return the score (or another column) of each unit (person, site, fold; 'all' for pooled) and seed: [units, seeds]."""
        rows = self.scores[(self.scores["level"] == level) & (self.scores["metric"] == metric)]
        named = rows.assign(unit=unit_names(rows, level))
        found = named.groupby(["unit", "seed"], sort=False)[value].agg(over_folds).dropna().unstack("seed")
        return found.loc[sorted(found.index, key=natural)]

    def answers(self) -> list[Predictions]:
        """Return what it answered, one Predictions per fold and seed, from the run folders.

        Raises
        ------
        Damaged
        """
        if self._answers is None:
            wanted: dict[str, list[str]] = {}
            for seed, part in _by_seed(self.parts).items():
                wanted.setdefault(str(part.folder), []).append(seed)
            self._answers = [
                one
                for part in self.parts
                for one in read_answers(part.folder / "predictions.parquet", part.model, wanted.get(str(part.folder), []), part.facts)
                if not part.size or str(one.fold["fold"]).rpartition("/")[2] == part.size
            ]
        return self._answers

    @property
    def without_answers(self) -> list[Path]:
        """Run folders that have scores of it, and no predictions.parquet."""
        return [part.folder for part in self.parts if len(part.scores) and not (part.folder / "predictions.parquet").is_file()]


class Found(NamedTuple):
    """What lies below some folders.

    Attributes
    ----------
    parts : list of Part
    refused : list of str
        A sentence for each folder that cannot take part.
    failed : list of Failed
        Runs of which nothing came.
    """

    parts: list[Part]
    refused: list[str]
    failed: list[Failed]


def find(folders: Iterable[Path]) -> Found:
    """Return all that ran below some folders, what is refused, and what failed.

    Raises
    ------
    MissingDataError
        A folder does not exist, or no run lies below any.
    """
    folders, files = [Path(folder) for folder in folders], {}
    for folder in folders:
        if not folder.is_dir():
            raise MissingDataError(f"{folder} is not a folder: give the folder of a run, of a sweep, or outputs/")
        files |= dict.fromkeys(sorted(file for file in folder.rglob("summary.json") if not _hidden(file, folder)))
    if not files:
        raise MissingDataError(f"no run lies below {', '.join(map(str, folders))}: a run folder holds summary.json and scores.csv")
    found = Found([], [], [])
    for file in files:
        try:
            summary = read_summary(file.parent)
            if summary.get("inside"):  # a step of a search: for choosing, and no result
                continue
            nothing = failed(file.parent, summary)
            if nothing is None:
                found.parts.extend(_parts(file, summary))
            else:
                found.failed.append(nothing)
        except Damaged as error:
            found.refused.append(str(error))
    return found


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _parts(file: Path, summary: Mapping[str, Any]) -> list[Part]:
    """Return one Part per model of a run."""
    folder = file.parent
    check_hashes(folder, summary)
    check_answers(folder)
    scores, parts = read_scores(folder, summary), []
    for name, facts in summary["models"].items():
        mine = scores[scores["model"] == name].reset_index(drop=True) if len(scores) else scores
        if facts.get("deterministic") and len(mine):  # ran once, whatever number stands there
            mine = mine.assign(seed="").drop_duplicates(["dataset", "site", "subject", "fold", "level", "metric"], ignore_index=True)
        part = Part(folder, name, summary, facts, mine, file.stat().st_mtime)
        parts += _by_size(part) if summary["protocol"].get("split") == "learning_curve" and len(mine) else [part]
    return parts


# -- learning curves --------------------------------------------------------------------------------------------------


def _by_size(part: Part) -> list[Part]:
    """Make a protocol of each point of a learning curve: scores after 2 people and after 16 have no mean.

    Folds are named '.../size'. Scores over all folds (by site, pooled) mix the points and are left out.
    """
    rows = part.scores[part.scores["fold"] != ""]
    size = rows["fold"].str.rpartition("/")[2]
    points, found = sorted(size.unique(), key=natural), []
    for point in points:
        protocol = {**part.summary["protocol"], "size": point}
        mine = rows[size == point].reset_index(drop=True)
        folds = mine.drop_duplicates(["seed", "fold"])
        expected = len(folds) if part.complete else round((part.facts.get("n_folds_expected") or 0) / _n_points(part, len(points)))
        facts = {**part.facts, "n_folds": len(folds), "n_folds_expected": expected}
        if "time" in folds:
            facts["seconds"] = float(folds["time"].sum())
        # chance bounds, p and prediction sets are those of the whole curve
        facts = {name: fact for name, fact in facts.items() if name not in ("chance_95", "p", "interval", "conformal")}
        summary = {**part.summary, "protocol": protocol, "protocol_hash": store.key(protocol)[:16]}
        found.append(replace(part, summary=summary, facts=facts, scores=mine, size=point))
    return found


def _n_points(part: Part, seen: int) -> int:
    """Return how many points a curve has that was interrupted: as asked, else from the number of folds, else as many as were seen."""
    arguments, expected = (
        part.summary["protocol"].get("split_arguments") or {},
        (part.facts.get("n_folds_expected") or 0) // len(part.seeds),
    )
    if arguments.get("sizes"):
        return len(set(arguments["sizes"]))
    if arguments.get("of", "subject") == "subject":
        # n people are asked at 1, 2, 4 ... and n - 1 others
        for n in range(2, expected + 1):
            points = len({*(2**k for k in range(n.bit_length()) if 2**k <= n - 1), n - 1})
            if n * points == expected:
                return max(points, seen)
    return seen


# -- pipelines --------------------------------------------------------------------------------------------------------


def gather(parts: Sequence[Part]) -> list[Candidate]:
    """Put together what ran of one pipeline under one protocol; a seed that ran twice counts once, the fuller and newer run's.

    A seed of which no fold has ended counts as begun, so that what is there of the others is not taken for all.
    """
    groups: dict[tuple[str, str], list[Part]] = {}
    scored = [(_asked(part), part) for part in parts if len(part.scores)] if any(not len(part.scores) for part in parts) else []
    for part in parts:
        for column in _columns(part, scored):
            groups.setdefault((column, str(part.facts["config_hash"])), []).append(part)
    candidates = []
    for (protocol_hash, _), group in groups.items():
        group.sort(key=lambda part: (-(part.facts.get("n_folds") or 0), -part.date, str(part.folder)))
        used = _by_seed(group)
        kept = [part for part in group if any(part is one for one in used.values())]
        for part in group:
            if set(part.seeds) - {seed for one in kept for seed in one.seeds} or not kept:
                whole_curve = part.summary["protocol"].get("split") == "learning_curve" and not part.size and kept
                # that of one point is known by the others
                kept.append(replace(part, facts={**part.facts, "n_folds_expected": 0}) if whole_curve else part)
        rows = [part.scores[part.scores["seed"] == seed] for seed, part in used.items()]
        candidates.append(Candidate(kept, pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(), protocol_hash))
    label(candidates)
    return candidates


# What is known of a protocol only when the first fold has ended, and the points that a curve is taken apart into.
_LATER = ("metric", "level", "access", "size")


def _asked(part: Part) -> str:
    return store.key({name: value for name, value in part.summary["protocol"].items() if name not in _LATER})


def _columns(part: Part, scored: Sequence[tuple[str, Part]]) -> list[str]:
    """Return the protocol of a part; one without a single score stands with those that were asked the same, at each point of a curve."""
    own = str(part.summary["protocol_hash"])
    if len(part.scores):
        return [own]
    asked = _asked(part)
    same = [other for theirs, other in scored if theirs == asked]
    # its own configuration first, so that an empty run hides behind a later one that ended well
    same.sort(key=lambda p: p.facts["config_hash"] != part.facts["config_hash"])
    found = list(dict.fromkeys(str(p.summary["protocol_hash"]) for p in same)) or [own]
    return found if same and same[0].size else found[:1]


def _by_seed(parts: Sequence[Part]) -> dict[str, Part]:
    """Return the part that each seed is taken from: the one with most of its folds, among equals the first."""
    used: dict[str, Part] = {}
    most: dict[str, int] = {}
    for part in parts:
        for seed, n in part.folds_by_seed.items():
            if n > most.get(seed, 0):
                used[seed], most[seed] = part, n
    return dict(sorted(used.items(), key=lambda one: [part is one[1] for part in parts].index(True)))


def unit_names(rows: pd.DataFrame, level: str) -> pd.Series:
    """Name units by what tells them apart: 'S01', or 'physionet_mi S01' where there are several data sets."""
    if level == "pooled":
        return pd.Series("all", index=rows.index)
    dataset, own = UNITS[level]
    several = rows[dataset].nunique() > 1
    return rows[dataset] + " " + rows[own] if several else rows[own]
