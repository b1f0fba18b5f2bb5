"""A search that never hears of test people: in each fold a configuration is chosen inside its fit rows, and judged on its test rows.

    fold 0:  try, try, try ... on people held out of its fit rows (evaluate.inside=0)  --best-->  one fit, asked about fold 0's test people
    fold 1:  the same anew, with evaluate.inside=1 ...                                 --best-->  one fit, asked about fold 1's test people

One search over the mean of all folds would not do: who is tested in one fold is learned from in the others, and would have a say
in what is tried. Fold by fold the number of fits is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from corticode import store
from corticode.errors import GuardError, SentenceError
from corticode.evaluate.benchmark import Benchmark, Outcome
from corticode.experiment import Result, Run, Sentence, engine_of, planned
from corticode.progress import progress
from corticode.report.table import lower_is_better
from corticode.windows import Windows


class Tried(NamedTuple):
    """A configuration that was asked inside a fold.

    Parameters
    ----------
    sentence : Sentence
    words : str
        What was typed or drawn.
    result : Result
    """

    sentence: Sentence
    words: str
    result: Result

    @property
    def loss(self) -> float:
        """What a search hears, the smaller the better."""
        return loss(self.result.summary)


def loss(summary: Mapping[str, Any]) -> float:
    """Return the headline of a run inside a fold as sweepers want it by default: the smaller the better; NaN where some of it failed.

    Raises
    ------
    GuardError
        The run asked test people.
    """
    if not summary.get("inside"):
        raise GuardError("a search would hear the score of test people: set evaluate.inside= to the number of a fold, or leave it to -m")
    if summary.get("headline") is None or not summary["complete"]:  # the mean of other people than the rest were asked
        return float("nan")
    return float(summary["headline"]) * (1 if lower_is_better(summary["metric"]) else -1)


def best(tried: Sequence[Tried]) -> Tried:
    """Return the first of those with the smallest loss; one that is not a number is never chosen.

    Raises
    ------
    SentenceError
        There is none.
    """
    able = [one for one in tried if one.loss == one.loss]
    if not able:
        raise SentenceError("no configuration of the search has a score: the errors above say why")
    return min(able, key=lambda one: one.loss)


def judge(searches: Sequence[Sequence[Tried]], folder: Path, command: str = "") -> Result:
    """Fit the best that was tried inside each fold on all of its fit rows, ask its test rows, and write one run folder of all folds.

    Parameters
    ----------
    searches : sequence of sequences of Tried
        One per fold, in their order.
    folder : Path
    command : str

    Raises
    ------
    SentenceError
        The search changed what is asked of whom.
    CorticodeError
        Every fold failed.
    """
    chosen = [best(tried) for tried in searches]
    sentences = [_outside(one.sentence, folder) for one in chosen]
    shelf: dict[str, Windows] = {}
    engine = engine_of(sentences)
    runs = [planned(sentence, engine.n_workers, shelf, command) for sentence in sentences]
    if len({run.about["protocol"]["rows"] for run in runs}) > 1 or len(runs[0].folds) != len(runs):
        raise SentenceError(
            "a search chooses among models and how they learn, and this one changed what is asked of whom: leave data=, task= and split= fixed"
        )
    name = _name(runs)
    plans = [
        replace(run.plan, models=[replace(recipe, name=name) for recipe in run.plan.models], folds=[run.plan.folds[k]], refit=False)
        for k, run in enumerate(runs)
    ]
    benchmark = Benchmark(plans)
    if benchmark.n_missing:
        with engine.started():
            for _ in benchmark.run(engine, progress(runs[0].cfg.get("progress", "auto"))):
                pass
    outcome = _together([benchmark.outcome(k) for k in range(len(plans))])
    told = {one.result.summary["inside"]["fold"]: _told(one, tried) for one, tried in zip(chosen, searches, strict=True)}
    outcome.notes += [f"fold {fold}: {said}" for fold, said in told.items()]
    whole = replace(runs[0], cfg={**runs[0].cfg, "chosen": told}, about=_about(runs, name), plan=plans[0])
    result = whole.finish(outcome, [failed for k in range(len(plans)) for failed in benchmark.failed(k)])
    if isinstance(result, Exception):
        raise result
    return result


def _outside(sentence: Sentence, folder: Path) -> Sentence:
    """Return the same configuration, to be asked about test people."""
    cfg = {**sentence.cfg, "evaluate": {**sentence.cfg["evaluate"], "inside": None}, "refit": False}
    return replace(sentence, cfg=cfg, folder=Path(folder))


def _name(runs: Sequence[Run]) -> str:
    names = list(dict.fromkeys(recipe.name for run in runs for recipe in run.plan.models))
    return f"searched {names[0]}" if len(names) == 1 else "searched"


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcomes of single folds as one of all."""
    whole = Outcome()
    for one in outcomes:
        for part in ("predictions", "history", "notes", "failures"):
            getattr(whole, part).extend(getattr(one, part))
        for name, found in one.patterns.items():
            whole.patterns.setdefault(name, []).extend(found)
        for name, n in one.expected.items():
            whole.expected[name] = whole.expected.get(name, 0) + n
        whole.n_jobs, whole.n_resumed = whole.n_jobs + one.n_jobs, whole.n_resumed + one.n_resumed
    return whole


def _told(chosen: Tried, tried: Sequence[Tried]) -> str:
    """Return what was chosen, without the words that all had in common, and how it did."""
    shared = set.intersection(*(set(one.words.split()) for one in tried))
    words = " ".join(word for word in chosen.words.split() if word not in shared) or "the one configuration"
    summary = chosen.result.summary
    return f"{words} ({summary['metric']} {chosen.result.headline:.3f} inside its fit rows, the best of {len(tried)})"


def _about(runs: Sequence[Run], name: str) -> dict[str, Any]:
    """Return the facts of the first fold's run, under hashes of all that was chosen."""
    of_models = [facts for run in runs for facts in run.about["of_models"].values()]
    hashes = {key: store.key([facts[key] for facts in of_models])[:16] for key in ("config_hash", "pipeline_hash")}
    one = {**of_models[0], **hashes, "deterministic": all(facts["deterministic"] for facts in of_models)}
    return {
        **runs[0].about,
        "model": name,
        "config_hash": store.key([run.about["config_hash"] for run in runs])[:16],
        "of_models": {name: one},
    }
