"""Leave one person out on BCI-IV-2a-shaped files, MOABB beside us, whole processes: `python benchmarks/beside_moabb.py` writes its table.

Simulated people are written once as BNCI 001-2014 .mat files. MOABB 1.7.2 finds them in MNE_DATA and runs CrossSubjectEvaluation of
three pipelines; we run `python train.py experiment=bci_iv_2a_moabb` on the same files with an empty store, then with a warm one.
Reading, filtering, start of Python and all imports are inside. No network is used.
"""

from __future__ import annotations

import argparse
import json
import os
import pstats
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from page import PAGE, keep, made_with
from watch import Watched, watched

ROOT = Path(__file__).resolve().parents[1]
INSIDE = Path("MNE-bnci-data/~bci/database/001-2014")
NAMES = {"tangent_space": "TS+LR", "mdm": "MDM", "csp_lda": "CSP+LDA"}
SFREQ, N_CHANNELS, N_TRIALS = 250, 22, 48

# -- files ------------------------------------------------------------------------------------------------------------


def people(folder: Path, n_people: int, seed: int = 0) -> Path:
    """Write two sessions of each simulated person: 22 EEG and 3 EOG channels, six runs of 48 trials after three without any."""
    rng = np.random.default_rng(seed)
    everyone = rng.standard_normal((N_CHANNELS, N_CHANNELS))
    (folder / INSIDE).mkdir(parents=True, exist_ok=True)
    for person in range(n_people):
        own = everyone + 0.1 * rng.standard_normal(everyone.shape)
        for letter in "TE":
            write_session(folder / INSIDE / f"A{person + 1:02d}{letter}.mat", own + 0.03 * rng.standard_normal(everyone.shape), rng)
    return folder


