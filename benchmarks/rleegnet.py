"""How accuracies near 100 % come about, and what is left without them: `python benchmarks/rleegnet.py` writes a table into benchmarks/README.md.

Simulated people, one session each, trials cut at random into fit and test as a split "within the session" does. Each way of
reckoning is run twice: with the labels as they are, and with the labels shuffled among a person's trials, where there is nothing to
decode: whatever stands above one half there was not decoded.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from page import PAGE, keep
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import corticode
from corticode import catalogue
from corticode.adapt.base import Adapt
from corticode.adapt.full import Full
from corticode.adapt.q_learning import QLearning
from corticode.compose import compose
from corticode.encoder.rleegnet import RLEEGNet
from corticode.head.linear import Linear
from corticode.space import Space
from corticode.train.settings import Training
from corticode.windows import Windows

DATA = (
    "data.n_subjects=4", "data.n_sessions=1", "data.n_trials=60", "data.n_channels=64",
    "prepare.filter.low_hz=8", "prepare.filter.high_hz=30", "prepare.window.stop_s=2.5",
)  # fmt: skip
TEST, EPISODES, WINDOW, STEP = 1 / 3, 50, 128, 32

HONEST = "greedy answers to test trials, CSP of fit trials"
LEAK = "greedy answers to test trials, CSP of all trials"
REWARD = "share of rewarded answers in the last episode of training"
OVERLAP = f"overlapping windows of {WINDOW / 128:g} s, cut at random (CSP of fit windows)"
NO_GAMMA, ENTROPY = "gamma = 0", "cross-entropy, as many updates"
POWER, POWER_LEAK = "LDA on log-variances in place of the network, CSP of fit trials", "LDA on log-variances, CSP of all trials"


class Trials(NamedTuple):
    """One person's trials: X [n, channels, times] and y [n]."""

    X: np.ndarray
    y: np.ndarray


def people(windows: Windows) -> Iterator[tuple[str, Trials]]:
    """Give each person's trials."""
    subject = windows.meta["subject"].to_numpy()
    for name in dict.fromkeys(subject):
        mine = windows[subject == name]
        yield name, Trials(np.asarray(mine.X), np.asarray(mine.y))


def overlapping(trials: Trials) -> Trials:
    """Return windows of WINDOW samples, every STEP, each with its trial's label."""
    starts = range(0, trials.X.shape[2] - WINDOW + 1, STEP)
    return Trials(np.concatenate([trials.X[:, :, s : s + WINDOW] for s in starts]), np.tile(trials.y, len(starts)))


def settings(**more: object) -> Training:
    """Return the recipe's settings."""
    plain = compose(["model=rleegnet"])["model"]["train"]
    return Training(**{k: v for k, v in plain.items() if k != "_target_"} | {"max_epochs": EPISODES} | more)


