"""Networks beside braindecode: `python benchmarks/networks.py` writes its tables into benchmarks/README.md.

One process. Ours and theirs take turns, so that whatever else the machine does falls on both; shown are medians and their ratios, in wall
time and in the processor time of the process. `--threads 1` writes a part of its own, `--only eegnet` prints and writes nothing.

* A bare loop: forward pass, cross-entropy, backward pass, AdamW. Ours is the network of `model=`, theirs braindecode's at the same size.
* With loss and accuracy of training and validation rows in each epoch: ours `train.fit`, theirs `EEGClassifier(callbacks=["accuracy"])`, and
  our network in a loop by hand that does the same work.
"""

from __future__ import annotations

import argparse
import copy
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to others, ours and theirs alike

import numpy as np
import pandas as pd
import torch
from page import keep, made_with
from torch.nn import functional
from twins import CLASSES, N_CHANS, TWINS, Ours, Twin

from corticode.objective.supervised import Supervised
from corticode.split.inner import Inner
from corticode.train.fit import fit
from corticode.train.heap import kept_heap
from corticode.train.settings import Hardware, Training

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # twins.py reads what keeps the numbers equal

BATCH, LR, DECAY = 64, 1e-3, 0.01
AIMS = {"eegnet": 2.0, "shallow_convnet": 3.0, "atcnet": 2.0, "conformer": 1.5}
WITH_METRICS, OVER_BARE = 3.0, 1.05
KINDS = {
    "convolution": ("convolution", "conv1d", "conv2d"),
    "product": ("aten::mm", "bmm", "addmm", "baddbmm", "einsum"),
    "Fourier": ("_fft",),
    "norm": ("batch_norm", "layer_norm"),
    "pool": ("pool",),
    "softmax": ("softmax",),
    "random": ("bernoulli", "random_", "aten::ge"),
    "optimiser": ("Optimizer",),
}

Times = dict[str, tuple[float, float]]


