"""One protocol of a leaderboard: its pipelines side by side, compared on the same people and questions."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from corticode.errors import SentenceError
from corticode.evaluate.best import Best, nested_best
from corticode.evaluate.comparison import PAIR_COLUMNS, RANK_COLUMNS, pairs, ranks
from corticode.evaluate.pooled import nested_best_pooled, pairs_pooled
from corticode.evaluate.record import seed_text
from corticode.evaluate.runs import Candidate, unit_names
from corticode.evaluate.statistics import binomial_bound, binomial_interval, guesses, interval_over_units
from corticode.metric.base import Metric, named
from corticode.predictions import Predictions
from corticode.task.scores import GROUPS, UNITS, table, together
from corticode.windows import natural

SCORE_COLUMNS = (
    "protocol", "pipeline", "model", "config_hash", "deterministic", "n_seeds", "score", "sd", "sd_seeds", "n", "interval_low", "interval_high",
    "chance", "chance_low", "chance_high", "chance_95", "p", "n_above", "ece", "brier", "itr", "coverage", "coverage_worst", "set_size", "samples", "channels", "seconds", "energy_kwh",
    "complete", "n_folds", "n_folds_expected", "ranked", "maximum", "chosen", "failures", "error", "prepare_sees", "selection", "align", "adapt", "runs",
)  # fmt: skip
BEST_COLUMNS = (
    "protocol", "n_candidates", "n", "nested", "nested_low", "nested_high", "maximum", "maximum_pipeline", "optimism", "chance", "unit",
)  # fmt: skip
PEOPLE_COLUMNS = ("protocol", "pipeline", "unit", "score", "n", "chance_bound", "chosen")

_WORDS = {"subject": "person", "site": "site", "fold": "fold of people"}
_BESIDE = ("ece", "brier", "itr")


class Column:
    """The candidates of one protocol.

    Parameters
    ----------
    candidates : list of Candidate
        Of one protocol.

    Attributes
    ----------
    id : str
        8 hex digits of the protocol's hash.
    protocol : dict
        What was asked of whom; see summary.json.
    notes : list of str
        What was left out of ranks and tests, and why.
    """

    def __init__(self, candidates: Sequence[Candidate]):
        self.candidates = list(candidates)
        scored = [c for c in self.candidates if len(c.scores)]
        self.id = self.candidates[0].protocol_hash[:8]
        self.protocol: Mapping[str, Any] = (scored or self.candidates)[0].first.summary["protocol"]
        self.notes: list[str] = []
        self.level = str(self.protocol.get("level") or "subject")
        self.metric = self._known(str(self.protocol["metric"])) if self.protocol.get("metric") else None
        self.lower_is_better = bool(self.metric and self.metric.lower_is_better)
        self.by_seed = {c.label: c.per_unit(self.metric.name, self.level) for c in scored} if self.metric else {}
        self._ranked = self._those_that_cover_all()

    def _known(self, name: str) -> Metric:
        """Return the metric of this name; of one's own metric no more is known than its scores."""
        try:
            return named(name)
        except SentenceError:
            self.notes.append(
                f"{name} is no metric of the house: its scores are taken as they are, the highest as the best, without a chance level"
            )
            own = Metric()
            own.name, own.kinds = name, ()
            return own

    # -- who takes part ---------------------------------------------------------------------------------------

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """Score of each unit and pipeline, seeds averaged: [units, pipelines]."""
        means = {name: scores.mean(axis=1) for name, scores in self.by_seed.items() if len(scores)}
        found = pd.DataFrame(means)
        return found.loc[sorted(found.index, key=natural)]

    def _those_that_cover_all(self) -> list[str]:
        """Name the pipelines that may be ranked: complete, with a score for every unit; note the others."""
        whole = {c.label for c in self.candidates if c.complete}
        ranked = [name for name in self.table.columns if name in whole and self.table[name].notna().all()]
        left = [c for c in self.candidates if c.label not in ranked]
        if left and self.candidates:
            said = ", ".join(f"{c.label} ({self._lacks(c)})" for c in left)
            self.notes.append(f"{self.protocol.get('data')}: left out of ranks and of the choice of the best: {said}")
        return ranked

    def _lacks(self, c: Candidate) -> str:
        """Say what keeps a candidate out: folds, or the score of some people whose folds have ended."""
        if not c.complete or self.level == "pooled" or c.label not in self.table:
            return f"{c.n_folds} of {c.n_folds_expected} folds"
        there, units = self.table[c.label].notna().sum(), {"subject": "people", "site": "sites", "fold": "folds"}[self.level]
        return f"scores for {there} of {len(self.table)} {units}"

    @property
    def n_people(self) -> int:
        """Units scored, or people for a pooled score."""
        if self.level != "pooled":
            return len(self.table)
        return 0 if self.truth is None else len(self.truth.meta[UNITS["subject"]].drop_duplicates())

    def means(self) -> pd.Series:
        """Return the mean score of each ranked pipeline."""
        return self.table[self._ranked].mean() if self._ranked else pd.Series(dtype=float)

    # -- answers ----------------------------------------------------------------------------------------------

    @functools.cached_property
    def truth(self) -> Predictions | None:
        """All answers of the fullest candidate's first seed, averaged to the unit of the task; None where none were kept."""
        for candidate in sorted((c for c in self.candidates if len(c.scores)), key=lambda c: -c.n_folds):
            pots = self.pots(candidate)
            if pots:
                return pots[0]
        return None

    def pots(self, candidate: Candidate) -> list[Predictions]:
        """Return a candidate's answers, one Predictions per seed, in one order for all candidates."""
        unit = str(self.protocol.get("unit") or "window")
        return [_sorted(pot) for pot in together([one.average(unit) for one in candidate.answers()])]

    @functools.cached_property
    def _comparable(self) -> dict[str, list[Predictions]]:
        """Answers of the ranked pipelines of one kind, row by row the same questions."""
        found: dict[str, list[Predictions]] = {}
        for candidate in self.candidates:
            pots = self.pots(candidate) if candidate.label in self._ranked else []
            if not pots and candidate.label in self._ranked:
                where = "; ".join(map(str, candidate.without_answers))
                self.notes.append(f"{candidate.label} is compared with no other: {where} holds no predictions.parquet")
            if pots and self.truth is not None and all(len(p) == len(self.truth) and np.array_equal(p.y, self.truth.y) for p in pots):
                found[candidate.label] = pots
        return found

    # -- what may be concluded --------------------------------------------------------------------------------

    @functools.cached_property
    def nested(self) -> Best | None:
        """The nested figure of the best; None below two pipelines or two units."""
        if self.level == "pooled":
            answers = self._comparable
            if len(answers) < 2 or self.n_people < 4:
                return None
            try:
                return nested_best_pooled(answers, self.metric)
            except ValueError as error:
                self.notes.append(f"{self.protocol.get('data')}: {error}")
                return None
        scores = self.table[self._ranked] if self._ranked else pd.DataFrame()
        return nested_best(scores, self.lower_is_better, _WORDS[self.level]) if min(scores.shape) >= 2 else None

    @functools.cached_property
    def _pairs(self) -> pd.DataFrame:
        if self.level == "pooled":
            return pairs_pooled(self._comparable, self.metric) if len(self._comparable) > 1 else pd.DataFrame(columns=list(PAIR_COLUMNS))
        return pairs(self.table, self.lower_is_better)

    def tests(self) -> pd.DataFrame:
        """Return the comparison of every two pipelines."""
        return self._pairs.assign(protocol=self.id, family="")[["protocol", "family", *PAIR_COLUMNS]]

    def ranks(self) -> pd.DataFrame:
        """Return mean ranks over people, the Friedman test and the critical difference; empty for a pooled score."""
        if self.level == "pooled" or len(self._ranked) < 2 or len(self.table) < 2:
            return pd.DataFrame(columns=["protocol", "family", *RANK_COLUMNS])
        return ranks(self.table[self._ranked], self.lower_is_better).assign(protocol=self.id, family="")[
            ["protocol", "family", *RANK_COLUMNS]
        ]

    def best(self) -> pd.DataFrame:
        """Return one row: the nested figure, beside the maximum."""
        best = self.nested
        if best is None:
            return pd.DataFrame(columns=list(BEST_COLUMNS))
        low, high = best.interval or (np.nan, np.nan)
        optimism = (best.nested - best.maximum) if self.lower_is_better else (best.maximum - best.nested)
        n = self.n_people if self.level == "pooled" else len(best.chosen)
        row = (self.id, len(self._ranked), n, best.nested, low, high, best.maximum, best.winner, optimism, self.chance(), best.unit)
        return pd.DataFrame([row], columns=list(BEST_COLUMNS))

    # -- tables -----------------------------------------------------------------------------------------------

    def scores(self) -> pd.DataFrame:
        """Return one row per pipeline, the best first; failed ones at the end."""
        rows = pd.DataFrame([self._row(c) for c in self.candidates], columns=list(SCORE_COLUMNS))
        order = rows["score"].mul(1 if self.lower_is_better else -1).sort_values(kind="stable", na_position="last").index
        return rows.loc[order].reset_index(drop=True)

    def _row(self, c: Candidate) -> dict[str, Any]:
        scores = self.by_seed.get(c.label, pd.DataFrame())
        values = scores.mean(axis=1) if len(scores) else pd.Series(dtype=float)
        by_seed = scores.mean(axis=0) if len(scores) else pd.Series(dtype=float)
        low, high = self._interval(c, scores) or (np.nan, np.nan)
        errors = [error for part in c.parts for error in part.errors]
        parts, best = c.parts, self.nested
        return {
            "protocol": self.id, "pipeline": c.label, "model": c.first.model, "config_hash": c.config_hash,
            "deterministic": bool(c.first.facts.get("deterministic", False)), "n_seeds": len(c.seeds),
            "score": values.mean(), "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
            "sd_seeds": by_seed.std(ddof=1) if len(by_seed) > 1 else np.nan,
            "n": self.n_people if self.level == "pooled" else len(values), "interval_low": low, "interval_high": high,
            **self._chances(c, values), **{name: self._beside(c, name) for name in _BESIDE}, **_sets(c),
            "samples": _median(c.scores, "samples"), "channels": _median(c.scores, "channels"),
            "seconds": sum(float(p.facts.get("seconds") or 0) for p in parts), "energy_kwh": _energy(parts),
            "complete": c.complete, "n_folds": c.n_folds, "n_folds_expected": c.n_folds_expected, "ranked": c.label in self._ranked,
            "maximum": best is not None and best.winner == c.label, "chosen": best.share(c.label) if best is not None and c.label in self._ranked else np.nan,
            "failures": len(errors), "error": errors[0] if errors else "", "prepare_sees": c.first.summary.get("prepare_sees", ""),
            "selection": c.first.summary.get("selection", ""), "align": c.first.summary.get("align", ""), "adapt": c.first.summary.get("adapt", ""),
            "runs": "; ".join(str(p.folder) for p in parts),
        }  # fmt: skip

    def _interval(self, c: Candidate, scores: pd.DataFrame) -> tuple[float, float] | None:
        """Return the 95 % bootstrap interval: of the table, or of the answers for a pooled score."""
        if self.level != "pooled":
            return interval_over_units(scores.to_numpy()) if len(scores) else None
        from corticode.evaluate.statistics import bootstrap_interval

        pots = self.pots(c)
        return bootstrap_interval(pots, self.metric, "pooled") if pots and self.metric else None

    def _beside(self, c: Candidate, metric: str) -> float:
        """Return the mean of another metric at the same level: from the scores, else from the answers."""
        if not len(c.scores):
            return np.nan
        found = c.per_unit(metric, self.level)
        if not len(found) and metric != "itr":
            found = _scored(c, named(metric), self.level, str(self.protocol.get("unit") or "window"))
        return float(found.mean(axis=1).mean()) if len(found) else np.nan

    # -- chance -----------------------------------------------------------------------------------------------

    def chance(self) -> float:
        """Return the score of answers that know nothing; NaN where there is no such number."""
        known = self.metric.chance(self.truth) if self.metric is not None and self.truth is not None else None
        return np.nan if known is None else float(known)

    @functools.cached_property
    def guesses(self) -> pd.Series:
        """How many guesses each unit's score is worth; empty where the metric counts no right answers."""
        if self.truth is None or self.metric is None or not self.truth.classes or self.level == "fold":
            return pd.Series(dtype=float)
        meta = self.truth.meta
        unit = unit_names(meta, self.level)
        counts = pd.crosstab(unit.to_numpy(), self.truth.y)
        worth = {name: guesses(row.to_numpy(), self.metric.name) for name, row in counts.iterrows()}
        return pd.Series({name: n for name, n in worth.items() if n}, dtype=float)

    def _chances(self, c: Candidate, values: pd.Series) -> dict[str, Any]:
        chance, n = self.chance(), self.guesses.reindex(values.index)
        bounds = [p.facts.get("chance_95") for p in c.parts if p.facts.get("chance_95") is not None]
        ps = [p.facts.get("p") for p in c.parts if p.facts.get("p") is not None]
        low = high = n_above = np.nan
        if len(n) and n.notna().all() and np.isfinite(chance):
            # the mean over units of unequal size varies as this many guesses do
            low, high = binomial_interval(len(n) ** 2 / (1 / n).sum() + 1e-9, chance)
            if self.level == "subject":
                n_above = int(sum(values[unit] > binomial_bound(n[unit], chance) for unit in n.index))
        widest = (min if self.lower_is_better else max)(bounds) if bounds else np.nan
        return {
            "chance": chance,
            "chance_low": low,
            "chance_high": high,
            "chance_95": widest,
            "p": max(ps) if ps else np.nan,
            "n_above": n_above,
        }

    def people(self) -> pd.DataFrame:
        """Return one row per pipeline and unit, with the unit's own chance bound; empty for a pooled score."""
        if self.level == "pooled" or not len(self.table):
            return pd.DataFrame(columns=list(PEOPLE_COLUMNS))
        chance, rows = self.chance(), []
        n = {c.label: _windows(c, self.metric.name, self.level) for c in self.candidates if len(c.scores)}
        for name in self.table:
            for unit, score in self.table[name].dropna().items():
                worth = self.guesses.get(unit, np.nan)
                bound = binomial_bound(worth, chance) if np.isfinite(worth) and np.isfinite(chance) else np.nan
                chosen = self.nested is not None and self.nested.chosen.get(unit) == name
                rows.append((self.id, name, unit, score, n[name].get(unit, np.nan), bound, chosen))
        return pd.DataFrame(rows, columns=list(PEOPLE_COLUMNS))


