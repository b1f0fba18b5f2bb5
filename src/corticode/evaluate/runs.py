"""Run folders read back: which pipeline ran under which protocol, with what scores and answers.

    folder/**/summary.json --find--> Part (one model of one run) --gather--> Candidate (one pipeline under one protocol, all seeds)

A folder that does not say how it was made is refused in a sentence; the others go on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.errors import MissingDataError
from corticode.predictions import Predictions
from corticode.task.scores import UNITS
from corticode.windows import natural

_NUMBERS = ("score", "samples", "samples_test", "n_classes", "channels", "n_sessions", "time")
_ANSWER_KINDS = (("p_", "probability"), ("d_", "decision"))


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
        return [str(f.get("error", "")) for f in self.summary.get("failures") or [] if f.get("model") == self.model]

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
        return int(sum(part.facts.get("n_folds", 0) for part in self.parts)) if self._own_seeds() else self._counted_folds()

    @property
    def n_folds_expected(self) -> int:
        """Folds that should be there, over all seeds that were begun."""
        per_seed = [part.facts.get("n_folds_expected", 0) / max(1, len(part.facts.get("seeds") or [None])) for part in self.parts]
        return round(max(per_seed) * max(1, len(self.seeds), *(len(part.facts.get("seeds") or [None]) for part in self.parts)))

    @property
    def complete(self) -> bool:
        """True when every fold of every seed is there."""
        return self.n_folds >= self.n_folds_expected > 0

    def _own_seeds(self) -> bool:
        """True when no seed ran twice: then what the runs counted can be added up."""
        named = [str(seed) for part in self.parts for seed in part.facts.get("seeds") or [None]]
        return len(set(named)) == len(named)

    def _counted_folds(self) -> int:
        rows = self.scores[self.scores["fold"] != ""]
        return len(rows[["seed", "fold"]].drop_duplicates())

    def per_unit(self, metric: str, level: str, value: str = "score", over_folds: str = "mean") -> pd.DataFrame:
        """Return the score (or another column) of each unit (person, site, fold; 'all' for pooled) and seed: [units, seeds]."""
        rows = self.scores[(self.scores["level"] == level) & (self.scores["metric"] == metric)]
        named = rows.assign(unit=unit_names(rows, level))
        found = named.pivot_table(index="unit", columns="seed", values=value, aggfunc=over_folds, sort=False)
        return found.loc[sorted(found.index, key=natural)]

    def answers(self) -> list[Predictions]:
        """Return what it answered, one Predictions per fold and seed, from the run folders."""
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


def find(folders: Iterable[Path]) -> tuple[list[Part], list[str]]:
    """Return all that ran below some folders, and a sentence for each folder that is refused.

    Raises
    ------
    MissingDataError
        A folder does not exist, or no run lies below any.
    """
    files: dict[Path, None] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise MissingDataError(f"{folder} is not a folder: give the folder of a run, of a sweep, or outputs/")
        files |= dict.fromkeys(sorted(file for file in folder.rglob("summary.json") if not _hidden(file, folder)))
    if not files:
        raise MissingDataError(f"no run lies below {', '.join(map(str, folders))}: a run folder holds summary.json and scores.csv")
    parts, refused = [], []
    for file in files:
        try:
            parts += _parts(file)
        except (ValueError, OSError, KeyError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
            refused.append(f"{file.parent}: {reason}")
    return parts, refused


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _parts(file: Path) -> list[Part]:
    """Return one Part per model of a run.

    Raises
    ------
    ValueError
        The run does not say how it was made, or cannot be read.
    """
    summary = store.read_json(file)
    if not isinstance(summary, dict) or not isinstance(summary.get("models") or {}, dict):
        raise ValueError("its summary.json is none of a run's")
    models = summary.get("models") or {}
    unnamed = [name for name, facts in models.items() if not facts.get("config_hash")]
    if not summary.get("config_hash") or not models or unnamed:
        raise ValueError(
            "it has no configuration hash, so what ran cannot be told: run it again with this version (finished folds are kept)"
        )
    if not summary.get("protocol_hash") or not summary.get("protocol"):
        raise ValueError("it has no protocol hash, so it cannot be told what it may be compared with: run it again with this version")
    table = file.parent / "scores.csv"
    scores = _read_scores(table) if table.is_file() else pd.DataFrame()
    parts = []
    for name, facts in models.items():
        mine = scores[scores["model"] == name].reset_index(drop=True) if len(scores) else scores
        if facts.get("deterministic") and len(mine):  # ran once, whatever number stands there
            mine = mine.assign(seed="").drop_duplicates(["dataset", "site", "subject", "fold", "level", "metric"], ignore_index=True)
        part = Part(file.parent, name, summary, facts, mine, file.stat().st_mtime)
        parts += _by_size(part) if summary["protocol"].get("split") == "learning_curve" and len(mine) else [part]
    return parts


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
        n_folds = len(mine[["seed", "fold"]].drop_duplicates())
        facts = {**part.facts, "n_folds": n_folds, "n_folds_expected": round(part.facts.get("n_folds_expected", 0) / len(points))}
        # chance bounds and p are those of the whole curve
        facts = {name: fact for name, fact in facts.items() if name not in ("chance_95", "p", "interval")}
        summary = {**part.summary, "protocol": protocol, "protocol_hash": store.key(protocol)[:16]}
        found.append(replace(part, summary=summary, facts=facts, scores=mine, size=point))
    return found


def _read_scores(file: Path) -> pd.DataFrame:
    scores = pd.read_csv(file, dtype=str, keep_default_na=False)
    absent = [name for name in ("dataset", "site", "subject", "fold", "seed", "model", "level", "metric", "score") if name not in scores]
    if absent:
        raise ValueError(f"scores.csv has no column {', '.join(absent)}")
    for name in set(_NUMBERS) & set(scores):
        scores[name] = pd.to_numeric(scores[name].replace("", None), errors="coerce")
    return scores.assign(seed=[seed_text(value) for value in scores["seed"]])


def seed_text(value: Any) -> str:
    """Return a seed as text: 0, 0.0 and '0' are one; '' where there is none."""
    if value is None or str(value).strip().lower() in ("", "nan", "none", "<na>"):
        return ""
    return str(int(float(value)))


def gather(parts: Sequence[Part]) -> list[Candidate]:
    """Put together what ran of one pipeline under one protocol; a seed that ran twice counts once, the fuller and newer run's."""
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        groups.setdefault((_column(part, parts), str(part.facts["config_hash"])), []).append(part)
    candidates = []
    for (protocol_hash, _), group in groups.items():
        group.sort(key=lambda part: (-part.facts.get("n_folds", 0), -part.date, str(part.folder)))
        used = _by_seed(group)
        counted = list(dict.fromkeys(id(part) for part in used.values()))
        kept = [next(part for part in group if id(part) == i) for i in counted] or group[:1]
        rows = [part.scores[part.scores["seed"] == seed] for seed, part in used.items()]
        candidates.append(Candidate(kept, pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(), protocol_hash))
    label(candidates)
    return candidates


