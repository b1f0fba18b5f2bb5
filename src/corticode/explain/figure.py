"""Figures of explanations: scalp maps, time-frequency pictures and lines, each beside that of a decoder that knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from corticode import store
from corticode.explain.maps import Explanation, Map
from corticode.explain.pattern import Patterns
from corticode.explain.topomap import all_round, montage, placed, scalp
from corticode.report.svg import BAND, GRID, INK, MUTED, PALETTE, sheet, short, shorts

_ROWS = 6  # classes drawn
_NAMED = 40  # channels without a place on a head that are named at bars
_FAITHFUL, _DOUBTFUL = 0.4, 0.7

TITLES = {
    "occlusion": "Occlusion", "gradient": "Gradient × input", "integrated": "Integrated gradients", "gradcam": "Grad-CAM",
    "hirescam": "HiResCAM", "eigencam": "Eigen-CAM", "filters": "Filter spectra",
}  # fmt: skip
_WORDS = {
    "occlusion": "How much the truth loses where an electrode, a band, or a band during a stretch of time comes from another window of the same person.",
    "gradient": "What the signal adds to the evidence for the true class, to first order; blue speaks against it.",
    "integrated": "What the signal adds to the evidence for the true class on the way from silence; blue speaks against it.",
    "gradcam": "Where the network's last maps speak for the true class.",
    "hirescam": "Where the network's last maps speak for the true class, place by place.",
    "eigencam": "Where the first principal component of the network's last maps is strong, whatever it is taken for.",
    "filters": "Gain of the network's temporal filters, each by its largest.",
}
_NOUN = {"electrode": "electrodes", "time": "time", "frequency": "frequency", "time_frequency": "time and frequency"}


def draw(explanation: Explanation) -> str:
    """Draw an explanation: a row per class, what was found beside its control, with the rank correlation of the two.

    Returns
    -------
    svg : str
    """
    found = explanation.found
    if found.method == "filters":
        return _filters(explanation)
    pictures = [name for name in ("electrode", "time_frequency") if name in found.views]
    lines = [name for name in ("frequency", "time") if name in found.views]
    n = min(len(found.labels), _ROWS)
    tall = 1.75 * n + 0.45 if pictures else 0
    heights = [*([tall] if pictures else []), *[2.1] * bool(lines)]
    head = _head(found)
    width = 9.9 if lines else min(9.9, sum(_widths(pictures, head)) + 1.2)
    with sheet(f"explain {found.method}", width, sum(heights), pad=0.05) as drawn:
        parts = np.atleast_1d(drawn.figure.subfigures(len(heights), 1, height_ratios=heights))
        if pictures:
            _pictures(parts[0], explanation, pictures, n, head)
        if lines:
            axes = np.atleast_1d(parts[-1].subplots(1, len(lines)))
            for ax, name in zip(axes, lines, strict=True):
                (_bars if name == "frequency" else _course)(ax, explanation, name)
    return drawn.svg


# -- rows of pictures -------------------------------------------------------------------------------------------------


def _pictures(figure, explanation: Explanation, names: list[str], n: int, head) -> None:
    """Lay out a row per class, two columns per view: found, control."""
    found, control = explanation.found, explanation.control
    axes = figure.subplots(n, 2 * len(names), squeeze=False, width_ratios=_widths(names, head))
    for j, name in enumerate(names):
        for side, one in enumerate((found, control)):
            column, view = axes[:, 2 * j + side], one.views[name][:n]
            limit = float(np.abs(view).max()) or 1.0
            for i, ax in enumerate(column):
                _picture(ax, one, name, view[i] / limit, head, first=side == 0, last=i == n - 1)
            above = _beside(explanation, name, "\n") if side else f"decoder\n±1 = {limit:.2g} {one.unit or '(arbitrary unit)'}"
            column[0].set_title(above, loc="center", fontsize=8.5, color=INK)
    for ax, label in zip(axes[:, 0], found.labels, strict=False):
        if head:
            _named(ax, short(label, 18))
        else:
            ax.set_ylabel(short(label, 18))
    if head or "time_frequency" in names:
        _scale(figure, axes)


def _widths(names: list[str], head) -> list[float]:
    """Return widths of columns, inch."""
    return [width for name in names for width in (2 * [1.55] if name == "electrode" and head else 2 * [2.9])]


def _picture(ax, one: Map, name: str, value: np.ndarray, head, first: bool, last: bool) -> None:
    if name == "time_frequency":
        _spectrogram(ax, one, value, first, last)
    elif head:
        places, info, spread = head
        scalp(ax, value[places], info, 1.0, spread)
    else:
        _channels(ax, one, value, last)


def _named(ax, label: str) -> None:
    ax.text(-0.12, 0.5, label, transform=ax.transAxes, rotation=90, ha="center", va="center", fontsize=9.5, color=INK)


def _head(found: Map):
    """Return (channels with a place, MNE's info, how far colours reach), or None where there is no head to draw on."""
    if "electrode" not in found.views:
        return None
    shown = placed(Patterns(found.views["electrode"], found.names, found.positions, tuple(map(str, range(len(found.labels))))))
    if shown is None:
        return None
    return [found.names.index(name) for name in shown.names], montage(shown), "head" if all_round(shown.positions) else "local"


def _spectrogram(ax, one: Map, value: np.ndarray, first: bool, last: bool) -> None:
    """Draw [frequencies, times]; bands of unequal width are drawn equally high."""
    steps = np.diff(one.edges_hz)
    even = np.allclose(steps[1:], steps[1]) if len(steps) > 1 else True
    y = one.edges_hz if even else np.arange(len(one.edges_hz))
    ax.pcolormesh(one.edges_s, y, value, cmap="RdBu_r", vmin=-1, vmax=1, rasterized=True)
    if not even:
        ax.set_yticks(y, [f"{edge:g}" for edge in one.edges_hz])
    # the last number would touch the first of the next picture
    ax.locator_params(axis="x", nbins=5, prune="upper")
    ax.set_ylabel("Hz" if first else "")
    ax.tick_params(labelleft=first, labelbottom=last)
    if last:
        ax.set_xlabel("time in the window, s")


def _channels(ax, one: Map, value: np.ndarray, last: bool) -> None:
    """Draw bars in place of a head."""
    k = len(value)
    ax.bar(range(k), value, color=[PALETTE[1] if v > 0 else PALETTE[0] for v in value], width=0.8)
    ax.axhline(0, color=MUTED, linewidth=0.7)
    ax.set_ylim(-1.05, 1.05)
    ax.set_yticks([-1, 0, 1])
    if last and k <= _NAMED:
        ax.set_xticks(range(k), shorts(one.names, 8), rotation=90, fontsize=8 if k <= 24 else 6)
    else:
        ax.set_xticks([])
    if last and k > _NAMED:
        ax.set_xlabel(f"{k} channels, in their order")


def _scale(figure, axes) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), "RdBu_r"), ax=list(axes.ravel()), shrink=min(1.0, 1.4 / len(axes)), aspect=14, pad=0.015
    )
    bar.set_label("of the largest value", fontsize=8.5)
    bar.set_ticks([-1, 0, 1])
    bar.outline.set_visible(False)