class Rows:
    """Noise in the shape of windows: what is learned from and what is held back."""

    def __init__(self, n_times: int, n_batches: int):
        random = np.random.default_rng(0)
        self.n_fit, n = n_batches * BATCH, (n_batches + 1) * BATCH
        self.X = random.standard_normal((n, N_CHANS, n_times)).astype(np.float32)
        self.y = random.integers(0, len(CLASSES), n)
        self.tensors = torch.from_numpy(self.X), torch.from_numpy(self.y)
        columns = ("dataset", "site", "subject", "session", "run", "recording", "trial")
        self.meta = pd.DataFrame({**dict.fromkeys(columns, ""), "onset_s": 0.0}, index=range(n))
        self.inner = Inner(np.arange(self.n_fit), np.arange(self.n_fit, n), "the last rows")

    def batches(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give the batches of an epoch in random order."""
        for rows in torch.randperm(self.n_fit).split(BATCH):
            yield self.tensors[0][rows], self.tensors[1][rows]


def turns(acts: dict[str, Callable[[], None]], n: int) -> Times:
    """Return median (wall, processor) seconds of functions that take turns, each time in another order; a first turn warms up."""
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in acts}
    for turn in range(n + 1):
        for name in list(acts)[:: 1 if turn % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            acts[name]()
            if turn:
                took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: tuple(statistics.median(column) for column in zip(*pairs, strict=True)) for name, pairs in took.items()}


def optimizer(network: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY)


def learn(network: torch.nn.Module, optimiser: torch.optim.Optimizer, rows: Rows) -> None:
    """Learn for one epoch: the bare loop."""
    network.train()
    for x, y in rows.batches():
        optimiser.zero_grad()
        functional.cross_entropy(network(x), y).backward()
        optimiser.step()


# -- with metrics -----------------------------------------------------------------------------------------------------


def by_hand(network: Ours, rows: Rows, n_epochs: int) -> None:
    """The same work as a fit, in a loop, on the same heap: losses and accuracies of the batches learned from, and of the rows held back."""
    with kept_heap():
        _by_hand(network, rows, n_epochs)


def _by_hand(network: Ours, rows: Rows, n_epochs: int) -> None:
    optimiser = optimizer(network)
    for _ in range(n_epochs):
        network.train()
        for x, y in rows.batches():
            optimiser.zero_grad()
            output = network(x)
            loss = functional.cross_entropy(output, y)
            loss.backward()
            optimiser.step()
            loss.item(), (output.argmax(dim=1) == y).float().mean().item()
        network.eval()
        with torch.no_grad():
            x, y = (tensor[rows.n_fit :] for tensor in rows.tensors)
            output = network(x)
            functional.cross_entropy(output, y).item(), (output.argmax(dim=1) == y).float().mean().item()


def by_us(network: Ours, rows: Rows, n_epochs: int) -> None:
    training = Training(
        max_epochs=n_epochs, patience=n_epochs, batch_size=BATCH, lr=LR, weight_decay=DECAY, schedule="constant", warmup_epochs=0.0,
        gradient_clip=None,
    )  # fmt: skip
    hardware = Hardware("cpu", precision="32-true")
    network.train()
    notes = fit(
        network.encoder, network.head, Supervised(), rows.X, rows.y, rows.meta, network.space, training, 0, hardware, inner=rows.inner
    )
    assert {"train_loss", "train_accuracy", "val_loss", "val_accuracy"} <= set(notes["history"][-1])


def by_braindecode(network: torch.nn.Module, rows: Rows, n_epochs: int) -> None:
    from braindecode import EEGClassifier
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split

    classifier = EEGClassifier(
        network, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, optimizer__lr=LR, optimizer__weight_decay=DECAY,
        train_split=predefined_split(Dataset(rows.X[rows.n_fit :], rows.y[rows.n_fit :])), batch_size=BATCH, max_epochs=n_epochs,
        callbacks=["accuracy"], iterator_train__shuffle=True, classes=list(range(len(CLASSES))), verbose=0,
    )  # fmt: skip
    classifier.fit(rows.X[: rows.n_fit], rows.y[: rows.n_fit])
    assert {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy"} <= set(classifier.history[-1])


# -- where the time goes ----------------------------------------------------------------------------------------------


def shares(network: Ours, rows: Rows) -> dict[str, float]:
    """Return what share of the processor time of some steps goes where."""
    from torch.profiler import ProfilerActivity, profile

    optimiser = optimizer(network)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        learn(network, optimiser, rows)
    took = dict.fromkeys((*KINDS, "the rest"), 0.0)
    for event in profiler.key_averages():
        kind = next((kind for kind, words in KINDS.items() if any(word in event.key for word in words)), "the rest")
        took[kind] += event.self_cpu_time_total
    total = sum(took.values())
    return {kind: value / total for kind, value in took.items()}


def gflop(network: torch.nn.Module, rows: Rows) -> float:
    """Return the billions of operations of one step's convolutions and products."""
    from torch.utils.flop_counter import FlopCounterMode

    x, y = next(rows.batches())
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(network.train()(x), y).backward()
    return counter.get_total_flops() / 1e9


def limits() -> tuple[float, float]:
    """Return the billions of operations per second of a large product, and of a wide convolution."""
    a, x, weight = torch.randn(2048, 2048), torch.randn(64, 128, 327), torch.randn(128, 128, 8)
    took = turns({"product": lambda: a @ a, "convolution": lambda: functional.conv1d(x, weight)}, 9)
    return 2 * 2048**3 / took["product"][0] / 1e9, 2 * 64 * 320 * weight.numel() / took["convolution"][0] / 1e9


# -- the tables -------------------------------------------------------------------------------------------------------


def ratio(slow: tuple[float, float], fast: tuple[float, float], digits: int = 1) -> str:
    return f"{slow[0] / fast[0]:.{digits}f} ({slow[1] / fast[1]:.{digits}f})"


def measure(twin: Twin, chosen: argparse.Namespace) -> tuple[str, str, str]:
    """Return the network's row in each of the three tables."""
    rows, ours, theirs = Rows(twin.n_times, chosen.batches), twin.ours(), twin.theirs()
    apart = twin.apart(copy.deepcopy(theirs))
    optimisers = {"ours": optimizer(ours), "theirs": optimizer(theirs)}
    bare = turns(
        {"theirs": lambda: learn(theirs, optimisers["theirs"], rows), "ours": lambda: learn(ours, optimisers["ours"], rows)}, chosen.turns
    )
    rate = {who: rows.n_fit / wall for who, (wall, _) in bare.items()}
    aim = f"{AIMS[twin.model]:g}" if twin.model in AIMS else ""
    equal = f"{apart:.0e}" + (f", with its {twin.note}" if twin.note else "")
    first = f"| `{twin.model}` | {rate['theirs']:.0f} | {rate['ours']:.0f} | **{ratio(bare['theirs'], bare['ours'])}** | {aim} | {equal} |"
    # the start of a trainer is to be seen in what a fit takes, and not to be most of it
    n = max(chosen.epochs, min(10, round(1 / bare["ours"][0])))
    told = turns({
        "theirs": lambda: by_braindecode(theirs, rows, n), "ours": lambda: by_us(ours, rows, n), "hand": lambda: by_hand(ours, rows, n)
    }, max(3, chosen.turns - 2))  # fmt: skip
    second = (
        f"| `{twin.model}` | {told['theirs'][0] / n:.2f} | {told['ours'][0] / n:.2f} | **{ratio(told['theirs'], told['ours'])}** "
        f"| **{ratio(told['ours'], told['hand'], 2)}** |"
    )
    cost = gflop(ours, rows)
    parts = " | ".join(f"{share:.0%}" for share in shares(ours, rows).values())
    third = f"| `{twin.model}` | {parts} | {cost:.1f} | {cost * chosen.batches / bare['ours'][0]:.0f} |"
    return first, second, third


def main() -> None:
    """Measure all networks and keep the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, default=2, help="batches of an epoch")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--epochs", type=int, default=2, help="epochs of a fit with metrics, more of them where they take less than half a second"
    )
    parser.add_argument("--only", help="one network")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warnings.simplefilter("ignore")
    tables: tuple[list[str], ...] = ([], [], [])
    for twin in TWINS:
        if chosen.only in (None, twin.model):
            for table, row in zip(tables, measure(twin, chosen), strict=True):
                table.append(row)
                print(row, flush=True)
    if not chosen.only:
        name = "networks" if chosen.threads == 2 else f"networks, threads {chosen.threads}"
        keep(name, page(tables, chosen))


def page(tables: tuple[list[str], ...], chosen: argparse.Namespace) -> str:
    """Return this part of benchmarks/README.md."""
    threads = "one thread" if chosen.threads == 1 else f"{chosen.threads} threads"
    option = "" if chosen.threads == 2 else f" --threads {chosen.threads}"
    product, convolution = limits()
    return "\n".join([
        f"## Training networks, beside braindecode: {threads}", "", f"Made by `python benchmarks/networks.py{option}`.", "",
        "| a bare loop | braindecode (windows/s) | ours (windows/s) | times as fast (in processor time) | aim | outputs apart |",
        "|---|---|---|---|---|---|", *tables[0], "",
        f"Batches of {BATCH} windows, {N_CHANS} channels x 1001 samples (1000 for `ifnet` and `fbcnet`), AdamW, float32, medians of {chosen.turns} turns of",
        f"{chosen.batches} batches. Outputs are compared with braindecode's weights in ours, relative to the largest; where it departs from the paper, its step",
        "was put into ours for this comparison alone. Load average at the end, other work on the machine included: "
        f"{os.getloadavg()[0]:.0f}.", "",
        f"| with metrics in each epoch | braindecode's `EEGClassifier`, accuracy (s) | ours (s) | times as fast (in processor time), aim {WITH_METRICS:g} "
        f"| over our network in a loop by hand (in processor time), aim {OVER_BARE:g} |",
        "|---|---|---|---|---|", *tables[1], "",
        f"Seconds per epoch of {chosen.batches * BATCH} windows to learn from and {BATCH} held back, whole fits of {chosen.epochs} epochs,",
        "more where that is less than a second: ours with the trainer's start,",
        "the best weights kept, and a line of history per epoch. No pass of ours scores the training rows again: their losses and accuracies are those of the",
        "steps.", "",
        "Where the processor's time goes in our steps:", "",
        "| network | " + " | ".join((*KINDS, "the rest")) + " | GFLOP per step | GFLOP/s |",
        "|---" * (len(KINDS) + 4) + "|", *tables[2], "",
        f"One large product reaches {product:.0f} GFLOP/s here and one wide convolution {convolution:.0f}: the limit of `eeg_simpleconv`, which is nothing but",
        "wide convolutions and no faster than braindecode's. A batch is read from memory in a fraction of a millisecond; what the small networks do beyond",
        "convolutions and products is passes over arrays of [batch, features, times], bound by memory. GFLOP are those of convolutions and products; what is",
        "done through spectra is not counted.", "",
        made_with("braindecode", "torch"),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