def _sets(c: Candidate) -> dict[str, float]:
    """Return what prediction sets came to: mean over its runs, and the person who was covered worst in any."""
    found = [part.facts["conformal"] for part in c.parts if isinstance(part.facts.get("conformal"), Mapping)]
    coverage, worst, size = ([float(one[key]) for one in found if one.get(key) is not None] for key in ("coverage", "worst", "size"))
    return {
        "coverage": float(np.mean(coverage)) if coverage else np.nan,
        "coverage_worst": min(worst, default=np.nan),
        "set_size": float(np.mean(size)) if size else np.nan,
    }


def _sorted(pot: Predictions) -> Predictions:
    """Put rows in the order of who and when, so that two candidates stand side by side."""
    keys = [name for name in (*GROUPS["subject"], "session", "run", "recording", "trial", "onset_s") if name in pot.meta]
    order = pot.meta.reset_index(drop=True).sort_values(keys, kind="stable").index.to_numpy()
    return pot[order]


def _scored(c: Candidate, metric: Metric, level: str, unit: str) -> pd.DataFrame:
    """Return one metric of the answers that were kept, [units, seeds]; empty where it is undefined."""
    scores = table([one.average(unit) for one in c.answers()], [metric])
    return (
        Candidate(c.parts, scores.assign(seed=[seed_text(value) for value in scores["seed"]]), "").per_unit(metric.name, level)
        if len(scores)
        else scores
    )


def _windows(c: Candidate, metric: str, level: str) -> pd.Series:
    """Return how many windows of each unit were scored in one seed."""
    found = c.per_unit(metric, level, "samples_test", "sum")
    return found.max(axis=1) if len(found) else pd.Series(dtype=float)


def _median(scores: pd.DataFrame, name: str) -> float:
    return float(scores.loc[scores["level"] == "fold", name].median()) if len(scores) and name in scores else np.nan


def _energy(parts: Sequence[Any]) -> float:
    """Return kWh: a run's, shared among its models by their seconds; NaN where none was measured."""
    found = []
    for part in parts:
        kwh, models = part.summary.get("energy_kwh"), part.summary["models"]
        total = sum(float(facts.get("seconds") or 0) for facts in models.values())
        if kwh is not None:
            found.append(float(kwh) * (float(part.facts.get("seconds") or 0) / total if total else 1 / len(models)))
    return sum(found) if found else np.nan
