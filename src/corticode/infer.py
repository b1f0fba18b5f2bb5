"""Answers of a trained decoder for new files, prepared exactly as in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from corticode import catalogue, store
from corticode.decoder import Decoder
from corticode.errors import BrokenDataError, MissingDataError
from corticode.prepare.cache import prepare_one
from corticode.windows import Block, Windows


def predict_files(run: Path, files: Sequence[Path], every_s: float | None = None, own: Any = None) -> pd.DataFrame:
    """Return one row per window: file, onset_s, event (where the file has one), the answer and its probabilities.

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
    dataset = catalogue.make(_own_classes_only({**plain["data"], "root": None, "subjects": None}))
    prepare = catalogue.make(_own_classes_only(plain["prepare"]))
    if every_s is not None:
        from corticode.prepare.window import Sliding

        prepare.steps = {**prepare.steps, "window": Sliding(length_s=decoder.n_times / decoder.space.sfreq, step_s=every_s)}
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
        yhat = decoder.predict(windows.blind(decoder.uses))
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
    return pd.concat(tables, ignore_index=True)


def _own_classes_only(config: dict[str, Any]) -> dict[str, Any]:
    """A run folder may come from someone else: build only the house's classes from it."""
    targets = [config.get("_target_"), *(v.get("_target_") for v in config.values() if isinstance(v, dict))]
    foreign = [t for t in targets if t is not None and not str(t).startswith("corticode.")]
    if foreign:
        raise BrokenDataError(f"decoder.json names {foreign[0]}, which is not a class of corticode: it is not built from a file")
    return config
