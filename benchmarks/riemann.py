"""Riemannian kernels beside pyriemann's, on one thread: `python benchmarks/riemann.py` writes its table into benchmarks/README.md.

Both run in turn in one process on the same arrays, so that a busy machine slows both down; medians are shown, with how far the
results lie apart. The arrays have the shape of BCI Competition IV 2a: nine people x 2 sessions x 288 trials x 22 channels x 1000 samples.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is there

import argparse
import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from page import PAGE, keep, made_with
from scipy.signal import butter, sosfiltfilt

from corticode.adapt.probe import Probe
from corticode.decoder import Decoder
from corticode.encoder.covariance import Covariance
from corticode.head.mdm import MDM
from corticode.layer import spd
from corticode.windows import Windows


@dataclass(frozen=True)
class Work:
    """One line of the table."""

    what: str
    peer: Callable[[], np.ndarray]
    ours: Callable[[], np.ndarray]
    aim: str
    repeats: int
    same: bool = True


def trials(n_people: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return simulated trials [n, 22, 1000] of 8-32 Hz, classes [n] and people [n].

    People and sessions mix the sources a little differently; in each class one source is weaker by a tenth.
    """
    rng = np.random.default_rng(seed)
    sos = butter(4, (8, 32), btype="bandpass", fs=250, output="sos")
    everyone = rng.standard_normal((22, 22))
    X, y = [], np.tile(np.arange(4), 72)
    for _ in range(n_people):
        person = everyone + 0.1 * rng.standard_normal((22, 22))
        for _ in range(2):
            session = person + 0.03 * rng.standard_normal((22, 22))
            sources = sosfiltfilt(sos, rng.standard_normal((288, 22, 1000), dtype=np.float32), axis=-1)
            sources[np.arange(288), y] *= 0.9
            X.append((10 * session @ sources).astype(np.float32))
    return np.concatenate(X), np.tile(y, 2 * n_people), np.repeat(np.arange(n_people), 576)


def loso_means(mean: Callable[[np.ndarray], np.ndarray], C: np.ndarray, y: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return the means that MDM and the tangent space need in each fold [folds, classes + 1, c, c]."""
    folds = [people != person for person in np.unique(people)]
    return np.stack([np.stack([*(mean(C[fit & (y == k)]) for k in np.unique(y)), mean(C[fit])]) for fit in folds])


def works(n_people: int, repeats: int) -> Iterator[Work]:
    """Give the lines of the table."""
    from pyriemann.classification import MDM as PeerMDM
    from pyriemann.estimation import Covariances
    from pyriemann.geometry.mean import mean_riemann

    X, y, people = trials(n_people)
    X64, n = X.astype(np.float64), len(X)
    yield Work(f"OAS covariances of {n} trials", lambda: Covariances("oas").transform(X64), lambda: spd.covariances(X64), "9", repeats)
    C = spd.covariances(X64)
    yield Work(
        f"Riemannian means of a LOSO run: {n_people} folds x (4 classes + all), pyriemann at its own tolerance",
        lambda: loso_means(mean_riemann, C, y, people), lambda: loso_means(spd.mean_riemann, C, y, people), "3", max(1, repeats // 3),
    )  # fmt: skip
    some = np.flatnonzero(people == 0)
    head = MDM().fit(C[some], y[some], None, 4)
    peer = PeerMDM().fit(C[some], y[some])
    # equal means, so that the answers can be compared to the last digits
    peer.means_ = peer.covmeans_ = head.means_
    yield Work(f"MDM of {n} matrices, 4 classes", lambda: peer.predict_proba(C), lambda: head.predict(C), "2", repeats)
    covariances = Covariances("oas")
    yield Work(
        "one decision: covariance and MDM of one trial", lambda: peer.predict_proba(covariances.transform(X64[:1])),
        lambda: head.predict(spd.covariances(X[:1])), "at most 0.2 ms", 100 * repeats,
    )  # fmt: skip
    windows = Windows.from_arrays(X[some], [f"class {k}" for k in y[some]], sfreq=250).with_y(y[some])
    decoder = Decoder(Covariance(), MDM(), Probe(), space=windows.space, n_times=1000, classes=["a", "b", "c", "d"]).fit(windows)
    one = windows[:1].blind()
    yield Work(
        "the same by `Decoder.predict`, all checks included", lambda: peer.predict_proba(covariances.transform(X64[:1])),
        lambda: decoder.predict(one), "at most 2 ms", 100 * repeats,
    )  # fmt: skip


def measured(work: Work) -> str:
    """Return one line of the table: medians of runs in turn."""
    seconds: dict[str, list[float]] = {"peer": [], "ours": []}
    results = {}
    for _ in range(work.repeats):
        for name, call in (("peer", work.peer), ("ours", work.ours)):
            begin = time.perf_counter()
            results[name] = call()
            seconds[name].append(time.perf_counter() - begin)
    peer, ours = (float(np.median(seconds[name])) for name in ("peer", "ours"))
    apart = np.abs(results["peer"] - results["ours"]).max() / np.abs(results["peer"]).max()
    aim = work.aim if "ms" in work.aim else f"{work.aim} times"
    print(f"{work.what}: {peer:.4g} s, {ours:.4g} s, {peer / ours:.1f} times, {apart:.1e} apart", file=sys.stderr, flush=True)
    return f"| {work.what} | {shown(peer)} | {shown(ours)} | **{peer / ours:.1f}** | {aim} | {apart:.0e} |"


def shown(seconds: float) -> str:
    """Return seconds as a person reads them."""
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def where(C: np.ndarray) -> str:
    """Say where the time of one mean goes, beside what the eigendecompositions alone take."""
    profile = cProfile.Profile()
    spd.mean_riemann(C)
    profile.enable()
    spd.mean_riemann(C)
    profile.disable()
    stats = pstats.Stats(profile)
    names = {"eigh": "eigendecompositions", "inv": "inverses for the start", "__call__": "products for Newton's step"}
    spent = dict.fromkeys(names.values(), 0.0)
    for (_, _, function), (_, _, own, _, _) in stats.stats.items():
        if function in names:
            spent[names[function]] += own
    begin = time.perf_counter()
    np.linalg.eigh(C)
    once = time.perf_counter() - begin
    parts = ", ".join(f"{name} {100 * part / stats.total_tt:.0f} %" for name, part in spent.items())
    return (
        f"Where the time of a mean of {len(C)} matrices goes ({stats.total_tt:.2f} s): {parts}. One pass of LAPACK's eigendecompositions takes "
        f"{once:.2f} s by itself and cannot be left out; pyriemann makes one in each of its rounds. An OAS covariance is bound by one symmetric "
        "product (0.11 s of the 5184 at 51 GFLOP/s), MDM by LAPACK's eigenvalues (13 µs for each matrix and class)."
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=9)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=PAGE, help="the page whose part is replaced")
    chosen = parser.parse_args()
    head = "| one thread | pyriemann | corticode | times faster | aim | apart (relative) |\n|---|---|---|---|---|---|"
    lines = [measured(work) for work in works(chosen.people, chosen.repeats)]
    X, _, people = trials(min(chosen.people, 9))
    text = where(spd.covariances(X)[people != 0] if chosen.people > 1 else spd.covariances(X))
    keep(
        "riemann", "\n".join(["## Riemannian kernels", "", "Written by `python benchmarks/riemann.py`.", "", head, *lines, "", text, "", made_with("pyriemann", "numpy")]),
        chosen.output,
    )  # fmt: skip


if __name__ == "__main__":
    main()
