"""Prepared windows on disk: every recording prepared once, in parallel, and kept under the hash of what made it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import store
from corticode.arrays import check_finite
from corticode.errors import BrokenDataError, CorticodeError, MissingDataError
from corticode.prepare.base import Prepare
from corticode.recording import Recording
from corticode.space import Space
from corticode.windows import IDENTITY, Windows, share_samples, write_table


def content_key(recordings: Sequence[Recording], prepare: Prepare, code: dict[str, str], memo: Path | None = None) -> tuple[str, list[str]]:
    """Return the hash of (what was recorded, how it is prepared, by which code), and one digest per recording.

    Neither folders nor dates count: the same bytes under another path are the same windows.

    Raises
    ------
    BrokenDataError
        Two recordings claim one subject, session and run.
    """
    claimed: dict[tuple[str, ...], Recording] = {}
    for recording in recordings:
        who = tuple(recording.who[k] for k in ("dataset", "subject", "session", "run"))
        if who in claimed:
            both = " and ".join(", ".join(f.name for f in r.files) or r.name for r in (claimed[who], recording))
            raise BrokenDataError(
                f"two files claim subject {who[1]}, session {who[2] or '-'}, run {who[3] or '-'}: {both}: remove or rename one"
            )
        claimed[who] = recording
    of_file = store.file_digests((file for recording in recordings for file in recording.files), memo)
    digests = [store.key([[of_file[file] for file in recording.files], _plain(recording.origin)]) for recording in recordings]
    parts = [[_plain(dict(r.who)), _plain(dict(r.facts)), digest] for r, digest in zip(recordings, digests, strict=True)]
    return store.key({"recordings": parts, "prepare": _plain(prepare.describe()), "code": code}), digests


def windows_of(
    recordings: Iterable[Recording],
    prepare: Prepare,
    home: Path,
    code: dict[str, str] | None = None,
    classes: dict[str, list[str]] | None = None,
    n_jobs: int = 1,
    progress: Callable[[Iterable, int, str], Iterable] | None = None,
) -> Windows:
    """Return the prepared windows of these recordings, from the cache when it has them.

    Parameters
    ----------
    recordings : iterable of Recording
    prepare : Prepare
    home : Path
        `paths.prepared`.
    code : dict
        Hashes of the code that reads and prepares; part of the key.
    classes : dict
        Labels that the data set declares, by column.
    n_jobs : int
        Worker processes.
    progress : function (iterable, total, label) -> iterable, or None

    Raises
    ------
    MissingDataError
        No recording, or no window in any of them.
    BrokenDataError
        NaN in a window, a file that claims what another one claims, a damaged cache.
    """
    recordings = list(recordings)
    if not recordings:
        raise MissingDataError("there is no recording to prepare: check data.root and data.subjects")
    key, digests = content_key(recordings, prepare, code or {}, Path(home) / "digests")
    folder = Path(home) / key[:32]
    if not (folder / "windows.json").exists():
        with store.locked(folder):
            if not (folder / "windows.json").exists():  # another process may have made it while we waited
                _sweep(Path(home))
                info = {
                    "key": key,
                    "classes": classes or {},
                    "steps": prepare.describe(),
                    "sees": prepare.sees,
                    "overlap": prepare.overlap,
                    "reach_s": None if prepare.reach_s is None else list(prepare.reach_s),
                    "digests": dict(zip([f"{r.who['dataset']}/{r.name}" for r in recordings], digests, strict=True)),
                }
                with store.writing(folder) as tmp:
                    _make(recordings, prepare, tmp, info, n_jobs, progress)
    windows = Windows.open(folder)
    windows.info["classes"] = _declared(classes or {}, prepare)  # what may be asked of windows is no part of them
    return windows


def _declared(classes: dict[str, list[str]], prepare: Prepare) -> dict[str, list[str]]:
    """Return the classes of the data set, and the idle one that the preparation added to its events."""
    idle = getattr(prepare.steps["window"], "idle", None)
    events = classes.get("event", [])
    return classes if idle is None or idle in events or not events else {**classes, "event": [*events, idle]}


def _make(recordings, prepare, tmp, info, n_jobs, progress) -> None:
    """Fill `tmp`: workers write one part per recording, then the parts become one array per space and length."""
    from joblib import Parallel, delayed

    parts_folder = tmp / "parts"
    parts_folder.mkdir(parents=True)
    # recordings that share a file go to one worker, which reads it once
    shared = [[i for i, _ in group] for _, group in groupby(enumerate(recordings), key=lambda pair: pair[1].files or pair[0])]
    jobs = (delayed(_several)([recordings[i] for i in some], prepare, [parts_folder / f"{i}.npy" for i in some]) for some in shared)
    pool = Parallel(n_jobs=min(n_jobs, len(shared)), return_as="generator", batch_size=1)
    made: Iterable = (one for several in pool(jobs) for one in several)
    if progress is not None:
        made = progress(made, len(recordings), "preparing")
    groups: dict[tuple[Space, int], list[tuple[Path, pd.DataFrame]]] = {}
    notes: list[str] = []
    for i, (table, space, length, said) in enumerate(made):
        notes.extend(f"{recordings[i].name}: {line}" for line in said)
        if len(table):
            groups.setdefault((space, length), []).append((parts_folder / f"{i}.npy", table))
            reach = info["reach_s"] or (0.0, length / space.sfreq)
            info["overlap"] |= share_samples(table, reach[1] - reach[0])
    if not groups:
        raise MissingDataError(
            "no window was cut from any recording: the events do not match, or every window was rejected"
            + (f" ({notes[0]})" if notes else "")
            + ("; recordings without cues are cut by prepare=sliding_10s" if any("no event at all" in note for note in notes) else "")
        )
    for k, ((space, length), parts) in enumerate(groups.items()):
        n = sum(len(table) for _, table in parts)
        with (tmp / f"X{k}.npy").open("wb") as file:
            # written piece by piece, so that a data set larger than memory fits; not through a memory map, since a full
            # disk would then kill the process instead of raising an error
            header = {"descr": "<f4", "fortran_order": False, "shape": (n, len(space), length)}
            np.lib.format.write_array_header_1_0(file, header)
            for path, _ in parts:
                file.write(np.ascontiguousarray(np.load(path, mmap_mode="r", allow_pickle=False), dtype="<f4").data)
                path.unlink()
    shutil.rmtree(parts_folder, ignore_errors=True)
    meta = pd.concat([table for parts in groups.values() for _, table in parts], ignore_index=True)
    write_table(tmp, meta, [space.to_dict() for space, _ in groups], {**info, "notes": notes})


def _several(recordings: Sequence[Recording], prepare: Prepare, paths: Sequence[Path]) -> list[tuple[pd.DataFrame, Space, int, list[str]]]:
    return [_one(recording, prepare, path) for recording, path in zip(recordings, paths, strict=True)]


def _one(recording: Recording, prepare: Prepare, path: Path) -> tuple[pd.DataFrame, Space, int, list[str]]:
    """Read, prepare and write one recording's windows; one thread, so that workers do not fight for cores."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        X, meta, space, notes = prepare_one(recording, prepare)
    if len(meta):
        np.save(path, X, allow_pickle=False)
    return meta, space, X.shape[2], notes


