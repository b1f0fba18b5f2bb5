"""Networks on SPD matrices beside spd_learn: `python benchmarks/spdnet.py` writes its table into benchmarks/README.md.

One process, one thread, one batch of BCI-IV-2a's size (22 channels x 1000 samples, 4 classes). Ours and theirs take turns, so
that whatever else the machine does falls on both; shown are medians and their ratio. A training step is forward pass, cross-entropy,
backward pass and AdamW; inference is evaluation mode without gradients. spd_learn computes in float32, ours in float64
behind the filters; that both give the same answers with the same weights is tested (tests/encoder/test_spd_networks.py).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import torch
from page import keep
from torch.nn import functional

import corticode
from corticode.encoder.matt import MAtt
from corticode.encoder.neural import NeuralEncoder
from corticode.encoder.spdnet import SPDNet
from corticode.encoder.tensor_cspnet import TensorCSPNet
from corticode.encoder.tsmnet import TSMNet
from corticode.head.linear import Linear
from corticode.layer import spectral

SIZE = (22, 1000, 250.0)
CLASSES = 4


class Pair(NamedTuple):
    """Ours and theirs, what each takes, and the domains of ours' rows."""

    what: str
    ours: NeuralEncoder
    theirs: torch.nn.Module
    x: torch.Tensor
    their_x: torch.Tensor
    domain: torch.Tensor | None = None


def pairs(batch: int) -> list[Pair]:
    """Return what is compared: the same arithmetic first, then what is ours by default where that differs."""
    from spd_learn import models

    torch.manual_seed(0)
    n_chans, n_times, _ = SIZE
    x = torch.randn(n_chans, n_chans) @ torch.randn(batch, n_chans, n_times) * 3
    bands = x[:, None] * torch.linspace(0.5, 1.5, 9)[:, None, None]
    halves = torch.stack([spectral.covariance(part) for part in bands.tensor_split(2, dim=-1)], dim=2).float()
    domain = torch.arange(batch) % 5
    tensor = {"n_chans": n_chans, "n_outputs": CLASSES, "n_patches": 2}
    tsm = {"n_chans": n_chans, "n_outputs": CLASSES}
    free = TensorCSPNet(*SIZE, segment_share=0.5, stiefel=False)
    return [
        Pair("SPDNet", SPDNet(*SIZE), models.SPDNet(n_chans=n_chans, n_outputs=CLASSES, subspacedim=n_chans), x, x),
        Pair("TSMNet, one domain, no gradient through the mean", TSMNet(*SIZE, mean_gradient=False), models.TSMNet(**tsm), x, x),
        Pair("TSMNet, five domains and all gradients (ours only)", TSMNet(*SIZE), models.TSMNet(**tsm), x, x, domain),
        Pair("Tensor-CSPNet, free weights, from covariances", free, models.TensorCSPNet(**tensor), halves, bands),
        Pair("Tensor-CSPNet, orthonormal weights, from covariances", TensorCSPNet(*SIZE), models.TensorCSPNet(**tensor), halves, bands),
        Pair("Tensor-CSPNet, the same with its filters in every step", TensorCSPNet(*SIZE), models.TensorCSPNet(**tensor), x, bands),
        Pair("MAtt, as in spd_learn", MAtt(*SIZE, variant="spd_learn"), models.MAtt(n_patches=3, n_outputs=CLASSES), x, x),
        Pair("MAtt, as in the paper", MAtt(*SIZE), models.MAtt(n_patches=3, n_outputs=CLASSES), x, x),
    ]


def training(model: torch.nn.Module, parameters: list, act: Callable[[], torch.Tensor], y: torch.Tensor) -> Callable[[], None]:
    """Return one training step."""
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)

    def step() -> None:
        model.train()
        optimizer.zero_grad()
        functional.cross_entropy(act(), y).backward()
        optimizer.step()

    return step


def inference(model: torch.nn.Module, act: Callable[[], torch.Tensor]) -> Callable[[], None]:
    """Return one evaluation of the batch."""

    def step() -> None:
        model.eval()
        with torch.no_grad():
            act()

    return step


