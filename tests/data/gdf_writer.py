"""Write small GDF 1.25 and 2.20 files: int16 channels, one sample per record, an event table with durations."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def _padded(texts, width) -> bytes:
    return b"".join(str(text).encode("latin-1")[:width].ljust(width, b" ") for text in texts)


def write_gdf(file: Path, counts, events, sfreq=250, step_uv=0.05, names=None, version="1.25") -> None:
    """Write integers as a GDF file.

    Parameters
    ----------
    file : Path
    counts : int array [channels, times]
        int16; one count is `step_uv` µV.
    events : sequence of (sample from 0, code, duration in samples)
    version : str
        '1.25' or '2.20': their headers and event tables differ.
    """
    counts = np.asarray(counts, dtype="<i2")
    n = len(counts)
    names = names or [f"EEG-{i}" for i in range(n)]
    low, high = -32768, 32767
    ends = [np.full(n, low * step_uv, "<f8"), np.full(n, high * step_uv, "<f8")]
    one, int16 = np.ones(n, "<i4"), np.full(n, 3, "<i4")
    position = np.array([e[0] + 1 for e in events], "<u4")  # GDF counts from 1
    code, duration = np.array([e[1] for e in events], "<u2"), np.array([e[2] for e in events], "<u4")
    if version == "1.25":
        head = _padded(["GDF 1.25"], 8) + _padded(["X X"], 80) + _padded(["X"], 80) + _padded(["2008010112000000"], 16)
        head += np.array([256 * (n + 1)], "<i8").tobytes() + bytes(24 + 20)
        head += np.array([counts.shape[1]], "<i8").tobytes() + np.array([1, sfreq, n], "<u4").tobytes()
        head += _padded(names, 16) + bytes(80 * n) + _padded(["uV"] * n, 8)
        head += b"".join(end.tobytes() for end in ends)
        head += np.full(n, low, "<i8").tobytes() + np.full(n, high, "<i8").tobytes()
        head += bytes(80 * n) + one.tobytes() + int16.tobytes() + bytes(32 * n)
        table = bytes([3]) + int(sfreq).to_bytes(3, "little") + np.array([len(events)], "<u4").tobytes()
    else:
        head = _padded(["GDF 2.20"], 8) + _padded(["X X"], 66) + bytes(10 + 4) + _padded(["X"], 64) + bytes(4 + 12 + 8 + 8)
        head += np.array([n + 1], "<u2").tobytes() + bytes(6 + 8 + 6 + 6 + 12 + 12)
        head += np.array([counts.shape[1]], "<i8").tobytes() + np.array([1, sfreq], "<u4").tobytes()
        head += np.array([n, 0], "<u2").tobytes()
        head += _padded(names, 16) + bytes(80 * n) + bytes(6 * n) + np.full(n, 4275, "<u2").tobytes()  # 4275: microvolts
        head += b"".join(end.tobytes() for end in ends)
        head += np.full(n, low, "<f8").tobytes() + np.full(n, high, "<f8").tobytes()
        head += bytes(68 * n) + bytes(4 * n * 3) + one.tobytes() + int16.tobytes() + bytes(12 * n + 20 * n)
        table = bytes([3]) + len(events).to_bytes(3, "little") + np.array([sfreq], "<f4").tobytes()
    assert len(head) == 256 * (n + 1)
    table += position.tobytes() + code.tobytes() + np.zeros(len(events), "<u2").tobytes() + duration.tobytes()
    Path(file).write_bytes(head + np.ascontiguousarray(counts.T).tobytes() + table)