# -- lines and bars ---------------------------------------------------------------------------------------------------


def _course(ax, explanation: Explanation, name: str) -> None:
    """Draw values over time, a line per class; grey those of the control."""
    found, control = explanation.found, explanation.control
    middle = (found.edges_s[1:] + found.edges_s[:-1]) / 2
    for one, limit in ((control, np.abs(control.views[name]).max()), (found, np.abs(found.views[name]).max())):
        for i, row in enumerate(one.views[name][:_ROWS]):
            real = one is found
            look = {"color": PALETTE[i % len(PALETTE)], "linewidth": 1.8} if real else {"color": BAND, "linewidth": 1.0, "linestyle": "--"}
            label = (found.labels[i] or "decoder") if real else explanation.against if i == 0 else None
            ax.plot(middle, row / (limit or 1), label=label and short(label, 24), **look)
    ax.set(
        xlabel="time in the window, s", ylabel=f"{found.unit or 'activation'}, of the largest", xlim=(found.edges_s[0], found.edges_s[-1])
    )
    _entitled(ax, explanation, name)


def _bars(ax, explanation: Explanation, name: str) -> None:
    """Draw values of bands, bars of the classes side by side; grey those of the control."""
    found, control = explanation.found, explanation.control
    view, ignorant = found.views[name][:_ROWS], control.views[name][:_ROWS]
    k, bands = view.shape
    width = 0.8 / (k + 1)
    for i, row in enumerate(view):
        ax.bar(
            np.arange(bands) + (i - k / 2) * width,
            row,
            width,
            color=PALETTE[i % len(PALETTE)],
            label=short(found.labels[i] or "decoder", 24),
        )
    ax.bar(np.arange(bands) + 0.5 * k * width, ignorant.mean(axis=0), width, color=BAND, label=explanation.against)
    ax.axhline(0, color=MUTED, linewidth=0.7)
    ax.set_xticks(range(bands), [f"{low:g}–{high:g}" for low, high in zip(found.edges_hz, found.edges_hz[1:], strict=False)])
    ax.set(xlabel="band, Hz", ylabel=f"loss, {found.unit}")
    _entitled(ax, explanation, name)