def prepare_one(recording: Recording, prepare: Prepare) -> tuple[np.ndarray, pd.DataFrame, Space, list[str]]:
    """Return one recording's windows X [n, channels, times], their meta, Space, and what there is to say."""
    try:
        signal = recording.read()
        said = list(signal.events.attrs.get("notes", []))
        X, table, space = prepare(signal)
        check_finite(X, "the prepared signal")
    except CorticodeError as error:
        # workers see one file of many: say which
        text = str(error)
        where = ", ".join(file.name for file in recording.files) or recording.name
        raise type(error)(text if where in text else f"{where}: {text}") from error
    identity = {**recording.who, "recording": recording.name}
    meta = table.drop(columns=[c for c in table if c in identity]).assign(**identity)
    meta = _parted(meta, signal.events.attrs.get("runs"), recording.name)
    facts = {k: v for k, v in recording.facts.items() if k not in meta}
    meta = meta.assign(**facts)
    ordered = [c for c in IDENTITY if c in meta] + [c for c in meta if c not in IDENTITY]
    return np.ascontiguousarray(X, dtype=np.float32), meta[ordered], space, [*said, *table.attrs.get("notes", [])]


def _parted(meta: pd.DataFrame, runs: Sequence[tuple[float, str]] | None, name: str) -> pd.DataFrame:
    """Give each window the run it lies in, where one recording joins several that begin at these times (s)."""
    if not runs:
        return meta
    names = np.array([run for _, run in runs], dtype=object)
    run = names[np.maximum(np.searchsorted([start for start, _ in runs], meta["onset_s"], side="right") - 1, 0)]
    return meta.assign(run=run, recording=[f"{name}_{one}" for one in run])


def _plain(value: Any) -> Any:
    """Return values that JSON can hold: numbers, text, lists; NaN as text."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _sweep(home: Path) -> None:
    """Remove what killed processes left behind a day ago or more; newer ones may still be written."""
    import time

    for left in home.glob(".tmp-*"):
        try:
            if time.time() - left.stat().st_mtime > 86400:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue
