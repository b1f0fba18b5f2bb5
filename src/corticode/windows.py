"""Windows: the one object that data are, from preparation to prediction.

    blocks   [block 0: X [n0, channels, times]] [block 1: X [n1, ...]] ...   one Space and one length per block
    rows     which rows, over all blocks in order, this Windows shows
    meta     one line per row: identity columns (who, when), then outcome columns (event, age, ...)
    y        what is asked, set by a task

A Windows that lives in a folder pickles as path + rows: workers open the arrays themselves, memory-mapped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from corticode import arrays, store
from corticode.errors import BrokenDataError, MissingDataError, SentenceError, StoreError
from corticode.rows import Rows, lazily
from corticode.space import Space

# Who and when. All other columns of `meta` are outcomes, and `blind()` takes them away.
IDENTITY = ("dataset", "site", "subject", "session", "run", "recording", "trial", "onset_s")
_TEXT = ("dataset", "site", "subject", "session", "run", "recording")

# The columns that name a person, and what of theirs was recorded, from coarse to fine.
PERSON = ("dataset", "subject")
SESSION = (*PERSON, "session")
RECORDING = (*SESSION, "run", "recording")
TRIAL = (*RECORDING, "trial")


@dataclass(frozen=True)
class Block:
    """Windows of one Space and one length: X [n, channels, times] float32, memory-mapped when it lies on disk."""

    X: np.ndarray
    space: Space

    def __post_init__(self):
        if self.X.ndim != 3 or self.X.shape[1] != len(self.space):
            raise BrokenDataError(f"X is {list(self.X.shape)} but space names {len(self.space)} channels: wanted [n, channels, times]")


class Windows:
    """Rank-3 windows with who, when and what.

    Parameters
    ----------
    blocks : sequence of Block
        Whole blocks; `rows` selects from them.
    meta : DataFrame [n]
        One line per shown row, identity columns first. Missing identity columns are filled with ''.
    y : array [n, ...] or None
        Target, set by a task.
    info : dict
        Plain facts: 'key' (content hash), 'classes' (labels the data set declares, by column), 'steps' (what was
        prepared), 'sees' ('window' < 'past' < 'recording'; 'unknown' for arrays), 'overlap' (windows share samples), 'reach_s' (what a
        window is made of, from its onset), 'whole' (columns that never stand on both sides of a fold), 'notes'.
    rows : int array [n] or None
        Rows over all blocks in order; None means all.
    folder : Path or None
        Where the blocks lie, if they do.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        meta: pd.DataFrame,
        y: np.ndarray | None = None,
        info: dict[str, Any] | None = None,
        rows: np.ndarray | None = None,
        folder: Path | None = None,
        y_space: Space | None = None,
    ):
        self.blocks = tuple(blocks)
        total = sum(len(block.X) for block in self.blocks)
        self.rows = np.arange(total) if rows is None else np.asarray(rows, dtype=np.int64)
        if len(meta) != len(self.rows):
            raise BrokenDataError(f"meta has {len(meta)} lines for {len(self.rows)} windows: wanted one line per window")
        if y is not None and len(y) != len(self.rows):
            raise BrokenDataError(f"y has {len(y)} values for {len(self.rows)} windows: wanted one per window")
        self.meta = _ordered(meta)
        self.y = y
        self.info = dict(info or {})
        self.folder = None if folder is None else Path(folder)
        self.y_space = y_space

    # -- reading ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        shapes = " + ".join(f"[{len(where)}, {len(space)}, {X.shape[2]}]" for space, X, where in self.parts(read=False))
        units = ", ".join(dict.fromkeys(block.space.unit for block in self.blocks))
        return f"<Windows {shapes or '[0]'} {units} | {self.meta['subject'].nunique()} subjects>"

    def space_or_none(self) -> Space | None:
        """Return the Space if all blocks have the same one."""
        spaces = {block.space for block in self.blocks}
        return self.blocks[0].space if len(spaces) == 1 else None

    @property
    def space(self) -> Space:
        """The Space of a set whose windows all share one.

        Raises
        ------
        SentenceError
            There are several.
        """
        return self._only().space

    @property
    def X(self) -> np.ndarray:
        """The shown rows, float32 [n, channels, times]; the memory-mapped array itself when all rows are shown.

        Raises
        ------
        SentenceError
            There are several blocks.
        """
        block = self._only()
        if len(self.rows) == len(block.X) and np.array_equal(self.rows, np.arange(len(block.X))):
            return block.X
        return block.X[self.rows]

    @property
    def lazy(self) -> np.ndarray | Rows:
        """What `X` is, read when it is used: for sets that are larger than memory."""
        return lazily(self._only().X, self.rows)

    def _only(self) -> Block:
        if len(self.blocks) == 1:
            return self.blocks[0]
        if not self.blocks:
            raise MissingDataError("there are no windows: check task, events and data.subjects")
        shapes = "; ".join(f"{len(b.space)} channels x {b.X.shape[2]} samples at {b.space.sfreq:g} Hz" for b in self.blocks)
        raise SentenceError(
            f"the recordings do not share one space ({shapes}), and this model needs one: "
            "add prepare.resample.sfreq_hz=, prepare.match.channels= or a window of fixed length"
        )

    @property
    def reach_s(self) -> tuple[float, float]:
        """What a window is made of, in seconds from its onset: first sample to one past the last (its baseline too)."""
        known = self.info.get("reach_s")
        longest = max((block.X.shape[2] / block.space.sfreq for block in self.blocks), default=0.0)
        return (0.0, longest) if known is None else (float(known[0]), float(known[1]))

    @property
    def n_times(self) -> int:
        """Samples per window of a one-block set."""
        return self._only().X.shape[2]

    def parts(self, read: bool = True) -> Iterator[tuple[Space, np.ndarray, np.ndarray]]:
        """Give each block's shown rows: (space, X [m, channels, times], where [m] in this Windows)."""
        first = 0
        for block in self.blocks:
            where = np.flatnonzero((self.rows >= first) & (self.rows < first + len(block.X)))
            if len(where):
                yield block.space, (block.X[self.rows[where] - first] if read else block.X), where
            first += len(block.X)

    # -- views ------------------------------------------------------------------------------------------------

    def __getitem__(self, rows: np.ndarray | Sequence[int] | slice) -> Windows:
        """Return the chosen rows, in the order given; arrays stay where they are."""
        if isinstance(rows, slice):
            rows = np.arange(len(self))[rows]
        rows = np.asarray(rows)
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64)
        return self._replace(
            meta=self.meta.iloc[rows].reset_index(drop=True), y=None if self.y is None else self.y[rows], rows=self.rows[rows]
        )

    def _replace(self, **changes: Any) -> Windows:
        fields = {
            "blocks": self.blocks,
            "meta": self.meta,
            "y": self.y,
            "info": self.info,
            "rows": self.rows,
            "folder": self.folder,
            "y_space": self.y_space,
        }
        return Windows(**{**fields, **changes})

    def with_y(self, y: np.ndarray, y_space: Space | None = None) -> Windows:
        """Return the same rows with a target."""
        return self._replace(y=np.asarray(y), y_space=y_space)

    def blind(self, uses: Sequence[str] = ()) -> Windows:
        """Return the windows as a decoder may see them at test: no y, no outcome column but those in `uses`."""
        return self._replace(meta=self.meta[self.seen_at_test(uses)], y=None, y_space=None)

    def seen_at_test(self, uses: Sequence[str] = ()) -> list[str]:
        """Return the columns of meta that a decoder may see at test: identity, and those in `uses`."""
        return [column for column in self.meta.columns if column in IDENTITY or column in uses]

    @property
    def is_blind(self) -> bool:
        """True when there is no y."""
        return self.y is None

    # -- on disk ----------------------------------------------------------------------------------------------

    @property
    def key(self) -> str:
        """Content hash of the whole set (not of the shown rows); '' for arrays in memory."""
        return str(self.info.get("key", ""))

    def content_key(self) -> str:
        """Return the hash of all that `save` would write: the shown rows' samples, meta, spaces and facts."""
        digest = hashlib.sha256()
        for _, X, where in self.parts():
            digest.update(where.tobytes())
            digest.update(np.ascontiguousarray(X, dtype=np.float32).tobytes())
        digest.update(self.meta.to_csv().encode())
        facts = {name: fact for name, fact in self.info.items() if name not in ("key", "notes")}
        return store.key({"arrays": digest.hexdigest(), "spaces": [block.space.to_dict() for block in self.blocks], "info": facts})

    def save(self, folder: Path) -> Windows:
        """Write the shown rows to a folder, atomically, and return them opened from there.

        Layout: X0.npy, X1.npy ... (float32, no pickle), meta.parquet, windows.json (spaces, info). Rows of several blocks
        come back block by block.

        Raises
        ------
        StoreError
            The folder holds other windows, or cannot be written.
        """
        return self._save(Path(folder), self.content_key())

    def keep(self, home: Path) -> Windows:
        """Write the shown rows to <home>/<their content key>, unless they are there, and return them opened from there."""
        key = self.content_key()
        return self._save(Path(home) / key[:32], key)

    @property
    def is_kept(self) -> bool:
        """True when the folder holds what is shown: nobody changed meta since."""
        if self.folder is None:
            return False
        there = Windows.open(self.folder).meta.iloc[self.rows].reset_index(drop=True)
        return bool(self.key) and all(column in there and there[column].equals(self.meta[column]) for column in self.meta)

    def _save(self, folder: Path, key: str) -> Windows:
        with store.locked(folder):
            if not (folder / "windows.json").exists():
                with store.writing(folder) as tmp:
                    self._write(tmp, key)
        opened = Windows.open(folder)
        if opened.key != key:
            raise StoreError(f"{folder} holds other windows: save these to another folder, or delete that one")
        if self.y is None:
            return opened
        order = np.concatenate([where for _, _, where in self.parts(read=False)])
        return opened.with_y(self.y[order], self.y_space)

    def _write(self, folder: Path, key: str) -> None:
        folder.mkdir(parents=True)
        spaces, order = [], [np.arange(0)]
        for i, (space, X, where) in enumerate(self.parts()):
            np.save(folder / f"X{i}.npy", np.ascontiguousarray(X, dtype=np.float32), allow_pickle=False)
            spaces.append(space.to_dict())
            order.append(where)
        write_table(folder, self.meta.iloc[np.concatenate(order)], spaces, {**self.info, "key": key})

    @classmethod
    def open(cls, folder: Path) -> Windows:
        """Open what `save` wrote; the arrays are memory-mapped.

        Raises
        ------
        BrokenDataError
            A file there is missing or damaged: names the folder to delete.
        """
        folder = Path(folder)
        try:
            plain = store.read_json(folder / "windows.json")
            blocks = [
                Block(np.load(folder / f"X{i}.npy", mmap_mode="r", allow_pickle=False), Space.from_dict(space))
                for i, space in enumerate(plain["spaces"])
            ]
            meta = pd.read_parquet(folder / "meta.parquet")
        except (OSError, ValueError, KeyError) as error:
            raise BrokenDataError(f"{folder} is damaged ({error}): delete that folder and run again") from error
        return cls(blocks, meta, info=plain["info"], folder=folder)

    def __reduce__(self):
        if self.folder is None:
            raise TypeError("Windows in memory do not travel to other processes: save(folder) them first")
        there = store.read_json(self.folder / "windows.json")["info"]
        changed = {name: fact for name, fact in self.info.items() if name not in there or there[name] != fact}
        return _reopen, (self.folder, self.rows, list(self.meta.columns), self.y, self.y_space, changed)

    # -- one's own arrays -------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        X: np.ndarray,
        y: Sequence | None = None,
        *,
        sfreq: float,
        subject: Sequence | str = "1",
        session: Sequence | str = "",
        run: Sequence | str = "",
        site: Sequence | str = "",
        ch_names: Sequence[str] | None = None,
        unit: str = "uV",
        kind: str = "eeg",
        positions: np.ndarray | None = None,
        meta: pd.DataFrame | None = None,
        dataset: str = "own",
        overlap: bool = False,
    ) -> Windows:
        """Make Windows of arrays.

        Parameters
        ----------
        X : array [n, channels, times], `unit`
        y : sequence [n] or None
            Labels (str or int: a class) or floats (a factor to regress).
        sfreq : float, Hz
        subject, session, run, site : one value per window, or one for all
        ch_names : sequence [channels], default EEG001, EEG002 ...
        unit : str
            'uV', 'mV', 'V' (EEG); converted to the unit of the house.
        positions : array [channels, 3] or None, metres
        meta : DataFrame [n] or None
            Further columns; `subject`, `session`, ... there win over the arguments.
        overlap : bool
            True when windows share samples: a recording is then never split between fit and test, unless `meta` has `onset_s`
            and the split leaves a gap.

        Raises
        ------
        BrokenDataError
            Wrong shape, NaN, infinite values or constant windows; names the first.
        UnitError
            Amplitudes that cannot be EEG in µV.
        """
        X, space = arrays.checked(X, sfreq, ch_names, unit, kind, positions)
        seconds = X.shape[2] / space.sfreq
        # of windows that overlap nobody knows how far, any two of a recording may share samples: all stand at one time
        table, classes = arrays.table(
            y, meta, len(X), 0.0 if overlap else seconds, dataset=dataset, site=site, subject=subject, session=session, run=run
        )
        overlap = bool(overlap) or (meta is not None and "onset_s" in meta and share_samples(table, seconds))
        info = {"classes": classes, "sees": "unknown", "overlap": overlap, "steps": [], "notes": _order_notes(table)}
        return cls([Block(X, space)], table, info=info)

    @classmethod
    def from_epochs(cls, epochs: Any, subject: Sequence | str | None = None, session: Sequence | str = "", **columns: Any) -> Windows:
        """Make Windows of `mne.Epochs`: EEG (else sEEG/ECoG, else MEG) channels, event names as labels.

        Parameters
        ----------
        epochs : mne.Epochs
            `epochs.metadata`, where there is one, becomes columns; its `subject` and `session` are used.
        subject, session : one value per epoch, or one for all
        """
        given, notes = arrays.of_epochs(epochs, subject)
        windows = cls.from_arrays(**{**given, "session": session, **columns})
        windows.info["notes"] += notes
        return windows

    @classmethod
    def concatenate(cls, sets: Sequence[Windows]) -> Windows:
        """Put sets behind each other; sets of one Space and length become one block (a copy).

        y stays when all sets have one. Of the facts about preparation the least honest one holds for all.
        """
        groups: dict[tuple[Space, int], list[tuple[np.ndarray, Windows]]] = {}
        for windows in sets:
            for space, X, where in windows.parts():
                groups.setdefault((space, X.shape[2]), []).append((X, windows[where]))
        parts = [rows for group in groups.values() for _, rows in group]
        blocks = [Block(np.concatenate([X for X, _ in group]), space) for (space, _), group in groups.items()]
        meta = pd.concat([rows.meta for rows in parts], ignore_index=True) if parts else pd.DataFrame()
        y = np.concatenate([rows.y for rows in parts]) if parts and all(rows.y is not None for rows in parts) else None
        return cls(blocks, meta, y, _joined([windows.info for windows in sets]), y_space=sets[0].y_space if sets else None)


def _joined(infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of several sets: what any of them saw or shares, all of them do."""
    joined = {name: fact for info in reversed(infos) for name, fact in info.items() if name not in ("key", "digests")}
    if infos:
        joined["overlap"] = any(info.get("overlap", False) for info in infos)
        joined["whole"] = list(dict.fromkeys(column for info in infos for column in info.get("whole", ())))
        reaches = [info["reach_s"] for info in infos if info.get("reach_s") is not None]
        if len(reaches) == len(infos):
            joined["reach_s"] = [min(first for first, _ in reaches), max(stop for _, stop in reaches)]
        else:
            joined.pop("reach_s", None)
        joined["sees"] = max((info.get("sees", "window") for info in infos), key=("window", "past", "recording", "unknown").index)
        joined["notes"] = [line for info in infos for line in info.get("notes", [])]
        columns = dict.fromkeys(column for info in infos for column in info.get("classes", {}))
        joined["classes"] = {
            c: list(dict.fromkeys(label for info in infos for label in info.get("classes", {}).get(c, []))) for c in columns
        }
    return joined


def share_samples(meta: pd.DataFrame, seconds: float) -> bool:
    """Return True when windows of one recording stand closer than they are long (sliding ones, or cues in quick succession)."""
    for _, onsets in meta.groupby(["dataset", "recording"], sort=False)["onset_s"]:
        gaps = np.diff(np.sort(onsets.to_numpy(dtype=float)))
        if len(gaps) and gaps.min() < seconds - 1e-6:
            return True
    return False


def write_table(folder: Path, meta: pd.DataFrame, spaces: list[dict], info: dict[str, Any]) -> None:
    """Write the tables that stand beside the arrays of a folder of windows."""
    meta.reset_index(drop=True).to_parquet(folder / "meta.parquet", index=False)
    store.write_json(folder / "windows.json", {"format": 1, "spaces": spaces, "info": info})


def _ordered(meta: pd.DataFrame) -> pd.DataFrame:
    """Return meta with all identity columns, in order, as text or numbers; then the outcomes."""
    if _is_ordered(meta):  # rows of a table that was ordered before: this is on the way of every single decision
        return meta.copy(deep=False)
    filled: dict[str, Any] = {}
    for column in IDENTITY:
        if column in meta:
            values = meta[column]
            filled[column] = values.astype(str) if column in _TEXT else pd.to_numeric(values)
        elif column == "trial":
            filled[column] = np.arange(len(meta))
        else:
            filled[column] = 0.0 if column == "onset_s" else ""
    table = pd.DataFrame(filled, index=meta.index)
    others = [column for column in meta.columns if column not in IDENTITY]
    return pd.concat([table, meta[others]], axis=1).reset_index(drop=True)


def _is_ordered(meta: pd.DataFrame) -> bool:
    if (
        tuple(meta.columns[: len(IDENTITY)]) != IDENTITY
        or not isinstance(meta.index, pd.RangeIndex)
        or meta.index.start != 0
        or meta.index.step != 1
    ):
        return False
    kinds = dict(zip(IDENTITY, meta.dtypes.array, strict=False))
    return all((isinstance(kind, pd.StringDtype) if name in _TEXT else kind.kind in "iuf") for name, kind in kinds.items())


def _order_notes(table: pd.DataFrame) -> list[str]:
    """Say it when sessions or runs stand in another order than their names sort: time order goes by name."""
    notes = []
    for column in ("session", "run"):
        for subject, names in table.groupby("subject", sort=False)[column]:
            stood = list(dict.fromkeys(str(name) for name in names))
            if stood != sorted(stood, key=natural):
                notes.append(
                    f"{column}s of {subject} stand in the order {', '.join(stood)} and are taken in the order of their names: rename them if time was otherwise"
                )
                break
    return notes


def natural(text: str) -> tuple:
    """Return a sort key in which 'S2' stands before 'S10'."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", str(text)) if part)


def _reopen(folder: Path, rows: np.ndarray, columns: list[str], y: np.ndarray | None, y_space: Space | None, changed: dict) -> Windows:
    windows = Windows.open(folder)[rows]
    return windows._replace(meta=windows.meta[columns], y=y, y_space=y_space, info={**windows.info, **changed})
