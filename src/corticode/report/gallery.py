"""Which figures a run can show, and the words that say what is seen in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from corticode.report import answer, chance, table
from corticode.report.figure import calibration, growth, matrix, pair, person, roc, training, value
from corticode.report.folder import Run

_MODELS = 6  # figures of a single model are drawn for this many; the tables have them all


@dataclass(frozen=True)
class Picture:
    """An SVG with its title and caption; `full` asks for the whole width of the page."""

    svg: str
    title: str
    caption: str
    full: bool = False


def pictures(run: Run) -> Iterator[Picture]:
    """Yield what the tables of a run allow, in reading order."""
    yield from _people(run)
    yield from _pairs(run)
    yield from _growth(run)
    if run.predictions is not None and len(run.predictions):
        yield from _classes(run) if answer.classes_of(run.predictions) else _values(run)
    yield from _coverage(run)
    if run.history is not None and len(run.history):
        yield from _training(run)
    yield from _kept(run, explained=False)


def explanations(run: Run) -> Iterator[Picture]:
    """Yield the figures of what the decoder used, which `corticode explain` left in the run's folder."""
    yield from _kept(run, explained=True)


def _kept(run: Run, explained: bool) -> Iterator[Picture]:
    for name, (text, caption) in run.figures.items():
        if name.startswith("explain_") == explained:
            title, _, rest = caption.partition("\n")
            yield Picture(text, title or name.replace("_", " "), rest.strip(), full=True)


def several(run: Run) -> list[str]:
    """Return the names of the models where there are more than one."""
    models = list(run.summary.get("models") or {})
    return models if len(models) > 1 else []


def _people(run: Run) -> Iterator[Picture]:
    s = run.summary
    level = table.finest(run.scores, s["metric"])
    bounds = chance.bounds(run.scores, run.predictions, s["metric"], s.get("chance"), level) if level else None
    drawn = person.people(run.scores, s, level, bounds) if level else None
    if drawn is None:
        return
    one = table.UNITS[level][0]
    alone = len(table.per_unit(run.scores, level)["unit"].unique()) == 1
    caption = [f"The dot is the one {one} there is." if alone else f"A dot is one {one}, the best at the left."]
    if several(run):
        caption.append(f"The models of one {one} stand together, marked as at the right.")
    elif s.get("chance") is not None and not alone:
        caption.append(_above(run, level, bounds))
    if len(table.per_seed(run.scores, level)):
        caption.append("Small dots are single seeds.")
    if bounds is not None:
        caption.append(f"The grey field behind a {one} holds 95 % of what guessing scores on as many windows (binomial).")
    pooled = s.get("level") == "pooled"
    what = f"score over {s.get('n') or 'all'} people in one pot" if pooled else "mean"
    right = f"At the right the {what}" + (" of each model" if several(run) else "")
    bands = [" with its 95 % interval" if s.get("interval") else ""]
    if s.get("chance_95") is not None and s.get("chance") is not None:
        bands.append(
            "; the grey field reaches from chance to the bound that 95 % of {} keep when truths are permuted".format(
                "pooled scores" if pooled else "means"
            )
        )
    yield Picture(
        drawn, f"{_capital(table.spoken(s['metric']))} of each {one}.", " ".join([*caption, right + "".join(bands) + "."]), full=True
    )


def _above(run: Run, level: str, bounds: pd.Series | None) -> str:
    s = run.summary
    units = table.per_unit(run.scores, level)
    values = units[units["metric"] == s["metric"]].set_index("unit")["score"]
    better = values < s["chance"] if table.lower_is_better(s["metric"]) else values > s["chance"]
    where = f"better than chance ({table.number(s['chance'])}, dashed)"
    if bounds is not None:
        better, where = values > bounds.reindex(values.index), f"above what guessing reaches (chance {table.number(s['chance'])}, dashed)"
    verb = "is" if better.sum() == 1 else "are"
    return f"{better.sum()} of {len(values)} {table.UNITS[level][len(values) != 1]} {verb} {where}."


def _pairs(run: Run) -> Iterator[Picture]:
    s = run.summary
    level = table.finest(run.scores, s["metric"]) if several(run) else None
    if level is None:
        return
    one, metric = table.UNITS[level][0], table.metric_shown(run.scores, s["metric"], level)
    values = person.by_person(run.scores, metric, level, several(run))
    drawn = pair.pairs(values, table.spoken(metric), table.lower_is_better(metric), s.get("chance"), level)
    if drawn:
        most = "" if len(values.columns) <= 6 else " The five next best are shown."
        words = f"A line is one {one}: blue where the model with the best mean is the better of the two, orange and dashed where it is not; thick is the mean.{most}"
        yield Picture(drawn, "The best beside the others.", words, full=True)