def medians(first: Callable[[], None], second: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Return the median ms of two functions that take turns."""
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for k, function in enumerate((first, second)):
            begin = time.perf_counter()
            function()
            if turn:  # the first turn warms up
                took[k].append(1e3 * (time.perf_counter() - begin))
    return statistics.median(took[0]), statistics.median(took[1])


def line(pair: Pair, repeats: int) -> str:
    """Return one row of the table."""
    head = Linear(pair.ours.n_features, CLASSES, pair.ours.n_tokens, pool="flatten")
    y = torch.arange(len(pair.x)) % CLASSES
    mine = [*pair.ours.parameters(), *head.parameters()]

    def learn():
        return head(pair.ours(pair.x, None, pair.domain))

    def answer():
        return head(pair.ours(pair.x))

    def theirs():
        return pair.theirs(pair.their_x)

    figures = []
    for a, b in (
        (training(pair.ours, mine, learn, y), training(pair.theirs, list(pair.theirs.parameters()), theirs, y)),
        (inference(pair.ours, answer), inference(pair.theirs, theirs)),
    ):
        ours, peers = medians(a, b, repeats)
        figures += [f"{peers:.0f}", f"{ours:.0f}", f"**{peers / ours:.1f}**"]
    return f"| {pair.what} | " + " | ".join(figures) + " |"


def precision(repeats: int) -> list[str]:
    """Return what float32 would save and cost: time of a logarithm with its gradient, and the largest error of an entry."""
    torch.manual_seed(0)
    rows = []
    for n, c in ((50, 20), (900, 22), (900, 36)):
        for condition in (1e2, 1e4, 1e6):
            vectors = torch.linalg.qr(torch.randn(n, c, c, dtype=torch.float64))[0]
            C = (vectors * torch.logspace(0, -torch.log10(torch.tensor(condition)).item(), c, dtype=torch.float64)) @ vectors.mT
            C = (C + C.mT) / 2
            floor = spectral.rectified_log(1e-12)

            def act(C, floor=floor):
                C = C.detach().requires_grad_()
                spectral.of(C, floor).sum().backward()

            double, single = medians(lambda C=C, act=act: act(C), lambda C=C, act=act: act(C.float()), repeats)
            error = (spectral.of(C.float(), floor).double() - spectral.of(C, floor)).abs().max()
            rows.append(f"| {n} of {c} x {c} | {condition:.0e} | {single:.1f} | {double:.1f} | {error:.0e} |")
    return rows


def main() -> None:
    """Measure all pairs and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=9)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    rows = []
    for pair in pairs(chosen.batch):
        rows.append(line(pair, chosen.repeats))
        print(rows[-1], flush=True)
    keep("spdnet", "\n".join([
        "## Networks on SPD matrices, beside spd_learn", "", "Made by `python benchmarks/spdnet.py`.", "",
        "| network | training step, spd_learn (ms) | ours (ms) | times as fast | inference, spd_learn (ms) | ours (ms) | times as fast |",
        "|---|---|---|---|---|---|---|", *rows, "",
        f"A batch of {chosen.batch} windows of 22 channels x 1000 samples, medians of {chosen.repeats} turns, one thread. spd_learn",
        f"{version('spd_learn')} takes bands that are filtered already; ours makes covariances of bands once per window (`per_window`), for all epochs.",
        "Decompositions of a training batch, ours and theirs: SPDNet 1 and 2, TSMNet 3 and 5, Tensor-CSPNet 2 and 4, MAtt 4 and 6 per segment.",
        "The rest is convolutions, most of all in MAtt, and small products.", "",
        "The logarithm and its gradient in float32 and in float64, which is what all four compute in:", "",
        "| matrices | condition number | float32 (ms) | float64 (ms) | largest error of float32 |", "|---|---|---|---|---|", *precision(chosen.repeats), "",
        f"Made with corticode {corticode.__version__}, torch {torch.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
