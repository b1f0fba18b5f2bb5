"""The page of a leaderboard: one self-contained HTML file, a part for each protocol, nothing mixed over two of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from corticode.report import contest, markup, ranking, table
from corticode.report.contest import partial, scored
from corticode.report.markup import definitions, escape
from corticode.report.ranking import Ranking

_LONG = 15  # longer tables of tests are folded
# columns that stand below the table where they are the same for all candidates
_ALIKE = ("chance", "95 % of guesses", "folds", "seeds", "access", "preparation sees")


def write(folder: str | Path) -> Path:
    """Write leaderboard.html into a folder, from the tables that lie there.

    Parameters
    ----------
    folder : Path
        Holds protocols.csv and leaderboard.csv; leaderboard.json, best.csv, people.csv, tests.csv and ranks.csv are shown where they are.

    Returns
    -------
    file : Path
        folder / 'leaderboard.html': no scripts, no requests.

    Raises
    ------
    FileNotFoundError
        No tables of a leaderboard.
    ValueError
        One of them cannot be read.
    """
    return markup.write(Path(folder) / "leaderboard.html", render(ranking.read(folder)))


def render(board: Ranking) -> str:
    """Return the page of a leaderboard as text."""
    protocols = board.protocols.to_dict("records")
    together = _families(board)
    parts = [_top(board), _contents(protocols, bool(together)), *together]
    for i, protocol in enumerate(protocols):
        parts += _protocol(board, protocol, i)
    parts += [_left_out(board), _failed(board), _refused(board), _made(board)]
    footer = "Written from leaderboard.csv, best.csv, people.csv, tests.csv and ranks.csv beside this page: they hold every number shown."
    return markup.page("Corticode leaderboard", str(board.about.get("title") or "Leaderboard"), parts, footer)


def _top(board: Ranking) -> str:
    rows = board.leaderboard
    unfinished = [row for row in rows.to_dict("records") if partial(row)]
    notes = list(map(str, board.about.get("notes") or []))
    if unfinished:
        named = "; ".join(f"{row['pipeline']} {partial(row)}" for row in unfinished[:5])
        more = f" and {len(unfinished) - 5} more" if len(unfinished) > 5 else ""
        notes.insert(
            0,
            f"Incomplete: {named}{more}. Their scores are of these folds alone; they take no part in ranks and in the choice of the best.",
        )
    if board.about.get("refused"):
        n = len(board.about["refused"])
        notes.append(f"{n} run{'s were' if n > 1 else ' was'} refused: the reasons stand at the end.")
    cells = [
        ("pipelines", str(rows["pipeline"].nunique())),
        ("protocols", str(len(board.protocols))),
        ("date", str(board.about.get("date") or "")),
        ("hash", str(board.about.get("hash") or "")),
    ]
    return markup.notes(notes) + definitions([(k, v) for k, v in cells if v], ' class="facts"')


def _contents(protocols: list[dict[str, Any]], together: bool) -> str:
    if len(protocols) < 2:
        return ""
    links = "".join(f'<li><a href="#protocol{i}">{escape(p["title"])}</a></li>' for i, p in enumerate(protocols))
    links = ('<li><a href="#family0">Over data sets</a></li>' if together else "") + links
    return f'<ul class="contents">{links}</ul>'


# -- one protocol -------------------------------------------------------------------------------------------------


def _protocol(board: Ranking, protocol: dict[str, Any], i: int) -> list[str]:
    unfinished = [f"{row['pipeline']}: {partial(row)}" for row in scored(board, protocol["protocol"]).to_dict("records") if partial(row)]
    note = "; ".join(unfinished[:3]) + (f"; {len(unfinished) - 3} more are incomplete" if len(unfinished) > 3 else "")
    figures, broken = markup.figures(contest.pictures(board, protocol), f"protocol{i}-", note + "." if note else "")
    return [
        f'<h2 id="protocol{i}">{escape(protocol["title"])}</h2>',
        _headline(board, protocol),
        _facts(protocol),
        markup.notes(broken),
        f'<div class="card wide">{_candidates(board, protocol)}</div>',
        f'<div class="figures">\n{figures}\n</div>' if figures else "",
        _tests(board.of("tests", protocol["protocol"]), protocol),
    ]


def _headline(board: Ranking, protocol: dict[str, Any]) -> str:
    """Return the nested figure of the best, the maximum beside it; where there is one candidate, its score."""
    best = board.of("best", protocol["protocol"]).to_dict("records")
    rows = scored(board, protocol["protocol"]).to_dict("records")
    if not best:
        return _alone(rows[0], protocol) if len(rows) == 1 else ""
    best = best[0]
    one = str(best.get("unit") or "person")
    what = f"{table.spoken(protocol['metric'])} of the best, chosen for each {one} by the others"
    cells = [
        ("95 % interval", _interval(best.get("nested_low"), best.get("nested_high"))),
        ("best mean (optimistic)", f"{table.number(best['maximum'])}, {best.get('maximum_pipeline', '')}"),
        ("optimism", table.number(best.get("optimism"))),
        ("chance", table.number(best.get("chance"))),
    ]
    n = best.get("n_candidates")
    words = (
        f"Who picks the best mean of {n:.0f} candidates on the people it is judged by"
        if pd.notna(n)
        else "Who picks the best mean on the people it is judged by"
    )
    verdict = f"{words} expects too much: the large number is what such a choice brings to a {one} that had no part in it. Every candidate is listed below."
    return _card(what, best["nested"], cells, verdict)


def _alone(row: dict[str, Any], protocol: dict[str, Any]) -> str:
    cells = [
        ("95 % interval", _interval(row.get("interval_low"), row.get("interval_high"))),
        ("chance", table.number(row.get("chance"))),
        ("95 % permutation bound", table.number(row.get("chance_95"))),
    ]
    what = f"{table.spoken(protocol['metric'])}, {row['pipeline']}" + (f", {partial(row)}" if partial(row) else "")
    return _card(what, row["score"], cells, "There is one candidate: nothing was chosen.")


def _card(what: str, number: float, cells: list[tuple[str, str]], words: str) -> str:
    told = [(k, v) for k, v in cells if v.strip("–, ")]
    return (
        f'<div class="card headline">\n<div><div class="what">{escape(what)}</div><div class="number">{table.number(number)}</div></div>\n'
        f'{definitions(told)}\n<p class="verdict">{escape(words)}</p></div>'
    )


def _interval(low: Any, high: Any) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f"{table.number(low)} to {table.number(high)}"


def _facts(protocol: dict[str, Any]) -> str:
    access = str(protocol.get("access") or "")
    cells = [
        *((word, str(protocol.get(word) or "")) for word in ("data", "task", "unit", "split")),
        ("split arguments", str(protocol.get("split_arguments") or "").strip("{}").replace('"', "")),
        ("access to the target", table.told_access(access)),
        ("score", f"{table.spoken(protocol['metric'])} by {table.UNITS.get(protocol['level'], (protocol['level'],))[0]}"),
        ("protocol", protocol["protocol"]),
    ]
    return definitions([(k, v) for k, v in cells if v], ' class="facts"')


def _candidates(board: Ranking, protocol: dict[str, Any]) -> str:
    """Return the table of all candidates; columns of which nothing is known are left out, those that are alike stand below."""
    rows = board.of("leaderboard", protocol["protocol"])
    many = table.UNITS["subject" if protocol["level"] == "pooled" else protocol["level"]][1]
    columns = {
        "pipeline": [
            name + (" (best mean)" if top else "") for name, top in zip(rows["pipeline"], _get(rows, "maximum") == 1, strict=True)
        ],
        table.spoken(protocol["metric"]): [table.number(v) for v in rows["score"]],
        "sd": _each(rows, "sd", table.number),
        "95 % interval": _intervals(rows, "interval_low", "interval_high"),
        "chance": _each(rows, "chance", table.number),
        "95 % of guesses": _intervals(rows, "chance_low", "chance_high"),
        "95 % permuted": _each(rows, "chance_95", table.number),
        "p": _each(rows, "p", _p),
        many: _each(rows, "n", "{:.0f}".format),
        f"{many} above chance": _each(rows, "n_above", "{:.0f}".format),
        f"chosen by other {many}": _each(rows, "chosen", lambda share: f"{100 * share:.0f} %"),
        "folds": [_folds(row) for row in rows.to_dict("records")],
        "seeds": _each(rows, "n_seeds", "{:.0f}".format),
        "ECE": _each(rows, "ece", table.number),
        "Brier": _each(rows, "brier", table.number),
        "bit/min": _each(rows, "itr", "{:.1f}".format),
        "fit, s": _each(rows, "seconds", lambda s: f"{s:.3g}" if s < 1000 else f"{s:.0f}"),
        "kWh": _each(rows, "energy_kwh", "{:.2g}".format),
        "access": [str(protocol.get("access") or "")] * len(rows),
        "preparation sees": list(rows["prepare_sees"]) if "prepare_sees" in rows else [""] * len(rows),
    }
    known = {name: cells for name, cells in columns.items() if any(cell not in ("", "–") for cell in cells)}
    alike = {name: cells[0] for name, cells in known.items() if name in (*_ALIKE, many) and len(set(cells)) == 1}
    told = {name: cells for name, cells in known.items() if name not in alike}
    grid = markup.grid(list(told), list(zip(*told.values(), strict=True)), attributes=' class="dense"')
    same = "; ".join(f"{name} {cell}" for name, cell in alike.items())
    return grid + (f'<p class="alike">{escape(f"The same for all: {same}.")}</p>' if same else "")


def _folds(row: dict[str, Any]) -> str:
    done, expected = row.get("n_folds"), row.get("n_folds_expected")
    return "" if pd.isna(expected) else f"{0 if pd.isna(done) else done:.0f} of {expected:.0f}"


def _get(rows: pd.DataFrame, name: str) -> pd.Series:
    return rows[name] if name in rows else pd.Series(float("nan"), index=rows.index)


def _each(rows: pd.DataFrame, name: str, words: Callable[[float], str]) -> list[str]:
    return ["" if pd.isna(value) else words(value) for value in _get(rows, name)]


def _intervals(rows: pd.DataFrame, low: str, high: str) -> list[str]:
    return [_interval(a, b) for a, b in zip(_get(rows, low), _get(rows, high), strict=True)]


def _p(value: float) -> str:
    return "" if pd.isna(value) else "< 0.001" if value < 0.001 else table.number(value)


def _tests(tests: pd.DataFrame, protocol: dict[str, Any]) -> str:
    """Return every pair with its tests, folded where there are many."""
    if tests.empty:
        return ""
    rows = [
        [row["first"], row["second"], *(table.number(row.get(key)) for key in ("difference", "effect")),
         *(_p(row.get(key)) for key in ("p_permutation", "p_wilcoxon", "p", "p_holm"))]
        for row in tests.sort_values("p_holm", kind="stable").to_dict("records")
    ]  # fmt: skip
    head = ["first", "second", f"difference, {table.spoken(protocol['metric'])}", "effect", "p, permutation", "p, Wilcoxon", "p", "p, Holm"]
    grid = markup.grid(head, rows, attributes=' class="dense pairs"')
    title = f"Paired tests of {len(rows)} pair{'s' if len(rows) > 1 else ''}"
    return markup.folded(title, grid) if len(rows) > _LONG else f'<div class="card wide"><h3>{title}</h3>{grid}</div>'


# -- all protocols ------------------------------------------------------------------------------------------------


def _families(board: Ranking) -> list[str]:
    """Return a part for each kind of protocol that several data sets were judged by."""
    if "family" not in board.protocols or "family" not in board.tests:
        return []
    parts = []
    for i, (family, members) in enumerate(board.protocols.groupby("family", sort=False)):
        together = board.tests[(board.tests["family"] == family) & (board.tests["protocol"] == "")]
        if not family or len(members) < 2 or together.empty:
            continue
        figures, broken = markup.figures(contest.over_data_sets(board, family), f"family{i}-")
        first = members.iloc[0].to_dict()
        parts += [
            f'<h2 id="family{i}">Over {len(members)} data sets: {escape(table.spoken(first["metric"]))}, {escape(first.get("split", ""))}, access {escape(first.get("access", ""))}</h2>',
            markup.notes(broken),
            f'<div class="figures">\n{figures}\n</div>' if figures else "",
            _tests(together, first),
        ]
    return parts


def _left_out(board: Ranking) -> str:
    """Return the candidates that are incomplete or failed, with the reason."""
    titles = board.protocols.set_index("protocol")["title"].to_dict()
    rows = []
    for row in board.leaderboard.to_dict("records"):
        failed = row.get("failures")
        if partial(row) or (pd.notna(failed) and failed) or pd.isna(row["score"]):
            count = f"{failed:.0f}" if pd.notna(failed) else ""
            rows.append([row["pipeline"], titles.get(row["protocol"], ""), partial(row) or "all", count, str(row.get("error") or "")])
    if not rows:
        return ""
    grid = markup.grid(["pipeline", "protocol", "folds done", "failed jobs", "first error"], rows, attributes=' class="words"')
    return f'<h2>Incomplete and failed</h2>\n<div class="card wide">{grid}</div>'


def _failed(board: Ranking) -> str:
    """Return the runs of which nothing came: what was asked, and the error."""
    rows = [[one.get("words", ""), one.get("error", ""), one.get("folder", "")] for one in board.about.get("failed") or []]
    if not rows:
        return ""
    grid = markup.grid(["asked", "error", "folder"], rows, attributes=' class="words"')
    return f'<h2>Failed</h2>\n<div class="card wide">{grid}</div>'


def _refused(board: Ranking) -> str:
    sentences = board.about.get("refused") or []
    if not sentences:
        return ""
    return f'<h2>Refused</h2>\n<div class="card"><ul>{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul></div>'


def _made(board: Ranking) -> str:
    command, sources = board.about.get("command"), board.about.get("sources") or []
    parts = [f'<pre class="command">{escape(command)}</pre>' if command else ""]
    if sources:
        listed = "".join(f"<li>{escape(source)}</li>" for source in sources)
        parts.append(markup.folded(f"{len(sources)} run folder{'s' if len(sources) > 1 else ''}", f"<ul>{listed}</ul>"))
    return "<h2>How it was made</h2>\n" + "\n".join(parts) if any(parts) else ""