def write_session(file: Path, mixing: np.ndarray, rng: np.random.Generator) -> None:
    """Write one file as MATLAB does: a cell of runs, compressed, its integers as small as they may be."""
    from scipy.io import savemat

    runs = [(np.zeros(0, int), np.zeros(0, int), 15 * SFREQ)] * 3
    for _ in range(6):
        start = SFREQ + 8 * SFREQ * np.arange(N_TRIALS)
        runs.append((start, rng.permutation(np.tile([1, 2, 3, 4], N_TRIALS // 4)), start[-1] + 9 * SFREQ))
    cell = np.empty((1, len(runs)), dtype=object)
    for i, (start, y, n) in enumerate(runs):
        empty = np.zeros((0, 0))
        cell[0, i] = {
            "X": signal(start, y, n, mixing, rng), "fs": np.uint8(SFREQ), "gender": "female", "age": np.uint8(22),
            "trial": (start + 1).astype("u4")[:, None] if len(start) else empty, "y": y.astype("u1")[:, None] if len(y) else empty,
            "artifacts": np.zeros((len(y), 1), "u1") if len(y) else empty,
            "classes": np.array([["left hand", "right hand", "feet", "tongue"]], dtype=object),
        }  # fmt: skip
    savemat(file, {"data": cell}, do_compression=True)


def signal(start: np.ndarray, y: np.ndarray, n: int, mixing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return [n, 25] in uV, in steps of the amplifier's: white sources, of which one per class is weaker by a tenth in its trials."""
    sources = rng.standard_normal((n, N_CHANNELS), dtype=np.float32)
    for first, label in zip(start, y, strict=True):
        sources[first + 2 * SFREQ : first + 7 * SFREQ, label - 1] *= 0.9
    X = np.hstack([10 * sources @ mixing.T.astype(np.float32), 30 * rng.standard_normal((n, 3), dtype=np.float32)])
    return np.round(X / 0.0488) * 0.0488


# -- both sides ---------------------------------------------------------------------------------------------------------

PEER = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.modules["codecarbon"] = None  # where it is installed, MOABB measures energy too, which takes time
import mne
import moabb
from moabb.datasets import BNCI2014_001
from moabb.evaluations import CrossSubjectEvaluation
from moabb.paradigms import MotorImagery
from pyriemann.classification import MDM
from pyriemann.estimation import Covariances
from pyriemann.spatialfilters import CSP
from pyriemann.tangentspace import TangentSpace
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
moabb.set_log_level("error")
mne.set_log_level("error")
dataset = BNCI2014_001()
dataset.subject_list = list(range(1, int(sys.argv[1]) + 1))
pipelines = {
    "TS+LR": make_pipeline(Covariances("oas"), TangentSpace(), LogisticRegression(C=1.0, max_iter=1000)),
    "MDM": make_pipeline(Covariances("oas"), MDM()),
    "CSP+LDA": make_pipeline(Covariances("oas"), CSP(6), LinearDiscriminantAnalysis()),
}
evaluation = CrossSubjectEvaluation(
    paradigm=MotorImagery(n_classes=4, fmin=8, fmax=32, scorer="accuracy"), datasets=[dataset], overwrite=True, n_jobs=int(sys.argv[2]),
    hdf5_path=sys.argv[3], suffix="benchmark",
)
scores = evaluation.process(pipelines)
print(json.dumps(scores.groupby("pipeline")["score"].mean().to_dict()))
"""


def peer(files: Path, n_people: int, n_jobs: int, store: Path) -> tuple[Watched, dict[str, float]]:
    """Run MOABB's evaluation; return what it took, and its mean scores."""
    # configuration files and results of MOABB and MNE go where they can be thrown away; its mirror would be asked over the network first
    env = {
        **os.environ, "MNE_DATA": str(files), "MNE_DATASETS_BNCI_PATH": str(files), "MOABB_RESULTS": str(store), "HOME": str(store),
        "_MNE_FAKE_HOME_DIR": str(store), "MOABB_DOWNLOAD_PROVIDER": "upstream",
    }  # fmt: skip
    done = watched([sys.executable, "-c", PEER, str(n_people), str(n_jobs), str(store)], env)
    return done, json.loads(done.out.strip().splitlines()[-1])


def ours(files: Path, store: Path, *words: str, before: tuple[str, ...] = ()) -> tuple[Watched, dict[str, float]]:
    """Run our experiment file; return what it took, and its mean scores."""
    run = store / "run"
    shutil.rmtree(run, ignore_errors=True)
    command = [
        sys.executable, *before, str(ROOT / "train.py"), "experiment=bci_iv_2a_moabb", f"data.root={files / INSIDE}", f"paths.data={store}",
        f"hydra.run.dir={run}", "progress=off", "report=false", *words,
    ]  # fmt: skip
    done = watched(command, os.environ)
    scores = pd.read_csv(run / "scores.csv")
    scores = scores[(scores["metric"] == "accuracy") & (scores["level"] == "subject")]
    return done, {NAMES[name]: float(score) for name, score in scores.groupby("model")["score"].mean().items()}


# -- where the time goes ------------------------------------------------------------------------------------------------

PARTS = {
    "reading the .mat files": [("io.py", "loadmat"), ("_mio.py", "loadmat")],
    "filtering": [("filter.py", "_filtered")],
    "covariances": [("spd.py", "covariances")],
    "Riemannian means": [("mean.py", "mean_riemann")],
    "tangent vectors": [("spd.py", "tangent")],
    "distances": [("spd.py", "distances")],
    "joint diagonalisation": [("csp.py", "diagonaliser")],
    "logistic regression": [("logistic.py", "at")],
    "importing modules": [("<frozen importlib._bootstrap>", "_find_and_load")],
}


def where(profile: Path) -> str:
    """Return a sentence on the shares of a run in one process."""
    stats = pstats.Stats(str(profile))
    total = stats.total_tt
    spent = {}
    for part, functions in PARTS.items():
        spent[part] = max(
            (line[3] for (file, _, name), line in stats.stats.items() if any(Path(file).name == f and name == n for f, n in functions)),
            default=0.0,
        )
    lines = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in sorted(spent.items(), key=lambda item: -item[1]) if seconds >= 0.05)
    return f"{lines}; {total:.1f} s in all"


def table(rows: list[tuple[str, Watched, dict[str, float]]], best: Watched) -> Iterator[str]:
    """Give the lines of the table; `best` is MOABB's faster run."""
    yield (
        "| whole process, from .mat files to scores | seconds | times faster | peak memory (PSS) | share | "
        + " | ".join(NAMES.values())
        + " |"
    )
    yield "|---|---|---|---|---|" + "---|" * len(NAMES)
    for what, done, scores in rows:
        faster, share = best.seconds / done.seconds, done.pss_mb / best.pss_mb
        yield (
            f"| {what} | {done.seconds:.1f} | **{faster:.1f}** | {done.pss_mb:.0f} MB | **{share:.2f}** | "
            + " | ".join(f"{scores[name]:.4f}" for name in NAMES.values()) + " |"
        )  # fmt: skip


def main() -> None:
    """Write the files, run both sides, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=None, help="keep the files here for the next time (90 MB each person)")
    parser.add_argument("--peer-jobs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3, help="of our cold and warm runs: medians")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page whose part is replaced")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        files = (chosen.folder or Path(scratch) / "files").resolve() / f"{chosen.people}"
        if not (files / INSIDE / f"A{chosen.people:02d}E.mat").is_file():
            people(files, chosen.people)
        rows = measured(files, chosen, Path(scratch))
        text = page(rows, files, Path(scratch))
    keep("moabb", text, chosen.output)


def measured(files: Path, chosen: argparse.Namespace, scratch: Path) -> dict[str, tuple[Watched, dict[str, float]]]:
    """Run everything; cold and warm runs of ours in turn."""
    rows = {}
    for n_jobs in chosen.peer_jobs:
        (scratch / f"moabb{n_jobs}").mkdir()
        rows[f"MOABB, n_jobs={n_jobs}"] = told(f"MOABB {n_jobs}", peer(files, chosen.people, n_jobs, scratch / f"moabb{n_jobs}"))
    cold, windows, warm = [], [], []
    for _ in range(chosen.repeats):
        store = Path(tempfile.mkdtemp(dir=scratch))
        cold.append(told("cold", ours(files, store)))
        warm.append(told("everything in the store", ours(files, store)))
        shutil.rmtree(store / "jobs")
        windows.append(told("windows and features in the store", ours(files, store)))
    for name, runs in (
        ("Corticode, empty store", cold),
        ("windows in the store, folds computed again", windows),
        ("everything in the store", warm),
    ):
        rows[name] = sorted(runs, key=lambda run: run[0].seconds)[len(runs) // 2]
    return rows


def told(what: str, run: tuple[Watched, dict[str, float]]) -> tuple[Watched, dict[str, float]]:
    """Say on the way what a run took."""
    print(f"{what}: {run[0].seconds:.1f} s, {run[0].pss_mb:.0f} MB, {run[1]}", file=sys.stderr, flush=True)
    return run


def page(rows: dict[str, tuple[Watched, dict[str, float]]], files: Path, scratch: Path) -> str:
    """Return the part of the page."""
    peers = {name: run for name, run in rows.items() if name.startswith("MOABB")}
    best, scores = min(peers.values(), key=lambda run: run[0].seconds)
    mine, own = rows["Corticode, empty store"]
    apart = max(abs(scores[name] - own[name]) for name in scores)
    profile = scratch / "profile"
    store = Path(tempfile.mkdtemp(dir=scratch))
    ours(files, store, "engine.n_jobs=1", before=("-m", "cProfile", "-o", str(profile)))
    size = sum(file.stat().st_size for file in (files / INSIDE).glob("*.mat")) / 1e6
    return "\n".join(
        [
            "## Leave one person out, whole processes, beside MOABB", "", "Written by `python benchmarks/beside_moabb.py`. The settings stand in "
            "`conf/experiment/bci_iv_2a_moabb.yaml`: OAS covariances, 8-32 Hz, logistic regression with C=1, six CSP filters.", "",
            *table([(name, *run) for name, run in rows.items()], best), "",
            f"Aims: 10 times faster than MOABB's better run (here {best.seconds / mine.seconds:.1f}), a third of its memory "
            f"(here {mine.pss_mb / best.pss_mb:.2f}), scores within 0.005 (here at most {apart:.4f} apart).", "",
            f"Where our time goes, all in one process under a profiler (which itself costs time; parts contain each other): {where(profile)}. "
            f"The files hold {size:.0f} MB compressed, which zlib unpacks at about 200 MB of samples a second and core; the eigendecompositions of two "
            "sets of means, 18 x 4608 matrices at 28 µs, take 2.3 s of one core and cannot be left out; tangent vectors take as much again for 9 x 5184. "
            "MOABB computes each covariance 27 times and each mean in six or seven rounds of eigendecompositions, where one or two are needed.", "",
            made_with("moabb", "pyriemann", "numpy"),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
