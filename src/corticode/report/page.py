"""The page of a run: one self-contained HTML file with the number, the figures, the people and how it was made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from corticode.report import answer, folder, gallery, markup, table
from corticode.report.folder import Run
from corticode.report.markup import definitions, escape

_LONG = 40  # longer tables are folded
_FEW = 6  # folds named of those that failed alike, classes named of many


def write(path: str | Path) -> Path:
    """Write report.html into a run folder, from the tables that lie there.

    Parameters
    ----------
    path : Path
        Run folder: summary.json and scores.csv are needed; predictions.parquet, history.csv, config.yaml, environment.json and
        figures/*.svg (caption in figures/*.txt) are shown where they are.

    Returns
    -------
    file : Path
        path / 'report.html': no scripts, no requests.

    Raises
    ------
    FileNotFoundError
        No run folder.
    ValueError
        Its scores or summary cannot be read.
    """
    return markup.write(Path(path) / "report.html", render(folder.read(path)))


def render(run: Run) -> str:
    """Return the page of a run as text."""
    run = _completed(run)
    figures, broken = markup.figures(gallery.pictures(run), note=_part(run))
    used, unread = markup.figures(gallery.explanations(run), name="used")
    parts = [
        _headline(run),
        _notes(run, [*broken, *unread]),
        _failures(run),
        _facts(run),
        _models(run),
        f'<h2>What it did</h2>\n<div class="figures">\n{figures}\n</div>' if figures else "",
        f'<h2>What it used</h2>\n<div class="figures">\n{used}\n</div>' if used else "",
        _people(run),
        _made(run),
    ]
    footer = f"Written from the tables in {run.path.resolve().name}: scores.csv and predictions.parquet hold every number shown."
    return markup.page("Corticode report", _title(run), parts, footer)


def _completed(run: Run) -> Run:
    """Add what the page asks of a summary and the tables can tell: level, number of units, predictions by scored unit."""
    summary = dict(run.summary)
    summary.setdefault("level", "subject")
    if not summary.get("n") and summary["level"] in table.IDENTITY:
        units = table.per_unit(run.scores, summary["level"])
        summary["n"] = int(units.loc[units["metric"] == summary["metric"], "unit"].nunique())
    predictions = run.predictions
    if predictions is not None and summary.get("unit", "window") != "window":
        predictions = _averaged(predictions, summary["unit"])
    return replace(run, summary=summary, predictions=predictions)


def _averaged(predictions: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Average answers over the windows of one unit, as they were scored: figures and headline speak of the same rows."""
    identity = ["dataset", "site", "subject", "session", "run", "recording", "trial"]
    until = {"trial": 7, "recording": 6, "subject": 3}.get(unit)
    if until is None or not len(predictions):
        return predictions
    by = [name for name in (*identity[:until], "model", "fold", "seed", "y") if name in predictions]
    classes = answer.classes_of(predictions)
    said = [name for name in predictions if str(name)[:2] in ("p_", "d_") and str(name)[2:] in classes] if classes else ["yhat"]
    mean = predictions.groupby(by, sort=False, dropna=False, observed=True)[said].mean().reset_index()
    return mean.assign(yhat=mean[said].idxmax(axis=1).str[2:]) if classes else mean


# -- words --------------------------------------------------------------------------------------------------------


def _title(run: Run) -> str:
    names, s = gallery.several(run), run.summary
    model = f"{len(names)} models" if names else table.joined(s.get("model") or "a decoder")
    classes = [] if run.predictions is None else answer.classes_of(run.predictions)
    ends = "" if names else "s"
    if classes:
        apart = f"{', '.join(classes[:-1])} and {classes[-1]}" if 1 < len(classes) <= 4 else f"{len(classes)} classes"
        does = f"tell{ends} {apart} apart"
    else:
        does = f"predict{ends} {str(s.get('target') or 'the target').split(',')[0]}"
    data = table.joined(s.get("data") or "")
    where = f" on {'own data' if data == 'own' else data}" if data else ""
    return f"How well {model} {does}{where}"


def _headline(run: Run) -> str:
    s = run.summary
    one, many = table.UNITS.get(s["level"], (s["level"], s["level"]))
    number = s["n"] or "all"
    over = f"pooled over {number} people" if s["level"] == "pooled" else f"mean over {number} {many}" if number != 1 else f"one {one}"
    best = f", {_spoken_of(run)}" if gallery.several(run) else ""
    spread = f' <span class="spread">± {table.number(s["sd"])}</span>' if s.get("sd") is not None else ""
    seeds = s.get("sd_seeds") if s["level"] != "pooled" else None  # pooled: the spread shown is that of seeds
    facts = [("spread over seeds", seeds), ("chance", s.get("chance")), ("95 % permutation bound", s.get("chance_95"))]
    cells = [(word, table.number(value)) for word, value in facts if value is not None]
    if s.get("interval"):
        cells.insert(0, ("95 % interval", " to ".join(map(table.number, s["interval"]))))
    return (
        f'<div class="card headline">\n<div><div class="what">{escape(table.spoken(s["metric"]))}, {escape(over + best)}{_badge(run)}</div>'
        f'<div class="number">{table.number(s["headline"])}{spread}</div></div>\n{definitions(cells)}\n{_verdict(run)}</div>'
    )


def _badge(run: Run) -> str:
    return f' <span class="badge">{escape(_part(run)[:-1])}</span>' if table.partial(run.summary) else ""


def _spoken_of(run: Run) -> str:
    """Return the model of several that the headline belongs to."""
    s = run.summary
    if isinstance(s.get("model"), str) and s["model"] in s["models"]:
        return s["model"]
    same = [name for name, facts in s["models"].items() if facts.get("headline") == s["headline"]]
    return same[0] if same else f"{len(s['models'])} models"


def _verdict(run: Run) -> str:
    """Say in words whether the number can be luck; nothing where no bound was made."""
    s = run.summary
    if s.get("chance_95") is None:
        return ""
    sign = -1 if table.lower_is_better(s["metric"]) else 1
    if sign * (s["headline"] - s["chance_95"]) > 0:
        words = "Better than 95 % of what permuted truths would score: the answers follow the target."
    else:
        words = "Not beyond what 5 % of permuted truths would score: this can be luck."
    if s.get("p") is not None:
        words = f"{words[:-1]} (p = {table.number(s['p'])})."
    return f'<p class="verdict">{escape(words)}</p>'


def _notes(run: Run, broken: list[str]) -> str:
    s = run.summary
    told = [*map(str, s.get("notes") or []), *run.notes, *broken]
    notes = []
    if table.transductive(s.get("access")):
        notes.append(
            "Transductive: before it answered, the decoder saw all test windows of a person (without labels). Online it would not."
        )
        told = [note for note in told if not note.lower().startswith("transductive")]
    if table.partial(s):
        notes.append(f"Partial: {_part(run)[:-1]} are done, the numbers are of these alone.")
    return markup.notes([*notes, *told])


def _part(run: Run) -> str:
    """Return '9 of 18 folds.' for a run that is not complete, and nothing for one that is."""
    s = run.summary
    return f"{s['n_folds']} of {s['n_folds_expected']} folds." if table.partial(s) else ""


def _failures(run: Run) -> str:
    """Return the jobs that ended in an error; a message that many share stands once."""
    failures = run.summary.get("failures") or []
    if not failures:
        return ""
    same: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        seed = "" if failure.get("seed") in (None, "") else f", seed {failure['seed']}"
        same.setdefault((str(failure.get("model", "")), str(failure.get("error", ""))), []).append(f"{failure.get('fold', '')}{seed}")
    rows = [[model, "; ".join(where[:_FEW]) + (f" and {len(where) - _FEW} more" if len(where) > _FEW else ""), error]
            for (model, error), where in same.items()]  # fmt: skip
    many = f"{len(failures)} job{'s' if len(failures) > 1 else ''} failed"
    grid = markup.grid(["model", "fold", "error"], rows, attributes=' class="words"')
    return f'<h2>{many}</h2>\n<div class="card">{grid}</div>'


def _facts(run: Run) -> str:
    s, names = run.summary, gallery.several(run)
    folds = s.get("n_folds")
    expected = s.get("n_folds_expected")
    access = str(s.get("access") or "")
    cells = [
        ("model", table.joined(s.get("model") or "") if not names else f"{len(names)} models" if len(names) > 3 else ", ".join(names)),
        ("data", table.joined(s.get("data") or "")),
        ("split", table.joined(s.get("split") or "")),
        ("access to the target", table.told_access(access)),
        ("preparation sees", _told(run.scores, "prepare_sees")),
        ("checkpoint chosen by", _selection(run)),
        ("folds", "" if folds is None else f"{folds} of {expected}" if expected is not None else folds),
        ("seed" if run.scores.get("seed", pd.Series()).nunique() == 1 else "seeds", _told(run.scores, "seed")),
        ("people", _people_count(run)),
        ("test windows", _windows(run)),
        ("classes", _told(run.scores, "n_classes") if run.predictions is None else _classes(run)),
        ("channels", _told(run.scores, "channels")),
        ("took", _took(s)),
        ("energy", f"{s['energy_kwh']:.2g} kWh" if s.get("energy_kwh") is not None else ""),
    ]
    return definitions([(k, v) for k, v in cells if v != ""], ' class="facts"')


def _told(scores: pd.DataFrame, column: str) -> str:
    """Return the different values of a column, or how many where they are many."""
    if column not in scores:
        return ""
    values = sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in scores[column].dropna()} - {""}, key=table.natural)
    return ", ".join(values) if len(values) <= 6 else f"{len(values)} different"


def _selection(run: Run) -> str:
    told = run.scores["selection"].dropna().unique() if "selection" in run.scores else []
    return table.condensed(sorted(told, key=table.natural)) or str(run.summary.get("selection") or "")


def _people_count(run: Run) -> str:
    for rows in (run.predictions, run.scores[run.scores["level"] == "subject"]):
        if rows is not None and "subject" in rows and len(rows):
            columns = [name for name in table.IDENTITY["subject"] if name in rows]
            return str(len(rows[columns].astype(str).drop_duplicates()))
    return ""


def _windows(run: Run) -> str:
    if run.predictions is None:
        return ""
    by = [name for name in ("model", "seed") if name in run.predictions]
    n = run.predictions.groupby(by, dropna=False).size().max() if by else len(run.predictions)
    unit = run.summary.get("unit", "window")
    return f"{n:,}".replace(",", " ") + ("" if unit == "window" else f" (averaged by {unit})")


def _classes(run: Run) -> str:
    names = answer.classes_of(run.predictions)
    return ", ".join(names) if len(names) <= _FEW else f"{len(names)}: {', '.join(names[:3])} …"


def _took(summary: dict[str, Any]) -> str:
    """Return the time of the call; where finished jobs were found it is not the time of the whole run, so they are named."""
    time, n = _duration(summary.get("seconds")), summary.get("n_resumed")
    return f"{time} ({n} finished job{'s were' if n > 1 else ' was'} there already)" if time and n else time


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


# -- tables -------------------------------------------------------------------------------------------------------


def _models(run: Run) -> str:
    """Return the table of several models, in the order they were given."""
    if not gallery.several(run):
        return ""
    s = run.summary
    head = ["model", table.spoken(s["metric"]), "sd", "95 % interval", "95 % permutation bound"]
    rows = []
    for name in s["models"]:
        facts = table.of_model(s, name)
        interval = " to ".join(map(table.number, facts["interval"])) if facts.get("interval") else "–"
        numbers = [table.number(facts.get(key)) for key in ("headline", "sd", "chance_95")]
        rows.append([name, *numbers[:2], interval, numbers[2]])
    if any(table.partial(facts) for facts in s["models"].values()):
        head.append("folds")
        rows = [[*row, f"{facts['n_folds']} of {facts['n_folds_expected']}"] for row, facts in zip(rows, s["models"].values(), strict=True)]
    grid = markup.grid(head, rows)
    return f'<h2>Models</h2>\n<div class="card">{grid}</div>'


def _people(run: Run) -> str:
    level = table.finest(run.scores, run.summary["metric"])
    if level is None:
        why = table.nothing_by_unit(run.scores)
        return f"<h2>Scores of each person</h2>\n<p>{escape(f'Left out: {why}.')}</p>"
    laid = table.wide(run.scores, run.summary["metric"], level)
    if laid.empty:
        return ""
    one, many = table.UNITS[level]
    count = ["" if pd.isna(v) else f"{v:.0f}" for v in laid["windows"]]
    shown = table.shown(laid)
    rows = [[unit, n, *row] for unit, n, row in zip(laid.index, count, shown, strict=False)]
    foot = [["mean", "", *shown[-2]], ["standard deviation", "", *shown[-1]]] if len(laid) > 1 else []
    head = [
        one,
        f"{run.summary.get('unit', 'window')}s",
        *(laid.columns[1:] if gallery.several(run) else map(table.spoken, laid.columns[1:])),
    ]
    if not any(count):  # the table does not tell how many windows were tested
        head, rows, foot = head[:1] + head[2:], [row[:1] + row[2:] for row in rows], [row[:1] + row[2:] for row in foot]
    grid = markup.grid(head, rows, foot)
    title = f"Scores of each {one}"
    if gallery.several(run):
        title += f": {table.spoken(table.metric_shown(run.scores, run.summary['metric'], level))}"
    if len(laid) > _LONG:
        return f"<h2>{escape(title)}</h2>\n<details><summary>{len(laid)} {many}</summary>{grid}</details>"
    return f'<h2>{escape(title)}</h2>\n<div class="card">{grid}</div>'


def _made(run: Run) -> str:
    environment = dict(run.environment)
    command = environment.pop("command", None) or environment.pop("argv", None)
    parts = ["<h2>How it was made</h2>"]
    if command:
        parts.append(f'<pre class="command">{escape(command)}</pre>')
    if run.config:
        digest = f" ({run.summary['config_hash'][:12]})" if run.summary.get("config_hash") else ""
        parts.append(f"<details><summary>Configuration{escape(digest)}</summary><pre>{escape(run.config)}</pre></details>")
    if environment:
        grid = markup.grid([], [[k, "" if v is None else str(v)] for k, v in environment.items()], attributes=' class="environment"')
        parts.append(f"<details><summary>Environment</summary>{grid}</details>")
    return "\n".join(parts) if len(parts) > 1 else ""
