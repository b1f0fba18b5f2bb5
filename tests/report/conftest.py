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


def make_board(
    folder: Path,
    models=("mdm", "csp_lda", "tangent_space"),
    n_people=9,
    datasets=("toy",),
    partial=(),
    failed=(),
    metric="balanced_accuracy",
    seed=0,
    **about,
) -> Path:
    """Write the tables of a leaderboard; `partial` models have half of their folds, `failed` ones no score."""
    rng = np.random.default_rng(seed)
    lower, chance = metric == "mae", 12.0 if metric == "mae" else 0.5
    skill = np.linspace(0.75, 0.53, len(models)) if not lower else np.linspace(5, 11, len(models))
    tables: dict[str, list] = {name: [] for name in ("protocols", "leaderboard", "best", "people", "tests", "ranks")}
    ranked = [m for m in models if m not in (*partial, *failed)]
    for d, data in enumerate(datasets):
        key = f"{d:08x}"
        title = f"{data}, loso, access online"
        tables["protocols"].append(
            {"protocol": key, "title": title, "data": data, "task": "motor_imagery", "unit": "window", "split": "loso", "split_arguments": '{"shots": 0}',
             "access": "online", "metric": metric, "level": "subject", "lower_is_better": lower, "family": "f" * 8, "n_pipelines": len(models)}
        )  # fmt: skip
        scale = 4 if lower else 0.09
        values = pd.DataFrame(
            skill + scale * rng.normal(size=(n_people, 1)) + scale / 2 * rng.normal(size=(n_people, len(models))), columns=list(models)
        )
        values.index = [f"S{i + 1}" for i in range(n_people)]
        means = values.mean().sort_values(ascending=lower)
        for m in [*(m for m in means.index if m not in failed), *failed]:
            done = m not in partial
            score = (
                {"score": None}
                if m in failed
                else {"score": means[m], "interval_low": means[m] - 0.4 * scale, "interval_high": means[m] + 0.4 * scale, "sd": scale}
            )
            tables["leaderboard"].append(
                {"protocol": key, "pipeline": m, "model": m, "config_hash": "ab" * 8, "deterministic": True, "n_seeds": 1, **score, "n": n_people, "chance": chance,
                 "chance_low": chance * 0.94, "chance_high": chance * 1.06, "chance_95": chance * 1.05, "p": 0.001, "n_above": n_people - 2, "ece": 0.12, "brier": 0.3,
                 "itr": 4.2, "samples": 400, "channels": 22, "seconds": 12.3, "complete": done and m not in failed,
                 "n_folds": 0 if m in failed else n_people if done else n_people // 2, "n_folds_expected": n_people, "ranked": m in ranked, "maximum": m in ranked and m == means[ranked].index[0],
                 "chosen": 0.5, "failures": int(m in failed), "error": "ValueError: the covariance of row 3 is not positive definite" if m in failed else "",
                 "prepare_sees": "recording", "access": "online", "runs": f"outputs/{m}"}
            )  # fmt: skip
        tables["people"] += [
            {"protocol": key, "pipeline": m, "unit": unit, "score": values.loc[unit, m], "n": 80, "chance_bound": "" if lower else 0.588, "chosen": m == ranked[0]}
            for m in models if m not in failed for unit in values.index[: n_people if m not in partial else n_people // 2]
        ]  # fmt: skip
        if len(ranked) > 1:
            order = means[ranked].index
            top = means[order[0]]
            tables["best"].append(
                {"protocol": key, "n_candidates": len(ranked), "n": n_people, "nested": top - 0.02, "nested_low": top - 0.06, "nested_high": top + 0.03,
                 "maximum": top, "maximum_pipeline": order[0], "optimism": 0.02, "chance": chance, "unit": "person"}
            )  # fmt: skip
            tables["tests"] += compared(values[ranked], key)
            tables["ranks"] += ranks_of(values[ranked].rank(axis=1, ascending=lower).mean(), key, n_people)
    if len(datasets) > 1:
        tables["tests"] += [
            {**row, "protocol": "", "n": n_people * len(datasets), "n_datasets": len(datasets)}
            for row in tables["tests"]
            if row["protocol"] == "0" * 8
        ]
        tables["ranks"] += [{**row, "protocol": "", "n": len(datasets)} for row in tables["ranks"] if row["protocol"] == "0" * 8]
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        if rows:
            pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    plain = {
        "title": "Leaderboard",
        "date": "2026-11-21 18:20",
        "hash": "cd" * 8,
        "command": "corticode leaderboard outputs",
        "sources": ["outputs/a"],
        "refused": [],
        "notes": [],
    }
    (folder / "leaderboard.json").write_text(json.dumps({**plain, **about}))
    return folder


def compared(values: pd.DataFrame, protocol: str) -> list[dict]:
    """One row per pair of columns, p corrected by Holm."""
    from itertools import combinations

    from scipy.stats import wilcoxon

    rows = []
    for first, second in combinations(values, 2):
        apart = values[first] - values[second]
        rows.append({"protocol": protocol, "family": "f" * 8, "first": first, "second": second, "n": len(apart), "n_datasets": 1, "difference": apart.mean(),
                     "effect": apart.mean() / apart.std(), "p_permutation": wilcoxon(apart).pvalue, "p_wilcoxon": wilcoxon(apart).pvalue, "p": wilcoxon(apart).pvalue})  # fmt: skip
    order = np.argsort([row["p"] for row in rows])
    holm = np.maximum.accumulate([min(1.0, (len(rows) - i) * rows[at]["p"]) for i, at in enumerate(order)])
    for at, p in zip(order, holm, strict=True):
        rows[at]["p_holm"] = p
    return rows


def ranks_of(ranks: pd.Series, protocol: str, n: int) -> list[dict]:
    """One row per model; those nearer than the critical difference share a group."""
    from scipy.stats import studentized_range

    k = len(ranks)
    critical = float(studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * n)))
    ranks = ranks.sort_values()
    spans = [ranks.index[(ranks >= start) & (ranks - start < critical)] for start in ranks]
    spans = [span for i, span in enumerate(spans) if i == 0 or span[-1] != spans[i - 1][-1]]
    groups = {name: " ".join(str(g) for g, span in enumerate(spans) if name in span) for name in ranks.index}
    return [{"protocol": protocol, "family": "f" * 8, "pipeline": name, "rank": rank, "n": n, "critical_difference": critical, "friedman_chi2": 20.0,
             "friedman_p": 0.0002, "groups": groups[name]} for name, rank in ranks.items()]  # fmt: skip


@pytest.fixture
def board_folder(tmp_path):
    """Return a function that writes the tables of a leaderboard and gives their folder."""
    return lambda **told: make_board(tmp_path / "board", **told)