# What a protocol is before the first fold has ended: metric, level and access are known only then.
_BEFORE = ("data", "task", "unit", "split", "split_arguments", "rows")


def _column(part: Part, parts: Sequence[Part]) -> str:
    """Return the protocol of a part; one without a single score stands with those that were asked the same."""
    own = str(part.summary["protocol_hash"])
    if len(part.scores):
        return own
    asked = [part.summary["protocol"].get(name) for name in _BEFORE]
    same = [p for p in parts if len(p.scores) and [p.summary["protocol"].get(name) for name in _BEFORE] == asked]
    # its own configuration first, so that an empty run hides behind a later one that ended well
    same.sort(key=lambda p: p.facts["config_hash"] != part.facts["config_hash"])
    return str(same[0].summary["protocol_hash"]) if same else own


def _by_seed(parts: Sequence[Part]) -> dict[str, Part]:
    """Return the part that each seed is taken from: the first that has it."""
    used: dict[str, Part] = {}
    for part in parts:
        for seed in part.scores["seed"].unique() if len(part.scores) else []:
            used.setdefault(seed, part)
    return used


# -- names ----------------------------------------------------------------------------------------------------------

_TELLING = ("align", "adapt", "prepare")


def label(candidates: Sequence[Candidate]) -> None:
    """Name candidates by their model; where several configurations share it, by what differs, at last by their hash.

    One pipeline on two data sets keeps one name, so that data sets can be combined.
    """
    for model in dict.fromkeys(c.first.model for c in candidates):
        same = [c for c in candidates if c.first.model == model]
        pipelines = {c.first.facts.get("pipeline_hash") or c.config_hash for c in same}
        telling = [key for key in _TELLING if len({str(c.first.summary.get(key, "")) for c in same}) > 1] if len(pipelines) > 1 else []
        for c in same:
            said = ", ".join(f"{key}={c.first.summary.get(key) or 'none'}" for key in telling)
            c.label = f"{model} ({said})" if said else model
        for _, clashing in _grouped(same, lambda c: (c.protocol_hash, c.label)):
            if len(clashing) > 1:
                for c in clashing:
                    c.label = f"{c.label} #{c.config_hash[:6]}"


