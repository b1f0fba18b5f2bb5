"""Memory of a benchmark on sets larger than it should hold: `python benchmarks/memory.py` writes its table into benchmarks/README.md.

Simulated recordings are made once, tiled to the size asked for and kept as prepared windows; then the public benchmark runs on
them in a process of its own, whose memory (and that of its workers) is sampled ten times a second: anonymous memory (what
is not a page of a file and cannot be dropped) and proportional set size.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from page import keep, made_with

from corticode.space import Space
from corticode.windows import write_table


def blocks(folder: Path, n_people: int, n_trials: int, n_channels: int, n_times: int) -> Path:
    """Write prepared windows of simulated people: two classes that differ in the power of one channel each."""
    rng = np.random.default_rng(0)
    n = n_people * n_trials
    folder.mkdir(parents=True)
    X = np.lib.format.open_memmap(folder / "X0.npy", mode="w+", dtype=np.float32, shape=(n, n_channels, n_times))
    label = np.tile([0, 1], n_trials)[:n_trials]
    noise = rng.standard_normal((n_trials, n_channels, n_times)).astype(np.float32) * 10
    for person in range(n_people):
        mixing = (np.eye(n_channels) + 0.1 * rng.standard_normal((n_channels, n_channels))).astype(np.float32)
        source = noise[rng.permutation(n_trials)]
        source[np.arange(n_trials), label] *= 1.3
        for trial in range(n_trials):  # one at a time: this process must not be what is measured as large
            X[person * n_trials + trial] = mixing @ source[trial]
    X.flush()
    meta = pd.DataFrame(
        {
            "dataset": "simulated", "site": "", "subject": np.repeat([f"S{i + 1:03d}" for i in range(n_people)], n_trials), "session": "0", "run": "0",
            "recording": np.repeat([f"S{i + 1:03d}" for i in range(n_people)], n_trials), "trial": np.tile(np.arange(n_trials), n_people),
            "onset_s": np.tile(np.arange(n_trials) * 10.0, n_people), "event": np.tile(np.array(["left_hand", "right_hand"])[label], n_people),
        }
    )  # fmt: skip
    space = Space("eeg", tuple(f"EEG{i + 1:03d}" for i in range(n_channels)), "uV", 160.0)
    info = {"classes": {"event": ["left_hand", "right_hand"]}, "sees": "window", "overlap": False, "steps": [], "notes": []}
    write_table(folder, meta, [space.to_dict()], {**info, "key": f"{n_people}-{n_trials}-{n_channels}-{n_times}".ljust(64, "0")})
    return folder


RUN = """
import json, sys
import corticode
from corticode.windows import Windows
windows, store, words = Windows.open(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
model = words.pop(0)
result = corticode.run(model, windows, overrides=[f"paths.data={store}", "refit=false", "report=false", *words], progress="off", output=store + "/run")
print(json.dumps({"headline": result.headline, "n_folds": result.summary["n_folds"]}))
"""


def measured(folder: Path, words: list[str], n_jobs: int) -> dict[str, float]:
    """Run one benchmark in a process of its own; return its score, seconds and peak memory in MiB, of all its processes together."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as store:
        begin = time.perf_counter()
        command = [sys.executable, "-c", RUN, str(folder), store, json.dumps([*words, f"engine.n_jobs={n_jobs}"])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peak = {"anonymous": 0.0, "pss": 0.0}
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        out, _ = process.communicate()
        watcher.join()
        if process.returncode:
            raise SystemExit(f"the benchmark of {folder.name} ended with status {process.returncode}")
        return {**json.loads(out.splitlines()[-1]), **peak, "seconds": time.perf_counter() - begin}


def _watch(process: subprocess.Popen, peak: dict[str, float]) -> None:
    import psutil

    parent = psutil.Process(process.pid)
    while process.poll() is None:
        now = {"anonymous": 0.0, "pss": 0.0}
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [parent, *parent.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess, OSError):
                    text = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
                    found = {line.split(":")[0]: float(line.split()[1]) / 1024 for line in text.splitlines()[1:]}
                    now["anonymous"] += found["Anonymous"]
                    now["pss"] += found["Pss"]
        for name, value in now.items():
            peak[name] = max(peak[name], value)
        time.sleep(0.1)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where 20 GB may lie for a while (default: the system's temporary folder)"
    )
    parser.add_argument("--people", type=int, nargs="*", default=[27, 109], help="of 90 trials x 64 channels x 480 samples")
    parser.add_argument("--gigabytes", type=float, nargs="*", default=[2.5, 20.0], help="of prepared blocks")
    parser.add_argument("--models", nargs="*", default=["mdm", "csp_lda", "tangent_space model.head.C=1.0"])
    parser.add_argument("--dry", action="store_true", help="print the table alone")
    chosen = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=chosen.folder) as home:
        for n_people in chosen.people:
            folder = blocks(Path(home) / f"people{n_people}", n_people, 90, 64, 480)
            for words in chosen.models:
                rows.append(line(f"{n_people} people x 90 trials x 64 channels", folder, words.split()))
            shutil.rmtree(folder)
        for gigabytes in chosen.gigabytes:
            n_trials = round(gigabytes * 1e9 / (20 * 64 * 1280 * 4))
            folder = blocks(Path(home) / f"gigabytes{gigabytes}", 20, n_trials, 64, 1280)
            for words in ("logvar_lda",):  # reads every sample once; what learns from matrices is above
                rows.append(line(f"20 people x {n_trials} trials x 64 channels x 8 s", folder, words.split()))
            shutil.rmtree(folder)
    head = "| prepared windows | on disk | model | workers | folds | score | peak anonymous memory, all processes | peak PSS |"
    text = "\n".join([head, "|---" * 8 + "|", *rows])
    print(text)
    if not chosen.dry:
        keep(
            "memory",
            f"## Memory\n\nMade by `python benchmarks/memory.py`: anonymous memory is what cannot be dropped and read again from a file.\n\n{text}\n\n{made_with()}",
        )


def line(what: str, folder: Path, words: list[str]) -> str:
    """Return one line of the table."""
    size = (folder / "X0.npy").stat().st_size / 1e9
    split = ["split=kfold", f"split.n_folds={5 if size < 2 else 2}"]
    found = measured(folder, [*words, *split], 2)
    print(what, words, found, file=sys.stderr, flush=True)
    return (
        f"| {what} | {size:.1f} GB | `{' '.join(words)}` | 2 | {found['n_folds']:.0f} | {found['headline']:.3f} "
        f"| {found['anonymous']:.0f} MiB | {found['pss']:.0f} MiB |"
    )


if __name__ == "__main__":
    main()
