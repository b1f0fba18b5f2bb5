"""Which figures a run can show, and the words that say what is seen in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from corticode.report import figure, table
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
    if run.predictions is not None and len(run.predictions):
        yield from _classes(run) if figure.classes_of(run.predictions) else _values(run)
    if run.history is not None and len(run.history):
        yield from _training(run)
    for name, (text, caption) in run.figures.items():
        title, _, rest = caption.partition("\n")
        yield Picture(text, title or name.replace("_", " "), rest.strip(), full=True)


def several(run: Run) -> list[str]:
    """Return the names of the models where there are more than one."""
    models = list(run.summary.get("models") or {})
    return models if len(models) > 1 else []


def _people(run: Run) -> Iterator[Picture]:
    s = run.summary
    level = table.finest(run.scores, s["metric"])
    drawn = figure.people(run.scores, s, level) if level else None
    if drawn is None:
        return
    one = table.UNITS[level][0]
    alone = len(table.per_unit(run.scores, level)["unit"].unique()) == 1
    caption = [f"The dot is the one {one} there is." if alone else f"A dot is one {one}, the best at the left."]
    if several(run):
        caption.append(f"The grey line ties the models of one {one}; colours are named at the right.")
    elif s.get("chance") is not None and not alone:
        caption.append(_above(run, level))
    pooled = s.get("level") == "pooled"
    what = f"score over {s.get('n') or 'all'} people in one pot" if pooled else "mean"
    right = f"At the right the {what}" + (", for each model," if several(run) else "")
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


def _above(run: Run, level: str) -> str:
    s = run.summary
    units = table.per_unit(run.scores, level)
    values = units.loc[units["metric"] == s["metric"], "score"]
    better = values < s["chance"] if table.lower_is_better(s["metric"]) else values > s["chance"]
    verb = "is" if better.sum() == 1 else "are"
    return f"{better.sum()} of {len(values)} {table.UNITS[level][len(values) != 1]} {verb} better than chance ({table.number(s['chance'])}, dashed)."


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
    seeds = run.predictions["seed"].nunique() if "seed" in run.predictions else 1
    return f"test {unit}s of all folds" + (f" and {seeds} seeds" if seeds > 1 else "")


def _classes(run: Run) -> Iterator[Picture]:
    rows = _rows(run)
    for name, predictions in _single(run, run.predictions):
        caption = f"Each row is a true class, each column an answer: share of the row, and number of {rows}. The diagonal is right."
        yield Picture(figure.confusion(predictions, name), "What was taken for what" + (f", {name}." if name else "."), caption)
    shown = run.predictions
    if "model" in shown:
        shown = shown[shown["model"].isin(list(dict.fromkeys(shown["model"]))[:_MODELS])]
    curve = figure.roc(shown)
    if curve:
        words = "Hits against false alarms as the threshold moves; the dashed line knows nothing. Answers of all folds share one threshold."
        yield Picture(curve, "ROC curve.", words)
    sure = figure.reliability(shown)
    if sure:
        words = (
            "How often answers of a given probability were right; on the dashed line the probability means what it says, below it the "
            f"decoder is too sure. Under it, where the {rows} lie. ECE: expected calibration error, 15 bins."
        )
        yield Picture(sure, "Can its probabilities be believed?", words)


def _values(run: Run) -> Iterator[Picture]:
    for name, predictions in _single(run, run.predictions):
        text = figure.scatter(predictions, name, run.summary.get("target") or "value")
        caption = f"A dot is one of the {_rows(run)}; on the dashed line the answer is the truth."
        yield Picture(text, "Answer against truth" + (f", {name}." if name else "."), caption)


def _training(run: Run) -> Iterator[Picture]:
    for name, history in _single(run, run.history):
        n = len(history[[c for c in ("fold", "seed") if c in history]].drop_duplicates()) if {"fold", "seed"} & set(history) else 1
        how = "kept" if "selected" in history else "of the lowest validation loss"
        each = f"A thin line for each of {n} trainings, thick their median (while half of them run); " if n > 1 else ""
        caption = _capital(f"{each}dots mark the epoch {how}. Validation rows are part of the fit rows, never of the test rows.")
        yield Picture(figure.training(history, name), "Training" + (f", {name}." if name else "."), caption, full=True)