def _growth(run: Run) -> Iterator[Picture]:
    """Yield the learning curve of a split whose folds are named by what they learn from: 'S3/8'."""
    s = run.summary
    level = table.finest(run.scores, s["metric"]) if s.get("split") == "learning_curve" and "fold" in run.scores else None
    if level is None:
        return
    rows = run.scores[(run.scores["level"] == level) & (run.scores["metric"] == s["metric"])]
    size = pd.to_numeric(rows["fold"].str.extract(r"/(\d+)$")[0])
    rows = rows.assign(unit=table.unit_names(rows, level), size=size).dropna(subset=["score", "size"])
    people = ((s.get("protocol") or {}).get("split_arguments") or {}).get("of", "subject") == "subject"
    what, one = "people" if people else "trials per class", table.UNITS[level][1]
    drawn = growth.learning_curve(rows, f"{what} learned from", table.spoken(s["metric"]), s.get("chance")) if len(rows) else None
    if drawn:
        words = (
            f"Mean over {one}, with its standard error as a field; every size is asked about the same test rows. The dashed line is chance."
        )
        yield Picture(drawn, f"What more {what} bring.", f"{words} The headline is the mean over all sizes.")


def _coverage(run: Run) -> Iterator[Picture]:
    models = run.summary.get("models") or {}
    told = {name: facts["conformal"] for name, facts in models.items() if facts.get("conformal")}
    if not told and run.summary.get("conformal"):
        told = {"": run.summary["conformal"]}
    for name, facts in list(told.items())[:_MODELS]:
        drawn = calibration.coverage(facts, name if len(told) > 1 else "")
        if drawn:
            yield Picture(drawn, "Do its sets of classes hold the truth?", _covered(facts), full=True)


def _covered(facts: dict[str, Any]) -> str:
    worst = min((p for p in facts["per_person"] if p.get("coverage") is not None), key=lambda p: p["coverage"])
    said = (
        f"Over all people {100 * facts['coverage']:.1f} % of the sets hold the truth, {100 * calibration.wanted(facts):.0f} % were wanted."
    )
    mean = facts.get("mean_size", facts.get("size"))
    size = f" A set has {mean:.2f} classes in the mean." if mean is not None else ""
    return (
        f"A dot is one person. {said}{size} The worst is {worst.get('subject', 'one person')} with {100 * worst['coverage']:.1f} %: "
        "the promise holds over people, not for each. Calibrated on whole people who were neither trained on nor tested."
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _single(run: Run, rows: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and rows of each model; the name is empty where there is one."""
    names = list(dict.fromkeys(rows["model"])) if "model" in rows else []
    if len(names) < 2:
        yield "", rows
        return
    for name in names[:_MODELS]:
        yield str(name), rows[rows["model"] == name]


def _rows(run: Run) -> str:
    unit = run.summary.get("unit", "window")
    seeds = len(set(run.predictions["seed"]) - {""}) if "seed" in run.predictions else 1
    return f"test {unit}s of all folds" + (f" and {seeds} seeds" if seeds > 1 else "")


def _classes(run: Run) -> Iterator[Picture]:
    rows = _rows(run)
    for name, predictions in _single(run, run.predictions):
        k = len(answer.classes_of(predictions))
        what = f"share of the row, and number of {rows}" if k <= matrix.NUMBERED else f"share of the row, over {rows}"
        caption = f"Each row is a true class, each column an answer: {what}. The diagonal is right."
        yield Picture(
            matrix.confusion(predictions, name), "What was taken for what" + (f", {name}." if name else "."), caption, full=k > matrix.SMALL
        )
    shown = run.predictions
    if "model" in shown:
        shown = shown[shown["model"].isin(list(dict.fromkeys(shown["model"]))[:_MODELS])]
    curve = roc.roc(shown)
    if curve:
        words = "Hits against false alarms as the threshold moves; the dashed line knows nothing. Answers of all folds share one threshold."
        yield Picture(curve, "ROC curve.", words)
    sure = calibration.reliability(shown)
    if sure:
        words = (
            "How often answers of a given probability were right; on the dashed line the probability means what it says, below it the "
            f"decoder is too sure. Under it, how many of the {rows} lie in each of 15 bins. ECE: expected calibration error."
            + (
                " Bars: 95 % interval of a share (Wilson)."
                if len(answer.by_model(shown)) == 1
                else " Bins of fewer than 5 are left out above."
            )
        )
        yield Picture(sure, "Can its probabilities be believed?", words)


def _values(run: Run) -> Iterator[Picture]:
    for name, predictions in _single(run, run.predictions):
        text = value.scatter(predictions, name, run.summary.get("target") or "value")
        caption = f"A dot is one of the {_rows(run)}; on the dashed line the answer is the truth."
        yield Picture(text, "Answer against truth" + (f", {name}." if name else "."), caption)


def _training(run: Run) -> Iterator[Picture]:
    for name, history in _single(run, run.history):
        n = len(history[[c for c in ("fold", "seed") if c in history]].drop_duplicates()) if {"fold", "seed"} & set(history) else 1
        how = "kept" if "selected" in history else "of the lowest validation loss"
        each = f"A thin line for each of {n} trainings, thick their median (while half of them run); " if n > 1 else ""
        caption = _capital(f"{each}dots mark the epoch {how}. Validation rows are part of the fit rows, never of the test rows.")
        yield Picture(training.training(history, name), "Training" + (f", {name}." if name else "."), caption, full=True)
