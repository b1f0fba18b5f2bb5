"""Pieces of a page: frame, tables, definitions, notes and figures as HTML, every name escaped."""

from __future__ import annotations

import html
import os
import uuid
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from corticode.report import svg
from corticode.report.gallery import Picture

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
<div class="eyebrow">$eyebrow</div>
<h1>$title</h1>
$body
<footer>$footer</footer>
</main>
</body>
</html>
""")


def page(eyebrow: str, title: str, parts: Iterable[str], footer: str) -> str:
    """Return a self-contained page; `parts` are HTML, empty ones are left out."""
    return _PAGE.substitute(
        eyebrow=escape(eyebrow),
        title=escape(title),
        style=resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8"),
        body="\n".join(part for part in parts if part),
        footer=escape(footer),
    )


def write(file: Path, text: str) -> Path:
    """Write a page as a whole or not at all."""
    tmp = file.with_name(f".tmp-{file.name}-{uuid.uuid4().hex[:12]}")
    try:
        tmp.write_text(text, encoding="utf-8")
        os.replace(tmp, file)
    finally:
        tmp.unlink(missing_ok=True)
    return file


def escape(value: Any) -> str:
    """Return text that stands for itself in HTML."""
    return html.escape(str(value))


def definitions(cells: Iterable[tuple[str, Any]], attributes: str = "") -> str:
    """Return words with what they are here; nothing for no cells."""
    rows = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in cells)
    return f"<dl{attributes}>{rows}</dl>" if rows else ""


def notes(sentences: Iterable[str]) -> str:
    """Return each sentence once, set apart."""
    return "\n".join(f'<p class="note">{escape(sentence)}</p>' for sentence in dict.fromkeys(sentences))


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], foot: Iterable[Sequence[str]] = (), attributes: str = "") -> str:
    """Return a table that scrolls by itself where the page is narrow."""
    line = "".join
    top = f"<thead><tr>{line(f'<th>{escape(cell)}</th>' for cell in head)}</tr></thead>" if head else ""
    body = line(f"<tr>{line(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in rows)
    end = line(f"<tr>{line(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in foot)
    return f'<div class="scroll"><table{attributes}>{top}\n<tbody>\n{body}</tbody>{f"<tfoot>{end}</tfoot>" if end else ""}</table></div>'


def folded(title: str, inner: str) -> str:
    """Return what opens on a click."""
    return f"<details><summary>{escape(title)}</summary>{inner}</details>"


def figures(pictures: Iterable[Picture], name: str = "figure", note: str = "") -> tuple[str, list[str]]:
    """Return figures as HTML, and a sentence for each that could not be shown.

    Parameters
    ----------
    pictures : iterable of Picture
    name : str
        Begins the identifiers: unique on the page.
    note : str
        Said behind each caption: '9 of 18 folds.'
    """
    drawn, broken = [], []
    for i, picture in enumerate(pictures):
        try:
            plain = svg.inline(picture.svg, f"{name}{i}", picture.title)
        except ValueError as error:
            broken.append(f"A figure is left out: {error}")
            continue
        words = f"<b>{escape(picture.title)}</b> {escape(picture.caption)}".strip()
        words += f' <span class="part">{escape(note)}</span>' if note else ""
        drawn.append((picture.full, f"{plain}\n<figcaption>{words}</figcaption>"))
    kinds = placed([full for full, _ in drawn])
    return "\n".join(f'<figure class="{kind}">\n{text}\n</figure>' for kind, (_, text) in zip(kinds, drawn, strict=True)), broken


def placed(full: list[bool]) -> list[str]:
    """Return 'full', 'half' or, for a half that finds no neighbour, 'lone': its caption stands beside it."""
    kinds: list[str] = []
    for whole in full:
        waits = kinds[-1:] == ["open"]
        if waits:
            kinds[-1] = "half" if not whole else "lone"
        kinds.append("full" if whole else "half" if waits else "open")
    return ["lone" if kind == "open" else kind for kind in kinds]
