"""Scalp maps of spatial patterns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from corticode import store
from corticode.explain import pattern
from corticode.explain.pattern import Patterns
from corticode.report.svg import INK, MUTED, sheet

_COLUMNS, _MAPS = 6, 24
_OUT_M, _DOWN_M = 0.06, 0.08  # how far out and down from the head's centre the outermost electrode of a covered side is
_FARTHEST_M = 0.25  # no electrode of a head is farther from its centre


def draw(
    patterns: np.ndarray,
    names: Sequence[str],
    positions: np.ndarray | None,
    labels: Sequence[str] = (),
    unit: str | None = None,
) -> str | None:
    """Draw one scalp map per pattern, with one colour bar.

    Parameters
    ----------
    patterns : float array [k, channels]
        The first 24 are drawn.
    names : sequence of str
    positions : float array [channels, 3] or None
        Metres in head coordinates; channels with NaN are left out.
    labels : sequence of str
        Title of each map.
    unit : str or None
        Unit of the patterns: all maps share one scale. None: each map is scaled to its largest value, since the size of a
        source is arbitrary.

    Returns
    -------
    svg : str or None
        None where fewer than four channels have a position on a head.
    """
    shown = placed(Patterns(patterns, tuple(names), positions, tuple(labels)))
    if shown is None:
        return None
    info, spread = montage(shown), "head" if all_round(shown.positions) else "local"
    values = shown.patterns[:_MAPS]
    largest = np.abs(values).max(axis=None if unit else 1, keepdims=True)
    scaled = values if unit else values / np.where(largest > 0, largest, 1)
    limit = float(np.abs(scaled).max()) or 1.0
    columns = min(len(values), _COLUMNS)
    rows = -(-len(values) // columns)
    titled = any(shown.labels)
    with sheet("topomap", 1.55 * columns + 0.9, (1.75 if titled else 1.55) * rows + 0.1) as drawn:
        axes = np.atleast_1d(drawn.figure.subplots(rows, columns)).ravel()
        for ax, value, label in zip(axes, scaled, shown.labels, strict=False):
            image = scalp(ax, value, info, limit, spread)
            ax.set_title(label, loc="center", color=INK)
        for ax in axes[len(values) :]:
            ax.set_axis_off()
        bar = drawn.figure.colorbar(image, ax=axes, shrink=min(1.0, 1.3 / rows), aspect=14, pad=0.02)
        bar.set_label(unit or "of the largest value")
        bar.outline.set_visible(False)
        if unit is None:
            bar.set_ticks([-1, 0, 1])
    return drawn.svg


def placed(given: Patterns) -> Patterns | None:
    """Keep the channels that have a position on a head, one where several share it."""
    if given.positions is None:
        return None
    known = np.isfinite(given.positions).all(axis=1) & given.positions.any(axis=1)
    if not known.any() or np.linalg.norm(given.positions[known], axis=1).max() > _FARTHEST_M:
        return None
    _, first = np.unique(np.round(given.positions, 4), axis=0, return_index=True)
    kept = [i for i in sorted(first) if known[i]]
    if len(kept) < 4:
        return None
    return Patterns(given.patterns[:, kept], tuple(given.names[i] for i in kept), given.positions[kept], given.labels)


def montage(shown: Patterns):
    """Return MNE's info of channels that have a position each."""
    import mne

    info = mne.create_info(list(shown.names), sfreq=1.0, ch_types="eeg", verbose="error")
    montage = mne.channels.make_dig_montage(dict(zip(shown.names, shown.positions, strict=True)), coord_frame="head")
    return info.set_montage(montage, verbose="error")


def all_round(positions: np.ndarray) -> bool:
    """Tell whether electrodes reach far down on all four sides; where not, colour stays near them: beyond, nothing is known."""
    sides = np.concatenate([positions[:, :2], -positions[:, :2]], axis=1)  # right, front, left, back
    return bool(sides.max(axis=0).min() > _OUT_M and positions[sides.argmax(axis=0), 2].max() < _DOWN_M)


def scalp(ax, value: np.ndarray, info, limit: float, spread: str):
    """Draw one value per channel on a head seen from above; return the image, for a colour bar.

    Parameters
    ----------
    ax : matplotlib Axes
    value : float array [channels]
    info : mne.Info
    limit : float
        Colours reach from -limit to limit.
    spread : str
        MNE's `extrapolate`.
    """
    import mne

    look = {"cmap": "RdBu_r", "vlim": (-limit, limit), "contours": 0, "res": 96, "sensors": "k.", "outlines": "head"}
    image, _ = mne.viz.plot_topomap(value, info, axes=ax, show=False, extrapolate=spread, **look)
    for line in ax.lines:
        line.set_color(MUTED if line.get_linestyle() != "None" else "#1c2024")
        line.set_markersize(2)
        line.set_linewidth(1)
    return image


def write_topomap(source: Path, target: Path, title: str = "", unit: str | None = None) -> Path | None:
    """Draw the patterns that lie in a file, and write what is seen beside the figure (for the page).

    Parameters
    ----------
    source : Path
        What `pattern.save` wrote.
    target : Path
        `.svg`; the caption goes to `.txt` beside it.
    title : str
        First sentence of the caption.
    unit : str or None
        As for `draw`.

    Returns
    -------
    target : Path or None
        None, and nothing written, where fewer than four channels have a position.
    """
    found = pattern.load(source)
    drawn = draw(found.patterns, found.names, found.positions, found.labels, unit)
    if drawn is None:
        return None
    target = Path(target)
    for file, text in ((target, drawn), (target.with_suffix(".txt"), caption(found, title, unit))):
        with store.writing(file) as tmp:
            tmp.write_text(text, encoding="utf-8", newline="\n")
    return target


def caption(found: Patterns, title: str = "", unit: str | None = None) -> str:
    """Return the words for a figure: a title line, then what is seen."""
    shown = placed(found)
    left_out = len(found.names) - (0 if shown is None else len(shown.names))
    words = ["How each source that the decoder reads appears at the electrodes (patterns, not weights), seen from above, nose up."]
    words.append(f"All maps share one scale, in {unit}." if unit else "Each map is scaled to its largest value; where the size or sign of a source is free, only the shape tells.")  # fmt: skip
    if left_out:
        words.append(f"{left_out} channels without a position of their own are left out.")
    if len(found.patterns) > _MAPS:
        words.append(f"The first {_MAPS} of {len(found.patterns)}.")
    return f"Scalp patterns{', ' + title if title else ''}.\n{' '.join(words)}\n"
