"""A run folder of made-up but lawful tables, as a run leaves it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest


def make_run(
    folder: Path,
    people=("S1", "S2", "S10"),
    classes=("left", "right"),
    models=("mdm",),
    seeds=(0,),
    n_windows=20,
    kind="p",
    history=False,
    summary=None,
) -> Path:
    """Write a run folder; no classes: a regression."""
    rng = np.random.default_rng(0)
    scores, predictions, epochs = [], [], []
    metric = "balanced_accuracy" if classes else "mae"
    for model, seed, person in [(m, s, p) for m in models for s in seeds for p in people]:
        who = {"dataset": "toy", "site": "", "subject": person, "session": "0"}
        facts = {"fold": f"subject={person}", "seed": seed, "model": model, "access": "online"}
        rows = pd.DataFrame({**who, "run": "0", "recording": person, "trial": np.arange(n_windows), **facts}, index=range(n_windows))
        if classes:
            y = np.arange(n_windows) % len(classes)
            said = rng.dirichlet(np.ones(len(classes)), n_windows)
            names = np.array(classes, dtype=object)
            rows = rows.assign(y=names[y], yhat=names[said.argmax(1)], **{f"{kind}_{c}": said[:, i] for i, c in enumerate(classes)})
            found = {"balanced_accuracy": np.mean([np.mean(said.argmax(1)[y == c] == c) for c in range(len(classes))]), "log_loss": 0.7}
        else:
            y = rng.uniform(20, 80, n_windows)
            rows = rows.assign(y=y, yhat=y + rng.normal(0, 5, n_windows))
            found = {"mae": np.abs(rows["y"] - rows["yhat"]).mean()}
        predictions.append(rows)
        scores += [
            {**who, **facts, "level": "subject", "metric": m, "score": v, "prepare_sees": "recording", "samples_test": n_windows}
            for m, v in found.items()
        ]
        if history:
            loss = np.linspace(1, 0.2, 6)
            epochs.append(
                pd.DataFrame(
                    {"model": model, "fold": facts["fold"], "seed": seed, "epoch": range(6), "train_loss": loss, "val_loss": loss[::-1]}
                )
            )
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(scores)
    table.to_csv(folder / "scores.csv", index=False)
    pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)
    if epochs:
        pd.concat(epochs).to_csv(folder / "history.csv", index=False)
    means = {m: float(table[(table["metric"] == metric) & (table["model"] == m)]["score"].mean()) for m in models}
    plain = {
        "metric": metric, "level": "subject", "model": models[0], "headline": means[models[0]], "sd": 0.1234, "n": len(people), "data": "toy", "split": "loso",
        "access": "online", "chance": 0.5, "chance_95": 0.5678, "interval": [0.4321, 0.7654], "n_folds": 3, "n_folds_expected": 3, "config_hash": "ab" * 32, "seconds": 61.0,
        "notes": [],
    }  # fmt: skip
    if len(models) > 1:
        plain["models"] = {m: {"headline": v, "sd": 0.1} for m, v in means.items()}
    (folder / "summary.json").write_text(json.dumps({**plain, **(summary or {})}))
    (folder / "config.yaml").write_text("model:\n  name: mdm\n")
    (folder / "environment.json").write_text(json.dumps({"command": "python train.py model=mdm", "versions": {"numpy": "2.4"}}))
    return folder


@pytest.fixture
def run_folder(tmp_path):
    """Return a function that writes a run folder and gives its path."""
    return lambda **told: make_run(tmp_path / "run", **told)


@pytest.fixture
def texts():
    """Return a function that lists the words in an SVG."""
    return lambda svg: [re.sub(r"<[^>]+>", "", found).strip() for found in re.findall(r"<text.*?</text>", svg, flags=re.S)]