def _grouped(candidates: Sequence[Candidate], key: Any) -> Iterable[tuple[Any, list[Candidate]]]:
    groups: dict[Any, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(key(candidate), []).append(candidate)
    return groups.items()


def unit_names(rows: pd.DataFrame, level: str) -> pd.Series:
    """Name units by what tells them apart: 'S01', or 'physionet_mi S01' where there are several data sets."""
    if level == "pooled":
        return pd.Series("all", index=rows.index)
    dataset, own = UNITS[level]
    several = rows[dataset].nunique() > 1
    return rows[dataset] + " " + rows[own] if several else rows[own]


# -- answers --------------------------------------------------------------------------------------------------------


def read_answers(file: Path, model: str, seeds: Sequence[str], facts: Mapping[str, Any]) -> list[Predictions]:
    """Return predictions.parquet as Predictions again, one per fold and seed; nothing where there is no such file."""
    if not file.is_file() or not len(seeds):
        return []
    frame = pd.read_parquet(file)
    frame = frame[frame["model"] == model]
    frame = frame.assign(seed="" if facts.get("deterministic") else [seed_text(value) for value in frame["seed"]])
    frame = frame[frame["seed"].isin(seeds)]
    found = []
    for (seed, fold), rows in frame.groupby(["seed", "fold"], sort=False):
        found.append(as_predictions(rows, {"model": model, "fold": fold, "seed": int(seed) if seed else None}))
    return found


def as_predictions(frame: pd.DataFrame, fold: Mapping[str, Any]) -> Predictions:
    """Turn rows of `Predictions.to_frame` back."""
    columns = list(frame.columns)
    meta = frame[[name for name in columns[: columns.index("y")] if name not in ("model", "fold", "seed", "access")]]
    for prefix, kind in _ANSWER_KINDS:
        mine = [name for name in columns[columns.index("yhat") + 1 :] if name.startswith(prefix) and frame[name].notna().all()]
        classes = tuple(name.removeprefix(prefix) for name in mine)
        if mine and set(frame["y"]) <= set(classes):
            index = {name: i for i, name in enumerate(classes)}
            y = frame["y"].map(index).to_numpy(dtype=np.int64)
            return Predictions(frame[mine].to_numpy(dtype=float), kind, y, meta, classes, dict(fold))
    return Predictions(frame["yhat"].to_numpy(dtype=float), "value", frame["y"].to_numpy(dtype=float), meta, (), dict(fold))