def cut(trials: Trials, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows to fit on and rows to test, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(trials.y))
    n_test = round(TEST * len(order))
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def network(trials: Trials, space: Space, seed: int) -> tuple[RLEEGNet, Linear]:
    """Return the recipe's network, untrained."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = RLEEGNet(*trials.X.shape[1:], space.sfreq, 2)
        return encoder, Linear(encoder.n_features, 2, pool="flatten")


def learned(trials: Trials, space: Space, adapt: Adapt, seed: int, csp_of_all: bool = False) -> dict[str, float]:
    """Fit on a random part of the rows; return accuracy on the others, and what was earned in the last episode."""
    fit, test = cut(trials, seed)
    encoder, head = network(trials, space, seed)
    if csp_of_all:
        encoder.fit(trials.X, trials.y)
        encoder.fit = lambda *_: encoder  # and never again
    who = {"dataset": "simulated", "subject": "S", "session": "1", "run": "", "recording": "1"}
    meta = pd.DataFrame({"trial": fit, "onset_s": 5.0 * fit}).assign(**who)
    notes = adapt.fit(encoder, head, trials.X[fit], trials.y[fit], meta, space, 2, seed)
    yhat = adapt.predict(encoder, head, trials.X[test], meta, space)
    return {
        "test": float((yhat.argmax(axis=1) == trials.y[test]).mean()),
        "earned": (1 + notes["history"][-1].get("train_reward", np.nan)) / 2,
    }


def by_power(trials: Trials, space: Space, seed: int, csp_of_all: bool) -> float:
    """Return the accuracy of a linear discriminant on log-variances in CSP space, on the rows that it was not fitted on."""
    fit, test = cut(trials, seed)
    encoder, _ = network(trials, space, seed)
    rows = slice(None) if csp_of_all else fit
    encoder.fit(trials.X[rows], trials.y[rows])
    power = np.log((encoder.spatial.numpy() @ trials.X).var(axis=2))
    return float(LinearDiscriminantAnalysis().fit(power[fit], trials.y[fit]).score(power[test], trials.y[test]))


def measured(windows: Windows, seed: int = 0) -> pd.DataFrame:
    """Return one row per person, way of reckoning and kind of labels: columns subject, what, labels, score."""
    cpu, lines = {"accelerator": "cpu"}, []
    reward = QLearning(settings(), trainer=cpu)
    for name, whole in people(windows):
        shuffled = whole._replace(y=np.random.default_rng(seed).permutation(whole.y))
        for labels, trials in (("as they are", whole), ("shuffled", shuffled)):
            # one update of the Q-network per 16 steps: as many batches of cross-entropy
            n_fit = len(cut(trials, seed)[0])
            n_epochs = EPISODES * -(-n_fit // reward.train_every) // max(1, n_fit // reward.training.batch_size)
            one = learned(trials, windows.space, reward, seed)
            scores = {
                HONEST: one["test"],
                LEAK: learned(trials, windows.space, reward, seed, csp_of_all=True)["test"],
                REWARD: one["earned"],
                OVERLAP: learned(overlapping(trials), windows.space, QLearning(settings(max_epochs=EPISODES // 5), trainer=cpu), seed)[
                    "test"
                ],
                NO_GAMMA: learned(trials, windows.space, QLearning(settings(), gamma=0.0, trainer=cpu), seed)["test"],
                ENTROPY: learned(trials, windows.space, Full(training=settings(max_epochs=n_epochs), trainer=cpu), seed)["test"],
                POWER: by_power(trials, windows.space, seed, csp_of_all=False),
                POWER_LEAK: by_power(trials, windows.space, seed, csp_of_all=True),
            }
            lines += [{"subject": name, "what": what, "labels": labels, "score": score} for what, score in scores.items()]
            print(name, labels, {what[:24]: round(score, 2) for what, score in scores.items()}, flush=True)
    return pd.DataFrame(lines)


def table(scores: pd.DataFrame) -> list[dict[str, str]]:
    """Return lines of the table: means over people with their range."""
    lines = []
    for what in (HONEST, NO_GAMMA, ENTROPY, LEAK, POWER, POWER_LEAK, REWARD, OVERLAP):
        line = {"what is reckoned": what if what not in (NO_GAMMA, ENTROPY) else f"{HONEST}; {what}"}
        for labels in ("as they are", "shuffled"):
            mine = scores.loc[(scores["what"] == what) & (scores["labels"] == labels), "score"]
            line[f"labels {labels}"] = f"{mine.mean():.2f} ({mine.min():.2f} to {mine.max():.2f})"
        lines.append(line)
    return lines


def written(page: Path, lines: list[dict[str, str]], n_people: int, n_trials: int) -> None:
    """Put the table into its part of the page."""
    head = "| " + " | ".join(lines[0]) + " |\n|" + "---|" * len(lines[0])
    body = "\n".join("| " + " | ".join(line.values()) + " |" for line in lines)
    said = (
        "## Learning by reward: how 100 % comes about\n\n"
        f"`model=rleegnet` on {n_people} simulated people, each by itself ({n_trials} trials of two classes, 64 channels, 8 to 30 Hz, 2 s; {EPISODES} "
        "episodes; a third of the trials for test, drawn at random). Mean and range over people; chance is 0.50. With shuffled labels nothing can "
        "be decoded, so what exceeds chance there is a leak or no test at all (honest figures lie a little below it: of what is frequent among the fit "
        "trials little is left for test). Three ways lead up: filters that have seen the labels of test trials, of which the network makes some use "
        "and a discriminant on their power much; reward in training; windows that share samples. gamma = 0, gamma = 0.9 and "
        "cross-entropy differ by no more than so few test trials do. Written by `python benchmarks/rleegnet.py`.\n"
    )
    keep("rleegnet", f"{said}\n{head}\n{body}", page)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=PAGE)
    chosen = parser.parse_args()
    windows = corticode.load("simulated", overrides=list(DATA), progress="off")
    windows = catalogue.make(compose(["data=simulated"])["task"]).label(windows)
    scores = measured(windows)
    n_people = scores["subject"].nunique()
    written(chosen.output, table(scores), n_people, len(windows) // n_people)


if __name__ == "__main__":
    main()
