"""What a class-skewed stream costs: `python benchmarks/skewed.py [--root FOLDER]` writes a table into benchmarks/README.md.

Re-centring takes for granted that the windows of a person have the classes in the source's proportions. Each person is left
out in turn and answered as two streams of equal length, one of both classes alike, one with five windows of one class for
one of the other (each class is the rare one in turn). The decoders are the same; only what stands in the stream differs.
The score is balanced accuracy, so that to answer the common class more often is no gain.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from page import PAGE, keep

import corticode
from corticode import catalogue
from corticode.compose import compose
from corticode.decoder import Decoder
from corticode.recipe import Recipe
from corticode.windows import Windows

RATIO, N_ALIGN, N_DRAWS = 5, 6, 3
ACCESS = {
    "not aligned": None,
    "re-centred online": "online",
    f"re-centred by {N_ALIGN} windows before": "calibration",
    "re-centred by all (transductive)": "all",
}


def stream(y: np.ndarray, rare: int | None, rng: np.random.Generator) -> np.ndarray:
    """Return rows of one person, in their order: RATIO to 1 with class `rare` the rare one, or as many of both alike (None).

    Both streams are of the same length, that of the skewed one.
    """
    most = min(np.bincount(y, minlength=2)) // RATIO
    counts = (3 * most, 3 * most) if rare is None else tuple(most if label == rare else RATIO * most for label in (0, 1))
    chosen = [rng.choice(np.flatnonzero(y == label), count, replace=False) for label, count in enumerate(counts)]
    return np.sort(np.concatenate(chosen))


def balanced(decoder: Decoder, windows: Windows, access: str | None) -> float:
    """Return the balanced accuracy of a fitted decoder on one stream, aligned with this access."""
    aligner = decoder.aligner.forget()
    aligner.access = access or aligner.access
    first = N_ALIGN if access == "calibration" else 0
    if access in ("calibration", "all"):
        decoder.align(windows[: first or len(windows)].blind())
    right = decoder.predict(windows[first:].blind()).argmax(axis=1) == windows.y[first:]
    return float(np.mean([right[windows.y[first:] == label].mean() for label in np.unique(windows.y[first:])]))


def measured(windows: Windows, model: str, align: str = "riemannian") -> pd.DataFrame:
    """Return one row per person, access and stream: columns subject, what, skewed, score."""
    lines = []
    subject = windows.meta["subject"].to_numpy()
    for person in dict.fromkeys(subject):
        mine, source = windows[subject == person], windows[subject != person]
        decoders = {word: fresh(source, model, word).fit(source) for word in ("none", align)}
        for what, access in ACCESS.items():
            decoder = decoders["none" if access is None else align]
            for draw in range(N_DRAWS):
                for rare in (None, 0, 1):
                    rows = stream(mine.y, rare, np.random.default_rng(draw))
                    score = balanced(decoder, mine[rows], access)
                    lines.append({"subject": person, "what": what, "skewed": rare is not None, "score": score})
    return pd.DataFrame(lines)


def fresh(windows: Windows, model: str, align: str) -> Decoder:
    """Return a decoder of a named recipe that has seen nothing."""
    cfg = compose([f"model={model}", f"align={align}"])
    return Recipe(model, cfg["model"], cfg["adapt"], cfg["align"], cfg["trainer"], windows.space, windows.n_times, ("a", "b"))(0)


def loaded(data: str, *overrides: str) -> Windows:
    """Return the labelled windows of a data set with its own preparation and two classes."""
    windows = corticode.load(data, overrides=list(overrides), progress="off")
    return catalogue.make(compose([f"data={data}"])["task"]).label(windows)


def table(scores: pd.DataFrame, data: str, model: str) -> list[dict[str, str]]:
    """Return lines of the table: means over people, and the cost with its 95 % interval over people."""
    rows, rng = [], np.random.default_rng(0)
    for what in ACCESS:
        mine = scores[scores["what"] == what].pivot_table(index="subject", columns="skewed", values="score", aggfunc="mean")
        cost = (mine[False] - mine[True]).to_numpy()
        low, high = np.percentile([rng.choice(cost, len(cost)).mean() for _ in range(2000)], [2.5, 97.5])
        rows.append(
            {
                "data": f"{data}, {len(mine)} people",
                "model": model,
                "access": what,
                "classes alike": f"{mine[False].mean():.3f}",
                f"{RATIO}:1": f"{mine[True].mean():.3f}",
                "cost": f"{cost.mean():+.3f} ({low:+.3f} to {high:+.3f})",
            }
        )
    return rows


def written(page: Path, lines: list[dict[str, str]]) -> None:
    """Put the table into its part of the page."""
    head = "| " + " | ".join(lines[0]) + " |\n|" + "---|" * len(lines[0])
    body = "\n".join("| " + " | ".join(line.values()) + " |" for line in lines)
    said = (
        "## A stream of five windows of one class for one of the other (balanced accuracy, leave one person out)\n\n"
        "Re-centring by a stream takes the classes' proportions for a property of the person. Written by `python benchmarks/skewed.py`.\n"
    )
    keep("skewed", f"{said}\n{head}\n{body}", page)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="holds physionet_mi/; without it the simulated people alone")
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = parser.parse_args()
    sets = {"simulated": loaded("simulated")}
    if chosen.root is not None:
        sets["physionet_mi"] = loaded("physionet_mi", f"data.root={chosen.root.resolve() / 'physionet_mi'}")
    lines = [
        line
        for data, windows in sets.items()
        for model in ("mdm", "tangent_space")
        for line in table(measured(windows, model), data, model)
    ]
    written(chosen.output, lines)


if __name__ == "__main__":
    main()