def _entitled(ax, explanation: Explanation, name: str) -> None:
    ax.grid(axis="y", color=GRID)
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    ax.set_title(f"{_NOUN[name]}, beside {_beside(explanation, name, ': ')}", fontsize=8.5, loc="left")


def _beside(explanation: Explanation, name: str, between: str) -> str:
    """Return what stands above a control: what it is, and how far it looks like what was found."""
    value = explanation.agreement.get(name)
    return explanation.against + ("" if value is None else f"{between}rank correlation {value:.2f}")


def _filters(explanation: Explanation) -> str:
    """Draw the gain of each filter as a row, lowest peak first, and the mean of all beside that of the control."""
    found, control = explanation.found, explanation.control
    gain, ignorant = found.views["frequency"], control.views["frequency"]
    order = np.argsort(gain.argmax(axis=1), kind="stable")
    middle = (found.edges_hz[1:] + found.edges_hz[:-1]) / 2
    with sheet("explain filters", 9.9, 3.0, pad=0.05) as drawn:
        left, right = drawn.figure.subplots(1, 2, width_ratios=[1.1, 1])
        drawn.figure.get_layout_engine().set(wspace=0.06)
        image = left.pcolormesh(found.edges_hz, np.arange(len(gain) + 1), gain[order], cmap="viridis", vmin=0, vmax=1, rasterized=True)
        left.set(xlabel="frequency, Hz", ylabel=f"{len(gain)} filters, lowest peak first", yticks=[])
        bar = drawn.figure.colorbar(image, ax=left, pad=0.02)
        bar.set_label("gain, of the filter's largest")
        bar.outline.set_visible(False)
        right.plot(middle, gain.mean(axis=0), color=PALETTE[0], linewidth=1.8, label="decoder")
        right.plot(middle, ignorant.mean(axis=0), color=BAND, linestyle="--", label=explanation.against)
        right.set(xlabel="frequency, Hz", ylabel="mean gain of all filters", xlim=(0, found.edges_hz[-1]))
        right.set_ylim(bottom=0)
        right.grid(axis="y", color=GRID)
        right.set_ylim(top=1.25 * right.get_ylim()[1])  # room for the legend
        right.legend(loc="upper right", ncols=2)
        right.set_title(f"beside {_beside(explanation, 'frequency', ': ')}", fontsize=8.5, loc="left")
    return drawn.svg


# -- words ------------------------------------------------------------------------------------------------------------


def caption(explanation: Explanation, title: str = "") -> str:
    """Return the words for a figure: a title line, then what is seen and how far it may be believed."""
    found = explanation.found
    what = f"Mean over {found.n_windows} windows of the run, which the decoder learned from." if found.n_windows else ""
    cut = f"The first {_ROWS} of {len(found.labels)} classes." if len(found.labels) > _ROWS and found.method != "filters" else ""
    words = " ".join(part for part in (_WORDS[found.method], what, _trust(explanation), cut) if part)
    return f"{TITLES[found.method]}{', ' + title if title else ''}.\n{words}\n"


def _trust(explanation: Explanation) -> str:
    """Say how far the map may be believed: not at all, where one that knows nothing gives the same."""
    if not explanation.agreement:
        return ""
    most = max(explanation.agreement, key=explanation.agreement.get)
    value = explanation.agreement[most]
    told = f"Made with {explanation.against} it correlates with this one by {value:.2f} at most ({_NOUN[most]}, rank correlation): "
    if value >= _DOUBTFUL:
        return told + "it hardly depends on what was learned, and should not be read."
    if value >= _FAITHFUL:
        return told + "a part of it may be the shape of the data or of the layers, not what was learned."
    return told + "it depends on what was learned, as it must."


def write(explanation: Explanation, target: Path, title: str = "") -> Path:
    """Write the figure as `.svg`, and its caption as `.txt` beside it, for the page.

    Parameters
    ----------
    explanation : Explanation
    target : Path
    title : str
        Said behind the method's name.
    """
    target = Path(target)
    for file, text in ((target, draw(explanation)), (target.with_suffix(".txt"), caption(explanation, title))):
        with store.writing(file) as tmp:
            tmp.write_text(text, encoding="utf-8", newline="\n")
    return target
