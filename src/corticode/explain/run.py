"""Explain the decoder that a run kept: maps as arrays and figures in the run folder, and its page written again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corticode import catalogue, store
from corticode.decoder import Decoder, refuse_foreign
from corticode.errors import BrokenDataError, MissingDataError, SentenceError
from corticode.explain import figure, maps
from corticode.explain.maps import Explanation
from corticode.explain.methods import METHODS, explain, possible
from corticode.prepared import home, prepared
from corticode.windows import PERSON, Windows


def main(argv: Sequence[str]) -> int:
    """Run `corticode explain`: print how far each map is that of an ignorant decoder, and where the page is."""
    import argparse

    parser = argparse.ArgumentParser(prog="corticode explain")
    parser.add_argument("run", help="run folder")
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"{', '.join(METHODS)}; none takes all that fit the decoder")
    parser.add_argument("--model", default=None, metavar="NAME", help="which decoder of a run with several")
    parser.add_argument("--windows", type=int, default=128, metavar="N", help="how many windows are asked, evenly from people and classes")
    chosen = parser.parse_args(list(argv))
    for explanation in explain_run(Path(chosen.run), chosen.methods, chosen.windows, chosen.model):
        against = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in explanation.agreement.items())
        print(f"{explanation.found.method:<11} rank correlation with {explanation.against}: {against}")
    print(f"report: {Path(chosen.run) / 'report.html'}")
    return 0


def explain_run(
    run: Path, methods: Sequence[str] = (), n_windows: int = 128, model: str | None = None, seed: int = 0, own: Any = None
) -> list[Explanation]:
    """Explain a kept decoder on windows of its run, evenly chosen over people and classes.

    The decoder is the one that was refitted on all rows, so these windows are among those it learned from: the maps tell what it uses,
    not how well. Written are explain_<method>.npz, figures/explain_<method>.svg and report.html.

    Parameters
    ----------
    run : Path
        A run folder with model/.
    methods : sequence of str
        Of `methods.METHODS`; none takes all that can show something of this decoder.
    n_windows : int
    model : str or None
        Which decoder of a run with several.
    seed : int
        Of the choice of windows and of the controls.
    own : nn.Module or None
        The untrained network, for a decoder of one's own.

    Raises
    ------
    MissingDataError
        No run, no decoder, or its windows are gone.
    SentenceError
        A method that this decoder does not allow.
    """
    run = Path(run)
    folder, prefix = _decoder_folder(run, model)
    decoder = Decoder.load(folder, own=own)
    chosen = list(methods) or possible(decoder)
    windows = _labelled(run, store.read_json(folder / "decoder.json"))
    windows = windows[evenly(windows, n_windows, classes=bool(decoder.classes), seed=seed)]
    explanations, left_out = [], []
    for method in chosen:
        try:
            explanations.append(explain(decoder, windows, method, seed=seed))
        except SentenceError as error:
            if methods:
                raise
            left_out.append(str(error))
    for explanation in explanations:
        name = f"explain_{prefix}{explanation.found.method}"
        maps.save(run / f"{name}.npz", explanation)
        figure.write(explanation, run / "figures" / f"{name}.svg", title=prefix.rstrip("_"))
    if explanations and (run / "scores.csv").is_file():
        from corticode.report.page import write

        write(run)
    if not explanations:
        raise SentenceError(" ".join(left_out))
    return explanations


def _decoder_folder(run: Path, model: str | None) -> tuple[Path, str]:
    """Return where the decoder lies, and what names of its files begin with in a run of several."""
    folder = run / "model"
    if (folder / "decoder.json").is_file():
        return folder, ""
    several = sorted(p.parent.name for p in folder.glob("*/decoder.json"))
    if not several:
        raise MissingDataError(f"{run} holds no decoder: give a run folder, of a run with refit=true")
    if model not in several:
        raise SentenceError(f"{run} holds several decoders, name one with --model: {', '.join(several)}")
    return folder / model, f"{model}_"


def _labelled(run: Path, plain: dict[str, Any]) -> Windows:
    """Return the windows of a run, labelled by its task, from the cache where it has them."""
    import yaml

    try:
        cfg = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
        data, task = cfg["data"], cfg["task"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise MissingDataError(f"{run} holds no readable config.yaml ({error}), so its windows cannot be found again") from error
    for part in (data, cfg.get("prepare"), task):
        refuse_foreign(part)
    if "own" in data:
        kept = home(cfg) / "prepared" / str(data["own"])[:32]
        if not kept.is_dir():
            raise MissingDataError(
                f"the windows of {run} came from Python and are no longer in {kept}: use corticode.explain.methods.explain there"
            )
        windows = Windows.open(kept)
    else:
        windows = prepared(cfg)
    return catalogue.make(task).label(windows)


def evenly(windows: Windows, n: int, classes: bool, seed: int = 0) -> np.ndarray:
    """Choose n rows, as many of each person and class as of any other while they last; in order.

    Raises
    ------
    BrokenDataError
        There are none.
    """
    if not len(windows):
        raise BrokenDataError("there is no window to explain")
    who = windows.meta[list(PERSON)].astype(str).agg("\x1f".join, axis=1).to_numpy()
    group = np.char.add(who.astype(str), np.char.add("\x1f", np.asarray(windows.y).astype(str))) if classes else who
    order = np.random.default_rng(seed).permutation(len(windows))
    turn = np.empty(len(windows), dtype=int)
    for name in np.unique(group):
        rows = order[group[order] == name]
        turn[rows] = np.arange(len(rows))
    # the first of every group, then the second of every group
    return np.sort(order[np.argsort(turn[order], kind="stable")][: max(1, n)])
