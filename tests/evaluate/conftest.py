"""Run folders with made-up answers, scored and summarised as a run does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from corticode import store
from corticode.predictions import Predictions
from corticode.task.classification import Classification


def answers(model, skill, seed, people, n_trials=40, sessions=("0",), data="d", folds=None, one_label=False, access="none"):
    """One Predictions per fold (a person each); right with a probability that grows with `skill`."""
    found = []
    for i, person in enumerate(people):
        if folds is not None and i >= folds:
            break
        rng = np.random.default_rng([abs(hash_of(model)), seed or 0, i, hash_of(data)])
        own = np.random.default_rng([7, i, hash_of(data)]).normal(0, 0.1)  # people differ, alike for all models
        parts = []
        for session in sessions:
            y = np.full(n_trials, i % 2) if one_label else np.arange(n_trials) % 2
            p = np.clip(0.5 + 0.2 * rng.standard_normal(n_trials) + (2 * y - 1) * (skill + own * (skill > 0)), 0.01, 0.99)
            who = {
                "dataset": data,
                "site": f"site{i % 3}",
                "subject": person,
                "session": session,
                "run": "0",
                "recording": f"{person}_{session}",
            }
            meta = pd.DataFrame(
                {**who, "trial": np.arange(n_trials), "onset_s": np.arange(n_trials) * 5.0, "event": "x"}, index=range(n_trials)
            )
            parts.append((y, p, meta))
        y, p, meta = (
            np.concatenate([q[0] for q in parts]),
            np.concatenate([q[1] for q in parts]),
            pd.concat([q[2] for q in parts], ignore_index=True),
        )
        facts = {"model": model, "seed": seed, "fold": person, "access": access, "prepare_sees": "window", "selection": "", "uses": "",
                 "samples": n_trials * (len(people) - 1), "channels": 6, "n_sessions": len(sessions), "time": 0.5}  # fmt: skip
        found.append(Predictions(np.stack([1 - p, p], axis=1), "probability", y, meta, ("left", "right"), facts))
    return found


def hash_of(text):
    return int(store.key(text)[:8], 16)


def make_run(folder, models, seeds=(None,), data="d", n_people=8, n_trials=40, split="loso", access="none", sessions=("0",), folds=None, level="subject",
             metric="balanced_accuracy", one_label=False, unit="window", pipeline="", failures=(), **more):  # fmt: skip
    """Write scores.csv, predictions.parquet and summary.json of a run; `models` maps names to skills, seeds [None] are deterministic models."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    people = [f"S{i + 1}" for i in range(n_people)]
    found = [
        one for name, skill in models.items() for seed in seeds
        for one in answers(name, skill, seed, people, n_trials, sessions, data, folds, one_label, access)
    ]  # fmt: skip
    task = Classification(headline_metric=metric, headline_level=level, unit=unit)
    task.metrics = tuple(task.metrics)
    scores = task.score(found)
    headline = task.headline(scores, found)
    expected = n_people * len(seeds)
    facts = {
        name: {
            **{k: v for k, v in (headline.get("models") or {}).get(name, {}).items()},
            "config_hash": store.key([name, pipeline])[:16],
            "pipeline_hash": store.key([name, pipeline, "p"])[:16],
            "deterministic": seeds == (None,),
            "seeds": list(seeds),
            "n_folds": len([one for one in found if one.fold["model"] == name]),
            "n_folds_expected": expected,
            "seconds": 4.0,
            "chance_95": 0.55,
            "p": 0.01,
        }
        for name in models
    }
    protocol = {"data": data, "task": "classification", "unit": unit, "split": split, "split_arguments": {"shots": 0}, "rows": store.key([data, n_people])[:16],
                "metric": metric, "level": level, "access": access}  # fmt: skip
    n = sum(one["n_folds"] for one in facts.values())
    summary = {
        "headline": headline["headline"], "metric": metric, "level": level, "model": ", ".join(models), "models": facts, "protocol": protocol,
        "protocol_hash": store.key(protocol)[:16], "config_hash": "c" * 16, "complete": n == expected * len(models), "n_folds": n,
        "n_folds_expected": expected * len(models), "failures": list(failures), "align": "none", "adapt": "full", "prepare_sees": "window", **more,
    }  # fmt: skip
    scores.to_csv(folder / "scores.csv", index=False)
    pd.concat([one.to_frame() for one in found], ignore_index=True).to_parquet(folder / "predictions.parquet", index=False)
    store.write_json(folder / "summary.json", summary)
    return folder


@pytest.fixture
def run():
    """Return the function that writes a run folder."""
    return make_run


def make_config(folder, **changes):
    """Write config.yaml as a run does; keys are 'word__key__key'."""
    import yaml

    config = {
        "seed": 0,
        "task": {"_target_": "corticode.task.classification.Classification", "unit": "window"},
        "prepare": {
            "_target_": "corticode.prepare.base.Prepare",
            "filter": {"_target_": "corticode.prepare.filter.BandPass", "low_hz": 4.0},
        },
        "align": {"_target_": "corticode.align.base.NoAlign", "by": "subject"},
        "adapt": {"_target_": "corticode.adapt.full.Full", "temperature": False},
        "model": {
            "encoder": {"_target_": "corticode.encoder.csp.CSP", "n": 6},
            "head": {"_target_": "corticode.head.lda.LDA", "shrinkage": "auto"},
        },
        "data": {"_target_": "corticode.data.d.D", "seed": 0, "subjects": None},
        "choices": {"data": "d", "align": "none", "adapt": "full"},
    }
    for path, value in changes.items():
        *above, key = path.split("__")
        node = config
        for one in above:
            node = node[one]
        node[key] = value
    (Path(folder) / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def config():
    """Return the function that writes config.yaml into a run folder."""
    return make_config
