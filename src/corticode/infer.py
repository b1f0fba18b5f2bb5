"""Answers of a trained decoder for new files, prepared exactly as in training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import catalogue, store
from corticode.decoder import Decoder, refuse_foreign
from corticode.errors import MissingDataError
from corticode.prepare.cache import prepare_one
from corticode.windows import Block, Windows


def predict_files(run: Path, files: Sequence[Path], every_s: float | None = None, own: Any = None) -> pd.DataFrame:
    """Return one row per window: file, onset_s, event (where the file has one), the answer and its probabilities.

    A decoder that was not trained with align.access=online is aligned by all windows of a file, blind, before it answers
    for that file; `attrs["notes"]` of the table then says so.

    Parameters
    ----------
    run : Path
        A run folder, or the folder of a decoder.
    files : sequence of Path
        Recordings in the format of the data set that the decoder was trained on.
    every_s : float or None, s
        Slide windows of the trained length over the recording in these steps; None uses the events, as in training.
    own : nn.Module or None
        For decoders of one's own network.

    Raises
    ------
    MissingDataError
        No such run or file, or no event in the file.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    if not (folder / "decoder.json").is_file():
        several = sorted(p.parent.name for p in folder.glob("*/decoder.json")) if folder.is_dir() else []
        cure = f": it has several, name one: {', '.join(str(folder / s) for s in several)}" if several else ": run with refit=true"
        raise MissingDataError(f"{run} holds no decoder{cure}")
    plain = store.read_json(folder / "decoder.json")
    decoder = Decoder.load(folder, own=own)
    if not plain.get("prepare"):
        raise MissingDataError(
            f"{run} was trained on windows from Python, and does not know how to prepare a file: predict there, with corticode.Decoder.load"
        )
    refuse_foreign(plain["data"])
    refuse_foreign(plain["prepare"])
    dataset = catalogue.make({**plain["data"], **{name: None for name in ("root", "subjects") if name in plain["data"]}})
    prepare = catalogue.make(plain["prepare"])
    if every_s is not None:
        from corticode.prepare.window import Sliding

        prepare.steps = {**prepare.steps, "window": Sliding(length_s=decoder.n_times / decoder.space.sfreq, step_s=every_s)}
    learned = decoder.aligner
    by_whole_file = learned.access != "online" and learned.acts_on != "nothing"
    tables = []
    for file in files:
        if not file.is_file():
            raise MissingDataError(f"there is no file {file}")
        X, meta, space, _ = prepare_one(dataset.recording_of(file), prepare)
        if not len(meta):
            raise MissingDataError(
                f"{file.name}: no window: its events are not those of {plain['data']['_target_'].rpartition('.')[2]}; slide over it with --every SECONDS"
            )
        windows = Windows([Block(X, space)], meta)
        if every_s is None:
            windows = windows[_asked(windows.meta, plain["task"], decoder.classes)]
        blind = windows.blind(decoder.uses)
        decoder.aligner = copy.deepcopy(learned)  # each file by itself: the one before is no past of it
        if by_whole_file:
            decoder.align(blind)
        yhat = decoder.predict(blind)
        table = pd.DataFrame({"file": file.name, **{c: windows.meta[c] for c in ("subject", "session", "run", "trial", "onset_s")}})
        if "event" in windows.meta:
            table["event"] = windows.meta["event"]
        if decoder.classes:
            table["yhat"] = [decoder.classes[k] for k in yhat.argmax(axis=1)]
            prefix = "p" if decoder.yhat_kind == "probability" else "d"
            for k, name in enumerate(decoder.classes):
                table[f"{prefix}_{name}"] = yhat[:, k]
        else:
            table["yhat"] = yhat[:, 0]
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    if by_whole_file:
        as_trained = "as in training" if learned.access == "all" else f"trained with align.access={learned.access}"
        table.attrs["notes"] = [f"aligned by all windows of the file (transductive), {as_trained}"]
    return table


def _asked(meta: pd.DataFrame, task: dict[str, Any], classes: tuple[str, ...]) -> np.ndarray:
    """Return the windows that the decoder was trained to answer for: rest between cues was left out then, and is now.

    Where no window has a known label (cues of unknown class, another target), all are answered.
    """
    named = task.get("classes")
    labels = {str(label) for group in named.values() for label in group} if isinstance(named, dict) else set(classes)
    known = meta[task["target"]].isin([*labels, "unknown"]) if task.get("target") in meta else pd.Series(False, index=meta.index)
    return np.flatnonzero(known) if known.any() else np.arange(len(meta))
