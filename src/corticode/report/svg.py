"""Drawing to SVG: one look for all figures, the same bytes for the same numbers, safe to put into a page."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

# These and the first two of the palette are exchanged for the page's own colours, so that figures follow light and dark.
INK, MUTED, GRID, PAPER = "#24292f", "#6b7480", "#e3e7ec", "#fefefe"
# Okabe and Ito 2008: told apart by colour-blind readers and in greyscale print
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
BAND = "#8b96a3"

_NAMESPACE = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    # names of people and classes are text, never formulas
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
}


@contextlib.contextmanager
def sheet(name: str, width: float, height: float, pad: float = 0.0417) -> Iterator[SimpleNamespace]:
    """Give a figure to draw on; when the block ends, `.svg` holds it as text.

    Parameters
    ----------
    name : str
        Salt of the identifiers in the SVG.
    width, height : float, inch
    pad : float, inch
        Room at the edges; more where words stand there, since browsers give a line more height than the measuring font has.

    Yields
    ------
    sheet : namespace
        `figure` (matplotlib Figure, outside pyplot) and, after the block, `svg` (str).
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # a name in a script that the measuring font lacks is still drawn by the browser's
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.get_layout_engine().set(w_pad=pad, h_pad=pad)
        FigureCanvasSVG(figure)
        drawn = SimpleNamespace(figure=figure, svg="")
        yield drawn
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        # control characters in a name would make the file unreadable
        drawn.svg = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", file.getvalue())


def look(i: int) -> dict[str, Any]:
    """Return colour and marker of the i-th model; the pair repeats after 36."""
    return {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[(i + i // len(PALETTE)) % len(MARKERS)]}


def short(name: str, length: int = 22) -> str:
    """Return a name of at most so many letters; the last one tells that it was cut."""
    name = str(name)
    return name if len(name) <= length else name[: length - 1] + "…"


def shorts(names: Iterable[str], length: int = 22) -> list[str]:
    """Return names of at most so many letters that still differ: what they begin with, what they end with, or where they part.

    Examples
    --------
    >>> shorts(["tangent_space_ridge", "tangent_space_lasso"], 12)
    ['…space_ridge', '…space_lasso']
    """
    names = [str(name) for name in names]
    n = len(set(names))
    half = length // 2
    for cut in (lambda s: short(s, length), lambda s: s[: length - 1 - half] + "…" + s[-half:], lambda s: "…" + s[1 - length :]):
        cuts = [name if len(name) <= length else cut(name) for name in names]
        if len(set(cuts)) == n:
            return cuts
    long = sorted({name for name in names if len(name) > length})
    # two names part somewhere in the first and last in order
    alike = next((i for i, (a, b) in enumerate(zip(long[0], long[-1], strict=False)) if a != b), 0)
    start = max(1, alike - 3)
    cuts = [name if len(name) <= length else short("…" + name[start:], length) for name in names]
    # at last a number tells them apart
    return [
        c if cuts.count(c) == names.count(name) else f"{short(c, length - 4)} #{i + 1}"
        for i, (c, name) in enumerate(zip(cuts, names, strict=True))
    ]


def named(model: str, fact: str) -> str:
    """Return a label of a legend: the fact alone where there is one model."""
    return f"{short(model)}: {fact}" if model else fact


def inline(text: str, name: str, label: str = "") -> str:
    """Return an SVG ready to stand inside a page.

    Scripts, foreign content and links to elsewhere are dropped, identifiers begin with `name` so that figures on one page do not
    answer for each other, and the house's colours become the page's.

    Parameters
    ----------
    text : str
        An SVG file.
    name : str
        Unique on the page.
    label : str
        What a screen reader says.

    Raises
    ------
    ValueError
        Not an SVG.
    """
    try:
        root = ElementTree.fromstring(re.sub(r"<!DOCTYPE[^>\[]*>", "", text))
    except ElementTree.ParseError as error:
        raise ValueError(f"figure {name} is not a readable SVG: {error}") from error
    if root.tag != _tag("svg"):
        raise ValueError(f"figure {name} is not an SVG: its first element is {root.tag}")
    _clean(root, re.sub(r"[^A-Za-z0-9_-]", "-", name) + "-")
    root.set("role", "img")
    root.set("aria-label", label or name)
    for prefix, uri in _NAMESPACE.items():
        ElementTree.register_namespace(prefix, uri)
    plain = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in (
        (INK, "ink"),
        (MUTED, "muted"),
        (GRID, "grid"),
        (PAPER, "paper"),
        (PALETTE[0], "accent"),
        (PALETTE[1], "second"),
    ):
        plain = plain.replace(colour, f"var(--{variable}, {colour})")
    return plain


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE['']}}}{name}"


_DRAWN = {
    _tag(name)
    for name in (
        *("svg", "g", "defs", "use", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan", "image"),
        *("clipPath", "mask", "pattern", "marker", "symbol", "linearGradient", "radialGradient", "stop", "title", "desc"),
    )
}


def _clean(element: ElementTree.Element, prefix: str) -> None:
    for child in list(element):
        if child.tag in _DRAWN:
            _clean(child, prefix)
        else:
            element.remove(child)
    for key, value in list(element.attrib.items()):
        bare = key.rsplit("}", 1)[-1]
        outside = bare == "href" and not value.startswith(("#", "data:image/png"))
        outside |= any(not part.lstrip(" '\"").startswith("#") for part in value.split("url(")[1:])
        if bare.startswith("on") or outside:
            del element.attrib[key]
        elif bare == "id":
            element.set(key, prefix + value)
        elif bare == "href" and value.startswith("#"):
            element.set(key, "#" + prefix + value[1:])
        elif "url(" in value:
            element.set(key, re.sub(r"url\(\s*['\"]?#", f"url(#{prefix}", value).replace("')", ")").replace('")', ")"))
